import { expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { JournalTable } from "../entities/system-tables.ts";
import { type Deliveries, defineApp, integer, type LiveCall, type PlayerOf, StaleWrite } from "../index.ts";
import type { Command } from "../rooms/calls.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { type Guest, TestGame } from "./helpers/game.ts";
import { at, holdCommits, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

const app = defineApp({
  name: "waiting",
  playersPerGroup: 2,
  group: { total: integer({ initial: 0 }), cleaned: integer({ initial: 0 }) },
});
type Player = PlayerOf<typeof app>;

/** What the next calls do. */
let stream: (player: Player, call: LiveCall) => AsyncGenerator<Deliveries | undefined, unknown>;
let once: (player: Player, call: LiveCall) => Promise<unknown>;
let doors: Map<string, { open(): void; opened: Promise<void> }>;

function door(name: string) {
  let found = doors.get(name);
  if (found === undefined) {
    const { promise, resolve } = Promise.withResolvers<void>();
    found = { open: resolve, opened: promise };
    doors.set(name, found);
  }
  return found;
}

/** As fetch with a signal that is aborted: rejects with its reason. */
function aborted({ signal }: LiveCall): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

const live = {
  async *stream(player: Player, _data: unknown, call: LiveCall) {
    return (yield* stream(player, call)) as Deliveries | undefined;
  },
  async once(player: Player, _data: unknown, call: LiveCall) {
    return (await once(player, call)) as undefined;
  },
  add(player: Player, { by }: { by: number }, call: LiveCall) {
    player.group.total += by;
    call.reply(player.group.total);
  },
};
app.page("Free", { live, timeLimit: 0.05 });
app.page("Serial", { live, concurrency: "serial", timeLimit: 0.2 });
app.page("Long", { live });
app.page("Last");

/** Two players on a page, and quick limits. */
async function group(
  page: "Free" | "Serial" | "Long" = "Long",
  more: Partial<Record<keyof typeof GAME_LIMITS, number>> = {},
) {
  doors = new Map();
  const limits = { ...GAME_LIMITS, callGrace: 30, ...more };
  const world = await sqlite.world([app.spec], { limits });
  const { people } = await world.session(["waiting"], 2);
  let actorId = 0;
  for (const person of people) actorId = await world.arrive(person);
  const first = ["Free", "Serial", "Long"].indexOf(page);
  for (let pageIndex = 1; pageIndex <= first; pageIndex++) {
    for (const person of people) await world.actors.call(actorId, submit(person.id as number, pageIndex));
  }
  const [one, two] = (await Promise.all(people.map((person) => world.connect(actorId, person.id as number)))) as [
    TestConnection,
    TestConnection,
  ];
  const row = async () => at(await world.store.read.rows(app.spec.group.table, { id: actorId }), 0);
  const kinds = async (participantId: number) =>
    (await world.store.read.rows(JournalTable, { actorId, participantId }))
      .map((entry) => entry.kind as string)
      .filter((kind) => ["started", "yield", "done", "message"].includes(kind));
  return { world, actorId, people, one, two, row, kinds, actor: world.actors.get(actorId) };
}

function submit(participantId: number, pageIndex: number): Command {
  return { kind: "submit", participantId, pageIndex, outbox: [], form: {} };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a serial call is exclusive: others wait in the mailbox, in order, until it ends", async () => {
  const { world, one, two, row, kinds } = await group("Serial");
  stream = async function* (player) {
    const before = player.group.total;
    await door("first").opened;
    player.group.total = before + 1;
    yield { 0: "half" };
    await door("second").opened;
    player.group.total = before + 2;
    return { 0: "whole" };
  };
  const call = one.post({ type: "stream" });
  const add = two.post({ type: "add", by: 10 });
  const next = one.post({ type: "add", by: 100 });
  await settle(world);
  expect([two.answerTo(add), one.answerTo(next)]).toEqual([undefined, undefined]);
  door("first").open();
  await two.until(() => two.received.length === 1);
  expect(two.answerTo(add)).toBeUndefined();
  expect(await row()).toMatchObject({ total: 1 });
  door("second").open();
  await one.until(() => one.answerTo(next) !== undefined);
  // Read, waited, written: nobody came between, so nothing was stale.
  expect(one.answerTo(call)?.e).toBeUndefined();
  expect(two.answerTo(add)?.v).toBe(12);
  expect(one.answerTo(next)?.v).toBe(112);
  expect(await kinds(one.participantId)).toEqual(["started", "yield", "done", "message"]);
  expect(two.received).toEqual(["half", "whole"]);
});

test("two serial calls run one after the other; the next begins when the first has ended", async () => {
  const { world, one, two, row } = await group("Serial");
  const began: number[] = [];
  once = async (player) => {
    began.push(player.idInGroup);
    const { total } = player.group;
    await door(`${player.idInGroup}`).opened;
    player.group.total = total + 1;
  };
  const a = one.post({ type: "once" });
  const b = two.post({ type: "once" });
  await settle(world);
  expect(began).toEqual([1]);
  door("2").open();
  door("1").open();
  await two.until(() => two.answerTo(b) !== undefined);
  expect([one.answerTo(a)?.e, two.answerTo(b)?.e]).toEqual([undefined, undefined]);
  expect(await row()).toMatchObject({ total: 2 });
});

test("while a serial call waits the mailbox still has its bound, and who comes beyond it is asked to come again", async () => {
  const { world, one, two } = await group("Serial", { mailbox: 3 });
  once = async () => {
    await door("end").opened;
  };
  const call = one.post({ type: "once" });
  await settle(world);
  const sent = [1, 2, 3, 4].map((by) => two.post({ type: "add", by }));
  expect(two.answerTo(sent[3] as number)?.e).toMatchObject({ code: "busy", retry: true });
  door("end").open();
  await two.until(() => two.answerTo(sent[2] as number) !== undefined);
  expect(two.answerTo(sent[2] as number)?.v).toBe(6);
  expect(one.answerTo(call)?.e).toBeUndefined();
});

test("a serial call that does not end holds the group no longer than its time limit and the grace time", async () => {
  const { one, two } = await group("Serial");
  once = () => new Promise(() => {});
  const call = one.post({ type: "once" });
  const add = await two.ask({ type: "add", by: 1 });
  expect(add.v).toBe(1);
  expect(one.answerTo(call)?.e).toMatchObject({ code: "time_limit", retry: false });
});

test("a serial call whose beginning the database refuses lets the others go on", async () => {
  const { world, one, two } = await group("Serial");
  const { commit } = world.store;
  world.store.commit = async (units) =>
    units.some(({ entry }) => entry.kind === "started")
      ? { result: "data", error: new Error("no") }
      : commit.call(world.store, units);
  once = async () => {};
  const call = one.post({ type: "once" });
  expect((await two.ask({ type: "add", by: 1 })).v).toBe(1);
  expect(one.answerTo(call)?.e).toMatchObject({ code: "failed" });
});

test("a unit of a serial call that the database refuses is the call's own matter; what waits goes on waiting", async () => {
  const { world, one, two, row } = await group("Serial");
  const { commit } = world.store;
  const caught: unknown[] = [];
  stream = async function* (player) {
    player.group.total = 666;
    try {
      yield { 0: "refused" };
    } catch (error) {
      caught.push(error);
    }
    await door("end").opened;
    player.group.total += 1;
  };
  world.store.commit = async (units) =>
    units.some(({ entry }) => entry.changes?.includes("666"))
      ? { result: "data", error: new Error("no") }
      : commit.call(world.store, units);
  const call = one.post({ type: "stream" });
  const add = two.post({ type: "add", by: 10 });
  await settle(world);
  expect(caught).toHaveLength(1);
  expect(two.answerTo(add)).toBeUndefined();
  door("end").open();
  await two.until(() => two.answerTo(add) !== undefined);
  expect(one.answerTo(call)?.e).toBeUndefined();
  expect(two.received).toEqual([]);
  expect(await row()).toMatchObject({ total: 11 });
});

test("the signal is aborted when the player leaves the page for good, and the group plays on", async () => {
  const { world, actorId, one, two, kinds } = await group();
  const seen: unknown[] = [];
  once = async (_player, call) => {
    expect(call.signal.aborted).toBe(false);
    await aborted(call).catch((error: unknown) => seen.push(error));
    throw seen[0];
  };
  one.post({ type: "once" });
  await settle(world);
  // Neither who loads the page again or loses the connection has left it, nor does it matter that another has.
  await world.view(actorId, one.participantId, 3);
  world.actors.get(actorId).gate.detach(one);
  expect(await world.actors.call(actorId, submit(two.participantId, 3))).toEqual({ kind: "goto", pageIndex: 4 });
  await settle(world);
  expect(seen).toEqual([]);
  const held = holdCommits(world.store);
  const left = world.actors.call(actorId, submit(one.participantId, 3));
  await pause(10);
  // Not before it is stored that they have.
  expect(seen).toEqual([]);
  held.release();
  await left;
  await settle(world);
  expect(seen).toEqual([expect.objectContaining({ code: "left" })]);
  expect(await kinds(one.participantId)).toEqual(["started", "done"]);
  expect(world.log.lines.map(({ level, fields }) => [level, fields?.why])).toEqual([["warn", "left"]]);
});

test("a call that does not heed the signal of a player who has left still does its work", async () => {
  const { world, actorId, one, row } = await group();
  once = async (player) => {
    await door("end").opened;
    player.group.total = 5;
  };
  one.post({ type: "once" });
  await settle(world);
  await world.actors.call(actorId, submit(one.participantId, 3));
  await pause(60);
  door("end").open();
  await settle(world);
  expect(await row()).toMatchObject({ total: 5 });
});

test("a call that is too long is told so by its signal, may end by itself, and that counts", async () => {
  const { one, row } = await group("Free");
  once = async (player, call) => {
    player.group.total = 3;
    await aborted(call).catch(({ code }) => call.reply({ cutAt: code }));
    return { 0: "partial" };
  };
  const answer = await one.ask({ type: "once" });
  expect(answer.e).toBeUndefined();
  expect(answer.v).toEqual({ cutAt: "time_limit" });
  expect(one.received).toEqual(["partial"]);
  expect(await row()).toMatchObject({ total: 3 });
});

test("an error behind the time limit is answered as the time limit, with the page and the seconds", async () => {
  const { world, one, row } = await group("Free");
  once = async (player, call) => {
    player.group.total = 3;
    await aborted(call).catch(() => {
      throw new Error("Request was aborted.");
    });
  };
  const { e } = await one.ask({ type: "once" });
  expect(e).toMatchObject({
    code: "time_limit",
    retry: false,
    message: "waiting/1/Free live took longer than 0.05 seconds and was ended. What it had yielded until then is kept.",
  });
  expect(await row()).toMatchObject({ total: 0 });
  expect(await one.ask({ type: "once" }, { n: 1 })).toMatchObject({ e });
  expect(world.log.lines).toMatchObject([{ level: "warn", fields: { why: "time_limit" } }]);
});

test("a generator that is too long is ended at its next yield: its finally blocks run, and may write and yield", async () => {
  const { one, row, kinds } = await group("Free");
  stream = async function* (player) {
    try {
      for (;;) {
        await pause(5);
        player.group.total += 1;
        yield { 0: "tick" };
      }
    } finally {
      player.group.cleaned += 1;
      yield { 0: "cleaning" };
      player.group.cleaned += 1;
    }
  };
  const { e } = await one.ask({ type: "stream" });
  expect(e).toMatchObject({ code: "time_limit" });
  const { total, cleaned } = await row();
  expect(cleaned).toBe(2);
  const ticks = one.received.filter((message) => message === "tick");
  expect(ticks).toHaveLength(total as number);
  expect(one.received.at(-1)).toBe("cleaning");
  expect((await kinds(one.participantId)).length).toBe(ticks.length + 3);
});

test("a generator that waits for ever is cut off; its finally blocks run when the wait ends, without effect", async () => {
  const { one, two, row } = await group("Free");
  const seen: unknown[] = [];
  stream = async function* (player) {
    player.group.total = 1;
    yield { 0: "kept" };
    player.group.total = 2;
    try {
      await door("late").opened;
      yield { 0: "late" };
    } finally {
      try {
        player.group.cleaned += 1;
      } catch (error) {
        seen.push(error);
      }
    }
  };
  const { e } = await one.ask({ type: "stream" });
  expect(e).toMatchObject({ code: "time_limit" });
  expect(await row()).toMatchObject({ total: 1, cleaned: 0 });
  expect((await two.ask({ type: "add", by: 1 })).v).toBe(2);
  door("late").open();
  await pause(5);
  expect(seen).toEqual([expect.objectContaining({ code: "view_ended" })]);
  expect(two.received).toEqual(["kept"]);
});

test("what an async function does after it was cut off has no effect", async () => {
  const { one, row } = await group("Free");
  const seen: unknown[] = [];
  once = async (player, call) => {
    player.group.total = 2;
    await door("late").opened;
    for (const use of [() => player.group.total, () => call.reply(1), () => call.outside("x", () => 1)]) {
      try {
        use();
      } catch (error) {
        seen.push((error as { code: string }).code);
      }
    }
    return { 0: "late" };
  };
  expect((await one.ask({ type: "once" })).e).toMatchObject({ code: "time_limit" });
  door("late").open();
  await pause(5);
  expect(seen).toEqual(["view_ended", "call_ended", "call_ended"]);
  expect(one.received).toEqual([]);
  expect(await row()).toMatchObject({ total: 0 });
});

test("a stale write is caught by its class, names the field, and reading again lets the next write succeed", async () => {
  const { world, one, two, row } = await group();
  const caught: StaleWrite[] = [];
  stream = async function* (player) {
    const { group: mine } = player;
    const before = mine.total;
    await door("one").opened;
    // At the assignment.
    try {
      mine.total = before + 1;
    } catch (error) {
      if (!(error instanceof StaleWrite)) throw error;
      caught.push(error);
      mine.total = mine.total + 1;
    }
    await door("two").opened;
    // At the yield.
    try {
      yield { 0: "not sent" };
    } catch (error) {
      if (!(error instanceof StaleWrite)) throw error;
      caught.push(error);
      mine.total = mine.total + 1;
      yield { 0: mine.total };
    }
  };
  const call = one.post({ type: "stream" });
  await settle(world);
  await two.ask({ type: "add", by: 10 });
  door("one").open();
  await settle(world);
  await two.ask({ type: "add", by: 100 });
  door("two").open();
  await one.until(() => one.answerTo(call) !== undefined);
  expect(caught.map(({ message }) => message)).toEqual([
    expect.stringContaining("waiting: Group.total"),
    expect.stringContaining("waiting: Group.total"),
  ]);
  expect(one.received).toEqual([111]);
  expect(await row()).toMatchObject({ total: 111 });
});

test("a stale write takes back the whole step: done again as a whole, nothing counts twice", async () => {
  const { world, one, two, row } = await group();
  let tries = 0;
  once = async (player) => {
    const { group: mine } = player;
    for (;;) {
      tries += 1;
      try {
        // Its own, and not stale; then one that is.
        mine.cleaned += 1;
        const { total } = mine;
        if (tries === 1) await door("wait").opened;
        mine.total = total + 1;
        return;
      } catch (error) {
        if (!(error instanceof StaleWrite)) throw error;
        expect(mine.cleaned).toBe(0);
      }
    }
  };
  const call = one.post({ type: "once" });
  await settle(world);
  await two.ask({ type: "add", by: 10 });
  door("wait").open();
  await one.until(() => one.answerTo(call) !== undefined);
  expect(one.answerTo(call)?.e).toBeUndefined();
  expect(tries).toBe(2);
  expect(await row()).toMatchObject({ total: 11, cleaned: 1 });
});

test("a field that the call has written itself before others changed it can be read again, too", async () => {
  const { world, one, two, row } = await group();
  const seen: number[] = [];
  once = async ({ group: mine }) => {
    mine.total += 1;
    await door("wait").opened;
    try {
      mine.total += 1;
    } catch {
      seen.push(mine.total);
      mine.total += 2;
    }
  };
  const call = one.post({ type: "once" });
  await settle(world);
  await two.ask({ type: "add", by: 10 });
  door("wait").open();
  await one.until(() => one.answerTo(call) !== undefined);
  expect(one.answerTo(call)?.e).toBeUndefined();
  expect(seen).toEqual([10]);
  expect(await row()).toMatchObject({ total: 12 });
});

test("a step of which only the stale assignment is done again is not stored by halves", async () => {
  const { world, one, two, row } = await group();
  once = async ({ group: mine }) => {
    mine.cleaned += 1;
    const { total } = mine;
    await door("wait").opened;
    try {
      mine.total = total + 1;
    } catch {
      mine.total = mine.total + 1;
    }
  };
  const call = one.post({ type: "once" });
  await settle(world);
  await two.ask({ type: "add", by: 10 });
  door("wait").open();
  await one.until(() => one.answerTo(call) !== undefined);
  const { e } = one.answerTo(call) ?? {};
  expect(e).toMatchObject({ code: "failed", message: expect.stringMatching(/Group\.cleaned .*left out/) });
  expect(await row()).toMatchObject({ total: 10, cleaned: 0 });
});

test("a server that stops ends its calls: who heeds the signal is stored, the others are answered interrupted", async () => {
  const { world, one, two, row, actor } = await group();
  stream = async function* (player, call) {
    player.group.total = 1;
    yield { 0: "kept" };
    await aborted(call).catch(() => {});
    player.group.total = 2;
    return { 0: "in time" };
  };
  once = () => new Promise(() => {});
  const heeding = one.post({ type: "stream" });
  const deaf = two.post({ type: "once" });
  await one.until(() => one.received.length === 1);
  await settle(world);
  await world.actors.finish(5_000);
  expect(one.answerTo(heeding)).toEqual({ c: one.clientId, n: heeding });
  expect(two.answerTo(deaf)?.e).toMatchObject({ code: "interrupted", retry: false });
  expect(await row()).toMatchObject({ total: 2 });
  expect(actor.calls.size).toBe(0);
  const next = await sqlite.restart(world, [app.spec]);
  const back = await next.connect(actor.actorId, two.participantId);
  expect((await back.ask({ type: "once" }, { c: two.clientId, n: deaf })).e).toMatchObject({ code: "interrupted" });
});

test("an orderly stop tells the clients of calls under way, over the network", async () => {
  doors = new Map();
  const game = await TestGame.start([app], { limits: { callGrace: 50 } });
  const [first] = (await game.guests(["waiting"], 2)) as [Guest];
  const one = await HeadlessParticipant.open(`${game.base}/live/${first.code}`);
  try {
    const signals: unknown[] = [];
    stream = async function* (_player, call) {
      yield { 0: "begun" };
      call.signal.addEventListener("abort", () => signals.push(call.signal.reason.code));
      await new Promise(() => {});
    };
    const answer = one.call("stream");
    await one.receive();
    const stopped = game.stop();
    await expect(answer).rejects.toMatchObject({ code: expect.stringMatching(/interrupted|time_limit/) });
    await stopped;
    expect(signals).toHaveLength(1);
  } finally {
    one.close();
  }
});

test("a group that another server takes over cancels what its calls wait for", async () => {
  const { actor, one, world } = await group();
  const seen: unknown[] = [];
  once = (_player, call) => aborted(call).catch((error: unknown) => seen.push(error));
  one.post({ type: "once" });
  await settle(world);
  actor.stale();
  await pause(1);
  expect(seen).toEqual([expect.objectContaining({ code: "interrupted" })]);
});

test.each<[object, RegExp]>([
  [{ live, concurrency: "exclusive" }, /concurrency is "exclusive".*give it "serial"/],
  [{ live, timeLimit: 0 }, /timeLimit is 0 .*give it seconds/],
  [{ live, timeLimit: "5" }, /timeLimit is .*give it seconds/],
  [{ live, timeLimit: Number.POSITIVE_INFINITY }, /give it seconds/],
  [{ concurrency: "serial" }, /has concurrency but no live method/],
  [{ timeLimit: 5 }, /has timeLimit, the time that an async function.*no live method.*timeoutSeconds/],
])("%j is refused where it is defined", (options, message) => {
  const define = () => defineApp({ name: "a" }).page("Play", options as never);
  expect(define).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }) as never);
});
