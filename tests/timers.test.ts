import { afterEach, describe, expect, test } from "@jest/globals";
import { AuthorError } from "../client-sdk/errors.ts";
import { JournalTable, TimerTable } from "../entities/system-tables.ts";
import { TIMER_LIMIT } from "../entities/timers.ts";
import { defineApp, type Firing, type GroupOf, integer, json, now, random, toPage } from "../index.ts";
import { at, holdCommits, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";
import type { TestConnection, TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

type Group = GroupOf<typeof app>;
/** What messages and timers do; tests put it here. */
let order: (group: Group, data: unknown) => unknown = () => undefined;
let ring: (group: Group, payload: unknown, timer: Firing) => unknown = () => undefined;

const app = defineApp({
  name: "clock",
  playersPerGroup: 2,
  group: { rings: json<unknown[]>({ initial: [] }), count: integer({ initial: 0 }) },
});
app.page("Play", { live: ({ group }, data) => order(group, data) as never });
app.page("Chat", {
  async *live({ group }, data) {
    yield order(group, data) as never;
  },
});
app.page("End", {});
app.timer("ring", (group, payload, timer) => {
  group.rings.push([payload, now() - timer.dueAt, timer.missed]);
  return ring(group, payload, timer) as never;
});
app.timer("other", (group, payload) => void group.rings.push(payload));

const START = Date.UTC(2026, 0, 1);

/** A world in virtual time. */
class Lab {
  readonly clock: VirtualClock;
  readonly world: TestWorld;
  readonly actorId: number;
  readonly players: TestConnection[];

  constructor(clock: VirtualClock, world: TestWorld, actorId: number, players: TestConnection[]) {
    this.clock = clock;
    this.world = world;
    this.actorId = actorId;
    this.players = players;
  }

  get one(): TestConnection {
    return at(this.players, 0);
  }

  get group() {
    return this.world.store.read.rows(app.spec.group.table, { id: this.actorId }).then((rows) => at(rows, 0));
  }

  async rings(): Promise<unknown[]> {
    return JSON.parse(String((await this.group).rings)) as unknown[];
  }

  timers() {
    return this.world.store.read.rows(TimerTable);
  }

  entries() {
    return this.world.store.read.rows(JournalTable, { actorId: this.actorId });
  }

  /** Lets time pass. */
  async pass(seconds: number): Promise<void> {
    await this.clock.run(seconds * 1000);
    await settle(this.world);
  }

  async tell(data: unknown = null) {
    const answer = await this.one.ask(data);
    await settle(this.world);
    return answer;
  }
}

function overrides(clock: VirtualClock) {
  return {
    now: () => START + Math.floor(clock.now()),
    monotonic: () => clock.now(),
    after: (ms: number, run: () => void) => clock.after(ms, run),
  };
}

async function lab(): Promise<Lab> {
  order = () => undefined;
  ring = () => undefined;
  const clock = new VirtualClock();
  const world = await sqlite.world([app.spec], overrides(clock));
  const { actorId, players } = await seatedGroup(world, ["clock"], 2);
  return new Lab(clock, world, actorId, players);
}

/** The server is killed, some time passes, and another one starts. */
async function restart(before: Lab, seconds: number, start = true): Promise<Lab> {
  const world = await sqlite.restart(before.world, [app.spec], overrides(before.clock));
  await before.clock.run(seconds * 1000);
  if (start) world.actors.timers.start();
  const after = new Lab(before.clock, world, before.actorId, []);
  await after.pass(0);
  return after;
}

const REFUSED = (...parts: string[]) => ({
  e: { code: "failed", message: expect.stringMatching(new RegExp(parts.join(".*"))), retry: false },
});

describe("setting", () => {
  test("after, at and every fire when they are due, and tell everybody on whichever page they are", async () => {
    const it = await lab();
    await it.world.actors.call(it.actorId, { kind: "submit", participantId: 2, pageIndex: 1, outbox: [], form: {} });
    const chat = await it.world.connect(it.actorId, 2);
    order = (group) => {
      return { 1: [group.after(2, "ring", { a: 1 }), group.at(now() + 3000, "ring"), group.every(1.5, "ring", [2])] };
    };
    ring = (group, payload) => [{ 0: [group.rings.length, payload ?? null] }, toPage("Chat", { 0: "more" })];
    await it.tell();
    expect(it.one.received).toEqual([[1, 2, 3]]);
    await it.pass(1.499);
    expect(await it.rings()).toEqual([]);
    await it.pass(0.6);
    expect(await it.rings()).toEqual([
      [[2], 0, 0],
      [{ a: 1 }, 0, 0],
    ]);
    await it.pass(1);
    // Of the same moment, the timer that was set first is first.
    expect((await it.rings()).slice(2)).toEqual([
      [null, 0, 0],
      [[2], 0, 0],
    ]);
    expect(it.one.received.slice(1)).toEqual([
      [1, [2]],
      [2, { a: 1 }],
      [3, null],
      [4, [2]],
    ]);
    expect(chat.received).toEqual([[1, [2]], "more", [2, { a: 1 }], "more", [3, null], "more", [4, [2]], "more"]);
    expect(await it.timers()).toMatchObject([{ n: 3, name: "ring", everySeconds: 1.5, dueAt: START + 4500 }]);
  });

  test("cancel takes back one by its number, or all of a name; what has fired is not there any more", async () => {
    const it = await lab();
    order = (group) => {
      const [a, b] = [group.after(1, "ring", "a"), group.after(2, "ring", "b")];
      group.after(3, "ring", "c");
      group.after(4, "other", "d");
      return {
        0: [group.cancel(a), group.cancel(a), group.cancel(99), b, group.timers("ring").map(({ payload }) => payload)],
      };
    };
    await it.tell();
    expect(it.one.received).toEqual([[true, false, false, 2, ["b", "c"]]]);
    await it.pass(2.5);
    order = (group) => ({ 0: [group.cancel(2), group.cancel("ring"), group.timers()] });
    await it.tell();
    expect(it.one.received[1]).toEqual([false, true, [{ id: 4, name: "other", dueAt: START + 4000, payload: "d" }]]);
    await it.pass(10);
    expect(await it.rings()).toEqual([["b", 0, 0], "d"]);
    expect(await it.timers()).toEqual([]);
  });

  test("a method that throws has set and cancelled nothing, and its numbers are given again", async () => {
    const it = await lab();
    order = (group) => void group.after(5, "ring", "kept");
    await it.tell();
    order = (group) => {
      group.after(1, "ring", "lost");
      group.cancel("ring");
      throw new Error("no");
    };
    expect(await it.tell()).toMatchObject(REFUSED("no"));
    order = (group) => ({ 0: group.after(9, "other") });
    await it.tell();
    expect(it.one.received).toEqual([2]);
    await it.pass(6);
    expect(await it.rings()).toEqual([["kept", 0, 0]]);
  });

  test("an async method sets timers at its next yield, with numbers that meet no other's", async () => {
    const it = await lab();
    await it.world.actors.call(it.actorId, { kind: "submit", participantId: 2, pageIndex: 1, outbox: [], form: {} });
    const chat = await it.world.connect(it.actorId, 2);
    let mine: number[] = [];
    order = (group, data) => {
      const n = group.after(Number(data), "ring", data as never);
      if (data === 3)
        mine = [n, group.after(4, "ring", 4), group.after(5, "ring", 5), ...(group.cancel(n + -1) ? [0] : [1])];
      return { 1: n, 2: group.timers().map(({ payload }) => payload) };
    };
    await chat.ask(3);
    expect(mine).toEqual([-1, -2, -3, 0]);
    expect(chat.received).toEqual([[3, 5]]);
    await it.tell(1);
    expect(it.one.received).toEqual([4]);
    await it.pass(6);
    expect(await it.rings()).toEqual([
      [1, 0, 0],
      [3, 0, 0],
      [5, 0, 0],
    ]);
  });

  test.each<[string, (group: Group) => unknown, string[]]>([
    ["an unknown name", (g) => g.after(1, "rung"), ["group.after", 'no timer "rung"', 'Did you mean "ring"']],
    ["an unknown name to cancel", (g) => g.cancel("rin_g"), ["group.cancel", "no timer"]],
    ["a negative time", (g) => g.after(-1, "ring"), ["group.after", "-1", "0 or more"]],
    ["NaN", (g) => g.after(Number.NaN, "ring"), ["NaN"]],
    ["a text", (g) => g.every("1" as never, "ring"), ['group.every: the time is "1"']],
    ["more than a year", (g) => g.after(4e7, "ring"), ["40000000", "at most a year"]],
    ["an interval that would hold the server", (g) => g.every(0.01, "ring"), ["0.05 or more"]],
    ["seconds where milliseconds are meant", (g) => g.at(1.7e9, "ring"), ["group.at", "milliseconds"]],
    ["a Date", (g) => g.at(new Date() as never, "ring"), ["a Date", "milliseconds"]],
    ["a payload that is not JSON", (g) => g.after(1, "ring", { a: () => 1 }), ["the payload.a is a function"]],
    [
      "one timer too many",
      (g) => {
        for (let i = 0; i <= TIMER_LIMIT; i++) g.after(60, "ring");
      },
      ["1000 timers pending", "cancel"],
    ],
  ])("%s is refused with a cure", async (_name, mistake, parts) => {
    const it = await lab();
    order = mistake;
    expect(await it.tell()).toMatchObject(REFUSED(...parts));
    expect(await it.timers()).toEqual([]);
  });

  test("a timer's definition is checked", () => {
    const other = defineApp({ name: "other", group: {} });
    other.timer("close", () => {});
    const wrong: [unknown, unknown, string][] = [
      ["close", () => {}, "exists already"],
      ["_close", () => {}, "a timer's name"],
      ["no handler", undefined, "a timer's name"],
      ["nothing", undefined, "has no handler"],
      ["text", "x", "function of group"],
      ["later", async function* () {}, "is a generator"],
    ];
    for (const [name, handler, text] of wrong) {
      const define = () => other.timer(name as string, handler as () => undefined);
      expect(define).toThrow(AuthorError);
      expect(define).toThrow(text);
    }
  });
});

describe("firing", () => {
  test("an interval does not drift, and one that was missed says how often", async () => {
    const it = await lab();
    order = (group) => void group.every(1, "ring");
    await it.tell();
    await it.pass(2.5);
    const after = await restart(it, 100.2);
    await after.pass(1);
    expect(await after.rings()).toEqual([
      [null, 0, 0],
      [null, 0, 0],
      [null, 99_700, 99],
      [null, 0, 0],
    ]);
    expect(await after.timers()).toMatchObject([{ dueAt: START + 104_000 }]);
  });

  test("an interval ends when everybody has left the group", async () => {
    const it = await lab();
    order = (group) => void group.every(1, "ring");
    await it.tell();
    await it.pass(1);
    for (const participantId of [1, 2]) {
      for (const pageIndex of [1, 2, 3]) {
        expect(
          await it.world.actors.call(it.actorId, { kind: "submit", participantId, pageIndex, outbox: [], form: {} }),
        ).toMatchObject({ kind: "goto" });
      }
    }
    await it.pass(10);
    expect(await it.rings()).toEqual([[null, 0, 0]]);
    expect(await it.timers()).toEqual([]);
  });

  test("a handler may cancel its own interval, and set an earlier timer than those that wait", async () => {
    const it = await lab();
    order = (group) => {
      group.every(1, "ring", "every");
      group.after(2.5, "other", "last");
    };
    ring = (group, payload) => {
      if (payload === "past") return;
      group.cancel("ring");
      group.at(START + 2000, "ring", "past");
    };
    await it.tell();
    const after = await restart(it, 60);
    await after.pass(1);
    expect(await after.rings()).toEqual([["every", 59_000, 59], ["past", 58_000, 0], "last"]);
  });

  test("overdue timers fire once each, in the order of their deadlines, with nobody connected", async () => {
    const it = await lab();
    order = (group) => {
      for (const seconds of [5, 3, 9, 3, 1]) group.after(seconds, "other", seconds);
      group.after(1000, "other", "later");
    };
    await it.tell();
    const after = await restart(it, 60);
    expect(await after.rings()).toEqual([1, 3, 3, 5, 9]);
    const again = await restart(after, 60);
    expect(await again.rings()).toEqual([1, 3, 3, 5, 9]);
    await again.pass(1000);
    expect(await again.rings()).toEqual([1, 3, 3, 5, 9, "later"]);
    expect((await again.entries()).filter(({ kind }) => kind === "timer")).toHaveLength(6);
  });

  test("a group that was put aside is loaded before its timer is due", async () => {
    const it = await lab();
    it.world.actors.timers.start();
    order = (group) => void group.after(200, "ring");
    await it.tell();
    for (const player of it.players) it.world.actors.get(it.actorId).gate.detach(player);
    await it.pass(100);
    it.world.actors.evict(0);
    expect(it.world.actors.size).toBe(0);
    await it.pass(98);
    expect(it.world.actors.size).toBe(0);
    await it.pass(1.5);
    expect(it.world.actors.size).toBe(1);
    await it.pass(1);
    expect(await it.rings()).toEqual([[null, 0, 0]]);
  });

  test("a handler that throws leaves no trace but an entry, and the group plays on", async () => {
    const it = await lab();
    order = (group) => {
      group.after(1, "ring", "bad");
      group.every(2, "ring", "again");
      group.after(3, "other", "good");
    };
    ring = (group, payload) => {
      group.after(1, "other", "never");
      if (payload === "bad" || group.rings.length === 1) throw new Error("the author's mistake");
    };
    await it.tell();
    await it.pass(4.5);
    expect(await it.rings()).toEqual(["good", ["again", 0, 0]]);
    const failed = (await it.entries()).filter(({ output }) => String(output).includes("the author's mistake"));
    expect(failed).toMatchObject([
      { kind: "timer", input: `{"n":1,"name":"ring","dueAt":${START + 1000},"payload":"bad"}` },
      { kind: "timer", input: `{"n":2,"name":"ring","dueAt":${START + 2000},"payload":"again"}` },
    ]);
    expect(it.world.log.lines).toContainEqual({
      level: "error",
      message: "a timer failed",
      fields: expect.objectContaining({
        app: "clock",
        timer: "ring",
        stack: expect.stringContaining("timers.test.ts"),
      }),
    });
    expect(it.one.received).toEqual([]);
  });

  test("what a handler sends is refused by the same rules as from a live method; others are nobody's", async () => {
    const it = await lab();
    order = (group) => void group.after(1, "ring");
    ring = () => ({ others: 1 });
    await it.tell();
    await it.pass(2);
    expect(await it.rings()).toEqual([]);
    expect(String(it.world.log.lines.at(-1)?.fields?.error)).toMatch(
      /clock\/timer ring sends to "others".*0 for everybody/,
    );
  });

  test("a timer of a name that the app has lost is put away with an error", async () => {
    const old = defineApp({
      name: "clock",
      playersPerGroup: 2,
      group: { rings: json({ initial: [] }), count: integer({ initial: 0 }) },
    });
    old.page("Play", { live: ({ group }) => void group.after(1, "gone") });
    old.page("Chat", {});
    old.page("End", {});
    old.timer("gone", () => {});
    const it = await lab();
    const world = await sqlite.restart(it.world, [old.spec], overrides(it.clock));
    const one = await world.connect(it.actorId, 1);
    await one.ask(null);
    const after = await restart(new Lab(it.clock, world, it.actorId, []), 5);
    expect(await after.timers()).toEqual([]);
    expect(String(after.world.log.lines.at(-1)?.fields?.error)).toMatch(/a timer "gone" is due/);
  });

  test.each([
    ["what the database refuses of a firing is dropped with it, and its followers run again", false],
    ["a firing of which not even the refusal can be stored is left alone, and the group plays on", true],
  ])("%s", async (_name, isHopeless) => {
    const it = await lab();
    order = (group) => {
      group.after(1, "ring", "bad");
      group.after(1, "ring", "good");
    };
    ring = (group) => {
      group.count += 1;
    };
    const { commit } = it.world.store;
    it.world.store.commit = (units) => {
      const isBad = units.some(
        ({ entry }) => entry.input?.includes('"bad"') && (isHopeless || !entry.output?.includes("refused_by_store")),
      );
      return isBad ? { result: "data", error: new Error("too long") } : commit.call(it.world.store, units);
    };
    await it.tell();
    await it.pass(3);
    expect(await it.rings()).toEqual([["good", expect.any(Number), 0]]);
    expect(await it.group).toMatchObject({ count: 1 });
    expect(await it.timers()).toHaveLength(isHopeless ? 1 : 0);
    const refused = (await it.entries()).filter(({ output }) => output?.toString().includes("refused_by_store"));
    expect(refused).toHaveLength(isHopeless ? 0 : 1);
  });

  test("while the store is away, firing waits; then each fires once", async () => {
    const it = await lab();
    order = (group) => {
      for (const seconds of [1, 2, 3]) group.after(seconds, "other", seconds);
    };
    await it.tell();
    const { commit, probe } = it.world.store;
    it.world.store.commit = () => ({ result: "io", error: new Error("disk full") });
    it.world.store.probe = () => Promise.reject(new Error("disk full"));
    order = () => undefined;
    it.one.post(null);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(it.world.committer.halted).toBe("disk full");
    await it.clock.run(10_000);
    const { seq } = it.world.actors.get(it.actorId);
    expect(await it.timers()).toHaveLength(3);
    Object.assign(it.world.store, { commit, probe });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await it.pass(1);
    expect(await it.rings()).toEqual([1, 2, 3]);
    expect(it.world.actors.get(it.actorId).seq).toBe(seq + 3);
  });

  test("a timer that fires before the unit that set it is stored is stored with it or not at all", async () => {
    const it = await lab();
    order = (group) => void group.after(0.01, "other", "x");
    const held = holdCommits(it.world.store);
    it.one.post(null);
    await it.clock.run(1000);
    expect(it.world.actors.get(it.actorId).settled).toBe(false);
    expect(await it.timers()).toEqual([]);
    held.release();
    await it.pass(1);
    expect(await it.rings()).toEqual(["x"]);
    expect(await it.timers()).toEqual([]);
  });

  test("random() and now() of a firing are the unit's", async () => {
    const it = await lab();
    order = (group) => void group.after(1, "ring");
    ring = () => ({ 0: [random(), now()] });
    await it.tell();
    await it.pass(5);
    expect(it.one.received).toEqual([[expect.any(Number), START + 1000]]);
    expect((await it.entries()).at(-1)).toMatchObject({ kind: "timer", at: START + 1000, seed: expect.any(Number) });
  });

  test("at the stop of the server nothing fires any more, and the next one fires what was due", async () => {
    const it = await lab();
    order = (group) => void group.every(0.1, "other", "x");
    await it.tell();
    await it.pass(0.35);
    await it.world.actors.finish(1000);
    await it.pass(5);
    expect(await it.rings()).toHaveLength(3);
    expect(await (await restart(it, 0)).rings()).toHaveLength(4);
  });
});

afterEach(() => {
  order = () => undefined;
  ring = () => undefined;
});
