import { expect, test } from "@jest/globals";
import { FRAME_HEADER } from "../client-sdk/wire.ts";
import { JournalTable } from "../entities/system-tables.ts";
import { defineApp, integer, json } from "../index.ts";
import { encodeFrame } from "../rooms/frames.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { Reception } from "../rooms/reception.ts";
import type { Outcome, Turn } from "../rooms/turn.ts";
import { at, type Group, holdCommits, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

function makeApp(pages: readonly string[] = ["Play", "End"]) {
  const app = defineApp({
    name: "queue",
    playersPerGroup: 3,
    group: { order: json<(string | number)[]>({ initial: [] }), count: integer({ initial: 0 }) },
  });
  for (const page of pages) {
    app.page(page, {
      live(player, data: string | number) {
        player.group.count += 1;
        player.group.order = [...player.group.order.slice(-50), typeof data === "string" ? data.slice(0, 10) : data];
        return { 0: typeof data === "string" ? data.length : data };
      },
      beforeNextPage(player) {
        player.group.order.push(`left ${player.idInGroup}`);
      },
    });
  }
  return app;
}
const app = makeApp();

async function stage(limits: Partial<typeof GAME_LIMITS> | Record<string, number> = {}) {
  const group = await seatedGroup(
    await sqlite.world([app.spec], { limits: { ...GAME_LIMITS, ...limits } }),
    ["queue"],
    3,
  );
  const [one, two, three] = group.players as [TestConnection, TestConnection, TestConnection];
  const actor = group.world.actors.get(group.actorId);
  return { ...group, one, two, three, actor };
}

async function groupRow({ store, actorId }: Group) {
  const row = at(await store.read.rows(app.spec.group.table, { id: actorId }), 0);
  return { order: JSON.parse(row.order as string) as unknown[], count: row.count as number };
}

const pause = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));

test("messages and requests of a group are carried out one after the other, in the order in which they came", async () => {
  const s = await stage();
  const expected: unknown[] = [];
  // The first message of each page load waits for a read; what comes behind it waits too.
  for (let i = 1; i <= 5; i++) {
    for (const player of s.players) {
      player.post(i * 10 + player.participantId);
      expected.push(i * 10 + player.participantId);
    }
  }
  const participantId = s.one.participantId;
  const left = s.world.actors.call(s.actorId, { kind: "submit", participantId, pageIndex: 1, outbox: [], form: {} });
  // A request is in the mailbox a moment after it was made.
  await new Promise((resolve) => setImmediate(resolve));
  expected.push("left 1");
  s.two.post(99);
  expected.push(99);
  await left;
  await s.two.until(() => s.two.answerTo(6) !== undefined);
  expect((await groupRow(s)).order).toEqual(expected);
  expect(s.two.received).toEqual(expected.filter((x) => typeof x === "number"));
  const journal = await s.store.read.rows(JournalTable, { actorId: s.actorId });
  expect(journal.map((entry) => entry.seq)).toEqual(journal.map((_, i) => i + 1));
});

test("a group runs at most 64 units ahead of the database, then its mailbox waits", async () => {
  const s = await stage();
  await s.one.ask(0);
  const held = holdCommits(s.store);
  const before = s.actor.seq;
  for (let i = 1; i <= 200; i++) s.one.post(i);
  await pause();
  expect(s.actor.seq - before).toBe(64);
  expect(s.actor.settled).toBe(false);
  held.release();
  await s.one.until(() => s.one.answerTo(201) !== undefined);
  expect(s.one.received).toEqual(Array.from({ length: 201 }, (_, i) => i));
  expect((await groupRow(s)).count).toBe(201);
});

test("a group runs at most 1 MiB ahead of the database", async () => {
  const s = await stage();
  await s.one.ask(0);
  const held = holdCommits(s.store);
  const before = s.actor.seq;
  const text = "x".repeat(60_000);
  for (let i = 1; i <= 40; i++) s.one.post(text);
  await pause();
  expect(s.actor.seq - before).toBe(Math.ceil((1024 * 1024) / 60_002));
  held.release();
  await s.one.until(() => s.one.answerTo(41) !== undefined);
  expect((await groupRow(s)).count).toBe(41);
});

test("a full mailbox refuses for now, requests too, and what is sent again then is done once", async () => {
  const s = await stage({ mailbox: 10, uncommittedUnits: 5 });
  await s.one.ask(0);
  const held = holdCommits(s.store);
  for (let n = 2; n <= 31; n++) s.one.post(n, { n });
  const refused = Array.from({ length: 30 }, (_, i) => i + 2).filter((n) => s.one.answerTo(n)?.e?.code === "busy");
  expect(refused).toEqual(Array.from({ length: 15 }, (_, i) => i + 17));
  expect(s.one.answerTo(17)?.e).toMatchObject({ retry: true });
  expect(await s.world.view(s.actorId, s.two.participantId)).toMatchObject({
    kind: "refused",
    code: "busy",
    retry: true,
  });
  held.release();
  await s.one.until(() => s.one.answerTo(16) !== undefined);
  const again = await s.world.connect(s.actorId, s.one.participantId, { seen: s.actor.seq });
  for (let n = 15; n <= 31; n++) {
    while ((await again.ask(n, { c: s.one.clientId, n })).e?.retry) again.frames.length = 0;
  }
  expect(again.received).toEqual(Array.from({ length: 15 }, (_, i) => i + 17));
  expect((await groupRow(s)).count).toBe(31);
});

test("a group that nobody uses leaves memory, and its next request loads it from the database", async () => {
  const s = await stage();
  await s.one.ask(1);
  const { actors } = s.world;
  // Sockets, work under way and recent use keep it.
  actors.evict(0);
  expect(s.actor.dead).toBe(false);
  for (const player of s.players) s.actor.gate.detach(player);
  actors.evict(60_000);
  expect(s.actor.dead).toBe(false);
  const held = holdCommits(s.store);
  s.two.post(2);
  await pause();
  actors.evict(0);
  expect(s.actor.dead).toBe(false);
  held.release();
  await settle(s.world);
  actors.evict(0);
  expect(s.actor.dead).toBe(true);
  expect(actors.size).toBe(0);
  expect(await s.world.view(s.actorId, s.three.participantId)).toMatchObject({ kind: "page" });
  expect(actors.get(s.actorId)).not.toBe(s.actor);
  const back = await s.world.connect(s.actorId, s.three.participantId);
  await back.ask(3);
  expect(await groupRow(s)).toEqual({ order: [1, 2, 3], count: 3 });
});

test("what comes while a group is being loaded waits for it", async () => {
  const s = await stage();
  s.actor.die();
  const participantId = s.one.participantId;
  const replies = await Promise.all([
    s.world.view(s.actorId, participantId),
    s.world.actors.call(s.actorId, { kind: "whereabouts", participantId }),
    s.world.actors.call(s.actorId, { kind: "submit", participantId, pageIndex: 1, outbox: [], form: {} }),
    s.world.view(s.actorId, participantId),
  ]);
  expect(replies.map((reply) => reply.kind)).toEqual(["page", "at", "goto", "goto"]);
  expect(s.world.actors.size).toBe(1);
});

test("a group whose app or page is gone, or that never was: a clear error that is not tried again", async () => {
  const s = await stage();
  const participantId = s.one.participantId;
  const quiet = await sqlite.restart(s.world, [makeApp(["Start", "End"]).spec]);
  expect(await quiet.view(s.actorId, participantId)).toMatchObject({
    kind: "refused",
    code: "page_gone",
    retry: false,
    message: expect.stringContaining('App queue has no page "Play" any more'),
  });
  const other = defineApp({ name: "other" });
  other.page("Play", {});
  const without = await sqlite.restart(quiet, [other.spec]);
  expect(await without.view(s.actorId, participantId)).toMatchObject({
    kind: "refused",
    code: "no_such_app",
    retry: false,
    message: expect.stringContaining('"queue"'),
  });
  expect(await without.view(4711, participantId)).toMatchObject({
    kind: "refused",
    code: "no_such_group",
    retry: false,
  });
  expect(without.actors.size).toBe(0);
  // And with the app back, the group is as it was.
  const whole = await sqlite.restart(without, [app.spec]);
  expect(await whole.view(s.actorId, participantId)).toMatchObject({ kind: "page" });
});

test("a group that could not be loaded is tried again with the next request", async () => {
  const s = await stage();
  s.actor.die();
  const { group } = s.store.read;
  let failures = 1;
  Object.assign(s.store.read, {
    group: async (...query: Parameters<typeof group>) => {
      if (failures-- > 0) throw new Error("disk on fire");
      return group(...query);
    },
  });
  const participantId = s.one.participantId;
  const replies = await Promise.all([s.world.view(s.actorId, participantId), s.world.view(s.actorId, participantId)]);
  for (const reply of replies) expect(reply).toMatchObject({ kind: "refused", code: "not_loaded", retry: true });
  expect(await s.world.view(s.actorId, participantId)).toMatchObject({ kind: "page" });
  expect(s.world.log.lines.map((line) => line.message)).toEqual(["a group could not be loaded"]);
});

test("a group that ends while it is being loaded takes nothing over", async () => {
  const s = await stage();
  await settle(s.world);
  s.actor.die();
  const fresh = s.world.actors.get(s.actorId);
  const loading = fresh.load();
  fresh.die();
  await expect(loading).rejects.toMatchObject({ code: "moved" });
  await settle(s.world);
  const newest = await s.store.read.newestSeqs([s.actorId]);
  expect(newest.get(s.actorId)).toBe(s.actor.seq);
});

test("a turn that breaks ends its group's actor, and nothing else", async () => {
  const s = await stage();
  const { people } = await s.world.session(["queue"], 3);
  const otherId = await s.world.arrive(at(people, 0));
  const other = await s.world.connect(otherId, at(people, 0).id as number);
  let failed: unknown;
  const broken: Turn = {
    bytes: 0,
    run(): Outcome {
      throw new Error("a bug");
    },
    fail(error) {
      failed = error;
    },
  };
  s.actor.post(broken);
  expect(failed).toMatchObject({ code: "internal", retry: false });
  expect(s.actor.dead).toBe(true);
  expect(s.one.closed).toBe(4010);
  expect(s.world.log.lines).toMatchObject([{ level: "error", message: "a turn broke", fields: { error: "a bug" } }]);
  await other.ask(1);
  const back = await s.world.connect(s.actorId, s.one.participantId);
  await back.ask(2);
  expect((await groupRow(s)).order).toEqual([2]);
});

test("turns that run again come before one that was reading, whether it could read or not", async () => {
  const s = await stage();
  await s.one.ask(0);
  const { commit } = s.store;
  const { lastNumber } = s.store.read;
  for (const fails of [false, true]) {
    let finish = () => {};
    Object.assign(s.store.read, {
      lastNumber: async (...query: Parameters<typeof lastNumber>) => {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        if (fails) throw new Error("disk on fire");
        return lastNumber(...query);
      },
    });
    s.store.commit = async (units) => {
      await pause(5);
      const bad = units.some(({ entry }) => entry.kind === "message" && entry.input === "666");
      return bad ? { result: "data", error: new Error("no") } : commit.call(s.store, units);
    };
    const bad = s.one.post(666);
    const follower = s.one.post(1);
    const fresh = await s.world.connect(s.actorId, s.two.participantId, { seen: s.actor.seq });
    const n = fresh.post(2);
    await pause(60);
    finish();
    await s.one.until(() => s.one.answerTo(follower) !== undefined);
    await fresh.until(() => fresh.answerTo(n) !== undefined);
    expect(s.one.answerTo(bad)?.e).toMatchObject({ code: "failed" });
    expect(s.one.answerTo(follower)?.e).toBeUndefined();
    expect(fresh.answerTo(n)?.e?.code).toBe(fails ? "halted" : undefined);
    s.store.commit = commit;
    Object.assign(s.store.read, { lastNumber });
  }
  expect((await groupRow(s)).order).toEqual([0, 1, 2, 1]);
});

test.each(["done", "stale", "data"] as const)(
  "an actor that ends with a unit in flight, which is then %s, leaves a group that can be played",
  async (result) => {
    const s = await stage();
    await s.one.ask(1);
    const { commit } = s.store;
    let answer: () => void = () => {};
    let first = true;
    s.store.commit = async (units) => {
      if (!first) return commit.call(s.store, units);
      first = false;
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      if (result === "stale") return { result, actorIds: [s.actorId] };
      if (result === "data") return { result, error: new Error("no") };
      return commit.call(s.store, units);
    };
    s.one.post(2);
    await pause(5);
    s.actor.die();
    const successor = s.world.actors.get(s.actorId);
    await successor.load();
    const shown = s.world.view(s.actorId, s.two.participantId);
    await pause(5);
    answer();
    expect(await shown).toMatchObject({ kind: "page" });
    const back = await s.world.connect(s.actorId, s.two.participantId, { seen: 0 });
    await back.ask(3);
    expect((await groupRow(s)).order).toEqual(result === "done" ? [1, 2, 3] : [1, 3]);
  },
);

test("an actor whose group another server has taken over ends, when it looks or when it commits", async () => {
  const s = await stage();
  await s.one.ask(1);
  await s.world.actors.checkOwnership();
  expect(s.actor.dead).toBe(false);
  const [last] = (await s.store.read.journal(s.actorId, 0, 10)).slice(-1);
  if (last === undefined) throw new Error("no entry");
  const theirs = {
    ...last,
    seq: s.actor.seq + 1,
    kind: "loaded" as const,
    clientId: null,
    n: null,
    writer: "another",
    batch: "b",
  };
  expect(await s.store.commit([{ entry: theirs, changes: [] }])).toEqual({ result: "done" });
  await s.world.actors.checkOwnership();
  expect(s.actor.dead).toBe(true);
  expect([s.one.closed, s.two.closed]).toEqual([4010, 4010]);
});

test("a page that says hello after its participant has moved to another group is told to load again", async () => {
  const first = makeApp(["Play"]);
  const second = defineApp({ name: "second", playersPerGroup: 3 });
  second.page("Play", {});
  const s = await seatedGroup(await sqlite.world([first.spec, second.spec]), ["queue", "second"], 3);
  const participantId = at(s.people, 0).id as number;
  const reception = new Reception(s.world.actors, s.actorId);
  const frames: unknown[] = [];
  const carrier = {
    send: (bytes: Uint8Array) => void frames.push(JSON.parse(Buffer.from(bytes).toString())),
    buffered: 0,
    close: () => {},
  };
  const seated = await reception.seat({ sessionId: "s", participantId, pageIndex: 1, page: "queue/1/Play" }, carrier);
  const submit = { kind: "submit" as const, participantId, pageIndex: 1, outbox: [], form: {} };
  s.world.actors.get(s.actorId).gate.detach(seated.connection);
  expect(await s.world.actors.call(s.actorId, submit)).toEqual({ kind: "goto", pageIndex: 2 });
  const late = await reception.seat({ sessionId: "t", participantId, pageIndex: 1, page: "queue/1/Play" }, carrier);
  const hello = { k: "hello", v: 1, c: "clientclient", s: 0 };
  reception.receive(late, encodeFrame(JSON.stringify(hello)).subarray(FRAME_HEADER.length));
  await pause(5);
  expect(frames).toEqual([{ k: "reload", why: "moved_on" }]);
});
