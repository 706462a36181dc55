import { beforeEach, expect, test } from "@jest/globals";
import { JournalTable, WaitPageTable } from "../entities/system-tables.ts";
import { type Arrivals, defineApp, type PlayerOf, text } from "../index.ts";
import type { HookCall } from "../rooms/hook-run.ts";
import { settle, useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

const app = defineApp({ name: "match", player: { kind: text({ blank: true }) } });
type Player = PlayerOf<typeof app>;

/** What the method that forms groups does; the places in the session of those among whom it was to choose. */
let choose: (waiting: Player[], arrivals: Arrivals<Player>, call: HookCall) => Promise<Player[] | undefined>;
let asked: number[][];
let doors: Map<number, PromiseWithResolvers<void>>;

beforeEach(() => {
  asked = [];
  doors = new Map();
});

/** What the nth run waits for. */
function door(n: number): PromiseWithResolvers<void> {
  const found = doors.get(n) ?? Promise.withResolvers();
  doors.set(n, found);
  return found;
}

app.waitPage("Lobby", {
  async groupByArrivalTime(waiting, arrivals, call) {
    asked.push(waiting.map((player) => player.participant.idInSession));
    return choose(waiting, arrivals, call);
  },
});
app.page("Play");

async function stage(participants: number) {
  const timers: { ms: number; run: () => void }[] = [];
  const world = await sqlite.world([app.spec], {
    after: (ms, run) => {
      // Nothing happens by the time that passes.
      const timer = { ms, run };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  });
  const people = await walkers(world, ["match"], participants);
  const formed = async () =>
    (await world.store.read.rows(JournalTable, { kind: "formed" })).map(({ input }) => JSON.parse(String(input)));
  return { world, people, formed, timers };
}

async function come(person: Walker | undefined): Promise<TestConnection> {
  if (person === undefined) throw new Error("nobody");
  await person.start();
  return person.connect();
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 400) throw new Error("never");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a method that chooses may ask the world: one call at a time, and who comes meanwhile is in the next", async () => {
  const { people, formed, world } = await stage(4);
  choose = async (waiting, arrivals) => {
    const n = asked.length;
    await door(n).promise;
    if (waiting.length < 2) return undefined;
    for (const player of waiting.slice(0, 2)) player.kind = `run ${n}, ${arrivals.seconds(player) >= 0}`;
    return waiting.slice(0, 2);
  };
  await come(people[0]);
  await until(() => asked.length === 1);
  await come(people[1]);
  await come(people[2]);
  await come(people[3]);
  await settle(world);
  expect(asked).toEqual([[1]]);
  door(1).resolve();
  await until(() => asked.length === 2);
  expect(asked[1]).toEqual([1, 2, 3, 4]);
  door(2).resolve();
  // The first group begins while the next one is being chosen.
  await people[1]?.reaches("match/1/Play");
  expect(await people[2]?.page()).toBe("match/1/Lobby");
  expect(asked[2]).toEqual([3, 4]);
  door(3).resolve();
  for (const person of people) await person.reaches("match/1/Play");
  expect(asked).toHaveLength(3);
  expect(await formed()).toEqual([[[1, 2]], [[3, 4]]]);
  const players = await world.store.read.rows(app.spec.player.table);
  expect(players.map(({ kind }) => kind)).toEqual([...Array(2).fill("run 2, true"), ...Array(2).fill("run 3, true")]);
});

test("if somebody whom it has chosen is gone by then, it is asked anew", async () => {
  const { people, formed, world } = await stage(3);
  choose = async (waiting) => {
    if (waiting.length < 2) return undefined;
    await door(waiting.length).promise;
    return waiting.slice(0, 2);
  };
  await come(people[0]);
  const second = await come(people[1]);
  await until(() => asked.at(-1)?.length === 2);
  // Their browser goes, and another comes.
  world.actors.get(1).gate.detach(second);
  await come(people[2]);
  const before = asked.length;
  door(2).resolve();
  await people[2]?.reaches("match/1/Play");
  expect(asked.slice(before)).toEqual([[1, 3]]);
  expect(await formed()).toEqual([[[1, 3]]]);
  expect(await people[1]?.page()).toBe("match/1/Lobby");
});

test("what fails is kept for the experimenter, and tried again after a while", async () => {
  const { people, world, timers } = await stage(2);
  let broken = true;
  choose = async (waiting) => {
    await Promise.resolve();
    if (broken) throw new Error("no matching today");
    return waiting.length === 2 ? waiting : undefined;
  };
  await come(people[0]);
  await come(people[1]);
  await until(async () => (await world.store.read.rows(WaitPageTable)).length > 0);
  expect(await world.store.read.rows(WaitPageTable)).toMatchObject([{ error: "no matching today" }]);
  await settle(world);
  broken = false;
  for (const { ms, run } of [...timers]) if (ms === 5_000) run();
  for (const person of people) await person.reaches("match/1/Play");
  expect(await world.store.read.rows(WaitPageTable, { actorId: 1 })).toMatchObject([{ failedAt: null }]);
});

test("a method that a crash has cut is asked again by who comes back", async () => {
  const { people, world } = await stage(2);
  choose = async (waiting) => {
    if (waiting.length < 2) return undefined;
    await door(1).promise;
    return waiting;
  };
  await come(people[0]);
  await come(people[1]);
  await until(() => asked.at(-1)?.length === 2);
  const again = await sqlite.restart(world, [app.spec]);
  door(1).resolve();
  const back = people.map((person) => Object.assign(person, { world: again }));
  for (const person of back) {
    await person.view();
    await person.connect();
  }
  for (const person of back) await person.reaches("match/1/Play");
  expect(await again.store.read.rows(JournalTable, { kind: "formed" })).toHaveLength(1);
});
