import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openStore } from "../entities/open-store.ts";
import type { Store } from "../entities/store.ts";
import { JournalTable, SubsessionTable } from "../entities/system-tables.ts";
import { defineApp, integer, link } from "../index.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import { TestWorld } from "./helpers/world.ts";

const app = defineApp({
  name: "pairs",
  playersPerGroup: 2,
  subsession: { runs: integer({ initial: 0 }), highest: integer({ blank: true }) },
  group: { met: integer({ initial: 0 }), together: integer({ initial: 0 }) },
  player: { place: integer({ blank: true }) },
  extraModels: { Trial: { player: link("player"), size: integer() } },
});
app.page("Give");
app.waitPage("Meet", {
  afterAllPlayersArrive(group) {
    group.met += app.extraModels.Trial.filter({ group }).reduce((sum, trial) => sum + trial.size, 0);
  },
});
app.waitPage("All", {
  waitForAllGroups: true,
  afterAllPlayersArrive(subsession) {
    subsession.runs += 1;
    subsession.highest = Math.max(...subsession.getPlayers().map((player) => player.participant.idInSession));
    for (const group of subsession.getGroups()) group.together += 1;
    for (const [i, player] of subsession.getPlayers().entries()) player.place = i + 1;
  },
});
app.page("Results");
app.creatingSession((subsession) => {
  subsession.groupRandomly();
  for (const player of subsession.getPlayers()) {
    app.extraModels.Trial.create({ player, size: player.participant.idInSession });
  }
});

const second = defineApp({
  name: "second",
  playersPerGroup: 2,
  rounds: 2,
  subsession: { size: integer({ initial: 5 }) },
});
second.waitPage("Lobby", { groupByArrivalTime: true });
second.page("Play", {
  varsForTemplate: ({ group, subsession }) => ({
    before: [...group.inPreviousRounds(), ...subsession.inPreviousRounds()].map((past) => past.roundNumber),
    sizes: subsession.inAllRounds().map(({ size }) => size),
  }),
});

const third = defineApp({ name: "third", playersPerGroup: 2 });
third.waitPage("Mix", {
  waitForAllGroups: true,
  afterAllPlayersArrive: (subsession) => subsession.setGroupMatrix([[1], [2, 3], [4], [5, 6]]),
});
third.page("End");

let postgres: TestPostgres;
let store: Store;
/** Of the other server: each writes over connections of its own. */
let otherStore: Store;
const apps = [app.spec, second.spec, third.spec];
beforeAll(async () => {
  postgres = await startPostgres();
  const databaseUrl = await postgres.database();
  store = await openStore({ databaseUrl, apps });
  otherStore = await openStore({ databaseUrl, apps });
});
afterAll(async () => {
  await store.close();
  await otherStore.close();
  await postgres.stop();
});

/** Everybody on two servers by turns. */
async function each(
  people: readonly Walker[],
  worlds: readonly TestWorld[],
  work: (person: Walker) => Promise<unknown>,
) {
  await Promise.all(people.map((person, i) => work(Object.assign(person, { world: worlds[i % worlds.length] }))));
}

test("groups, wait pages, barriers and arrivals on PostgreSQL, by two servers", async () => {
  const worlds = [new TestWorld(store, apps), new TestWorld(otherStore, apps)];
  const people = await walkers(worlds[0] as TestWorld, ["pairs", "second", "third"], 6);
  await each(people, worlds, (person) => person.start());
  await each(people, worlds, (person) => person.submit());
  for (const person of people) {
    while ((await person.page()) !== "pairs/1/Results") await person.view();
  }
  const groups = await store.read.rows(app.spec.group.table);
  expect(groups.map((group) => group.together)).toEqual([1, 1, 1]);
  expect(groups.reduce((sum, group) => sum + Number(group.met), 0)).toBe(21);
  expect((await store.read.rows(app.spec.player.table)).map((player) => player.place)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await store.read.rows(JournalTable, { kind: "barrier" })).toHaveLength(3);
  const [round] = await store.read.rows(SubsessionTable, { app: "pairs" });
  expect(JSON.parse(String(round?.fields))).toEqual({ runs: 1, highest: 6 });

  // One server from here on: in a lobby, those who wait must be connected to the same one.
  const [world] = worlds as [TestWorld];
  await (worlds[1] as TestWorld).close();
  await each(people, [world], (person) => person.submit());
  for (const person of people) {
    await person.view();
    await person.connect();
  }
  for (const person of people) await person.reaches("second/1/Play");
  await each(people, [world], (person) => person.submit());
  for (const person of people) await person.reaches("second/2/Play");
  for (const person of people) await person.view();
  expect(world.rendered.slice(-6).map(({ variables }) => [variables.before, variables.sizes])).toEqual(
    Array(6).fill([
      [1, 1],
      [5, 5],
    ]),
  );
  await each(people, [world], (person) => person.submit());
  for (const person of people) await person.reaches("third/1/End");
  const players = await store.read.rows(third.spec.player.table);
  const sizes = Map.groupBy(players, (player) => player.groupId);
  expect([...sizes.values()].map((group) => group.length).toSorted()).toEqual([1, 1, 2, 2]);
  await each(people, [world], (person) => person.submit());
  for (const person of people) expect(await person.page()).toBe("finished");
  await world.close();
});
