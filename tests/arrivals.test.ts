import { expect, test } from "@jest/globals";
import { JournalTable, WaitPageTable } from "../entities/system-tables.ts";
import { defineApp, integer, type PlayerOf, text } from "../index.ts";
import type { Connection } from "../rooms/gate.ts";
import type { WaitPage } from "../rooms/wait-pages.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestConnection, TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

interface Options {
  playersPerGroup?: number;
  rounds?: number;
  wait?: object;
  page?: object;
}

function game({ playersPerGroup = 2, rounds = 1, wait = {} }: Options = {}) {
  const app = defineApp({
    name: "game",
    playersPerGroup,
    rounds,
    group: { runs: integer({ initial: 0 }) },
    player: { kind: text({ blank: true }) },
  });
  app.waitPage("Lobby", {
    groupByArrivalTime: true,
    ...wait,
    afterAllPlayersArrive(group: { runs: number }) {
      group.runs += 1;
    },
  } as never);
  app.page("Play");
  return app;
}

async function stage(app: ReturnType<typeof game>, participants: number) {
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["game"], participants);
  return { app, world, people, ...rows(world, app) };
}

function rows(world: TestWorld, app: ReturnType<typeof game>) {
  return {
    /** Groups of a round with their members as places in the session, lobby left out. */
    async matrix(round = 1): Promise<number[][]> {
      const players = await world.store.read.rows(app.spec.player.table);
      const people = new Map(
        (await world.store.read.participants(1)).map((row) => [row.id, row.idInSession as number]),
      );
      const groups = await world.store.read.rows(app.spec.group.table);
      return groups
        .filter((group) => group.roundNumber === round && group.idInSubsession !== 0)
        .map((group) =>
          players
            .filter((player) => player.groupId === group.id)
            .sort((a, b) => Number(a.idInGroup) - Number(b.idInGroup))
            .map((player) => people.get(player.participantId) as number),
        );
    },
    groups: () => world.store.read.rows(app.spec.group.table),
    formed: () => world.store.read.rows(JournalTable, { kind: "formed" }),
  };
}

/** Opens the link and the page, with its socket. */
async function come(person: Walker | undefined): Promise<TestConnection> {
  if (person === undefined) throw new Error("nobody");
  await person.start();
  return person.connect();
}

test("groups form out of those who come, in this order, and go on at once", async () => {
  const { people, matrix, groups } = await stage(game(), 5);
  for (const i of [3, 0]) await come(people[i]);
  for (const i of [3, 0]) await people[i]?.reaches("game/1/Play");
  for (const i of [4, 1, 2]) await come(people[i]);
  for (const i of [4, 1]) await people[i]?.reaches("game/1/Play");
  expect(await matrix()).toEqual([
    [4, 1],
    [5, 2],
  ]);
  expect(await people[2]?.page()).toBe("game/1/Lobby");
  expect((await groups()).filter((group) => group.idInSubsession !== 0).map((group) => group.runs)).toEqual([1, 1]);
  expect((await groups()).map((group) => group.idInSubsession)).toEqual([0, 1, 2]);
});

test("only who is connected is put into a group", async () => {
  const { people, matrix, world } = await stage(game(), 3);
  const gone = await come(people[0]);
  const lobby = world.actors.get(1);
  lobby.gate.detach(gone);
  await come(people[1]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await matrix()).toEqual([]);
  await come(people[2]);
  await people[2]?.reaches("game/1/Play");
  expect(await matrix()).toEqual([[2, 3]]);
});

test("who does not look at the page is not put into a group until they do again", async () => {
  const { people, matrix, world } = await stage(game(), 3);
  const lobby = world.actors.get(1);
  const away: Connection = await come(people[0]);
  away.away = true;
  lobby.waits.seen();
  await come(people[1]);
  await come(people[2]);
  await people[2]?.reaches("game/1/Play");
  expect(await matrix()).toEqual([[2, 3]]);
  expect(lobby.waits.line(lobby.itinerary.waits[0] as WaitPage)).toBe("");
  away.away = false;
  lobby.waits.seen();
  expect(lobby.waits.line(lobby.itinerary.waits[0] as WaitPage)).toBe("One more participant is needed.");
});

test("who has no scripts is there for a while after each time that the page loads itself again", async () => {
  let now = 0;
  const app = game();
  const world = await sqlite.world([app.spec], { monotonic: () => now });
  const people = await walkers(world, ["game"], 3);
  const { matrix } = rows(world, app);
  const [one, two, three] = people as [Walker, Walker, Walker];
  const reload = (person: Walker) =>
    person.ask((participantId, pageIndex) => ({ kind: "view", participantId, pageIndex, noScript: true }));
  for (const person of people) await person.start();
  await one.view();
  expect(await one.page()).toBe("game/1/Lobby");
  await reload(one);
  now += 13_000;
  await reload(two);
  now += 5_000;
  expect(await matrix()).toEqual([]);
  await reload(three);
  await three.reaches("game/1/Play");
  await two.reaches("game/1/Play");
  expect(await matrix()).toEqual([[2, 3]]);
});

test("those who wait hear how many are there", async () => {
  const { people } = await stage(game({ playersPerGroup: 3 }), 3);
  const one = await come(people[0]);
  const says = (words: string) => one.frames.some((frame) => frame.k === "wait" && frame.text === words);
  await one.until(() => says("1 of 3 participants are here."));
  await come(people[1]);
  await one.until(() => says("One more participant is needed."));
  await come(people[2]);
  await one.until(() => one.frames.some((frame) => frame.k === "reload"));
});

test("groups stay together in later rounds, where the page is a wait page of the group", async () => {
  const { people, matrix, groups } = await stage(game({ rounds: 3 }), 4);
  for (const i of [2, 0, 1, 3]) await come(people[i]);
  for (const person of people) await person.reaches("game/1/Play");
  for (const round of [1, 2, 3]) {
    expect(await matrix(round)).toEqual([
      [3, 1],
      [2, 4],
    ]);
  }
  for (const person of people) await person.submit();
  for (const person of people) await person.reaches("game/2/Play");
  const runs = (await groups()).filter((group) => group.idInSubsession !== 0).map((group) => group.runs);
  expect(runs.toSorted()).toEqual([0, 0, 1, 1, 1, 1]);
  for (const person of people) await person.submit();
  for (const person of people) await person.reaches("game/3/Play");
  for (const person of people) await person.submit();
  for (const person of people) expect(await person.page()).toBe("finished");
});

test("with keepGroups: false groups form anew in each round", async () => {
  const { people, matrix } = await stage(game({ rounds: 2, wait: { keepGroups: false } }), 4);
  for (const i of [0, 1, 2, 3]) await come(people[i]);
  for (const person of people) await person.reaches("game/1/Play");
  expect(await matrix(2)).toEqual([]);
  for (const i of [0, 3, 2, 1]) {
    await people[i]?.submit();
    await people[i]?.view();
    await people[i]?.connect();
  }
  for (const person of people) await person.reaches("game/2/Play");
  expect(await matrix(1)).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(await matrix(2)).toEqual([
    [1, 4],
    [3, 2],
  ]);
});

test("a method of the author's chooses, of any number, and may write to those whom it chooses", async () => {
  type Player = PlayerOf<ReturnType<typeof game>>;
  const groupByArrivalTime = (waiting: Player[]) => {
    if (waiting.length < 4) return undefined;
    const [first, , third, fourth] = waiting as [Player, Player, Player, Player];
    first.kind = "leader";
    return [fourth, first, third];
  };
  const { people, matrix, world, app } = await stage(game({ wait: { groupByArrivalTime } }), 5);
  for (const i of [0, 1, 2, 3]) await come(people[i]);
  for (const i of [0, 2, 3]) await people[i]?.reaches("game/1/Play");
  expect(await matrix()).toEqual([[4, 1, 3]]);
  expect(await people[1]?.page()).toBe("game/1/Lobby");
  const players = await world.store.read.rows(app.spec.player.table);
  expect(players.map((player) => player.kind)).toEqual(["leader", null, null, null, null]);
});

test("a method is asked again while somebody waits, and knows for how long", async () => {
  const timers: (() => void)[] = [];
  let clock = 0;
  const asked: number[] = [];
  const groupByArrivalTime = (waiting: object[], arrivals: { seconds(player: object): number }) => {
    asked.push(arrivals.seconds(waiting[0] as object));
    return arrivals.seconds(waiting[0] as object) >= 60 ? [waiting[0]] : undefined;
  };
  const app = game({ wait: { groupByArrivalTime } });
  const world = await sqlite.world([app.spec], {
    monotonic: () => clock,
    after: (ms, run) => {
      if (ms === 5_000) timers.push(run);
      return () => {};
    },
  });
  const [one] = (await walkers(world, ["game"], 2)) as [Walker];
  await come(one);
  while (timers.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(asked).toEqual([0]);
  clock = 61_000;
  timers.pop()?.();
  await one.reaches("game/1/Play");
  expect(await rows(world, app).matrix()).toEqual([[1]]);
});

test.each([
  ["a stranger", (waiting: object[]) => [...waiting, {}], /somebody who does not wait/],
  ["somebody twice", (waiting: object[]) => [waiting[0], waiting[0]], /a player twice/],
  ["nobody", () => [], /an empty array/],
  ["no array", () => 5, /no array/],
])("a method that chooses %s forms nothing, and the log says why", async (_what, groupByArrivalTime, message) => {
  const { people, world, matrix } = await stage(game({ wait: { groupByArrivalTime } }), 2);
  await come(people[0]);
  let failures = await world.store.read.rows(WaitPageTable);
  for (let tries = 0; failures.length === 0 && tries < 400; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    failures = await world.store.read.rows(WaitPageTable);
  }
  expect(failures).toMatchObject([{ error: expect.stringMatching(message) }]);
  expect(world.log.lines.some((line) => message.test(String(line.fields?.error)))).toBe(true);
  expect(await matrix()).toEqual([]);
  expect(await people[0]?.page()).toBe("game/1/Lobby");
});

test("many come at the same moment: full groups, nobody in two, and one journal for all", async () => {
  const { people, matrix } = await stage(game({ playersPerGroup: 4, rounds: 2 }), 60);
  await Promise.all(people.map(come));
  for (const person of people) await person.reaches("game/1/Play");
  for (const round of [1, 2]) {
    const groups = await matrix(round);
    expect(groups.map((group) => group.length)).toEqual(Array(15).fill(4));
    expect(new Set(groups.flat()).size).toBe(60);
  }
});

test("the lobby goes on after a restart: groups that formed have their players, the others still wait", async () => {
  const app = game({ playersPerGroup: 2, rounds: 2 });
  const { people, world } = await stage(app, 6);
  for (const i of [0, 1, 2]) await come(people[i]);
  for (const i of [0, 1]) await people[i]?.reaches("game/1/Play");
  const again = await sqlite.restart(world, [app.spec]);
  const back = people.map((person) => Object.assign(person, { world: again }));
  await come(back[3]);
  await back[2]?.view();
  await back[2]?.connect();
  for (const i of [2, 3]) await back[i]?.reaches("game/1/Play");
  const formed = await rows(again, app).matrix(2);
  expect(formed.map((group) => group.toSorted())).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect((await rows(again, app).groups()).map((group) => group.idInSubsession)).toEqual([0, 0, 1, 1, 2, 2]);
});

test("mistakes in grouping by arrival are named", () => {
  const late = defineApp({ name: "late", playersPerGroup: 2 });
  late.page("First");
  expect(() => late.waitPage("Lobby", { groupByArrivalTime: true })).toThrow(/must be the app's first page/);
  const alone = defineApp({ name: "alone" });
  expect(() => alone.waitPage("Lobby", { groupByArrivalTime: true })).toThrow(/how many make a group/);
  const both = defineApp({ name: "both", playersPerGroup: 2 });
  const options = { groupByArrivalTime: true, waitForAllGroups: true };
  expect(() => both.waitPage("Lobby", options as never)).toThrow(/wait page of its own/);
  expect(() => both.waitPage("Wait", { keepGroups: true })).toThrow(/keepGroups belongs to/);
});

test("who goes past an app whose groups stay together is missed in no later round's lobby", async () => {
  const before = defineApp({ name: "before" });
  before.page("Choose", {
    appAfterThisPage: (player) => (player.participant.idInSession === 1 ? "after" : undefined),
  });
  const app = game({ rounds: 2 });
  const after = defineApp({ name: "after" });
  after.page("End");
  const world = await sqlite.world([before.spec, app.spec, after.spec]);
  const people = await walkers(world, ["before", "game", "after"], 3);
  for (const person of people) {
    await person.start();
    await person.submit();
  }
  await people[0]?.reaches("after/1/End");
  for (const person of people.slice(1)) await person.connect();
  for (const person of people.slice(1)) await person.reaches("game/1/Play");
  const { matrix, groups } = rows(world, app);
  expect(await matrix(2)).toEqual([[2, 3]]);
  const [later] = (await groups()).filter((group) => group.roundNumber === 2 && group.idInSubsession === 0);
  // It would have found players who are taken out of it without its knowing.
  expect(await world.store.read.rows(JournalTable, { actorId: later?.id ?? null })).toEqual([]);
});
