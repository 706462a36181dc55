import { expect, test } from "@jest/globals";
import { JournalTable } from "../entities/system-tables.ts";
import { defineApp, now, random } from "../index.ts";
import type { Command } from "../rooms/calls.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import type { Watchdog } from "../rooms/watchdog.ts";
import { app, calls, door, GO, groupRow, Item, openGroup, type Player, shutDoors } from "./helpers/slow-app.ts";
import { at, holdCommits, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();
const group = () => openGroup(sqlite);

test("an async function is one unit: the group sees and keeps nothing of it before its end", async () => {
  const { world, store, actorId, one, two } = await group();
  const n = one.post({ type: "once" });
  await settle(world);
  await two.ask({ type: "do", field: "other", add: 5 });
  expect(two.received).toEqual([{ total: 0, other: 5, moves: [], items: 0 }]);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 0, other: 5 });
  expect(one.answerTo(n)).toBeUndefined();
  door("once").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)).toEqual({ c: one.clientId, n });
  expect(two.received.at(-1)).toEqual([1, 6]);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 1, other: 6 });
});

test("a generator's yields are each committed, then delivered, and the group goes on meanwhile", async () => {
  const { world, store, actorId, one, two } = await group();
  calls(async function* (player) {
    for (const k of [1, 2]) {
      await door(`step ${k}`).opened;
      player.group.total += 10;
      Item.create({ player, value: k });
      yield { 0: `step ${k}` };
    }
    player.group.note = "end";
    return { [player.idInGroup]: "returned" };
  });
  const n = one.post(GO);
  await two.ask({ type: "do", add: 1 });
  const held = holdCommits(store);
  door("step 1").open();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(held.waiting).toBe(1);
  expect(two.received).toHaveLength(1);
  held.release();
  await two.until(() => two.received.length === 2);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 11, note: null, extraCount: 1 });
  await two.ask({ type: "do", add: 1 });
  expect(one.answerTo(n)).toBeUndefined();
  door("step 2").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(two.received.map((x) => (typeof x === "string" ? x : (x as { total: number }).total))).toEqual([
    1,
    "step 1",
    12,
    "step 2",
  ]);
  expect(one.received.at(-1)).toBe("returned");
  expect(one.frames.at(-1)).toEqual({ k: "answer", a: { c: one.clientId, n } });
  expect(await groupRow(store, actorId)).toMatchObject({ total: 22, note: "end", extraCount: 2 });
  const journal = await store.read.rows(JournalTable, { actorId, participantId: one.participantId });
  expect(journal.map((entry) => [entry.kind, entry.n])).toEqual([
    ["start", null],
    ["started", 1],
    ["yield", null],
    ["yield", null],
    ["done", -1],
  ]);
  expect(world.log.lines).toEqual([]);
});

test("two calls run side by side, and a call sees its own writes before the others do", async () => {
  const { one, two } = await group();
  calls(async function* (player) {
    const me = player.idInGroup;
    Item.create({ player, value: me });
    player.group.note = `by ${me}`;
    await door(`go ${me}`).opened;
    yield { [me]: [player.group.note, Item.filter({ group: player.group }).map((item) => item.value)] };
  });
  const a = one.post(GO);
  const b = two.post(GO);
  door("go 2").open();
  await two.until(() => two.answerTo(b) !== undefined);
  door("go 1").open();
  await one.until(() => one.answerTo(a) !== undefined);
  expect(two.received).toEqual([["by 2", [2]]]);
  // A blind write does not undo anything that this call has read.
  expect(one.received).toEqual([["by 1", [2, 1]]]);
});

test("a view that is used after its call has ended throws, in timers and in kept variables", async () => {
  const { one, two } = await group();
  let kept: Player | undefined;
  calls(async function* (player) {
    kept = player;
    yield { 0: [random() < 1, now() > 0] };
  });
  await one.ask(GO);
  const player = kept as Player;
  const ended = expect.objectContaining({ code: "view_ended" });
  for (const use of [
    () => player.group.total,
    () => {
      player.group.total = 5;
    },
    () => Item.create({ player, value: 1 }),
    () => Item.filter({ player }),
    () => player.idInGroup,
    () => player.participant,
  ]) {
    expect(use).toThrow(ended as never);
  }
  expect(() => now()).toThrow("outside");
  await two.ask({ type: "do", add: 1 });
  expect(two.received).toEqual([[true, true], { total: 1, other: 0, moves: [], items: 0 }]);
});

test("writes while a yield is being stored are an error, since no unit would hold them", async () => {
  const { world, store, actorId, one } = await group();
  let failure: unknown;
  let background: Promise<void> | undefined;
  calls(async function* (player) {
    player.group.total = 1;
    background = (async () => {
      await door("stored").opened;
      player.group.other = 5;
    })().catch((error: unknown) => {
      failure = error;
    });
    await door("go").opened;
    yield { 0: "one" };
    player.group.other = 7;
  });
  const n = one.post(GO);
  await settle(world);
  const held = holdCommits(store);
  door("go").open();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(held.waiting).toBe(1);
  door("stored").open();
  await background;
  held.release();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(failure).toMatchObject({ code: "unit_closed" });
  expect(await groupRow(store, actorId)).toMatchObject({ total: 1, other: 7 });
});

test("an error in the middle keeps what was yielded before, and the answer stays the same", async () => {
  const { world, store, actorId, people, one, two } = await group();
  calls(async function* (player) {
    player.group.total = 1;
    yield { 0: "kept" };
    player.group.total = 2;
    throw new Error("mistake");
  });
  const n = one.post(GO);
  await one.until(() => one.answerTo(n) !== undefined);
  const refused = one.answerTo(n);
  expect(refused?.e).toMatchObject({ code: "failed", retry: false, message: expect.stringContaining("mistake") });
  expect(two.received).toEqual(["kept"]);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 1 });
  expect(await one.ask(GO, { n })).toEqual(refused);
  world.actors.get(actorId).die();
  const back = await world.connect(actorId, at(people, 0).id as number);
  expect(await back.ask(GO, { c: one.clientId, n })).toEqual(refused);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 1 });
});

test.each<[string, () => unknown, RegExp]>([
  ["an unknown recipient", () => ({ 9: "x" }), /"9"/],
  ["something that is not deliveries", () => 5, /the number 5/],
  ["what is not JSON", () => ({ 0: 1n }), /BigInt/],
  ["a whole player", () => "player", /whole Player|the text/],
])("yielding %s is an error at that yield, and nothing of it is stored", async (_name, give, reason) => {
  const { store, actorId, one, two } = await group();
  const caught: unknown[] = [];
  calls(async function* (player) {
    player.group.total = 5;
    player.group.moves.push(1);
    Item.create({ player, value: 1 });
    try {
      const given = give();
      yield given === "player" ? { 0: player } : given;
    } catch (error) {
      caught.push(error);
    }
    return { 0: player.group.total };
  });
  await one.ask(GO);
  expect(String(caught[0])).toMatch(reason);
  expect(two.received).toEqual([0]);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 0, moves: "[]", extraCount: 0 });
});

test("a duplicate of a running call gets its answer when it is done, on every connection that asked", async () => {
  const { world, actorId, one } = await group();
  let runs = 0;
  calls(async function* () {
    runs++;
    await door("wait").opened;
    yield { 0: "x" };
  });
  const n = one.post(GO);
  await settle(world);
  const other = await world.connect(actorId, one.participantId);
  other.post(GO, { c: one.clientId, n });
  one.post(GO, { n });
  await settle(world);
  door("wait").open();
  await other.until(() => other.answerTo(n, one.clientId) !== undefined);
  await one.until(() => one.answerTo(n) !== undefined);
  expect(other.answerTo(n, one.clientId)).toEqual({ c: one.clientId, n });
  expect(await other.ask(GO, { c: one.clientId, n })).toEqual({ c: one.clientId, n });
  expect(runs).toBe(1);
  // Other data under its number is refused.
  const reused = other.post({ type: "once" }, { c: one.clientId, n });
  expect(reused).toBe(n);
  await other.until(() => other.frames.some((frame) => frame.k === "answer" && frame.a.e?.code === "number_reused"));
});

test("a call that is asked for in the very moment of its end is answered", async () => {
  const { world, store, one } = await group();
  calls(async function* () {
    await door("wait").opened;
    yield undefined;
  });
  const n = one.post(GO);
  await settle(world);
  // The journal's answer to the second question comes with the answer to the first.
  const read = store.read.message.bind(store.read);
  const send = one.send.bind(one);
  Object.assign(store.read, {
    message: async (...key: Parameters<typeof read>) => {
      const entry = await read(...key);
      if (key[2] < 0) return entry;
      door("wait").open();
      return new Promise((resolve) => {
        one.send = (frame) => {
          resolve(entry);
          send(frame);
        };
      });
    },
  });
  one.post(GO, { n });
  const answers = () => one.frames.filter((frame) => frame.k === "answer" && frame.a.n === n);
  await one.until(() => answers().length === 2);
  expect(answers()[1]).toEqual(answers()[0]);
});

test("a call that a crash has cut is answered interrupted and never run again; what it had yielded stays", async () => {
  const { world, store, actorId, people, one } = await group();
  let runs = 0;
  let undone = false;
  calls(async function* (player) {
    runs++;
    try {
      player.group.total = 1;
      yield { 0: "kept" };
      await door("wait").opened;
      player.group.total = 2;
      yield { 0: "lost" };
    } finally {
      undone = true;
    }
  });
  const n = one.post(GO);
  await one.until(() => one.received.length === 1);
  const old = world.actors.get(actorId);
  old.die();
  expect(one.closed).toBe(4010);
  const back = await world.connect(actorId, at(people, 0).id as number);
  expect(world.actors.get(actorId)).not.toBe(old);
  const answer = await back.ask(GO, { c: one.clientId, n });
  expect(answer.e).toMatchObject({ code: "interrupted", retry: false });
  door("wait").open();
  await settle(world);
  expect(undone).toBe(true);
  expect(old.asyncCalls.size).toBe(0);
  expect(await back.ask(GO, { c: one.clientId, n })).toEqual(answer);
  expect(runs).toBe(1);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 1 });
  expect(back.received).toEqual(["kept"]);
});

test("a full mailbox does not cut a running call", async () => {
  shutDoors();
  const limits = { ...GAME_LIMITS, mailbox: 3, uncommittedUnits: 2 };
  const stage = await seatedGroup(await sqlite.world([app.spec], { limits }), ["slow"], 2);
  const [one, two] = stage.players as [TestConnection, TestConnection];
  calls(async function* (player) {
    await door("wait").opened;
    player.group.other = 1;
    yield { 0: "through" };
  });
  const n = one.post(GO);
  await settle(stage.world);
  await two.ask({ type: "do", add: 1 });
  const held = holdCommits(stage.store);
  for (let i = 0; i < 10; i++) two.post({ type: "do", add: 1 });
  expect(two.answerTo(11)?.e).toMatchObject({ code: "busy", retry: true });
  door("wait").open();
  await new Promise((resolve) => setTimeout(resolve, 10));
  held.release();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)).toEqual({ c: one.clientId, n });
  expect(one.received.at(-1)).toBe("through");
});

test("deliveries of a call reach who is on the page in their turn, not at the yield", async () => {
  shutDoors();
  const limits = { ...GAME_LIMITS, uncommittedUnits: 1 };
  const stage = await seatedGroup(await sqlite.world([app.spec], { limits }), ["slow"], 2);
  const [one, two] = stage.players as [TestConnection, TestConnection];
  calls(async function* () {
    await door("wait").opened;
    yield { 0: "late" };
  });
  const n = one.post(GO);
  await one.ask({ type: "do" });
  const held = holdCommits(stage.store);
  one.post({ type: "do" });
  const participantId = two.participantId;
  const submitted = stage.world.actors.call(stage.actorId, {
    kind: "submit",
    participantId,
    pageIndex: 1,
    outbox: [],
    form: {},
  });
  door("wait").open();
  await new Promise((resolve) => setTimeout(resolve, 10));
  held.release();
  await submitted;
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.received.at(-1)).toBe("late");
  expect(two.received).not.toContain("late");
});

test("a call that its participant has left behind with its group still gives its answer, in the next group", async () => {
  const next = defineApp({ name: "next", playersPerGroup: 2 });
  next.page("Play", { live: () => ({ 0: "next" }) });
  shutDoors();
  const stage = await seatedGroup(await sqlite.world([app.spec, next.spec]), ["slow", "next"], 2);
  const [one] = stage.players as [TestConnection];
  calls(async function* (player) {
    await door("wait").opened;
    player.group.total = 1;
    yield undefined;
  });
  const n = one.post(GO);
  await settle(stage.world);
  const participantId = one.participantId;
  for (const pageIndex of [1, 2]) {
    const submit: Command = { kind: "submit", participantId, pageIndex, outbox: [], form: {} };
    expect(await stage.world.actors.call(stage.actorId, submit)).toEqual({ kind: "goto", pageIndex: pageIndex + 1 });
  }
  const place = await stage.store.read.whereabouts(at(stage.people, 0).code as string);
  const there = place?.actorId as number;
  await stage.world.view(there, participantId, 3);
  const later = await stage.world.connect(there, participantId);
  later.post(GO, { c: one.clientId, n, p: one.page });
  await later.ask("hello");
  expect(later.answerTo(n, one.clientId)).toBeUndefined();
  door("wait").open();
  await later.until(() => later.answerTo(n, one.clientId) !== undefined);
  expect(later.answerTo(n, one.clientId)).toEqual({ c: one.clientId, n });
  expect(await groupRow(stage.store, stage.actorId)).toMatchObject({ total: 1 });
});

test("a participant has only so many calls under way, and the others theirs", async () => {
  const { world, actorId, one, two } = await group();
  calls(async function* () {
    await door("wait").opened;
    yield { 0: "x" };
  });
  const limit = GAME_LIMITS.asyncCalls;
  for (let i = 0; i < limit; i++) one.post(GO);
  await settle(world);
  const refused = await one.ask(GO);
  expect(refused.e).toMatchObject({ code: "busy", retry: true });
  two.post(GO);
  await settle(world);
  expect([...world.actors.get(actorId).asyncCalls.values()]).toEqual([limit, 1]);
  door("wait").open();
  await one.until(() => one.answerTo(limit) !== undefined);
  await settle(world);
  one.frames.length = 0;
  expect(await one.ask(GO, { n: limit + 1 })).toEqual({ c: one.clientId, n: limit + 1 });
});

test("a call that holds the CPU before it waits is watched, at its beginning and after each yield", async () => {
  shutDoors();
  const watched: string[] = [];
  const watchdog: Watchdog = {
    watch(name, call) {
      watched.push(name);
      return call();
    },
    stop() {},
  };
  const stage = await seatedGroup(await sqlite.world([app.spec], { watchdog }), ["slow"], 2);
  watched.length = 0;
  calls(async function* () {
    yield { 0: 1 };
    yield { 0: 2 };
  });
  await at(stage.players, 0).ask(GO);
  expect(watched).toEqual(Array(4).fill("slow/1/Play live"));
});
