import { expect, test } from "@jest/globals";
import { defineApp, integer, type PlayerOf, text } from "../index.ts";
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
