import { expect, test } from "@jest/globals";
import type { AppSpec } from "../entities/app-spec.ts";
import { createSession } from "../entities/sessions.ts";
import type { JournalEntry } from "../entities/store.ts";
import { ActorTable, JournalTable, SubsessionTable } from "../entities/system-tables.ts";
import { currency, defineApp, integer, json, link, type PlayerOf, type SubsessionOf, sum, text } from "../index.ts";
import { replayGroup } from "../rooms/replay.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

/** Pairs give something in each of two rounds; then all wait for all. */
function game() {
  const app = defineApp({
    name: "game",
    playersPerGroup: 2,
    rounds: 2,
    subsession: {
      price: currency({ initial: 1.005, doc: "of this round" }),
      best: integer({ blank: true }),
      history: json<number[]>({ initial: [] }),
      season: text(),
    },
    player: { given: integer({ initial: 0 }), seen: integer({ blank: true }) },
  });
  type Sub = SubsessionOf<typeof app>;
  const hooks = {
    creating: (_subsession: Sub) => {},
    all: (_subsession: Sub) => {},
    live: (_player: Player) => {},
    results: (_player: Player) => {},
  };
  type Player = PlayerOf<typeof app>;
  app.creatingSession((subsession) => hooks.creating(subsession));
  app.page("Give", {
    live: (player) => void hooks.live(player),
    beforeNextPage(player) {
      player.given = player.participant.idInSession;
      player.payoff = player.given;
      player.seen = player.subsession.history[0] ?? null;
    },
  });
  app.waitPage("All", { waitForAllGroups: true, afterAllPlayersArrive: (subsession) => hooks.all(subsession) });
  app.page("Results", {
    varsForTemplate(player) {
      hooks.results(player);
      return { best: player.subsession.best, price: player.group.subsession.price };
    },
  });
  return { app, hooks };
}

async function replayAll(world: TestWorld, app: { readonly spec: AppSpec }) {
  const results = [];
  for (const { id } of await world.store.read.rows(ActorTable)) {
    const entries = (await world.store.read.rows(JournalTable, { actorId: id ?? null })) as unknown as JournalEntry[];
    const each = (async function* () {
      yield* entries;
    })();
    const { decimals } = world.world.currency;
    const options = { actorId: id as number, app: app.spec, entries: each, read: world.store.read, decimals };
    results.push(await replayGroup({ ...options, ownFields: world.world.ownFields }));
  }
  return results;
}

test("fields of a subsession are set in creatingSession, and read by its groups, in pages too", async () => {
  const { app, hooks } = game();
  hooks.creating = (subsession) => {
    expect([subsession.price, subsession.best, subsession.history]).toEqual([1.01, null, []]);
    expect(() => subsession.season).toThrow(/subsession.season was read but never set/);
    subsession.season = subsession.roundNumber === 1 ? "dry" : "wet";
    subsession.price = 10.005 * subsession.roundNumber;
    subsession.history.push(subsession.roundNumber);
    // The same from below.
    expect(subsession.getPlayers()[0]?.subsession.season).toBe(subsession.season);
    expect(subsession.getGroups()[0]?.subsession.price).toBe(subsession.price);
  };
  const world = await sqlite.world([app.spec]);
  const [one] = (await walkers(world, ["game"], 4)) as [Walker];
  const rows = await world.store.read.rows(SubsessionTable);
  expect(rows.map((row) => JSON.parse(row.fields as string))).toEqual([
    { price: 10.01, history: [1], season: "dry" },
    { price: 20.01, history: [2], season: "wet" },
  ]);
  await one.start();
  await one.view();
  expect(world.rendered.at(-1)?.variables.subsession).toEqual({
    ...{ round_number: 1, price: 10.01, best: null, history: [1], season: "dry" },
  });
});

test("a group cannot change the subsession's fields, and is told where they are set", async () => {
  const { app, hooks } = game();
  hooks.creating = (subsession) => {
    subsession.season = "dry";
  };
  const tries: ((player: PlayerOf<typeof app>) => void)[] = [
    (player) => Object.assign(player.subsession, { price: 3 }),
    (player) => (player.subsession.history as number[]).push(3),
    (player) => Object.assign(player.subsession, { prize: 3 }),
    (player) => Reflect.get(player.group.subsession, "prize"),
    (player) => player.getOthersInSubsession(),
  ];
  const world = await sqlite.world([app.spec]);
  const [one] = (await walkers(world, ["game"], 2)) as [Walker];
  await one.start();
  const socket = await one.connect();
  const said = [];
  for (const attempt of tries) {
    hooks.live = attempt;
    said.push((await socket.ask(null)).e?.message);
  }
  expect(said).toEqual([
    expect.stringMatching(/subsession.price cannot be changed here.*creatingSession\(subsession\).*waitForAllGroups/),
    expect.stringMatching(/subsession's fields cannot be changed here/),
    expect.stringMatching(
      /subsession has no field "prize".*Declare it in defineApp: subsession: \{ prize: text\(\) \}/,
    ),
    expect.stringMatching(/subsession has no field "prize". It has roundNumber, price, best, history, season/),
    expect.stringMatching(/getOthersInSubsession\(\) has no place here.*creatingSession/),
  ]);
  const [row] = await world.store.read.rows(SubsessionTable);
  expect(JSON.parse(row?.fields as string)).toEqual({ price: 1.01, history: [], season: "dry" });
});

test("where all groups wait for each other, the function sets them, and all see it; a replay gives the same", async () => {
  const { app, hooks } = game();
  hooks.creating = (subsession) => {
    subsession.season = "dry";
    subsession.history.push(5);
  };
  hooks.all = (subsession) => {
    subsession.best = Math.max(...subsession.getPlayers().map((player) => player.given));
    subsession.history.push(subsession.best);
    subsession.price += 2;
  };
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["game"], 4);
  for (const person of people) {
    await person.start();
    await person.submit();
  }
  for (const person of people) await person.reaches("game/1/Results");
  for (const person of people) {
    await person.view();
    const { subsession, best, price } = world.rendered.at(-1)?.variables ?? {};
    expect([subsession, best, price]).toEqual([
      { round_number: 1, price: 3.01, best: 4, history: [5, 4], season: "dry" },
      ...[4, 3.01],
    ]);
    await person.submit();
  }
  const rows = await world.store.read.rows(SubsessionTable);
  expect(rows.map((row) => JSON.parse(row.fields as string).best ?? null)).toEqual([4, null]);
  await world.committer.drained();
  const replayed = await replayAll(world, app);
  expect(replayed.map(({ difference, reason }) => difference ?? reason)).toEqual(replayed.map(() => undefined));
  expect(replayed[0]?.memory?.subsession.values.fields).toBe(rows[0]?.fields);
});

test("a round can read the subsession of the rounds before, in creatingSession and in its groups", async () => {
  const { app, hooks } = game();
  hooks.creating = (subsession) => {
    subsession.season = "dry";
    if (subsession.roundNumber === 1) return;
    // A price that goes on from the round before.
    subsession.price = subsession.inRound(1).price + 1;
    expect(subsession.inAllRounds().map(({ price }) => price)).toEqual([1.01, 2.01]);
  };
  hooks.all = (subsession) => {
    subsession.best = 10 * subsession.roundNumber;
    if (subsession.roundNumber === 2) subsession.history.push(subsession.inPreviousRounds()[0]?.best ?? 0);
  };
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["game"], 2);
  for (const person of people) await person.start();
  for (const round of [1, 2]) {
    for (const person of people) await person.submit();
    for (const person of people) await person.reaches(`game/${round}/Results`);
    if (round === 1) for (const person of people) await person.submit();
  }
  const seen: unknown[] = [];
  hooks.results = ({ subsession }) => {
    const [first] = subsession.inPreviousRounds();
    seen.push([first?.roundNumber, first?.best, first?.history, subsession.inRound(2) === subsession]);
    seen.push(subsession.inRounds(1, 2).map(({ best }) => best));
    expect(() => Object.assign(first ?? {}, { best: 3 })).toThrow(/Subsession.best of round 1 cannot be changed/);
    expect(() => subsession.inRound(3)).toThrow(/game: subsession.inRound\(3\) in round 2/);
  };
  const [row] = await world.store.read.rows(SubsessionTable, { roundNumber: 2 });
  expect(JSON.parse(row?.fields as string)).toMatchObject({ best: 20, history: [10] });
  const [one] = people as [Walker];
  await one.view();
  expect(seen).toEqual([
    [1, 10, [], true],
    [10, 20],
  ]);
  await world.committer.drained();
  const replayed = await replayAll(world, app);
  expect(replayed.map(({ difference, reason }) => difference ?? reason)).toEqual(replayed.map(() => undefined));
});

test("a session from before the fields were declared has their initial values", async () => {
  const before = defineApp({ name: "game", playersPerGroup: 2 });
  before.page("Give");
  const world = await sqlite.world([before.spec]);
  const people = await walkers(world, ["game"], 2);
  const { app } = game();
  const again = await sqlite.restart(world, [app.spec]);
  const [one] = people.map((person) => Object.assign(person, { world: again }));
  await one?.start();
  await one?.view();
  expect(again.rendered.at(-1)?.variables.subsession).toEqual({
    ...{ round_number: 1, price: 1.01, best: null, history: [], season: null },
  });
});

test("a group from before a field was declared is the same when it is run again", async () => {
  const before = defineApp({ name: "game", playersPerGroup: 2 });
  before.page("Give", {
    live(player) {
      player.payoff += 1;
    },
  });
  const world = await sqlite.world([before.spec]);
  const [one] = (await walkers(world, ["game"], 2)) as [Walker];
  await one.start();
  await (await one.connect()).ask(1);
  const after = defineApp({
    ...{ name: "game", playersPerGroup: 2, group: { pot: integer({ initial: 3 }) } },
    player: { given: currency({ initial: 1.5 }) },
  });
  after.page("Give", {
    live(player) {
      player.payoff += 1;
    },
  });
  const again = await sqlite.restart(world, [after.spec]);
  Object.assign(one, { world: again });
  await (await one.connect()).ask(2);
  await again.committer.drained();
  const [replayed] = await replayAll(again, after);
  expect(replayed?.difference ?? replayed?.reason).toBeUndefined();
  expect([replayed?.memory?.group.values.pot, replayed?.ran]).toEqual([3, 3]);
});

test.each<[string, () => unknown, string, RegExp]>([
  ["a link", () => defineApp({ name: "a", subsession: { x: link("player") } }), "wrong_option", /leads into one group/],
  ["a built-in name", () => defineApp({ name: "a", subsession: { getPlayers: text() } }), "reserved_name", /built in/],
  ["snake case", () => defineApp({ name: "a", subsession: { my_x: text() } }), "wrong_name", /myX/],
  [
    "a published field",
    () => defineApp({ name: "a", subsession: { x: text({ publish: "group" }) } }),
    "wrong_option",
    /varsForTemplate/,
  ],
  ["no object", () => defineApp({ name: "a", subsession: [] as never }), "wrong_fields", /Subsession is an array/],
])("a mistake in a subsession's fields is named: %s", (_what, define, code, message) => {
  expect(define).toThrow(message);
  expect(define).toThrow(expect.objectContaining({ code }));
});

test("participant.payoff is the sum so far in creatingSession, and over all rounds where all groups wait", async () => {
  const first = defineApp({ name: "first" });
  first.page("Play", {
    beforeNextPage(player) {
      player.payoff += 0.1;
    },
  });
  first.creatingSession((subsession) => {
    for (const player of subsession.getPlayers()) player.payoff = 0.2;
  });
  const { app, hooks } = game();
  const created: number[] = [];
  hooks.creating = (subsession) => {
    subsession.season = "dry";
    for (const player of subsession.getPlayers()) {
      player.payoff = 1;
      created.push(player.participant.payoff);
    }
  };
  const met: number[][] = [];
  hooks.all = (subsession) => {
    met.push(subsession.getPlayers().map(({ participant }) => participant.payoffPlusParticipationFee));
    for (const player of subsession.getPlayers()) player.payoff = 100;
    met.push(subsession.getPlayers().map(({ participant }) => participant.payoff));
  };
  const world = await sqlite.world([first.spec, app.spec]);
  const people = await walkers(world, ["first", "game"], 2, { participationFee: 5, realWorldCurrencyPerPoint: 2 });
  // 0.2 of the first app, then one of each round.
  expect(created).toEqual([1.2, 1.2, 2.2, 2.2]);
  for (const person of people) {
    await person.start();
    await person.submit();
    await person.submit();
  }
  for (const person of people) await person.reaches("game/1/Results");
  const elsewhere = sum([0.2, 0.1, 1]);
  // In this round, each has earned what they gave: 1 and 2.
  expect(met[0]).toEqual([1, 2].map((given) => sum([(given + elsewhere) * 2, 5])));
  expect(met[1]).toEqual([1, 2].map(() => sum([100, elsewhere])));
});

test("creatingSession may ask a player for all others of the round", async () => {
  const { app, hooks } = game();
  const others: number[][] = [];
  hooks.creating = (subsession) => {
    subsession.season = "dry";
    for (const player of subsession.getPlayers()) {
      others.push(player.getOthersInSubsession().map((other) => other.participant.idInSession));
    }
  };
  const world = await sqlite.world([app.spec]);
  await world.committer.transact((write) =>
    createSession(write, {
      config: { name: "test", appSequence: ["game"] },
      ...{ apps: world.apps, participants: 4, isDemo: false, now: 0, decimals: 2 },
    }),
  );
  expect(others.slice(0, 4)).toEqual([
    [2, 3, 4],
    [1, 3, 4],
    [1, 2, 4],
    [1, 2, 3],
  ]);
});
