import { expect, test } from "@jest/globals";
import { defineApp, integer } from "../index.ts";
import { replayed } from "./helpers/replayed.ts";
import { at, useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";

const sqlite = useSqlite();

test("what others do in a round after somebody has left it does not change how their next round is run again", async () => {
  const app = defineApp({
    name: "game",
    playersPerGroup: 2,
    rounds: 2,
    group: { total: integer({ initial: 0 }) },
    player: { got: integer({ initial: 0 }), seen: integer({ blank: true }), seenOwn: integer({ blank: true }) },
  });
  // Strangers: the pairs of round 2 are others.
  app.creatingSession((subsession) => {
    if (subsession.roundNumber === 2)
      subsession.setGroupMatrix([
        [1, 3],
        [2, 4],
      ]);
  });
  app.page("Give", {
    beforeNextPage(player) {
      const [past] = player.inPreviousRounds();
      player.seen = past?.group.total ?? null;
      player.seenOwn = past?.got ?? null;
      player.group.total += 10;
      for (const other of player.getOthersInGroup()) other.got += 1;
    },
  });
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["game"], 4);
  const [one, two, three, four] = [at(people, 0), at(people, 1), at(people, 2), at(people, 3)];
  const play = async (person: Walker): Promise<void> => {
    await person.view();
    await person.submit();
  };
  for (const person of people) await person.start();
  await play(one); // Round 1, first of their group.
  await play(one); // Round 2, where player 2 of round 1 is still missing.
  for (const person of [two, three, four]) await play(person); // Round 1.
  for (const person of [two, three, four]) await play(person);
  const players = (await world.store.read.rows(app.spec.player.table, { roundNumber: 2 })).sort(
    (a, b) => Number(a.participantId) - Number(b.participantId),
  );
  // The first one saw the group as they left it.
  expect(players.map(({ seen, seenOwn }) => [seen, seenOwn])).toEqual([
    [10, 0],
    [20, 1],
    [20, 1],
    [20, 1],
  ]);
  for (const { id } of await world.store.read.rows(app.spec.group.table)) {
    expect(await replayed(world, app.spec, Number(id))).toMatchObject({ difference: undefined });
  }
});
