import { expect, test } from "@jest/globals";
import { seededRandom } from "../entities/random.ts";
import { JournalTable } from "../entities/system-tables.ts";
import { defineApp, link, now, type PlayerOf, random } from "../index.ts";
import {
  app,
  Event,
  type Loose,
  nextRound,
  Offer,
  openStage,
  type Player,
  rows,
  run,
  type Stage,
} from "./helpers/game-app.ts";
import { at, seatedGroup, useSqlite } from "./helpers/sqlite.ts";

const sqlite = useSqlite();
const stage = () => openStage(sqlite);

test("fields keep what is assigned, blank ones read as null, and all of it is stored", async () => {
  const s = await stage();
  expect(await run(s.one, (p) => [p.age, p.kind, p.group.openedAt, p.essay, p.ready])).toEqual([
    null,
    null,
    null,
    "",
    false,
  ]);
  await run(s.one, (p) => {
    p.age = 20;
    p.weight = 70.5;
    p.kind = "seller";
    p.essay = "ä😀";
    p.ready = true;
    p.payoff = 3.999;
    p.group.openedAt = 1_700_000_000_000;
    p.history = [1];
    p.history.push(2);
  });
  const { players, group } = await rows(s);
  const stored = { age: 20, weight: 70.5, kind: "seller", essay: "ä😀", ready: true, payoff: 4, history: "[1,2]" };
  expect(at(players, 0)).toMatchObject(stored);
  expect(group.openedAt).toBe(1_700_000_000_000);
  expect(await run(s.two, (p) => at(p.getOthersInGroup(), 0).history)).toEqual([1, 2]);
  await run(s.one, (p) => {
    p.age = null;
  });
  expect(at((await rows(s)).players, 0).age).toBeNull();
});

test("a JSON field changed in place is stored, and taken back when the method throws", async () => {
  const s = await stage();
  await run(s.one, (p) => {
    p.group.board.cells[1] = "X";
    expect(p.group.board.cells).toEqual(["", "X"]);
  });
  expect((await rows(s)).group.board).toBe('{"cells":["","X"]}');
  await expect(
    run(s.one, (p) => {
      p.group.board.cells[0] = "O";
      throw new Error("stop");
    }),
  ).rejects.toThrow("stop");
  expect(await run(s.two, (p) => p.group.board.cells)).toEqual(["", "X"]);
  const journal = await s.store.read.rows(JournalTable, { actorId: s.actorId, kind: "message" });
  expect(at(journal, 0).changes).toContain("cells");
  expect(at(journal, 1).changes).toBeNull();
});

test("amounts are rounded to the session's decimals: on assignment, and initial ones when their row is made", async () => {
  const s = await stage();
  expect(await rows(s)).toMatchObject({ group: { pot: 0.13 }, players: [{ price: 1.01 }, { price: 1.01 }] });
  const offer = await run(s.one, (p) => {
    p.group.pot = 1.005;
    p.price = 0.1 + 0.2;
    return [p.group.pot, p.price, Offer.create({ player: p }).price, Offer.create({ player: p, price: 1.999 }).price];
  });
  expect(offer).toEqual([1.01, 0.3, 2.68, 2]);
  expect(await rows(s)).toMatchObject({ group: { pot: 1.01 }, offers: [{ price: 2.68 }, { price: 2 }] });
  const points = await sqlite.world([app.spec], {
    currency: { locale: "en", code: null, decimals: 0, points: ["point", "points"] },
  });
  const whole = await seatedGroup(points, ["game"], 2);
  const row = at(await whole.store.read.rows(app.spec.player.table, { groupId: whole.actorId }), 0);
  expect(row.price).toBe(1);
});

test("extra rows: created in order, filtered by player, group and value, linked, deleted", async () => {
  const s = await stage();
  await run(s.one, (p) => {
    const [other] = p.getOthersInGroup();
    Offer.create({ player: p, price: 1, tags: ["a"] });
    Offer.create({ player: p, price: 2, to: other });
    Event.create({ group: p.group, name: "opened" });
    expect(() => (Offer.filter({ player: p })[0] as Loose).id).toThrow(
      /no field "id"\. n is its number in the group\./,
    );
  });
  await run(s.two, (p) => void Offer.create({ player: p, price: 1 }));
  const seen = await run(s.one, (p) => {
    const two = p.group.getPlayerById(2);
    const n = (list: readonly { n: number }[]) => list.map((row) => row.n);
    const [, linked] = Offer.filter({ player: p });
    return {
      mine: n(Offer.filter({ player: p })),
      theirs: n(Offer.filter({ player: two })),
      all: n(Offer.filter({ group: p.group })),
      cheap: n(Offer.filter({ group: p.group, price: 1.001 })),
      tagged: n(Offer.filter({ group: p.group, tags: ["a"] })),
      untagged: n(Offer.filter({ group: p.group, tags: null })),
      toTwo: n(Offer.filter({ to: two })),
      events: n(Event.filter({ group: p.group })),
      same: linked?.to === two && linked?.player === p && at(Event.filter({ group: p.group }), 0).group === p.group,
      noLink: Offer.filter({ player: two })[0]?.to,
    };
  });
  expect(seen).toEqual({
    mine: [1, 2],
    theirs: [4],
    all: [1, 2, 4],
    cheap: [1, 4],
    tagged: [1],
    untagged: [2, 4],
    toTwo: [2],
    events: [3],
    same: true,
    noLink: null,
  });
  await run(s.one, (p) => {
    const [first, second] = Offer.filter({ player: p });
    first?.delete();
    first?.delete();
    expect(() => first?.price).toThrow("deleted");
    expect(() => {
      if (first !== undefined) first.price = 2;
    }).toThrow("deleted");
    const brief = Offer.create({ player: p });
    brief.delete();
    second?.tags;
    if (second !== undefined) second.tags = ["kept"];
  });
  expect((await rows(s)).offers.map((row) => [row.n, row.tags])).toEqual([
    [2, '["kept"]'],
    [4, null],
  ]);
  await expect(
    run(s.one, (p) => {
      for (const offer of Offer.filter({ group: p.group })) offer.delete();
      throw new Error("stop");
    }),
  ).rejects.toThrow("stop");
  // A number that a deleted row had is not given again, also after a reload from the database.
  s.world.actors.get(s.actorId).die();
  const back = await s.world.connect(s.actorId, s.one.participantId);
  expect(await run(back, (p) => [Offer.filter({ group: p.group }).length, Offer.create({ player: p }).n])).toEqual([
    2, 6,
  ]);
});

test("players and groups of others are refused, and models of other apps", async () => {
  const other = defineApp({ name: "other", playersPerGroup: 2, extraModels: { Thing: { player: link("player") } } });
  other.page("Play", {
    live(player) {
      foreign = player;
    },
  });
  let foreign: PlayerOf<typeof other> | undefined;
  const world = await sqlite.world([app.spec, other.spec]);
  const s = await seatedGroup(world, ["game"], 2);
  const t = await seatedGroup(world, ["other"], 2);
  const u = await seatedGroup(world, ["game"], 2);
  let kept: Player | undefined;
  await at(t.players, 0).ask("keep");
  await run(at(u.players, 0), (p) => {
    kept = p;
  });
  for (const [mistake, message] of [
    [(p: Loose) => Offer.create({ player: p, to: kept }), /outside of this group/],
    [(p: Loose) => Offer.create({ price: 1, to: p, player: kept as Player }), /outside of this group/],
    [(p: Loose) => Offer.filter({ group: p.group, player: kept } as Loose), /outside of this group/],
    [(p: Loose) => Offer.create({ player: p, to: foreign as Loose }), /takes a player/],
    [(p: Loose) => Offer.create({ player: p, to: p.group }), /takes a player/],
    [(p: Loose) => Offer.create({ player: p, to: p.id }), /takes a player/],
    [(p: Loose) => Offer.create({ player: p, nonsense: 1 } as Loose), /no field "nonsense"/],
    [(p: Loose) => Offer.create({ to: p } as Loose), /needs `player`/],
    [() => Offer.create({ price: 1 } as Loose), /without a player or group/],
    [(p: Loose) => other.extraModels.Thing.create({ player: p }), /not a model of app game/],
  ] as const) {
    await expect(run(at(s.players, 0), mistake)).rejects.toThrow(message);
  }
  expect((await rows(s as Stage)).offers).toEqual([]);
});

test("built-ins and the people of a group", async () => {
  const s = await stage();
  const seen = await run(s.two, (p) => ({
    id: p.idInGroup,
    round: [p.roundNumber, p.group.roundNumber, p.subsession.roundNumber],
    others: p.getOthersInGroup().map((other) => other.idInGroup),
    all: p.group.getPlayers().map((player) => player.idInGroup),
    same: p.group.getPlayerById(2) === p && p.group.getPlayers()[1] === p && p.group === p.getOthersInGroup()[0]?.group,
    person: [p.participant.idInSession, p.participant.label, p.participant.code.length],
    session: [p.session.config.name, p.session.code.length],
    payoff: p.payoff,
  }));
  expect(seen).toEqual({
    id: 2,
    round: [1, 1, 1],
    others: [1],
    all: [1, 2],
    same: true,
    person: [2, null, 26],
    session: ["test", 8],
    payoff: 0,
  });
});

test("earlier rounds can be read and not written, of everybody who has arrived", async () => {
  const s = await stage();
  await run(s.one, (p) => {
    p.age = 30;
    p.payoff = 5;
    p.history = [1, 2];
    p.group.pot = 7;
    expect(p.inPreviousRounds()).toEqual([]);
    expect(p.inRound(1)).toBe(p);
  });
  const one = await nextRound(s, 0);
  await run(one, (p) => {
    const [past] = p.inPreviousRounds();
    expect(past).toBeDefined();
    expect([past?.roundNumber, past?.idInGroup, past?.age, past?.payoff, past?.history]).toEqual([1, 1, 30, 5, [1, 2]]);
    expect(p.inRound(1).age).toBe(30);
    expect([past?.group.pot, past?.group.idInSubsession, past?.group.roundNumber]).toEqual([7, 1, 1]);
    expect(() => {
      (past as Loose).group.pot = 8;
    }).toThrow(/of round 1 cannot be changed/);
    expect(p.inRound(2)).toBe(p);
    expect(p.inAllRounds().map((player) => player.roundNumber)).toEqual([1, 2]);
    expect(p.inRounds(1, 1).map((player) => player.roundNumber)).toEqual([1]);
    expect(p.inRounds(1, 2).map((player) => player.roundNumber)).toEqual([1, 2]);
    expect(p.inRounds(2, 2)[0]).toBe(p);
    for (const [first, last] of [
      [0, 1],
      [2, 1],
      [1, 3],
      ["1", 2],
    ] as Loose) {
      expect(() => p.inRounds(first, last)).toThrow(/player.inRounds.* in round 2: only this round and earlier ones/);
    }
    expect(p.age).toBeNull();
    const loose = past as Loose;
    expect(() => {
      loose.age = 31;
    }).toThrow(/of round 1 cannot be changed/);
    expect(() => delete loose.age).toThrow(/of round 1 cannot be changed/);
    expect(() => loose.history.push(3)).toThrow();
    expect(() => loose.aeg).toThrow(/has no field "aeg"/);
    expect(() => loose.participant).toThrow(/same person in all rounds: player\.participant/);
    expect(() => loose.getOthersInGroup()).toThrow(/when a round ends, keep what later ones show of them in a field/);
    // The other one still plays round 1: what they have there is not their last word.
    expect(() => p.group.getPlayerById(2).inPreviousRounds()).toThrow(/has not arrived in round 2/);
    const elsewhere: Loose = p.group.getPlayerById(2).participant;
    expect([elsewhere.idInSession, elsewhere.code]).toEqual([2, s.people[1]?.code]);
    expect(() => elsewhere.label).toThrow(/participant.label of player 2: they are not in this group at the moment/);
    expect(() => {
      elsewhere.status = "here";
    }).toThrow(/not in this group at the moment/);
    expect(() => p.group.inRound(1)).toThrow(/has not arrived in round 2/);
  });
  await run(s.two, (p) => {
    p.age = 40;
  });
  const two = await nextRound(s, 1);
  const ages = (p: Player) => p.group.getPlayers().map((player) => player.inRound(1).age);
  expect(await run(one, ages)).toEqual([30, 40]);
  // Also after one of them has left, and the group was loaded again.
  const actorId = at(await s.store.read.rows(app.spec.group.table, { roundNumber: 2 }), 0).id as number;
  const submit = { kind: "submit" as const, participantId: one.participantId, pageIndex: 2, outbox: [], form: {} };
  expect(await s.world.actors.call(actorId, submit)).toEqual({ kind: "goto", pageIndex: 3 });
  expect(await run(two, ages)).toEqual([30, 40]);
  s.world.actors.get(actorId).die();
  const back = await s.world.connect(actorId, two.participantId);
  expect(await run(back, ages)).toEqual([30, 40]);
});

test("what is kept of a call throws when the call is over", async () => {
  const s = await stage();
  let kept: Player | undefined;
  let row: { price: number; n: number; delete(): void } | undefined;
  await run(s.one, (p) => {
    kept = p;
    row = Offer.create({ player: p });
  });
  const player = kept as Player;
  const uses: (() => unknown)[] = [
    () => player.age,
    () => {
      player.age = 20;
    },
    () => player.idInGroup,
    () => player.group.pot,
    () => player.participant.code,
    () => player.getOthersInGroup()[0]?.ready,
    () => Offer.filter({ player }),
    () => Offer.create({ player }),
    () => row?.price,
    () => row?.n,
    () => row?.delete(),
  ];
  for (const use of uses) expect(use).toThrow(/after the call it belonged to had ended/);
  // And in the next call, where a new one must be taken.
  await expect(run(s.one, () => player.age)).rejects.toThrow(/after the call it belonged to had ended/);
});

let late: unknown;
test("now() and random() come from the unit, so that a replay gives the same, and throw outside of a call", async () => {
  let clock = 1_700_000_000_000;
  const world = await sqlite.world([app.spec], { now: () => clock++, newSeed: () => 12345 });
  const s = await seatedGroup(world, ["game"], 2);
  const [time, again, a, b] = (await run(at(s.players, 0), () => [now(), now(), random(), random()])) as number[];
  expect(again).toBe(time);
  const dice = seededRandom(12345);
  expect([a, b]).toEqual([dice(), dice()]);
  await run(at(s.players, 0), () => 1);
  const journal = await s.store.read.rows(JournalTable, { actorId: s.actorId, kind: "message" });
  expect(journal.map((entry) => entry.seed)).toEqual([12345, null]);
  expect(at(journal, 0).at).toBe(time);
  expect(() => now()).toThrow(/outside of a function that Walras runs/);
  expect(() => random()).toThrow(/outside of a function that Walras runs/);
  await expect(
    run(at(s.players, 0), () => {
      queueMicrotask(() => {
        try {
          now();
        } catch (error) {
          late = error;
        }
      });
    }),
  ).resolves.toBeNull();
  expect(late).toMatchObject({ code: "outside_of_call" });
});
