import { expect, test } from "@jest/globals";
import { fieldSpec } from "../entities/fields.ts";
import type { OwnFieldSpecs } from "../entities/own-fields.ts";
import { JournalTable, WaitPageTable } from "../entities/system-tables.ts";
import { defineApp, integer, link, type SubsessionOf } from "../index.ts";
import { replayed } from "./helpers/replayed.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

const ownFields: OwnFieldSpecs = {
  participant: { rank: fieldSpec(integer({ blank: true }), "rank") },
  session: { best: fieldSpec(integer({ initial: 0 }), "best") },
};

/** Pairs who give something, then all wait for all; then the results. */
function game(options: { rounds?: number; page?: "first" | "last" | "between"; wait?: object; extra?: boolean } = {}) {
  const app = defineApp({
    name: "game",
    playersPerGroup: 2,
    rounds: options.rounds ?? 1,
    group: { total: integer({ initial: 0 }) },
    player: { given: integer({ initial: 0 }), rank: integer({ blank: true }) },
    extraModels: { Note: { player: link("player") } },
  });
  const give = () =>
    app.page("Give", {
      beforeNextPage(player) {
        player.given = player.participant.idInSession * player.roundNumber;
        player.group.total += player.given;
        if (options.extra) app.extraModels.Note.create({ player });
      },
    });
  const wait = () =>
    app.waitPage("All", {
      waitForAllGroups: true,
      ...options.wait,
      afterAllPlayersArrive: (subsession) => hook(subsession),
    });
  let hook: (subsession: SubsessionOf<typeof app>) => void = () => {};
  if (options.page !== "first") give();
  wait();
  if (options.page === "first") give();
  if (options.page !== "last") app.page("Results");
  return {
    app,
    onArrival(run: (subsession: SubsessionOf<typeof app>) => void) {
      hook = run;
    },
  };
}

async function stage(made: ReturnType<typeof game>, participants: number) {
  const world = await sqlite.world([made.app.spec], { ownFields });
  const people = await walkers(world, ["game"], participants);
  await Promise.all(people.map((person) => person.start()));
  return { ...made, world, people, ...tables(world, made) };
}

function tables(world: TestWorld, { app }: ReturnType<typeof game>) {
  return {
    groups: () => world.store.read.rows(app.spec.group.table),
    players: () => world.store.read.rows(app.spec.player.table),
    entries: () => world.store.read.rows(JournalTable, { kind: "barrier" }),
  };
}

/** Ranks everybody by what they gave. */
function rank(subsession: SubsessionOf<ReturnType<typeof game>["app"]>): void {
  const players = subsession.getPlayers().toSorted((a, b) => b.given - a.given);
  for (const [i, player] of players.entries()) {
    player.rank = i + 1;
    player.participant.rank = i + 1;
  }
  subsession.session.best = players[0]?.given ?? 0;
}

test("all groups wait for the last participant of all; then the function has run once over all of them", async () => {
  const { people, players, groups, entries, world, onArrival } = await stage(game(), 6);
  let runs = 0;
  onArrival((subsession) => {
    runs += 1;
    expect(subsession.getGroups().map((group) => group.total)).toEqual([3, 7, 11]);
    rank(subsession);
  });
  for (const person of people.slice(0, 5)) await person.submit();
  expect(await people[0]?.page()).toBe("game/1/All");
  await people[5]?.submit();
  for (const person of people) await person.reaches("game/1/Results");
  expect(runs).toBe(1);
  expect((await players()).map((player) => player.rank)).toEqual([6, 5, 4, 3, 2, 1]);
  expect((await groups()).map((group) => group.total)).toEqual([3, 7, 11]);
  const stored = await entries();
  expect(stored.map((entry) => entry.actorId)).toEqual((await groups()).map((group) => group.id));
  expect(new Set(stored.map((entry) => entry.batch)).size).toBe(1);
  await people[0]?.view();
  expect(world.rendered.at(-1)?.variables.session).toMatchObject({ best: 6 });
  expect(world.rendered.at(-1)?.variables.participant).toMatchObject({ rank: 6 });
});

test("those who wait hear how many are there, and that they may go on", async () => {
  const { people, world } = await stage(game(), 4);
  await people[0]?.submit();
  await people[0]?.view();
  // Not "participant", though groups are of two.
  expect(world.rendered.at(-1)?.wait?.body).toBe("Waiting for the other participants.");
  const waiting = await (people[0] as Walker).connect();
  await people[1]?.submit();
  const says = (text: string) => waiting.frames.some((frame) => frame.k === "wait" && frame.text === text);
  await waiting.until(() => says("2 of 4 participants are here."));
  await people[2]?.submit();
  await people[3]?.submit();
  await waiting.until(() => waiting.frames.some((frame) => frame.k === "reload"));
});

test("all arrive at the same moment, and the function runs once", async () => {
  const { people, entries, onArrival } = await stage(game(), 40);
  let runs = 0;
  onArrival(() => {
    runs += 1;
  });
  await Promise.all(people.map((person) => person.submit()));
  for (const person of people) await person.reaches("game/1/Results");
  expect(runs).toBe(1);
  expect(await entries()).toHaveLength(20);
});

test("two servers on two processes' memories: the function takes effect once", async () => {
  const made = game();
  const { people, world, entries, players, onArrival } = await stage(made, 6);
  let runs = 0;
  onArrival((subsession) => {
    runs += 1;
    for (const player of subsession.getPlayers()) player.rank = runs;
  });
  // A second server over the same store, as with PostgreSQL.
  const { TestWorld: World } = await import("./helpers/world.ts");
  const other = new World(world.store, [made.app.spec], { ownFields });
  const there = people.map(
    (person) => Object.assign(Object.create(Object.getPrototypeOf(person)), person, { world: other }) as Walker,
  );
  await Promise.all(people.map((person, i) => (i % 2 === 0 ? person.submit() : (there[i] as Walker).submit())));
  await Promise.all(people.map((person) => person.view()));
  await Promise.all(there.map((person) => person.view()));
  for (const person of people) await person.reaches("game/1/Results");
  const ranks = new Set((await players()).map((player) => player.rank));
  expect(ranks.size).toBe(1);
  expect(await entries()).toHaveLength(3);
  await other.close();
});

test("groups may be formed anew before a round, of other sizes and numbers, and play on as they are", async () => {
  const made = game({ page: "first", rounds: 2 });
  const world = await sqlite.world([made.app.spec], { ownFields });
  const people = await walkers(world, ["game"], 6);
  const { groups, players } = tables(world, made);
  made.onArrival((subsession) => {
    if (subsession.roundNumber === 1) {
      const [one, , , , , six] = subsession.getPlayers();
      if (one === undefined || six === undefined) throw new Error("no players");
      subsession.setGroupMatrix([[six, one], [2, 3, 4], [5]]);
      one.given = 100;
      expect(one.group.getPlayers().length).toBe(2);
    } else {
      subsession.setGroupMatrix([[1], [2], [3], [4, 5], [6]]);
      expect(subsession.getPlayers().map((player) => player.inPreviousRounds()[0]?.given)).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });
  await Promise.all(people.map((person) => person.start()));
  for (const person of people) await person.reaches("game/1/Give");
  const matrix = async (round: number) => {
    const rows = await players();
    return (await groups())
      .filter((group) => group.roundNumber === round)
      .map((group) =>
        rows
          .filter((row) => row.groupId === group.id)
          .sort((a, b) => Number(a.idInGroup) - Number(b.idInGroup))
          .map((row) => people.findIndex((person) => person.id === row.participantId) + 1),
      );
  };
  expect(await matrix(1)).toEqual([[6, 1], [2, 3, 4], [5]]);
  await Promise.all(people.map((person) => person.submit()));
  expect((await groups()).filter((row) => row.roundNumber === 1).map((group) => group.total)).toEqual([7, 9, 5]);
  await Promise.all(people.map((person) => person.submit()));
  for (const person of people) await person.reaches("game/2/Give");
  expect(await matrix(2)).toEqual([[1], [2], [3], [4, 5], [6]]);
  await Promise.all(people.map((person) => person.submit()));
  expect((await groups()).filter((row) => row.roundNumber === 2).map((group) => group.total)).toEqual([
    2, 4, 6, 18, 12,
  ]);
});

test("fewer groups: those that are no more are gone", async () => {
  const made = game({ page: "first" });
  const { people, groups, onArrival } = await (async () => {
    const world = await sqlite.world([made.app.spec], { ownFields });
    const people = await walkers(world, ["game"], 6);
    return { ...made, people, ...tables(world, made) };
  })();
  onArrival((subsession) => subsession.setGroupMatrix([[1, 2, 3, 4, 5, 6]]));
  await Promise.all(people.map((person) => person.start()));
  for (const person of people) await person.reaches("game/1/Give");
  expect(await groups()).toHaveLength(1);
  await Promise.all(people.map((person) => person.submit()));
  expect(await groups()).toMatchObject([{ total: 21 }]);
});

test.each([
  ["a group has data", {}, /group 1 has a value in Group.total/],
  ["a group has rows of its own", { extra: true }, /group 1 has/],
])("groups are not formed anew where %s: it is the function's failure", async (_what, options, message) => {
  const { people, world, groups, onArrival } = await stage(game(options), 4);
  onArrival((subsession) => subsession.groupRandomly());
  for (const person of people) await person.submit();
  for (let tries = 0; (await world.store.read.rows(WaitPageTable)).length === 0; tries++) {
    if (tries > 400) throw new Error("no failure was stored");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const [failure] = await world.store.read.rows(WaitPageTable);
  expect(failure?.error).toMatch(message);
  expect(await people[0]?.page()).toBe("game/1/All");
  expect(await groups()).toHaveLength(2);
});

test("a function that throws changes nothing, holds all groups calmly, and runs again when asked to", async () => {
  const { people, world, players, onArrival } = await stage(game(), 4);
  let broken = true;
  let runs = 0;
  onArrival((subsession) => {
    runs += 1;
    rank(subsession);
    if (broken) throw new Error("nobody won");
  });
  for (const person of people) await person.submit();
  const sockets = await Promise.all(people.map((person) => person.connect()));
  for (const socket of sockets) {
    await socket.until(() =>
      socket.frames.some((frame) => frame.k === "wait" && /longer than planned/.test(frame.text)),
    );
  }
  for (const person of people) await person.view();
  expect(runs).toBe(1);
  expect((await players()).map((player) => player.rank)).toEqual([null, null, null, null]);
  const [failure] = await world.store.read.rows(WaitPageTable);
  expect(failure).toMatchObject({ error: "nobody won", doneAt: null });
  const actorId = failure?.actorId as number;
  await expect(world.actors.retryWaitPage(actorId, "game/1/All")).rejects.toMatchObject({ message: "nobody won" });
  broken = false;
  await world.actors.retryWaitPage(actorId, "game/1/All");
  for (const person of people) await person.reaches("game/1/Results");
  expect((await players()).map((player) => player.rank)).toEqual([4, 3, 2, 1]);
  expect(await world.store.read.rows(WaitPageTable)).toHaveLength(2);
});

test("what a crash left undone is done when somebody looks at the page", async () => {
  const made = game();
  const { people, world, entries } = await stage(made, 4);
  // The server dies between the last arrival and the barrier: it has nobody who would notice.
  for (const person of people) {
    const place = await world.store.read.whereabouts(person.code);
    Object.assign(world.actors.get(place?.actorId as number), { barriers: undefined });
  }
  for (const person of people) await person.submit();
  expect(await entries()).toHaveLength(0);
  const again = await sqlite.restart(world, [made.app.spec]);
  const back = people.map((person) => Object.assign(person, { world: again }));
  await back[2]?.view();
  for (const person of back) await person.reaches("game/1/Results");
});

test("as the last page of a round it leads everybody on, and into the next round's barrier, without browsers", async () => {
  const { people, onArrival, entries } = await stage(game({ page: "last", rounds: 2 }), 4);
  const rounds: number[] = [];
  onArrival((subsession) => {
    rounds.push(subsession.roundNumber);
    subsession.session.best = subsession.roundNumber;
  });
  await Promise.all(people.map((person) => person.submit()));
  for (const person of people) await person.reaches("game/2/Give");
  await Promise.all(people.map((person) => person.submit()));
  for (const person of people) await person.reaches("finished");
  expect(rounds).toEqual([1, 2]);
  expect(await entries()).toHaveLength(4);
});

test("a group that is still being loaded does not stand in the way of the news to those who wait", async () => {
  const made = game({ rounds: 2 });
  const { people, world } = await stage(made, 4);
  await Promise.all(people.map((person) => person.submit()));
  for (const person of people) await person.reaches("game/1/Results");
  await Promise.all(people.map((person) => person.submit()));
  await people[0]?.submit();
  expect(await people[0]?.page()).toBe("game/2/All");
  const news: (() => void)[] = [];
  const again = await sqlite.restart(world, [made.app.spec], {
    ownFields,
    after: (ms, run) => {
      if (ms === 300) news.push(run);
      return () => {};
    },
  });
  const [first, , third] = people.map((person) => Object.assign(person, { world: again }));
  await first?.view();
  while (news.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const { read } = again.store;
  const earlierPlayers = read.earlierPlayers.bind(read);
  const slow = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  read.earlierPlayers = async (...which) => {
    asked.resolve();
    await slow.promise;
    return earlierPlayers(...which);
  };
  const view = third?.view();
  await asked.promise;
  for (const tell of news) expect(tell).not.toThrow();
  slow.resolve();
  expect(await view).toMatchObject({ kind: "page" });
});

test("a group that forms when all others have gone on goes past the page, without the function", async () => {
  const app = defineApp({ name: "late", playersPerGroup: 2, group: { runs: integer({ initial: 0 }) } });
  app.waitPage("Lobby", { groupByArrivalTime: true, timeout: { seconds: 0.1, outcome: "proceed" } });
  app.waitPage("All", {
    waitForAllGroups: true,
    timeout: { seconds: 0.2, outcome: "proceed" },
    afterAllPlayersArrive(subsession) {
      for (const group of subsession.getGroups()) group.runs += 1;
    },
  });
  app.page("Results");
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["late"], 3);
  const [one, two, three] = people as [Walker, Walker, Walker];
  for (const person of people) await person.start();
  for (const person of [one, two]) await person.connect();
  for (const person of [one, two]) await person.reaches("late/1/Results");
  const socket = await three.connect();
  await three.reaches("late/1/Results");
  expect(socket.frames.some((frame) => frame.k === "reload")).toBe(true);
  const groups = await world.store.read.rows(app.spec.group.table);
  expect(groups.map(({ idInSubsession, runs }) => [idInSubsession, runs])).toEqual([
    [0, 0],
    [1, 1],
    [2, 0],
  ]);
});

test("what an experimenter has let go on goes on after a crash as well", async () => {
  const { world, people } = await stage(game(), 4);
  const [one, two, three] = people as [Walker, Walker, Walker];
  for (const person of [one, two, three]) await person.submit();
  const place = await world.store.read.whereabouts(one.code);
  const actorId = place?.actorId as number;
  // The server ended when the advance was stored, before anything could follow from it.
  world.actors.find(actorId)?.die();
  const row = { actorId, page: "game/1/All", sessionId: place?.sessionId as number, timedOut: true, advanced: true };
  await world.committer.transact((write) => write.insert(WaitPageTable, [row]));
  await one.view();
  for (const person of [one, two, three]) await person.reaches("game/1/Results");
  expect(await people[3]?.page()).toBe("game/1/Give");
});

test("groups that were formed anew can be run again, before and after they play on", async () => {
  const made = game({ page: "first" });
  made.onArrival((subsession) => {
    subsession.setGroupMatrix([[1, 3], [2, 6, 5], [4]]);
    rank(subsession);
  });
  const { people, world, groups } = await stage(made, 6);
  const same = async () => {
    for (const { id } of await groups()) {
      expect(await replayed(world, made.app.spec, id as number)).toMatchObject({ difference: undefined });
    }
  };
  for (const person of people) await person.reaches("game/1/Give");
  await same();
  for (const person of people) await person.submit();
  for (const person of people) expect(await person.page()).toBe("game/1/Results");
  await same();
  expect((await groups()).map(({ total }) => total)).toEqual([4, 13, 4]);
});
