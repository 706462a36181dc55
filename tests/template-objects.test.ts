import { expect, test } from "@jest/globals";
import { forTemplate } from "../entities/template-handles.ts";
import { memberHint } from "../server/template-hints.ts";
import { app, type Loose, nextRound, Offer, openStage, rows, run, shows } from "./helpers/game-app.ts";
import { at, useSqlite } from "./helpers/sqlite.ts";

const sqlite = useSqlite();
const stage = () => openStage(sqlite);

test("templates see the same objects in snake_case, may call what reads, and can change nothing", async () => {
  const s = await stage();
  await run(s.one, (p) => {
    p.kind = "buyer";
    p.group.board = { cells: ["X"] };
    Offer.create({ player: p, tags: ["a"] });
  });
  let seen: Record<string, Loose> = {};
  shows((player) => {
    const offers = Offer.filter({ player });
    seen = {};
    const template = forTemplate({ player, offers, deep: { list: [player] }, plainCamel: { innerCamel: 1 } }) as Loose;
    const { player: p } = template;
    Object.assign(seen, {
      names: [p.id_in_group, p.idInGroup, p.round_number, p.kind, p.price, p.payoff, p.nonsense],
      group: [p.group.pot, p.group.round_number, p.group.board.cells],
      person: p.participant.id_in_session,
      session: [p.session.config.name, p.subsession.round_number],
      others: p.get_others_in_group().map((other: Loose) => other.id_in_group),
      two: p.group.get_player_by_id(2).id_in_group,
      offers: template.offers.map((offer: Loose) => [offer.price, offer.tags, offer.player.id_in_group]),
      deep: template.deep.list[0].id_in_group,
      author: template.plainCamel.innerCamel,
      has: ["id_in_group" in p, "nonsense" in p],
      hidden: [template.offers[0].delete, p.constructor, p.to_json, p.to_j_s_o_n],
      past: p.in_previous_rounds().length,
    });
    expect(() => {
      p.kind = "seller";
    }).toThrow(/template/);
    p.group.board.cells.push("O");
    template.offers[0].tags.push("b");
    p.session.config.fee = 1;
    expect(player.session.config.fee).toBeUndefined();
    return { offers };
  });
  expect(await s.world.view(s.actorId, s.one.participantId)).toMatchObject({ kind: "page" });
  expect(seen).toEqual({
    names: [1, 1, 1, "buyer", 1.01, 0, undefined],
    group: [0.13, 1, ["X"]],
    person: 1,
    session: ["test", 1],
    others: [2],
    two: 2,
    offers: [[2.68, ["a"], 1]],
    deep: 1,
    author: 1,
    has: [true, false],
    hidden: [undefined, undefined, undefined, undefined],
    past: 0,
  });
  const { group, players, offers } = await rows(s);
  expect([group.board, at(players, 0).kind, at(offers, 0).tags]).toEqual(['{"cells":["X"]}', "buyer", '["a"]']);
  // The context of the page itself.
  const { variables } = at(s.world.rendered, s.world.rendered.length - 1);
  expect(Object.keys(variables).sort()).toEqual([
    "C",
    "group",
    "offers",
    "participant",
    "player",
    "session",
    "subsession",
  ]);
  expect(variables.C).toEqual({ endowment: 100 });
  // Of a call that is over.
  expect(() => (variables.player as Loose).kind).toThrow(/ended/);
});

test("templates can compare players, groups and rows: the same one is the same wherever it comes from", async () => {
  const s = await stage();
  await run(s.one, (p) => void Offer.create({ player: p, price: 1 }));
  let seen: unknown;
  shows((player) => {
    const p = forTemplate(player) as Loose;
    const [one, two] = p.group.get_players();
    const [offer] = forTemplate(Offer.filter({ player })) as Loose;
    seen = [one === p, two === p, p.get_others_in_group()[0] === two, two.group === p.group, offer.player === p];
    return {};
  });
  await s.world.view(s.actorId, s.one.participantId);
  expect(seen).toEqual([true, false, true, true, true]);
});

test("players of earlier rounds are in snake_case in templates, too", async () => {
  const s = await stage();
  const one = await nextRound(s, 0);
  let seen: unknown;
  shows((player) => {
    const [past] = (forTemplate(player) as Loose).in_previous_rounds();
    seen = [past.id_in_group, past.round_number, past.history, past.group.id_in_subsession];
    expect(memberHint(past, "get_others_in_group", "p.get_others_in_group")).toMatch(/keep what later ones show/);
    expect(memberHint(forTemplate(player), "histry", "player.histry")).toBe(" Did you mean history?");
    return {};
  });
  const actorId = at(await s.store.read.rows(app.spec.group.table, { roundNumber: 2 }), 0).id as number;
  await s.world.view(actorId, one.participantId, 2);
  expect(seen).toEqual([1, 1, [], 1]);
});
