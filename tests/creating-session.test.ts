import { expect, test } from "@jest/globals";
import { fieldSpec } from "../entities/fields.ts";
import type { OwnFieldSpecs } from "../entities/own-fields.ts";
import { createSession, type NewSession } from "../entities/sessions.ts";
import { ParticipantTable } from "../entities/system-tables.ts";
import type { Values } from "../entities/tables.ts";
import { assignTreatments, defineApp, integer, json, link, random, text, treatmentOf } from "../index.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";

const sqlite = useSqlite();

const ownFields: OwnFieldSpecs = {
  participant: {
    treatment: fieldSpec(text(), "treatment"),
    trials: fieldSpec(json<number[]>({ initial: [] }), "trials"),
  },
  session: { price: fieldSpec(integer({ initial: 1 }), "price") },
};

interface Sub {
  roundNumber: number;
  session: { price: number; code: string };
  getGroups(): Group[];
  getPlayers(): Player[];
  getGroupMatrix(): number[][];
  setGroupMatrix(matrix: unknown): void;
  groupRandomly(options?: { fixedIdInGroup?: boolean }): void;
  groupLikeRound(round: number): void;
}
interface Group {
  id: number;
  idInSubsession: number;
  price: number;
  color: string;
  getPlayers(): Player[];
  getPlayerByRole(role: string): Player;
}
interface Player {
  id: number;
  idInGroup: number;
  given: number;
  role: string;
  group: Group;
  roundNumber: number;
  participant: { treatment: string; trials: number[]; idInSession: number };
  session: { price: number };
  inPreviousRounds(): { given: number }[];
}

/** A session of a game of pairs, created with a function. Gives its rows. */
async function create(
  run: (subsession: Sub) => void,
  options: { participants?: number; rounds?: number; playersPerGroup?: number | "all"; code?: string } = {},
) {
  const app = defineApp({
    name: "game",
    playersPerGroup: options.playersPerGroup ?? 2,
    rounds: options.rounds ?? 1,
    roles: ["buyer", "seller"],
    group: { price: integer({ blank: true }), color: text({ initial: "" }) },
    player: { given: integer({ blank: true }) },
    extraModels: { Trial: { player: link("player"), size: integer() } },
  });
  app.page("Play");
  app.creatingSession(run as never);
  const world = await sqlite.world([app.spec], { ownFields });
  const given: NewSession = {
    config: { name: "test", appSequence: ["game"] },
    apps: world.apps,
    participants: options.participants ?? 6,
    isDemo: false,
    now: 5,
    decimals: 2,
    ownFields,
    codes: { session: () => options.code ?? "abcdefgh", participant: () => Math.random().toString(36).slice(2) },
  };
  const made = await world.committer.transact((write) => createSession(write, given));
  const { read } = world.store;
  const players = await read.rows(app.spec.player.table);
  const groups = await read.rows(app.spec.group.table);
  const participants = await read.rows(ParticipantTable);
  /** Who plays with whom, by participant. */
  const matrix = (round = 1) =>
    groups
      .filter((group) => group.roundNumber === round)
      .map((group) =>
        players
          .filter((player) => player.groupId === group.id)
          .sort((a, b) => Number(a.idInGroup) - Number(b.idInGroup))
          .map((player) => participants.find((row) => row.id === player.participantId)?.idInSession),
      );
  return { app, world, made, players, groups, participants, matrix };
}

test("groups are formed by a matrix, of any sizes", async () => {
  const { matrix, groups } = await create((subsession) => {
    expect(subsession.getGroupMatrix()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    subsession.setGroupMatrix([[6, 1, 2], [3], [5, 4]]);
  });
  expect(matrix()).toEqual([[6, 1, 2], [3], [5, 4]]);
  expect(groups.map((group) => group.idInSubsession)).toEqual([1, 2, 3]);
});

test("there may be more groups than before, or fewer", async () => {
  const more = await create((subsession) => subsession.setGroupMatrix([[1], [2], [3], [4], [5], [6]]));
  expect(more.matrix()).toEqual([[1], [2], [3], [4], [5], [6]]);
  const fewer = await create((subsession) => subsession.setGroupMatrix([[1, 2, 3, 4, 5, 6]]), { rounds: 2 });
  expect([fewer.matrix(1), fewer.matrix(2)]).toEqual([[[1, 2, 3, 4, 5, 6]], [[1, 2, 3, 4, 5, 6]]]);
  expect(fewer.groups).toHaveLength(2);
});

test("a matrix may hold players, and what the author holds of them goes on in their new groups", async () => {
  const { matrix, players, groups } = await create((subsession) => {
    const all = subsession.getPlayers();
    const [one, two, three, four, five, six] = all as [Player, Player, Player, Player, Player, Player];
    one.given = 10;
    subsession.setGroupMatrix([
      [six, one],
      [two, five],
      [three, four],
    ]);
    one.given += 1;
    one.group.price = 7;
    const [first, second] = one.group.getPlayers();
    expect([first === six, second === one]).toEqual([true, true]);
    expect(six.role).toBe("buyer");
    expect(one.group.getPlayerByRole("seller") === one).toBe(true);
  });
  expect(matrix()).toEqual([
    [6, 1],
    [2, 5],
    [3, 4],
  ]);
  expect(players[0]).toMatchObject({ given: 11, idInGroup: 2 });
  expect(groups.map((group) => group.price)).toEqual([7, null, null]);
});

test("groups are mixed at random, the same for the same session", async () => {
  const mix = (subsession: Sub) => subsession.groupRandomly();
  const one = await create(mix, { participants: 20 });
  const other = await create(mix, { participants: 20, code: "zyxwvuts" });
  const again = await create(mix, { participants: 20 });
  expect(one.matrix().flat().sort()).toEqual(other.matrix().flat().sort());
  expect(one.matrix()).not.toEqual(other.matrix());
  expect(again.matrix()).toEqual(one.matrix());
});

test("with fixedIdInGroup everybody keeps their role", async () => {
  const { matrix } = await create((subsession) => subsession.groupRandomly({ fixedIdInGroup: true }), {
    participants: 20,
  });
  for (const [buyer, seller] of matrix()) {
    expect([Number(buyer) % 2, Number(seller) % 2]).toEqual([1, 0]);
  }
  expect(matrix()).not.toEqual(Array.from({ length: 10 }, (_, i) => [2 * i + 1, 2 * i + 2]));
});

test("a later round may have the groups of an earlier one", async () => {
  const { matrix } = await create(
    (subsession) => {
      if (subsession.roundNumber === 1) subsession.groupRandomly();
      else if (subsession.roundNumber === 3) subsession.groupLikeRound(1);
    },
    { participants: 12, rounds: 3 },
  );
  expect(matrix(3)).toEqual(matrix(1));
  expect(matrix(2)).not.toEqual(matrix(1));
});

test.each<[string, (subsession: Sub) => void, string, RegExp]>([
  ["leaves somebody out", (sub) => sub.setGroupMatrix([[1, 2, 3, 4, 5]]), "wrong_matrix", /player 6 missing/],
  [
    "has somebody twice",
    (sub) =>
      sub.setGroupMatrix([
        [1, 2, 3],
        [3, 4, 5, 6],
      ]),
    "wrong_matrix",
    /player 3 is in it twice/,
  ],
  [
    "has a stranger",
    (sub) => sub.setGroupMatrix([[1, 2, 3, 4, 5, 6, 7]]),
    "wrong_matrix",
    /has 7 \(a number\), who is no player/,
  ],
  ["has an empty group", (sub) => sub.setGroupMatrix([[], [1, 2, 3, 4, 5, 6]]), "wrong_matrix", /group 1 is empty/],
  ["is no matrix", (sub) => sub.setGroupMatrix("ab"), "wrong_matrix", /the matrix is "ab"/],
  ["is of a round to come", (sub) => sub.groupLikeRound(2), "no_such_round", /name an earlier round/],
  [
    "would lose a group's field",
    (sub) => {
      (sub.getGroups()[1] as Group).color = "red";
      sub.groupRandomly();
    },
    "group_data",
    /group 2 has a value in Group.color/,
  ],
  ["is asked for by a wrong name", (sub) => Reflect.get(sub, "get_players"), "unknown_field", /It has .*getPlayers/],
  [
    "needs an id that is not there yet",
    (sub) => void (sub.getPlayers()[0] as Player).id,
    "not_numbered",
    /idInSession/,
  ],
])("a matrix that %s is refused, and there is no session", async (_what, run, code, message) => {
  const creating = create(run);
  await expect(creating).rejects.toMatchObject({ code });
  await expect(creating).rejects.toThrow(message);
});

test("participants that fill no whole groups need a matrix of the app's own", async () => {
  await expect(create(() => {}, { participants: 5 })).rejects.toMatchObject({ code: "wrong_number_of_participants" });
  const { matrix } = await create(
    (subsession) =>
      subsession.setGroupMatrix([
        [1, 2, 3],
        [4, 5],
      ]),
    { participants: 5 },
  );
  expect(matrix()).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
});

test("fields of players, groups, participants and the session are set before the first page", async () => {
  const { participants, made, players, groups } = await create(
    (subsession) => {
      subsession.session.price = 10 * subsession.roundNumber;
      for (const group of subsession.getGroups()) group.price = group.idInSubsession * 100 + subsession.session.price;
      for (const player of subsession.getPlayers()) {
        player.given = Math.floor(random() * 1000);
        if (player.roundNumber === 1) player.participant.treatment = player.idInGroup === 1 ? "A" : "B";
        player.participant.trials.push(player.given);
        expect(player.inPreviousRounds().length).toBe(player.roundNumber - 1);
      }
    },
    { participants: 4, rounds: 2 },
  );
  expect(made.session.fields).toBe('{"price":20}');
  const fields = participants.map((row) => JSON.parse(row.fields as string));
  expect(fields.map((own) => own.treatment)).toEqual(["A", "B", "A", "B"]);
  const given = players.map((row) => row.given);
  expect(fields.map((own) => own.trials)).toEqual([0, 1, 2, 3].map((i) => [given[i], given[i + 4]]));
  expect(groups.map((row) => row.price)).toEqual([110, 210, 120, 220]);
});

test("extra rows made for a player or group are theirs when the session starts", async () => {
  const app = defineApp({
    name: "trials",
    playersPerGroup: 2,
    extraModels: { Trial: { player: link("player"), size: integer() } },
  });
  const { Trial } = app.extraModels;
  app.page("Play", {
    varsForTemplate: (player) => ({ sizes: Trial.filter({ player }).map((row) => row.size) }),
  });
  app.creatingSession((subsession) => {
    subsession.groupRandomly();
    for (const player of subsession.getPlayers()) {
      for (const size of [1, 2]) Trial.create({ player, size: player.participant.idInSession * size });
    }
  });
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["trials"], 4);
  for (const person of people) {
    await person.start();
    await person.view();
    const id = people.indexOf(person) + 1;
    expect(world.rendered.at(-1)?.variables.sizes).toEqual([id, 2 * id]);
  }
});

test("treatments are balanced over groups, also as they come, and stay the same", async () => {
  const seen: string[] = [];
  const again: string[] = [];
  const { groups } = await create(
    (subsession) => {
      assignTreatments(subsession, ["control", "nudge", "pay"], (group, treatment) => {
        group.color = treatment;
        seen.push(treatment);
      });
      for (const group of subsession.getGroups()) again.push(treatmentOf(group, ["control", "nudge", "pay"]));
    },
    { participants: 60 },
  );
  expect(groups.map((group) => group.color)).toEqual(seen);
  expect(again).toEqual(seen);
  // After any number of groups, no treatment has two more than another.
  for (let n = 1; n <= seen.length; n++) {
    const counts = ["control", "nudge", "pay"].map((name) => seen.slice(0, n).filter((one) => one === name).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
  expect(new Set(Array.from({ length: 10 }, (_, i) => seen.slice(3 * i, 3 * i + 3).join())).size).toBeGreaterThan(2);
});

test("a participant's fields go with them from round to round, and only the group they are in writes them", async () => {
  const app = defineApp({ name: "walk", playersPerGroup: 2, rounds: 2 });
  app.page("Play", {
    beforeNextPage(player) {
      player.participant.treatment = `${player.participant.treatment ?? ""}${player.roundNumber}`;
      (player.participant.trials as number[]).push(player.roundNumber);
    },
    varsForTemplate: (player) => ({ treatment: player.participant.treatment, price: player.session.price }),
    live(player, field: string) {
      if (field === "price") player.session.price = 3;
      if (field === "typo") player.participant.treatmnt = "x";
      if (field === "wrong") player.participant.treatment = 5;
    },
  });
  app.creatingSession((subsession) => {
    for (const player of subsession.getPlayers()) player.participant.treatment = "0";
  });
  const world = await sqlite.world([app.spec], { ownFields });
  const [one, two] = (await walkers(world, ["walk"], 2)) as [Walker, Walker];
  await one.start();
  const socket = await one.connect();
  const refusal = async (field: string) => (await socket.ask(field)).e?.message;
  expect(await refusal("price")).toMatch(/session.price cannot be changed here/);
  expect(await refusal("typo")).toMatch(/participant has no field "treatmnt".*walras.config.ts/);
  expect(await refusal("wrong")).toMatch(/participant.treatment was set to 5/);
  await one.submit();
  await one.submit();
  const row = (await world.store.read.participant(one.id)) as Values;
  expect(JSON.parse(row.fields as string)).toEqual({ treatment: "012", trials: [1, 2] });
  await two.start();
  await two.view();
  expect(world.rendered.at(-1)?.variables).toMatchObject({ treatment: "0", price: 1 });
});

test("mistakes in roles are named", () => {
  expect(() => defineApp({ name: "a", roles: [] })).toThrow(/roles is an array|roles is/);
  expect(() => defineApp({ name: "a", roles: ["x", "x"] })).toThrow(/"x" \(a string\) twice/);
  expect(() => defineApp({ name: "a", playersPerGroup: 2, roles: ["x", "y", "z"] })).toThrow(/3 names/);
  expect(() => defineApp({ name: "a", roles: ["x"], player: { role: text() } })).toThrow(/Player.role is built in/);
});
