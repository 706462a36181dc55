import { expect, test } from "@jest/globals";
import { defineApp, integer, link, type PlayerOf, text } from "../index.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";

const sqlite = useSqlite();

/** Pairs who play three rounds. What they do is the test's. */
function pairs(options: { regroup?: boolean } = {}) {
  const app = defineApp({
    name: "pairs",
    playersPerGroup: 2,
    rounds: 3,
    roles: ["buyer", "seller"],
    group: { total: integer({ initial: 0 }) },
    player: { given: integer({ blank: true }), note: text({ initial: "" }) },
  });
  type Player = PlayerOf<typeof app>;
  const hooks = { vars: (_player: Player): Record<string, unknown> => ({}), next: (_player: Player) => {} };
  app.creatingSession((subsession) => {
    if (options.regroup === true && subsession.roundNumber === 3)
      subsession.setGroupMatrix([
        [1, 3],
        [2, 4],
      ]);
    expect(subsession.session.config.participationFee).toBe(0);
    const [group] = subsession.getGroups();
    if (subsession.roundNumber === 2) expect(group?.inRound(1).total).toBe(0);
  });
  app.page("Give", {
    beforeNextPage(player) {
      player.group.total += player.roundNumber;
      hooks.next(player);
    },
  });
  app.waitPage("Meet", { varsForTemplate: (player) => hooks.vars(player) });
  app.page("Results", { varsForTemplate: (player) => hooks.vars(player) });
  return { app, hooks };
}

async function play(people: readonly Walker[], page: string): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    let all = true;
    for (const person of people) {
      if ((await person.page()) === page) continue;
      all = false;
      await person.submit();
    }
    if (all) return;
  }
  throw new Error(`not everybody came to ${page}`);
}

test("what everybody is paid is in the session's config, also where nobody has set it", async () => {
  const { app, hooks } = pairs();
  hooks.vars = ({ session: { config } }) => ({ paid: [config.participationFee, config.realWorldCurrencyPerPoint] });
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["pairs"], 2);
  for (const person of people) await person.start();
  await play(people, "pairs/1/Results");
  await people[0]?.view();
  expect(world.rendered.at(-1)?.variables.paid).toEqual([0, 1]);
});

test("a group can be read in its earlier rounds, once everybody has come", async () => {
  const { app, hooks } = pairs();
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["pairs"], 4);
  for (const person of people) await person.start();
  await play(people, "pairs/3/Results");
  hooks.vars = ({ group }) => {
    const loose = group.inRound(1) as { total: number };
    expect(() => {
      loose.total = 5;
    }).toThrow(/Group.total of round 1 cannot be changed in a later round; write to this round's group/);
    expect(() => group.inRound(4)).toThrow(/group.inRound\(4\) in round 3/);
    return {
      previous: group.inPreviousRounds().map(({ roundNumber, total }) => [roundNumber, total]),
      one: group.inRound(2).total,
      some: group.inRounds(2, 3).map(({ total, idInSubsession }) => [total, idInSubsession]),
      all: group.inAllRounds().map(({ total }) => total),
      same: group.inRound(3) === group,
    };
  };
  await people[3]?.view();
  expect(world.rendered.at(-1)?.variables).toMatchObject({
    previous: [
      [1, 2],
      [2, 4],
    ],
    ...{ one: 4, all: [2, 4, 6], same: true },
    some: [
      [4, 2],
      [6, 2],
    ],
  });
});

test("a group whose players were elsewhere before has no earlier rounds, and says whom to ask", async () => {
  const { app, hooks } = pairs({ regroup: true });
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["pairs"], 4);
  for (const person of people) await person.start();
  await play(people, "pairs/3/Results");
  let said = "";
  hooks.vars = (player) => {
    try {
      player.group.inRound(1);
    } catch (error) {
      said = (error as Error).message;
    }
    return { roles: player.inAllRounds().map(({ role }) => role) };
  };
  await people[1]?.view();
  expect(said).toMatch(/group 2 were not together in round 1.*Ask its players: player.inRound\(1\)/);
  // Player 2 was the seller in the blocks, and is the first of the new group.
  expect(world.rendered.at(-1)?.variables).toMatchObject({ roles: ["seller", "seller", "buyer"] });
});

test("a participant says when they came, where they are, and what the app says of them", async () => {
  const { app, hooks } = pairs();
  const seen: unknown[] = [];
  hooks.vars = ({ participant }) => ({ waits: participant.isOnWaitPage });
  hooks.next = ({ participant }) => {
    seen.push([participant.visited, participant.isOnWaitPage, participant.finished, participant.status]);
    participant.status = participant.idInSession === 1 ? "first" : null;
  };
  const now = 1_700_000_000_000;
  const world = await sqlite.world([app.spec], { now: () => now });
  const [one, two] = (await walkers(world, ["pairs"], 2)) as [Walker, Walker];
  await one.start();
  await one.submit();
  await one.view();
  expect(seen).toEqual([[true, false, false, null]]);
  expect(world.rendered.at(-1)?.variables).toMatchObject({
    waits: true,
    participant: {
      ...{ time_started: now, visited: true, is_on_wait_page: true, finished: false, status: "first" },
      ...{ label: null, id_in_session: 1, payoff: 0 },
    },
  });
  expect((await world.store.read.participant(one.id))?.status).toBe("first");
  await two.start();
  hooks.next = ({ participant }) => {
    Object.assign(participant, { status: 5 });
  };
  const message = expect.stringMatching(/participant.status was set to 5 \(a number\)/);
  expect(await two.submit()).toMatchObject({ kind: "refused", message });
});

test("from a player there is a way to group, subsession, session and participant, and from those below back up", async () => {
  const { app, hooks } = pairs();
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["pairs"], 2, { endowment: 20, realWorldCurrencyPerPoint: 2 });
  for (const person of people) await person.start();
  await play(people, "pairs/1/Results");
  hooks.vars = (player) => ({
    same: [
      player.group === player.getOthersInGroup()[0]?.group,
      player.group.subsession === player.subsession,
      player.group.session === player.session,
      player.group.getPlayers()[1] === player,
    ],
    round: [player.subsession.roundNumber, player.group.roundNumber, player.roundNumber],
    endowment: player.session.config.endowment,
  });
  await people[1]?.view();
  expect(world.rendered.at(-1)?.variables).toMatchObject({
    ...{ same: [true, true, true, true], round: [1, 1, 1], endowment: 20 },
    // Templates know Walras' own parameters under oTree's names too.
    session: { config: { endowment: 20, realWorldCurrencyPerPoint: 2, real_world_currency_per_point: 2 } },
    subsession: { round_number: 1 },
  });
});

test("constants are read-only, and templates have oTree's own among them", async () => {
  const app = defineApp({
    name: "game",
    playersPerGroup: 2,
    rounds: 4,
    constants: { endowment: 100, MULTIPLIER: 1.5, numWeeks: 3 },
  });
  app.page("Play");
  expect(() => Object.assign(app.constants, { endowment: 200 })).toThrow(TypeError);
  expect(app.constants.endowment).toBe(100);
  const world = await sqlite.world([app.spec]);
  const [one] = (await walkers(world, ["game"], 2)) as [Walker];
  await one.start();
  await one.view();
  const C = world.rendered.at(-1)?.variables.C as Record<string, unknown>;
  expect(C).toEqual({ endowment: 100, MULTIPLIER: 1.5, numWeeks: 3, num_weeks: 3 });
  expect([C.NUM_ROUNDS, C.PLAYERS_PER_GROUP, C.NAME_IN_URL]).toEqual([4, 2, "game"]);
});

test.each<[string, () => unknown, RegExp]>([
  [
    "creatingSession in defineApp",
    () => defineApp({ name: "a", creatingSession() {} } as never),
    /has no option "creatingSession". It belongs into app.creatingSession\(\(subsession\) => /,
  ],
  [
    "a wait page's function on a page",
    () => defineApp({ name: "a" }).page("P", { after_all_players_arrive() {} } as never),
    /has no option "after_all_players_arrive". It belongs into app.waitPage\("Name", \{ afterAllPlayersArrive/,
  ],
  [
    "a page's function on a wait page",
    () => defineApp({ name: "a" }).waitPage("P", { beforeNextPage() {} } as never),
    /has no option "beforeNextPage". It belongs into app.page\("Name"/,
  ],
  ["a page sequence", () => defineApp({ name: "a", page_sequence: [] } as never), /It belongs into app.page\("Name"/],
])("a hook in the wrong place is not ignored, but told where it belongs: %s", (_what, define, message) => {
  expect(define).toThrow(message);
});

test("rows of an extra model come in order of creation, and are an array to sort, cut and search", async () => {
  const app = defineApp({
    name: "trials",
    extraModels: { Trial: { player: link("player"), size: integer(), word: text() } },
  });
  const { Trial } = app.extraModels;
  app.page("Play", {
    varsForTemplate(player) {
      const rows = Trial.filter({ player });
      return {
        all: rows.map(({ n }) => n),
        large: rows.filter(({ size }) => size > 2).map(({ word }) => word),
        last: rows
          .toSorted((a, b) => b.size - a.size)
          .slice(0, 2)
          .map(({ size }) => size),
        one: Trial.filter({ player, word: "b" }).length,
      };
    },
  });
  app.creatingSession((subsession) => {
    for (const player of subsession.getPlayers()) {
      for (const [word, size] of [
        ["a", 3],
        ["b", 1],
        ["c", 4],
      ] as const)
        Trial.create({ player, size, word });
    }
  });
  const world = await sqlite.world([app.spec]);
  const [one] = (await walkers(world, ["trials"], 1)) as [Walker];
  await one.start();
  await one.view();
  expect(world.rendered.at(-1)?.variables).toMatchObject({ all: [1, 2, 3], large: ["a", "c"], last: [4, 3], one: 1 });
});
