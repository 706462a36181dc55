import { beforeEach, expect, test } from "@jest/globals";
import { JournalTable, TimerTable } from "../entities/system-tables.ts";
import { defineApp, type Firing, type GroupOf, integer, json } from "../index.ts";
import type { HookCall } from "../rooms/hook-run.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { replayed } from "./helpers/replayed.ts";
import { at, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";
import { type TestConnection, TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

const app = defineApp({
  name: "robot",
  playersPerGroup: 2,
  group: { moves: json<unknown[]>({ initial: [] }), total: integer({ initial: 0 }) },
});
type Group = GroupOf<typeof app>;

/** What a message does: a method of the group with its arguments, or an addition to the total. */
type Order = ["after" | "every" | "cancel" | "timers" | "add", ...unknown[]];

/** What those methods gave. */
let told: unknown[];
/** What the timer does. */
let move: (group: Group, payload: unknown, timer: Firing, call: HookCall) => Promise<unknown>;
let runs: number;
let doors: PromiseWithResolvers<void>[];

beforeEach(() => {
  told = [];
  move = async () => {};
  runs = 0;
  doors = Array.from({ length: 9 }, () => Promise.withResolvers());
});

app.page("Play", {
  live({ group }, orders: Order[]) {
    for (const [name, ...args] of orders) {
      if (name === "add") group.total += args[0] as number;
      else told.push(Reflect.apply(group[name], group, args));
    }
  },
});
app.timer(
  "move",
  async (group, payload, timer, call) => {
    runs += 1;
    return (await move(group, payload, timer, call)) as undefined;
  },
  { timeLimit: 5 },
);
app.timer("slowly", async (group, payload, timer, call) => {
  runs += 1;
  return (await move(group, payload, timer, call)) as undefined;
});
app.timer("note", (group, payload) => void group.moves.push(payload));

const START = Date.UTC(2026, 0, 1);

/** Lets the nth run go on. */
function open(n: number): void {
  doors[n]?.resolve();
}

function overrides(clock: VirtualClock) {
  return {
    now: () => START + Math.floor(clock.now()),
    monotonic: () => clock.now(),
    after: (ms: number, run: () => void) => clock.after(ms, run),
    limits: { ...GAME_LIMITS, callGrace: 30 },
  };
}

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

  async group() {
    const row = at(await this.world.store.read.rows(app.spec.group.table, { id: this.actorId }), 0);
    return { moves: JSON.parse(String(row.moves)) as unknown[], total: row.total };
  }

  async timers() {
    const rows = await this.world.store.read.rows(TimerTable);
    return rows.filter(({ name }) => !String(name).startsWith("_"));
  }

  entries() {
    return this.world.store.read.rows(JournalTable, { actorId: this.actorId, kind: "timer" });
  }

  /** Lets time pass, bit by bit: the database works in real time. */
  async pass(seconds: number): Promise<void> {
    for (let left = seconds * 1000; left >= 0; left -= 500) {
      await this.clock.run(Math.min(left, 500));
      await settle(this.world);
    }
  }

  async tell(...orders: Order[]) {
    const answer = await this.one.ask(orders);
    expect(answer.e).toBeUndefined();
    await settle(this.world);
  }
}

async function lab(): Promise<Lab> {
  const clock = new VirtualClock();
  const world = await sqlite.world([app.spec], overrides(clock));
  const { actorId, players } = await seatedGroup(world, ["robot"], 2);
  return new Lab(clock, world, actorId, players);
}

test("a timer's handler may wait: the group plays on, its other timers fire, and what it does is one unit", async () => {
  const it = await lab();
  move = async (group, payload) => {
    await at(doors, 0).promise;
    group.moves.push(payload);
    group.after(1, "note", "set by the robot");
    return { 2: "moved" };
  };
  await it.tell(["after", 1, "move", "robot"], ["after", 2, "note", "meanwhile"]);
  await it.pass(1);
  expect(runs).toBe(1);
  await it.pass(1);
  expect(await it.group()).toEqual({ moves: ["meanwhile"], total: 0 });
  await it.tell(["add", 3]);
  // Until it is through it is pending, and does not fire a second time.
  expect((await it.timers()).map(({ name }) => name)).toEqual(["move"]);
  open(0);
  await it.pass(0);
  expect(await it.group()).toEqual({ moves: ["meanwhile", "robot"], total: 3 });
  expect(at(it.players, 1).received).toEqual(["moved"]);
  expect((await it.timers()).map(({ name }) => name)).toEqual(["note"]);
  await it.pass(1);
  expect(await it.group()).toMatchObject({ moves: ["meanwhile", "robot", "set by the robot"] });
  expect(runs).toBe(1);
  const replay = await replayed(it.world, app.spec, it.actorId);
  expect(replay).toMatchObject({ difference: undefined });
  expect(runs).toBe(1);
});

test("a robot that moves every second: one move at a time, and missed seconds are counted", async () => {
  const it = await lab();
  const firings: [number, number][] = [];
  move = async (group, _payload, { dueAt, missed }) => {
    firings.push([dueAt - START, missed]);
    if (runs === 2) await at(doors, 2).promise;
    group.total += 1 + missed;
    if (group.total >= 6) group.cancel("move");
  };
  await it.tell(["every", 1, "move"]);
  await it.pass(4.5);
  // The second move takes 2.5 s.
  expect(runs).toBe(2);
  open(2);
  await it.pass(0);
  await it.pass(0);
  expect(await it.group()).toMatchObject({ total: 4 });
  expect(firings).toEqual([
    [1000, 0],
    [2000, 0],
    [3000, 1],
  ]);
  await it.pass(3);
  expect(await it.group()).toMatchObject({ total: 6 });
  expect(await it.timers()).toEqual([]);
  expect(await replayed(it.world, app.spec, it.actorId)).toMatchObject({ difference: undefined });
});

test("cancelling a timer while its handler waits makes all of it come to nothing", async () => {
  const it = await lab();
  move = async (group) => {
    expect(group.timers()).toEqual([]);
    expect(group.cancel("move")).toBe(false);
    group.total = 50;
    await at(doors, 0).promise;
    return { 0: "never" };
  };
  await it.tell(["after", 1, "move"]);
  await it.pass(1);
  await it.tell(["timers"], ["cancel", "move"]);
  expect(told.slice(-2)).toEqual([[expect.objectContaining({ name: "move" })], true]);
  open(0);
  await it.pass(0);
  expect(await it.group()).toMatchObject({ total: 0 });
  expect(it.one.received).toEqual([]);
  expect(await it.timers()).toEqual([]);
  expect(await it.entries()).toEqual([]);
});

test("a handler that a crash has cut fires again when the group is back, and has its effect once", async () => {
  const it = await lab();
  move = async (group) => {
    group.total += 1;
    if (runs === 1) await new Promise(() => {});
  };
  await it.tell(["after", 1, "move"]);
  await it.pass(1);
  expect(runs).toBe(1);
  const world = await sqlite.restart(it.world, [app.spec], overrides(it.clock));
  world.actors.timers.start();
  const after = new Lab(it.clock, world, it.actorId, []);
  await after.pass(3);
  expect(runs).toBe(2);
  expect(await after.group()).toMatchObject({ total: 1 });
  expect(await after.timers()).toEqual([]);
  expect(await replayed(world, app.spec, it.actorId)).toMatchObject({ difference: undefined });
});

test("a handler that is cut by the stop of the server is told, and fires again where the group is next", async () => {
  const it = await lab();
  const reasons: string[] = [];
  move = (group, _payload, _timer, { signal }) =>
    new Promise((resolve, reject) => {
      if (runs > 1) {
        group.total += 1;
        resolve(undefined);
      }
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason.code);
        reject(signal.reason);
      });
    });
  await it.tell(["after", 1, "move"]);
  await it.pass(1);
  const stopped = it.world.actors.finish(1_000);
  await it.pass(1);
  await stopped;
  expect(reasons).toEqual(["interrupted"]);
  expect(await it.entries()).toEqual([]);
  const world = await sqlite.restart(it.world, [app.spec], overrides(it.clock));
  world.actors.timers.start();
  const after = new Lab(it.clock, world, it.actorId, []);
  await after.pass(3);
  expect(await after.group()).toMatchObject({ total: 1 });
});

test("a handler that fails or takes too long is dropped whole, and the timer does not fire for it again", async () => {
  const it = await lab();
  const signals: string[] = [];
  move = async (group, _payload, _timer, { signal }) => {
    group.total += 1;
    if (runs === 1) throw new Error("no answer");
    signal.addEventListener("abort", () => signals.push(signal.reason.code));
    if (runs === 2) await new Promise(() => {});
  };
  await it.tell(["every", 10, "move"]);
  await it.pass(10);
  expect(await it.group()).toMatchObject({ total: 0 });
  expect(at(await it.entries(), 0).output).toContain("no answer");
  await it.pass(16);
  expect(signals).toEqual(["time_limit"]);
  expect(at(await it.entries(), 1).output).toContain("robot/timer move took longer than 5 seconds");
  expect(await it.group()).toMatchObject({ total: 0 });
  // Of `every` the next deadline comes all the same.
  await it.pass(4);
  expect(await it.group()).toMatchObject({ total: 1 });
  expect(it.world.log.lines.filter(({ message }) => message === "a timer failed")).toHaveLength(2);
});

test("a handler whose write is stale runs again on what is there now", async () => {
  const it = await lab();
  move = async (group) => {
    const { total } = group;
    if (runs === 1) await it.tell(["add", 10]);
    group.total = total + 1;
  };
  await it.tell(["after", 1, "move"]);
  await it.pass(1);
  await it.pass(0);
  expect(runs).toBe(2);
  expect(await it.group()).toMatchObject({ total: 11 });
  expect(await it.entries()).toHaveLength(1);
});

test("what the database refuses of a handler is dropped, and its timer has fired", async () => {
  const it = await lab();
  const { commit } = it.world.store;
  it.world.store.commit = async (units) =>
    units.some(({ entry }) => entry.kind === "timer" && entry.changes?.includes("777"))
      ? { result: "data", error: new Error("no such value") }
      : commit.call(it.world.store, units);
  move = async (group) => {
    await Promise.resolve();
    group.total = 777;
  };
  await it.tell(["after", 1, "move"]);
  await it.pass(1);
  await it.pass(0);
  expect(await it.group()).toMatchObject({ total: 0 });
  expect(await it.timers()).toEqual([]);
  expect(await it.entries()).toMatchObject([{ output: expect.stringContaining("refused_by_store") }]);
  expect(runs).toBe(1);
});

test("several handlers wait side by side, also of one name", async () => {
  const it = await lab();
  move = async (group, payload) => {
    await at(doors, Number(payload)).promise;
    group.moves = [...group.moves, payload];
  };
  await it.tell(["after", 1, "move", 1], ["after", 1, "move", 2], ["after", 1, "move", 3]);
  await it.pass(1);
  expect(runs).toBe(3);
  for (const n of [2, 3, 1]) {
    open(n);
    await it.pass(0);
  }
  expect((await it.group()).moves).toEqual([2, 3, 1]);
  expect(await it.timers()).toEqual([]);
});

test("of several servers the one that runs a slow handler keeps its group; when it is gone, another takes the timer over", async () => {
  const it = await lab();
  // As PostgreSQL says of itself.
  Object.defineProperty(it.world.store, "shared", { value: true });
  const other = new TestWorld(it.world.store, [app.spec], overrides(it.clock));
  other.actors.timers.start();
  it.world.actors.timers.start();
  move = async (group, payload) => {
    if (payload === "slow") await at(doors, 0).promise;
    if (payload === "never" && runs === 2) await new Promise(() => {});
    group.moves.push(payload);
  };
  await it.tell(["after", 1, "slowly", "slow"]);
  await it.pass(40);
  expect(runs).toBe(1);
  expect(other.actors.has(it.actorId)).toBe(false);
  open(0);
  await it.pass(0);
  expect((await it.group()).moves).toEqual(["slow"]);
  expect(await it.timers()).toEqual([]);
  expect(await replayed(it.world, app.spec, it.actorId)).toMatchObject({ difference: undefined });

  await it.tell(["every", 100, "slowly", "never"]);
  await it.pass(101);
  expect(runs).toBe(2);
  it.world.actors.end();
  it.world.actors.timers.stop();
  await it.pass(25);
  expect(runs).toBe(3);
  expect((await it.group()).moves).toEqual(["slow", "never"]);
  expect(await it.timers()).toMatchObject([{ dueAt: expect.any(Number), heldUntil: null }]);
  await other.close();
});
