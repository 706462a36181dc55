import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Delivery, ServerFrame } from "../client-sdk/protocol.ts";
import { ELSEWHERE, type JournalEntry } from "../entities/store.ts";
import { defineApp } from "../index.ts";
import { type Outgoing, outputOf, outputToJson } from "../rooms/deliveries.ts";
import { type Connection, GATE_LIMITS, Gate, type GateLimits } from "../rooms/gate.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { holdCommits, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import { TestConnection, type TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

/** A message says who gets what; nothing else happens. */
const app = defineApp({ name: "post", playersPerGroup: 2 });
app.page("Talk", { live: (_player, data: { [id: number]: unknown }) => data });
app.page("Other", { live: (_player, data: { [id: number]: unknown }) => data });

async function stage(gate: Partial<GateLimits> = {}) {
  const group = await seatedGroup(await sqlite.world([app.spec], { limits: { ...GAME_LIMITS, gate } }), ["post"], 2);
  const [one, two] = group.players as [TestConnection, TestConnection];
  return { ...group, one, two };
}

function deliveries(connection: TestConnection): Delivery[] {
  return connection.frames.filter((frame) => frame.k === "recv");
}

/** Each delivery names the one before it, beginning with what the page had seen. */
function expectChain(connection: TestConnection, seen: number): void {
  let last = seen;
  for (const { s, p } of deliveries(connection)) {
    expect(p).toBe(last);
    expect(s).toBeGreaterThan(last);
    last = s;
  }
}

/** The newest delivery that a page has handled. */
function lastSeen(connection: TestConnection): number {
  return deliveries(connection).at(-1)?.s ?? 0;
}

async function say(connection: TestConnection, ...texts: string[]): Promise<void> {
  for (const text of texts) await connection.ask({ 0: text });
}

/** Everything that was delivered is more than memory keeps. */
const SMALL: Partial<GateLimits> = { recentEntries: 2, chunk: 3 };

test.each<[string, Partial<GateLimits>]>([
  ["from memory", {}],
  ["from the journal", SMALL],
])("a page that comes back gets what it missed, %s, without a hole and nothing twice", async (_name, limits) => {
  const { world, actorId, one, two } = await stage(limits);
  const reads: number[] = [];
  const journal = world.store.read.journal.bind(world.store.read);
  Object.assign(world.store.read, {
    journal: (...query: Parameters<typeof journal>) => {
      reads.push(query[1]);
      return journal(...query);
    },
  });
  await say(one, "a", "b");
  const seen = lastSeen(two);
  world.actors.get(actorId).gate.detach(two);
  for (let i = 1; i <= 10; i++) await one.ask(i % 3 === 0 ? { 1: "not for two" } : { 0: `missed ${i}` });
  const back = await world.connect(actorId, two.participantId, { seen });
  await say(one, "new");
  expect(back.received).toEqual([1, 2, 4, 5, 7, 8, 10].map((i) => `missed ${i}`).concat("new"));
  expectChain(back, seen);
  expect(back.frames.filter((frame) => frame.k !== "recv").map((frame) => frame.k)).toEqual(["welcome"]);
  expect(reads.length > 0).toBe(limits === SMALL);
});

test("a page comes back to a group that has been loaded again, and misses nothing", async () => {
  const { world, actorId, one, two } = await stage();
  await say(one, "a", "b", "c");
  const seen = deliveries(two)[0]?.s as number;
  world.actors.get(actorId).die();
  expect([one.closed, two.closed]).toEqual([4010, 4010]);
  const back = await world.connect(actorId, two.participantId, { seen });
  const other = await world.connect(actorId, one.participantId, { seen: lastSeen(one) });
  await say(other, "d");
  expect(back.received).toEqual(["b", "c", "d"]);
  expectChain(back, seen);
  expect(other.received).toEqual(["d"]);
});

test("what is delivered while the journal is being read comes behind it, once", async () => {
  const { world, store, actorId, one, two } = await stage(SMALL);
  await say(one, "a", "b", "c", "d", "e", "f", "g");
  world.actors.get(actorId).gate.detach(two);
  const { journal } = store.read;
  let reads = 0;
  Object.assign(store.read, {
    journal: async (...query: Parameters<typeof journal>) => {
      reads++;
      // Once the journal has it already when it is delivered, once it has not.
      if (reads === 1) await say(one, "in the journal");
      const entries = await journal.call(store.read, ...query);
      if (reads === 2) await say(one, "behind the journal");
      return entries;
    },
  });
  const back = await world.connect(actorId, two.participantId, { seen: 0 });
  await say(one, "new");
  expect(back.received).toEqual(["a", "b", "c", "d", "e", "f", "g", "in the journal", "behind the journal", "new"]);
  expectChain(back, 0);
});

test("what the journal has, but the actor has not let out yet, comes once", async () => {
  const { world, store, actorId, one, two } = await stage(SMALL);
  await say(one, "a", "b", "c", "d");
  world.actors.get(actorId).gate.detach(two);
  // Stored, and the answer of the database is on its way.
  const commit = store.commit.bind(store);
  let arrive: () => void = () => {};
  store.commit = async (units) => {
    const outcome = await commit(units);
    await new Promise<void>((resolve) => {
      arrive = resolve;
    });
    return outcome;
  };
  const n = one.post({ 0: "stored" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const back = await world.connect(actorId, two.participantId, { seen: 0 });
  store.commit = commit;
  arrive();
  await one.until(() => one.answerTo(n) !== undefined);
  await say(one, "new");
  expect(back.received).toEqual(["a", "b", "c", "d", "stored", "new"]);
  expectChain(back, 0);
});

test.each<[string, Partial<GateLimits>, (i: number) => string, number, boolean]>([
  ["as many entries as are allowed", { catchUpEntries: 20 }, String, 20, false],
  ["one entry too many", { catchUpEntries: 20 }, String, 21, true],
  ["as many bytes as are allowed", { catchUpBytes: 800 }, () => "x".repeat(98), 8, false],
  ["a few bytes too many", { catchUpBytes: 799 }, () => "x".repeat(98), 8, true],
])("a page that missed %s is caught up or told to load again", async (_name, limits, text, count, tooFar) => {
  const { world, actorId, one, two } = await stage({ ...SMALL, ...limits });
  world.actors.get(actorId).gate.detach(two);
  for (let i = 0; i < count; i++) one.post({ 0: text(i) });
  await one.until(() => one.answerTo(count) !== undefined);
  const back = await world.connect(actorId, two.participantId, { seen: 0 });
  if (tooFar) {
    expect(back.frames).toEqual([{ k: "reload", why: "too_far_behind" }]);
    // It gets nothing more, whatever it does, and nothing is kept for it.
    await say(one, "new");
    expect(back.frames).toHaveLength(1);
  } else {
    expect(back.received).toHaveLength(count);
    expect(back.frames.at(-1)?.k).toBe("welcome");
  }
  expect(GATE_LIMITS).toMatchObject({ catchUpEntries: 1000, catchUpBytes: 1024 * 1024, buffered: 1024 * 1024 });
});

test("a page with history gets all of it, however long: a reload would only ask for it again", async () => {
  const { world, actorId, one, two } = await stage({ ...SMALL, catchUpEntries: 20, catchUpBytes: 500 });
  const texts = Array.from({ length: 30 }, (_, i) => `${i} ${"x".repeat(20)}`);
  for (const text of texts) one.post({ 0: text });
  await one.until(() => one.answerTo(30) !== undefined);
  const back = await world.connect(actorId, two.participantId, { seen: lastSeen(two), history: true });
  expect(back.received).toEqual(texts);
  expectChain(back, 0);
});

test("a page that has seen more than the database holds is told to load again", async () => {
  const { world, actorId, two } = await stage();
  const back = await world.connect(actorId, two.participantId, { seen: 1_000_000 });
  expect(back.frames).toEqual([{ k: "reload", why: "too_far_behind" }]);
});

test("nothing is delivered before it is stored, nor caught up", async () => {
  const { world, store, actorId, one, two } = await stage();
  await say(one, "a");
  const held = holdCommits(store);
  one.post({ 0: "b" });
  await new Promise((resolve) => setTimeout(resolve, 10));
  const back = await world.connect(actorId, two.participantId, { seen: lastSeen(two) });
  expect([one.received, two.received, back.received]).toEqual([["a"], ["a"], []]);
  held.release();
  await back.until(() => back.received.length > 0);
  expect(back.received).toEqual(["b"]);
});

test("a socket that does not take what it is sent is closed with the retry code, and the others are not held up", async () => {
  const { world, actorId, one, two } = await stage();
  await say(one, "a");
  two.buffered = GATE_LIMITS.buffered + 1;
  await say(one, "b", "c");
  expect(two.closed).toBe(4010);
  expect(two.received).toEqual(["a"]);
  expect(one.received).toEqual(["a", "b", "c"]);
  const back = await world.connect(actorId, two.participantId, { seen: lastSeen(two) });
  expect(back.received).toEqual(["b", "c"]);
});

/** Attaches a connection whose hello is not waited for. */
function come(world: TestWorld, actorId: number, participantId: number) {
  const actor = world.actors.get(actorId);
  const connection = new TestConnection(actor, participantId, actor.pageOf(participantId) as string);
  actor.gate.attach(connection, actor.memory.playerOf(participantId)?.values.idInGroup as number);
  return connection;
}

test("catching up waits for a slow socket, in order with what comes meanwhile", async () => {
  const { world, actorId, one, two } = await stage(SMALL);
  await say(one, "a", "b", "c", "d", "e");
  const { gate } = world.actors.get(actorId);
  gate.detach(two);
  const back = come(world, actorId, two.participantId);
  back.buffered = GATE_LIMITS.pace + 1;
  const caughtUp = gate.hello(back, 0, false);
  await say(one, "f", "g");
  expect(back.received).toEqual([]);
  back.buffered = 0;
  await caughtUp;
  await say(one, "h");
  expect(back.received).toEqual(["a", "b", "c", "d", "e", "f", "g", "h"]);
  expectChain(back, 0);
});

test("a socket that stands still while it is caught up is closed before too much is kept for it", async () => {
  const { world, actorId, one, two } = await stage({ ...SMALL, buffered: 500 });
  await say(one, "a", "b", "c", "d", "e");
  const { gate } = world.actors.get(actorId);
  gate.detach(two);
  const back = come(world, actorId, two.participantId);
  back.buffered = GATE_LIMITS.pace + 1;
  const caughtUp = gate.hello(back, 0, false);
  await say(one, ...Array.from({ length: 8 }, () => "x".repeat(100)));
  expect(back.closed).toBe(4010);
  await caughtUp;
  expect(back.frames).toEqual([]);
  expect(gate.size).toBe(1);
});

test("who sits down with an actor that has ended is sent to the next one", async () => {
  const { world, actorId, one } = await stage();
  const actor = world.actors.get(actorId);
  actor.die();
  const late = new TestConnection(actor, one.participantId, "post/1/Talk");
  actor.gate.attach(late, 1);
  expect(late.closed).toBe(4010);
});

test("deliveries of a page are not caught up on another page", async () => {
  const { world, actorId, people, one, two } = await stage();
  await say(one, "talk");
  for (const person of people) {
    const participantId = person.id as number;
    await world.actors.call(actorId, { kind: "submit", participantId, pageIndex: 1, outbox: [], form: {} });
  }
  await settle(world);
  const [a, b] = [await world.connect(actorId, one.participantId), await world.connect(actorId, two.participantId)];
  await say(a, "other");
  expect([a.received, b.received]).toEqual([["other"], ["other"]]);
});

// ---- the gate alone, under every order of events ----

const PLAYERS = 2;
const PAGES = ["g/1/A", "g/1/B"];

/** One page of a player, over all of its connections: what a browser's script does. */
class Page {
  readonly player: number;
  readonly page: string;
  /** From its rendering on. */
  readonly since: number;
  readonly got: number[] = [];
  seen: number;
  reloaded = false;
  connection: Socket | undefined;

  constructor(player: number, page: string, since: number) {
    this.player = player;
    this.page = page;
    this.since = since;
    this.seen = since;
  }
}

class Socket implements Connection {
  readonly participantId: number;
  readonly pageIndex = 1;
  readonly page: string;
  readonly #of: Page;
  buffered = 0;
  closed = false;
  welcomed = false;

  constructor(of: Page) {
    this.#of = of;
    this.participantId = of.player;
    this.page = of.page;
  }

  send(bytes: Uint8Array): void {
    if (this.closed) throw new Error("sent to a closed socket");
    const frame = JSON.parse(Buffer.from(bytes).toString()) as ServerFrame;
    const page = this.#of;
    if (frame.k === "welcome") this.welcomed = true;
    if (frame.k === "reload") page.reloaded = true;
    if (frame.k !== "recv") return;
    // Strictly: no hole, no repetition, not after a reload, only what was meant.
    if (frame.p !== page.seen || frame.s <= page.seen || page.reloaded) {
      throw new Error(`page at ${page.seen} got ${frame.s} after ${frame.p}`);
    }
    page.seen = frame.s;
    for (const message of frame.m) {
      if (Math.floor(Number(message)) !== frame.s) throw new Error("another message");
      page.got.push(Number(message));
    }
  }

  close(): void {
    this.closed = true;
  }
}

type Op =
  /** A unit of a page, with any number of messages to players on any pages. */
  | { op: "commit"; page: number; sends: { page: number; to: number[] }[] }
  | { op: "deliver"; after: number }
  | { op: "open"; player: number; page: number }
  | { op: "hello"; which: number }
  | { op: "detach"; which: number }
  | { op: "read"; which: number }
  | { op: "stall"; which: number; buffered: number }
  | { op: "sleep" };

const index = fc.nat({ max: 20 });
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("commit" as const),
      page: fc.nat({ max: 1 }),
      sends: fc.array(fc.record({ page: fc.nat({ max: 1 }), to: fc.subarray([1, 2], { minLength: 1 }) }), {
        maxLength: 3,
      }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ op: fc.constant("deliver" as const), after: fc.nat({ max: 12 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("open" as const),
      player: fc.integer({ min: 1, max: PLAYERS }),
      page: fc.nat({ max: 1 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("hello" as const), which: index }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("detach" as const), which: index }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("read" as const), which: index }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("stall" as const), which: index, buffered: fc.constantFrom(0, 50, 1000) }),
  },
  { weight: 1, arbitrary: fc.constant({ op: "sleep" as const }) },
);

/** A gate with a journal that answers when it is told to. */
function simulate() {
  const journal: JournalEntry[] = [];
  /** Committed, not yet let out. */
  const waiting: { seq: number; outgoing: Outgoing[] }[] = [];
  const reads: (() => void)[] = [];
  const sleeps: (() => void)[] = [];
  const pages: Page[] = [];
  const failures: unknown[] = [];
  const facts = { reloads: 0, drops: 0, fromJournal: 0 };
  let seq = 0;
  let out = 0;
  const limits = {
    recentEntries: 3,
    recentBytes: 40,
    catchUpEntries: 6,
    catchUpBytes: 12,
    chunk: 4,
    pace: 20,
    buffered: 500,
  };
  const gate = new Gate(
    {
      encode: (json) => Buffer.from(json),
      readJournal: (after, limit, page) =>
        new Promise((resolve) => {
          reads.push(() => {
            facts.fromJournal++;
            resolve(
              journal
                .filter(({ seq, output }) => seq > after && output !== null)
                .filter(({ page: own, output }) => own === page || output?.startsWith(ELSEWHERE))
                .slice(0, limit),
            );
          });
        }),
      now: () => 0,
      sleep: () => new Promise((resolve) => sleeps.push(resolve)),
      limits,
    },
    0,
  );

  function guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      failures.push(error);
    }
  }
  function letOut(): void {
    const next = waiting.shift();
    if (next === undefined) return;
    out = next.seq;
    guarded(() => {
      gate.committed(next.seq);
      if (next.outgoing.length > 0) gate.deliver(next.seq, next.outgoing);
    });
  }
  function hello(page: Page): void {
    if (page.reloaded || page.connection?.closed === false) return;
    const socket = new Socket(page);
    page.connection = socket;
    gate.attach(socket, page.player);
    gate.hello(socket, page.seen, false).catch((error: unknown) => failures.push(error));
  }
  function detach(page: Page): void {
    if (page.connection === undefined || page.connection.closed) return;
    gate.detach(page.connection);
    page.connection.closed = true;
  }
  const some = <T>(list: T[], which: number): T | undefined => list[which % Math.max(1, list.length)];

  async function run(step: Op): Promise<void> {
    switch (step.op) {
      case "commit": {
        seq++;
        const page = PAGES[step.page] as string;
        const outgoing = step.sends.map((one, i) => ({
          to: one.to,
          page: PAGES[one.page] as string,
          text: `${seq}.${i + 1}`,
        }));
        journal.push({ seq, page, output: outputToJson(outgoing, page) } as JournalEntry);
        waiting.push({ seq, outgoing });
        break;
      }
      case "deliver":
        // In the middle of what others do, too.
        for (let i = 0; i < step.after; i++) await null;
        letOut();
        break;
      case "open":
        // Rendered from what has been let out, so that it is stored.
        pages.push(new Page(step.player, PAGES[step.page] as string, out));
        break;
      case "hello": {
        const page = some(pages, step.which);
        if (page !== undefined) hello(page);
        break;
      }
      case "detach": {
        const page = some(pages, step.which);
        if (page !== undefined) detach(page);
        break;
      }
      case "read":
        reads.splice(step.which % Math.max(1, reads.length), 1)[0]?.();
        break;
      case "stall": {
        const socket = some(pages, step.which)?.connection;
        if (socket !== undefined) socket.buffered = step.buffered;
        break;
      }
      case "sleep":
        for (const wake of sleeps.splice(0)) wake();
        break;
    }
  }

  /** The network heals: everything goes out, every page comes back. */
  async function finish(): Promise<void> {
    while (waiting.length > 0) letOut();
    for (let round = 0; round < 100; round++) {
      for (const page of pages) {
        if (page.connection !== undefined) page.connection.buffered = 0;
        hello(page);
      }
      for (const read of reads.splice(0)) read();
      for (const wake of sleeps.splice(0)) wake();
      await new Promise((resolve) => setImmediate(resolve));
      if (reads.length === 0 && pages.every((page) => page.reloaded || page.connection?.welcomed)) break;
    }
    facts.reloads = pages.filter((page) => page.reloaded).length;
  }

  function check(): void {
    expect(failures).toEqual([]);
    for (const page of pages) {
      const meant = journal
        .filter((entry) => entry.seq > page.since)
        .flatMap(outputOf)
        .filter((one) => one.page === page.page && one.to.includes(page.player))
        .map(({ text }) => Number(text));
      // Told to load again, a page has all up to some point; else it has all.
      expect(page.got).toEqual(page.reloaded ? meant.slice(0, page.got.length) : meant);
    }
  }
  return { run, finish, check, facts };
}

test("whatever comes, goes and stalls, each page gets each of its deliveries once, in order, or is told to load again", async () => {
  const sum = { reloads: 0, fromJournal: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(op, fc.boolean()), { minLength: 20, maxLength: 120, size: "max" }),
      async (ops) => {
        const world = simulate();
        for (const [step, alone] of ops) {
          const ran = world.run(step);
          // Either everything comes to rest before the next step, or the next one falls in between.
          if (alone) await ran.then(() => new Promise((resolve) => setImmediate(resolve)));
        }
        await world.finish();
        world.check();
        sum.reloads += world.facts.reloads;
        sum.fromJournal += world.facts.fromJournal;
      },
    ),
    { numRuns: 800 },
  );
  // The faults did happen.
  expect(sum.reloads).toBeGreaterThan(20);
  expect(sum.fromJournal).toBeGreaterThan(200);
});
