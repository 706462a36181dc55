import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { z } from "zod";
import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldSpec } from "../entities/app-spec.ts";
import { DirectView } from "../entities/direct-view.ts";
import { checkValue, fieldSpec, roundCurrency } from "../entities/fields.ts";
import { GroupMemory } from "../entities/memory.ts";
import type { GroupRows } from "../entities/store.ts";
import { nearestName } from "../entities/suggest.ts";
import {
  boolean,
  currency,
  defineApp,
  defineConfig,
  type Field,
  float,
  integer,
  json,
  link,
  longText,
  type PlayerOf,
  text,
  timestamp,
} from "../index.ts";
import { parseMessage, type StandardSchema } from "../rooms/standard-schema.ts";

/** Runs what must be refused, and gives back code and message. */
function refused(call: () => unknown): { code: string; message: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof AuthorError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("was not refused");
}

/** Definitions as an author without the type checker may write them. */
function define(definition: object): ReturnType<typeof defineApp> {
  return defineApp(definition as Parameters<typeof defineApp>[0]);
}

function page(options: object, name: unknown = "Bidding") {
  return () => define({ name: "auction" }).page(name as string, options);
}

function spec(field: Field<unknown>): FieldSpec {
  return fieldSpec(field, "auction: Player.field");
}

function set(field: Field<unknown>, value: unknown, decimals = 2) {
  return checkValue(spec(field), value, "auction: Player.field", decimals);
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

test("values that fit are kept as memory holds them", () => {
  expect(set(integer(), -3)).toBe(-3);
  expect(set(integer(), Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
  expect(set(integer(), -0)).toBe(0);
  expect(set(float(), 0.1)).toBe(0.1);
  expect(set(boolean(), false)).toBe(false);
  expect(set(text(), "ünï 👍")).toBe("ünï 👍");
  expect(set(longText(), "x".repeat(10_001))).toHaveLength(10_001);
  expect(set(currency(), 1.005)).toBe(1.01);
  expect(set(currency(), 1.5, 0)).toBe(2);
  expect(set(timestamp(), 1_750_000_000_000)).toBe(1_750_000_000_000);
  expect(set(json(), { a: [1, null, "x"] })).toBe('{"a":[1,null,"x"]}');
  expect(set(integer({ blank: true }), null)).toBeNull();
  expect(set(json({ blank: true }), null)).toBeNull();
  expect(set(text({ choices: ["a", ["b", "Bee"]] }), "b")).toBe("b");
});

test("currency is compared with its limits and choices after rounding", () => {
  expect(set(currency({ max: 10 }), 10.004)).toBe(10);
  expect(set(currency({ min: 0.5, max: 2.5 }), 0.5, 0)).toBe(1);
  expect(set(currency({ choices: [0.1, 0.3] }), 0.1 + 0.2)).toBe(0.3);
  expect(refused(() => set(currency({ max: 10 }), 10.005)).code).toBe("out_of_range");
});

const UNFIT: [kind: string, field: Field<unknown>, value: unknown, code: string, ...words: string[]][] = [
  ["integer", integer(), "12", "wrong_type", '"12" (a string)', "an integer field", "Number(...)"],
  ["integer", integer(), 1.5, "wrong_type", "1.5 (a number)", "Math.round"],
  ["integer", integer(), 2 ** 53, "wrong_type", "9007199254740992", "text field"],
  ["integer", integer(), Number.NaN, "wrong_type", "NaN", "isFinite"],
  ["integer", integer(), true, "wrong_type", "true (a boolean)", "boolean field"],
  ["integer", integer(), 5n, "wrong_type", "5n (a BigInt)", "Number(...)"],
  ["integer", integer(), undefined, "wrong_type", "undefined", "exists"],
  ["integer", integer(), null, "null_not_allowed", "null", "blank: true"],
  ["float", float(), Number.POSITIVE_INFINITY, "wrong_type", "Infinity", "isFinite"],
  ["float", float(), [1], "wrong_type", "an array", "number"],
  ["currency", currency(), "12", "wrong_type", '"12" (a string)', "a currency field and takes a number", "Number(...)"],
  ["boolean", boolean(), 1, "wrong_type", "1 (a number)", "true or false", "Compare"],
  ["boolean", boolean({ choices: [true] }), false, "not_a_choice", "false", "true"],
  ["text", text(), 3, "wrong_type", "3 (a number)", "a string", "String(...)"],
  ["text", text(), { a: 1 }, "wrong_type", "an object", "json field"],
  ["text", text(), "x".repeat(10_001), "too_long", "10001", "10000", "longText()"],
  ["text", text(), "a\0b", "not_storable", "NUL", "replaceAll"],
  ["longText", longText(), "\ud800", "not_storable", "surrogate", "toWellFormed"],
  ["text", text({ choices: ["a"] }), "b", "not_a_choice", '"b"', '"a"'],
  ["json", json(), undefined, "wrong_type", "undefined"],
  ["json", json(), { a: [() => 1] }, "not_json", "Player.field.a[0]", "function"],
  ["json", json(), null, "null_not_allowed", "blank: true"],
  ["timestamp", timestamp(), new Date(0), "wrong_type", "a Date", ".getTime()"],
  ["timestamp", timestamp(), 0.5, "wrong_type", "0.5", "now()"],
  ["timestamp", timestamp({ min: 5 }), 4, "out_of_range", "4", "min 5"],
];

test.each(UNFIT)("a %s field says what is wrong with a value: %#", (_kind, field, value, code, ...words) => {
  const error = refused(() => set(field, value));
  expect(error.code).toBe(code);
  for (const word of ["auction: Player.field", ...words]) expect(error.message).toContain(word);
});

test("the cures for text that cannot be stored work", () => {
  const cured = "a\0b\ud800".toWellFormed().replaceAll("\0", "");
  expect(set(longText(), cured)).toBe("ab\ufffd");
});

test("amounts are rounded half away from zero, as their decimal text says", () => {
  const cases: [value: number, decimals: number, rounded: number][] = [
    [1.005, 2, 1.01],
    [-1.005, 2, -1.01],
    [1.004999, 2, 1],
    [8.345, 2, 8.35],
    [10.235, 2, 10.24],
    [0.5, 0, 1],
    [-0.5, 0, -1],
    [2.5, 0, 3],
    [0.1 + 0.2, 2, 0.3],
    [1e21, 2, 1e21],
    [1.5e-7, 7, 2e-7],
    [5e-324, 2, 0],
    [9.995, 2, 10],
    [Number("22517998136852.483"), 2, 22517998136852.48],
    [1.23456, Number.POSITIVE_INFINITY, 1.23456],
  ];
  for (const [value, decimals, rounded] of cases) expect(roundCurrency(value, decimals)).toBe(rounded);
  expect(roundCurrency(-0.001, 2)).toBe(0);
  expect(roundCurrency(-0, 2)).toBe(0);
});

test("rounding of any decimal is exact, and rounding twice changes nothing", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 0, max: 6 }),
      (digits, scale, decimals) => {
        const value = Number(`${digits}e-${scale}`);
        // The same by whole-number arithmetic on the decimal itself.
        const cut = 10n ** BigInt(Math.max(0, scale - decimals));
        const size = digits < 0n ? -digits : digits;
        const rounded = ((size + (cut > 1n ? cut / 2n : 0n)) / cut) * (digits < 0n ? -1n : 1n);
        const expected = Number(`${rounded}e-${Math.min(scale, decimals)}`) + 0;
        expect(roundCurrency(value, decimals)).toBe(expected);
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: 0, max: 10 }),
      (value, decimals) => {
        const once = roundCurrency(value, decimals);
        expect(roundCurrency(once, decimals)).toBe(once);
        expect(roundCurrency(-value, decimals)).toBe(-once + 0);
        // Off by half a unit at most, but for what a double of this size cannot tell apart.
        const half = 0.5 * 10 ** -decimals;
        expect(Math.abs(once - value)).toBeLessThanOrEqual(half + Math.abs(value) * 2 * Number.EPSILON);
      },
    ),
  );
});

test("a JSON field keeps any JSON value that databases can keep", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(value !== null && !/\\u0000|"__proto__"/.test(JSON.stringify(value)));
      expect(JSON.parse(set(json(), value) as string)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("a hint names what was probably meant, and nothing far away", () => {
  const known = ["live", "message", "history", "isDisplayed", "varsForTemplate"];
  expect(nearestName("live_method", known)).toBe("live");
  expect(nearestName("vars_for_template", known)).toBe("varsForTemplate");
  expect(nearestName("mesage", known)).toBe("message");
  expect(nearestName("is_display", known)).toBe("isDisplayed");
  expect(nearestName("zzzzzzzz", known)).toBeUndefined();
});

const session = { name: "auction", appSequence: ["auction"], numDemoParticipants: 4 };

test("a configuration is completed with its defaults", () => {
  const plain = defineConfig({ sessionConfigs: [session] });
  expect(plain).toEqual({
    sessionConfigs: [session],
    labs: [],
    currency: { locale: "en", code: null, decimals: 0, points: ["point", "points"] },
    language: "en",
    languages: expect.anything(),
    participantFields: {},
    sessionFields: {},
    ownFields: { participant: {}, session: {} },
  });
  const full = defineConfig({
    sessionConfigs: [
      { ...session, displayName: "Auction", fee: 3 },
      { ...session, name: "other" },
    ],
    sessionConfigDefaults: { fee: 5, treatment: "A" },
    currency: { code: "EUR", locale: "de" },
    language: "de",
  });
  expect(full.sessionConfigs).toEqual([
    { ...session, displayName: "Auction", fee: 3, treatment: "A" },
    { ...session, name: "other", fee: 5, treatment: "A" },
  ]);
  expect(full.currency).toEqual({ locale: "de", code: "EUR", decimals: 2, points: ["Punkt", "Punkte"] });
  expect(defineConfig({ sessionConfigs: [session], currency: { decimals: 2 } }).currency).toMatchObject({
    code: null,
    decimals: 2,
  });
});

const config = (rest: object) => () => defineConfig({ sessionConfigs: [session], ...rest });
const configured = (rest: object) => config({ sessionConfigs: [{ ...session, ...rest }] });

const CONFIG_MISTAKES: [what: string, call: () => unknown, code: string, ...words: string[]][] = [
  ["no object", () => defineConfig(undefined as never), "wrong_config", "undefined", "object"],
  ["oTree's name for it", config({ session_configs: [] }), "unknown_option", 'mean "sessionConfigs"'],
  ["no session configs", config({ sessionConfigs: [] }), "wrong_config", "sessionConfigs", "an empty array", "auction"],
  [
    "a session config that is text",
    config({ sessionConfigs: ["auction"] }),
    "wrong_config",
    "sessionConfigs[0]",
    '"auction"',
  ],
  [
    "a bad name",
    configured({ name: "my auction" }),
    "wrong_config",
    "sessionConfigs[0].name",
    '"my auction"',
    "underscores",
  ],
  [
    "the same name twice",
    config({ sessionConfigs: [session, session] }),
    "wrong_config",
    "sessionConfigs[1].name",
    "another",
  ],
  ["no apps", configured({ appSequence: [] }), "wrong_config", "session config auction: appSequence", "an empty array"],
  ["an app twice", configured({ appSequence: ["a", "b", "a"] }), "wrong_config", "appSequence", '"a"', "once"],
  ["an app that is no name", configured({ appSequence: [3] }), "wrong_config", "appSequence", "3", "string"],
  ["no participants", configured({ numDemoParticipants: 0 }), "wrong_config", "numDemoParticipants", "0", "from 1"],
  ["a displayName that is no text", configured({ displayName: 3 }), "wrong_config", "displayName", "string"],
  ["a parameter that is not JSON", configured({ profit: () => 1 }), "wrong_config", "auction.profit", "function"],
  [
    "an unknown currency option",
    config({ currency: { usePoints: true } }),
    "unknown_option",
    "currency",
    '"usePoints"',
  ],
  ["money without a code", config({ currency: { points: false } }), "wrong_config", "currency.code", "EUR"],
  [
    "points that are paid in an unknown money",
    config({ currency: { points: true, code: "euros" } }),
    "wrong_config",
    "currency.code",
    "ISO",
  ],
  ["an unknown code", config({ currency: { code: "Euro" } }), "wrong_config", "currency.code", '"Euro"', "ISO"],
  ["too many decimals", config({ currency: { decimals: 11 } }), "wrong_config", "currency.decimals", "11", "0 to 10"],
  ["a bad locale", config({ currency: { locale: "de_CH!" } }), "wrong_config", "currency.locale", "pt-BR"],
  ["a bad language", config({ language: 3 }), "wrong_config", "language", "3", "pt-BR"],
];

test.each(CONFIG_MISTAKES)(
  "a configuration is refused with place, value and cure: %s",
  (_what, call, code, ...words) => {
    const error = refused(call);
    expect(error.code).toBe(code);
    for (const word of ["walras.config", ...words]) expect(error.message).toContain(word);
  },
);
