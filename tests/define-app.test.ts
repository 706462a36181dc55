import { expect, test } from "@jest/globals";
import { z } from "zod";
import { DirectView } from "../entities/direct-view.ts";
import { GroupMemory } from "../entities/memory.ts";
import type { GroupRows } from "../entities/store.ts";
import { nearestName } from "../entities/suggest.ts";
import { currency, defineApp, float, integer, json, link, type PlayerOf, text } from "../index.ts";
import { parseMessage, type StandardSchema } from "../rooms/standard-schema.ts";
import { refused } from "./helpers/refused.ts";

/** Definitions as an author without the type checker may write them. */
function define(definition: object): ReturnType<typeof defineApp> {
  return defineApp(definition as Parameters<typeof defineApp>[0]);
}

function page(options: object, name: unknown = "Bidding") {
  return () => define({ name: "auction" }).page(name as string, options);
}

test("a definition becomes a spec with everything filled in", () => {
  const app = defineApp({
    name: "auction",
    playersPerGroup: 4,
    constants: { endowment: 100 },
    group: { highestBid: currency({ initial: 0, min: 0 }), highestBidder: integer() },
    player: { valuation: currency({ label: "Value" }) },
    extraModels: { TradeOffer: { player: link("player"), amount: currency() } },
  });
  app.page("Bidding", { live: () => undefined });
  app.page("Results");
  const { spec } = app;
  expect(spec).toMatchObject({
    name: "auction",
    title: "auction",
    playersPerGroup: 4,
    rounds: 1,
    constants: { endowment: 100 },
  });
  expect(app.constants.endowment).toBe(100);
  expect(spec.pages.map((page) => page.name)).toEqual(["Bidding", "Results"]);
  expect(spec.pages[1]).toMatchObject({ live: undefined, history: false });
  expect(spec.group.fields.highestBid).toMatchObject({
    ...{ kind: "currency", initial: 0, min: 0, max: undefined, choices: undefined },
    ...{ label: undefined, doc: undefined, blank: false, to: undefined, publish: undefined },
  });
  expect(Object.keys(spec.extras)).toEqual(["TradeOffer"]);
  expect(define({ name: "survey" }).spec).toMatchObject({ playersPerGroup: 1, group: { name: "Group" }, pages: [] });
  expect(define({ name: "market", playersPerGroup: "all", rounds: 3 }).spec).toMatchObject({
    playersPerGroup: "all",
    rounds: 3,
  });
});

test("tables have the built-in columns first and the author's in snake case after them", () => {
  const { spec } = defineApp({
    name: "auction",
    group: { highestBid: currency({ initial: 3 }), board: json({ initial: { a: [1] } }) },
    player: { idOfHero: text() },
    extraModels: {
      TradeOffer: { player: link("player"), acceptedBy: link("player", { blank: true }), amount: currency() },
    },
  });
  const columns = (table: { columns: readonly { column: string }[] }) => table.columns.map((column) => column.column);
  expect(spec.group.table.name).toBe("auction_group");
  expect(columns(spec.group.table)).toEqual([
    ...[
      "id",
      "session_id",
      "subsession_id",
      "round_number",
      "id_in_subsession",
      "extra_count",
      "timer_count",
      "chat_count",
    ],
    ...["page_deadlines", "highest_bid", "board"],
  ]);
  expect(spec.player.table.name).toBe("auction_player");
  expect(columns(spec.player.table)).toEqual([
    ...["id", "session_id", "subsession_id", "group_id", "participant_id", "round_number", "id_in_group", "payoff"],
    ...["connected", "is_replaced", "id_of_hero"],
  ]);
  const offer = spec.extras.TradeOffer?.table;
  expect(offer?.name).toBe("auction_trade_offer");
  expect(offer?.key).toEqual(["actorId", "n"]);
  expect(offer && columns(offer)).toEqual(["actor_id", "n", "player_id", "accepted_by_id", "amount"]);
  const initial = Object.fromEntries(spec.group.table.columns.map((column) => [column.name, column.initial]));
  expect(initial).toMatchObject({ extraCount: 0, highestBid: 3, board: '{"a":[1]}' });
  expect(spec.player.table.columns.find((column) => column.name === "payoff")?.initial).toBe(0);
  // A group's id is its actor's; only players are numbered by the database, and one per round.
  expect(spec.group.table.entity.options.columns.id?.generated).toBeUndefined();
  expect(spec.player.table.entity.options.columns.id?.generated).toBe("increment");
  expect(spec.player.table.entity.options.uniques?.[0]?.columns).toEqual(["participantId", "roundNumber"]);
  expect(spec.player.table.entity.options.indices?.[0]?.columns).toEqual(["groupId"]);
});

const app = (rest: object) => () => define({ name: "auction", ...rest });
const player = (fields: object) => app({ player: fields });
const extra = (fields: object) => app({ extraModels: { Bid: fields } });

// What is wrong, the code, and words that its message must have: place, value and cure.
const MISTAKES: [what: string, call: () => unknown, code: string, ...words: string[]][] = [
  ["no definition", () => define(null as never), "wrong_definition", "defineApp", "null", "give it an object"],
  ["no name", () => define({}), "wrong_name", "defineApp", "undefined", "public_goods"],
  ["a name with capitals", () => define({ name: "My App" }), "wrong_name", '"My App"', "small letter"],
  ["a long name", () => define({ name: "a".repeat(26) }), "wrong_name", "26 characters", "at most 25"],
  ["a name that SQLite keeps", () => define({ name: "sqlite_a" }), "reserved_name", "sqlite_a", "another"],
  [
    "a misspelt option",
    app({ playerPerGroup: 2 }),
    "unknown_option",
    "auction",
    '"playerPerGroup"',
    'mean "playersPerGroup"',
  ],
  ["an option as in oTree", app({ players_per_group: 2 }), "unknown_option", 'mean "playersPerGroup"'],
  ["a title that is no text", app({ title: 3 }), "wrong_option", "auction: title", "3 (a number)", "string"],
  ["a doc that is no text", app({ doc: {} }), "wrong_option", "auction: doc", "an object", "string"],
  ["groups of one", app({ playersPerGroup: 1 }), "wrong_group_size", "auction", "1", "Leave it out"],
  ["groups of none", app({ playersPerGroup: 0 }), "wrong_group_size", "auction", "0", "from 2"],
  ["groups of many", app({ playersPerGroup: "many" }), "wrong_group_size", '"many"', '"all"'],
  ["no rounds", app({ rounds: 0 }), "wrong_rounds", "auction: rounds", "0", "from 1"],
  ["no number of seconds", app({ presenceGrace: "5 s" }), "wrong_option", "auction: presenceGrace", '"5 s"', "0 to"],
  ["less than no seconds", app({ presenceGrace: -1 }), "wrong_option", "auction: presenceGrace", "-1"],
  ["half a round", app({ rounds: 1.5 }), "wrong_rounds", "1.5", "from 1"],
  ["constants in a list", app({ constants: [1] }), "wrong_constants", "auction: constants", "an array", "endowment"],
  ["fields in a list", player([integer()]), "wrong_fields", "auction: Player", "an array", "integer()"],
  ["group fields that are text", app({ group: "age" }), "wrong_fields", "auction: Group", '"age"', "integer()"],
  ["models in a list", app({ extraModels: [] }), "wrong_fields", "auction: extraModels", "an array", "Bid"],
  [
    "a type in place of a field",
    player({ age: "integer" }),
    "not_a_field",
    "auction: Player.age",
    '"integer"',
    "builders",
  ],
  ["a builder that is not called", player({ age: integer }), "not_a_field", "Player.age", "a function", "integer()"],
  ["a name in snake case", player({ highest_bid: integer() }), "wrong_name", "Player.highest_bid", "e.g. highestBid"],
  ["a name with a capital", player({ Age: integer() }), "wrong_name", "Player.Age", "e.g. age"],
  ["a name that is no name", player({ "2": integer() }), "wrong_name", "Player.2", "camelCase"],
  ["__proto__", player(JSON.parse('{"__proto__": 1}')), "wrong_name", "__proto__"],
  ["a name that is too long", player({ [`a${"B".repeat(40)}`]: integer() }), "wrong_name", "63", "shorter"],
  [
    "two fields of one column",
    extra({ player: link("player"), playerId: integer() }),
    "name_taken",
    "Bid.playerId",
    "player_id",
    "Bid.player ",
  ],
  ["a link over a built-in column", player({ session: link("group") }), "reserved_name", "Player.session"],
  [
    "a link's column that is built in",
    app({ group: { subsession: link("player") } }),
    "reserved_name",
    "Group.subsession",
  ],
  [
    "an unknown model option",
    extra({ player: link("session" as "player") }),
    "wrong_option",
    "Bid.player",
    '"session"',
    'link("player")',
  ],
  [
    "a misspelt field option",
    player({ age: integer({ inital: 3 } as object) }),
    "unknown_option",
    "Player.age",
    '"inital"',
    '"initial"',
  ],
  [
    "an option of another kind",
    player({ name: text({ min: 3 } as object) }),
    "unknown_option",
    "Player.name: text()",
    '"min"',
  ],
  [
    "a link with initial",
    extra({ player: link("player", { initial: 1 } as object) }),
    "unknown_option",
    "Bid.player",
    "label, doc, blank",
  ],
  [
    "initial of a wrong type",
    player({ age: integer({ initial: "3" as never }) }),
    "wrong_type",
    "auction: Player.age: initial",
    '"3" (a string)',
    "Number(...)",
  ],
  [
    "initial null",
    player({ age: integer({ initial: null as never }) }),
    "null_not_allowed",
    "Player.age: initial",
    "blank: true",
  ],
  [
    "initial not in choices",
    player({ age: integer({ choices: [1, 2], initial: 3 as never }) }),
    "not_a_choice",
    "Player.age: initial",
    "3",
    "1, 2",
  ],
  [
    "initial below min",
    player({ age: integer({ min: 1, initial: 0 }) }),
    "out_of_range",
    "Player.age: initial",
    "0",
    "min 1",
  ],
  ["initial above max", player({ age: currency({ max: 1, initial: 1.001 }) }), "out_of_range", "1.001", "max 1"],
  [
    "initial that is not JSON",
    app({ group: { x: json<unknown>({ initial: [Number.NaN] }) } }),
    "not_json",
    "Group.x: initial[0]",
    "NaN",
  ],
  ["min over max", player({ age: integer({ min: 3, max: 2 }) }), "wrong_option", "Player.age", "3", "2", "swap"],
  [
    "min that is text",
    player({ age: float({ min: "1" as never }) }),
    "wrong_option",
    "Player.age: min",
    '"1"',
    "number",
  ],
  [
    "a fractional min of an integer",
    player({ age: integer({ min: 0.5 }) }),
    "wrong_option",
    "Player.age: min",
    "0.5",
    "whole",
  ],
  [
    "a label that is no text",
    player({ age: integer({ label: 3 as never }) }),
    "wrong_option",
    "Player.age: label",
    "3",
    "string",
  ],
  [
    "blank that is no boolean",
    player({ age: integer({ blank: 1 as never }) }),
    "wrong_option",
    "Player.age: blank",
    "1",
    "boolean",
  ],
  [
    "no choices",
    player({ age: integer({ choices: [] }) }),
    "wrong_option",
    "Player.age: choices",
    "an empty array",
    "pairs",
  ],
  [
    "choices in an object",
    player({ age: integer({ choices: {} as never }) }),
    "wrong_option",
    "Player.age: choices",
    "an object",
  ],
  [
    "a choice of a wrong type",
    player({ age: integer({ choices: [1, "2" as never] }) }),
    "wrong_type",
    "Player.age: choices[1]",
    '"2"',
  ],
  [
    "a choice outside the range",
    player({ age: integer({ max: 1, choices: [1, 2] }) }),
    "out_of_range",
    "choices[1]",
    "2",
    "max 1",
  ],
  [
    "the same choice twice",
    player({ age: integer({ choices: [1, [1, "one"]] }) }),
    "wrong_option",
    "choices[1]",
    "repeats",
    "once",
  ],
  [
    "a choice's label of a wrong type",
    player({ age: integer({ choices: [[1, 1 as never]] }) }),
    "wrong_option",
    "choices[0]: label",
  ],
  ["an extra model in camel case", app({ extraModels: { bid: {} } }), "wrong_name", "auction: extra model bid", "Bid"],
  [
    "an extra model named Player",
    app({ extraModels: { Player: {} } }),
    "reserved_name",
    "auction: extra model Player",
    "`player`",
  ],
  [
    "an extra model with a long name",
    app({ extraModels: { [`B${"x".repeat(60)}`]: {} } }),
    "wrong_name",
    "63",
    "shorter",
  ],
  [
    "an extra model without a link",
    extra({ amount: currency() }),
    "no_link",
    "auction: extra model Bid",
    'link("player")',
  ],
  ["a page without a name", page({}, 3), "wrong_name", "auction", "3 (a number)", "Bidding"],
  ["a page with a bad name", page({}, "my-page"), "wrong_name", "auction", '"my-page"', "letters"],
  [
    "a misspelt page option",
    page({ livemethod() {} }),
    "unknown_option",
    "auction: page Bidding",
    '"livemethod"',
    'mean "live"',
  ],
  ["a page option as in oTree", page({ vars_for_template() {} }), "unknown_option", 'mean "varsForTemplate"'],
  [
    "page options that are a function",
    page(() => {}),
    "wrong_option",
    "page Bidding",
    "a function",
    "live(player, data)",
  ],
  ["live that is text", page({ live: "bid" }), "wrong_option", "auction: page Bidding: live", '"bid"', "function"],
  ["live null", page({ live: null }), "wrong_option", "page Bidding: live", "null", "function"],
  ["a sync generator", page({ *live() {} }), "must_be_async", "page Bidding: live", "async *live"],
  ["no live methods by type", page({ live: {} }), "wrong_option", "page Bidding", "empty"],
  ["a live method by type that is text", page({ live: { bid: "x" } }), "wrong_option", "page Bidding: live.bid", '"x"'],
  [
    "a hook that is no function",
    page({ isDisplayed: true }),
    "wrong_option",
    "page Bidding: isDisplayed",
    "true (a boolean)",
    "function",
  ],
  ["a presence that is no function", page({ presence: true }), "wrong_option", "page Bidding: presence", "function"],
  [
    "a hook that is a generator",
    page({ *isDisplayed() {} }),
    "must_be_sync",
    "page Bidding: isDisplayed",
    "Make it a function, async if it waits",
  ],
  ["message that is no schema", page({ live() {}, message: {} }), "wrong_option", "page Bidding: message", "schema"],
  ["message without live", page({ message: z.number() }), "not_live", "page Bidding", "message", "live(player, data)"],
  ["history without live", page({ history: true }), "not_live", "page Bidding", "history"],
  [
    "history that is no boolean",
    page({ live() {}, history: 1 }),
    "wrong_option",
    "page Bidding: history",
    "true or false",
  ],
];

test.each(MISTAKES)("is refused with place, value and cure: %s", (_what, call, code, ...words) => {
  const error = refused(call);
  expect(error.code).toBe(code);
  for (const word of words) expect(error.message).toContain(word);
});

test("every built-in name is refused as a field", () => {
  const names = {
    group: [
      "id",
      "sessionId",
      "subsessionId",
      "roundNumber",
      "idInSubsession",
      "session",
      "getPlayers",
      "getPlayerById",
    ],
    player: [
      "id",
      "payoff",
      "connected",
      "idInGroup",
      "groupId",
      "group",
      "participant",
      "inRound",
      "inAllRounds",
      "inPreviousRounds",
    ],
  };
  const language = ["constructor", "then", "toJSON", "toString", "valueOf", "hasOwnProperty"];
  for (const [kind, own] of Object.entries(names)) {
    for (const name of [...own, ...language]) {
      const error = refused(app({ [kind]: { [name]: integer() } }));
      expect(error.code).toBe("reserved_name");
      expect(error.message).toContain(`.${name} `);
    }
  }
  for (const name of ["actorId", "n", "delete", "id", ...language]) {
    expect(refused(extra({ player: link("player"), [name]: integer() })).code).toBe("reserved_name");
  }
});

test("the same page name twice is refused", () => {
  const auction = define({ name: "auction" });
  auction.page("Bidding");
  expect(refused(() => auction.page("Bidding"))).toMatchObject({ code: "name_taken" });
  expect(auction.spec.pages).toHaveLength(1);
});

test("an extra model asks for the player or group it belongs to", () => {
  const auction = defineApp({ name: "auction", extraModels: { Bid: { player: link("player"), amount: currency() } } });
  const { Bid } = auction.extraModels;
  const created = refused(() => Bid.create({ amount: 3 } as never));
  expect(created).toMatchObject({
    code: "link_missing",
    message: expect.stringContaining("Bid.create({ player, ... })"),
  });
  const filtered = refused(() => Bid.filter({ amount: 3 }));
  expect(filtered.message).toContain("Bid.filter({ player, ... }) or Bid.filter({ group, ... })");
  expect(refused(() => Bid.filter(undefined as never)).code).toBe("link_missing");
});

test("create and filter work in the call that their player or group belongs to", () => {
  const auction = defineApp({
    name: "auction",
    extraModels: { Bid: { player: link("player"), amount: currency(), note: text({ blank: true }) } },
  });
  const { Bid } = auction.extraModels;
  const player = { id: 7, idInGroup: 1, participantId: 5, groupId: 3, roundNumber: 1, payoff: 0 };
  const rows: GroupRows = {
    group: { id: 3, roundNumber: 1, idInSubsession: 1, extraCount: 0 },
    players: [player, { ...player, id: 8, idInGroup: 2, participantId: 6 }],
    participants: [],
    waits: [],
    extras: new Map(),
    timers: [],
    isNew: true,
    session: {},
    subsession: {},
    seq: 0,
  };
  const memory = new GroupMemory(auction.spec, rows, { id: 1, code: "s", config: {} }, 2);
  const view = new DirectView(memory, { what: "test", at: 0, random: () => 0 });
  const [me, other] = view.memory.players.map((row) => view.player(row)) as unknown as PlayerOf<typeof auction>[];
  if (me === undefined || other === undefined) throw new Error("no players");
  Bid.create({ player: me, amount: 1.005 });
  Bid.create({ player: other, amount: 2, note: "high" });
  expect(Bid.filter({ player: me }).map((bid) => [bid.n, bid.player === me, bid.amount, bid.note])).toEqual([
    [1, true, 1.01, null],
  ]);
  expect(Bid.filter({ group: me.group }).map((bid) => bid.amount)).toEqual([1.01, 2]);
  expect(Bid.filter({ group: me.group, note: "high" }).map((bid) => bid.player === other)).toEqual([true]);
  Bid.filter({ player: me })[0]?.delete();
  expect(Bid.filter({ group: me.group })).toHaveLength(1);
});

test("live methods by type become one, which refuses other types", () => {
  const auction = define({ name: "auction" });
  auction.page("Bidding", { live: { bid: (_player, data: { amount: number }) => ({ 0: data.amount }) } });
  const choose = auction.spec.pages[0]?.live;
  const bid = { type: "bid", amount: 3 };
  expect(choose?.(bid).handle({} as never, bid as never, {} as never)).toEqual({ 0: 3 });
  for (const data of [{ type: "toString" }, { type: "__proto__" }, {}, null, "bid", ["bid"]]) {
    expect(() => choose?.(data)).toThrow(
      expect.objectContaining({ code: "invalid", message: expect.stringContaining("the types are bid") }),
    );
  }
});

test("a message schema gives its output or says what does not fit", () => {
  const schema = z.object({ price: z.number(), note: z.string().default("none") });
  expect(parseMessage(schema, { price: 3 }, "auction/Bidding")).toEqual({ price: 3, note: "none" });
  const invalid = { code: "invalid", message: expect.stringMatching(/^auction\/Bidding: .*price: /) };
  expect(() => parseMessage(schema, { price: "3" }, "auction/Bidding")).toThrow(expect.objectContaining(invalid));
  const slow: StandardSchema = {
    "~standard": { version: 1, vendor: "test", validate: () => Promise.reject(new Error("too late")) },
  };
  expect(refused(() => parseMessage(slow, 1, "auction/Bidding"))).toMatchObject({ code: "async_schema" });
});

test("a hint names what was probably meant, and nothing far away", () => {
  const known = ["live", "message", "history", "isDisplayed", "varsForTemplate"];
  expect(nearestName("live_method", known)).toBe("live");
  expect(nearestName("vars_for_template", known)).toBe("varsForTemplate");
  expect(nearestName("mesage", known)).toBe("message");
  expect(nearestName("is_display", known)).toBe("isDisplayed");
  expect(nearestName("zzzzzzzz", known)).toBeUndefined();
});
