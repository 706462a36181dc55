/** What must compile, with nothing but inference: checked by `npm run check`, never run. */
import {
  boolean,
  currency,
  type Deliveries,
  defineApp,
  defineConfig,
  type Field,
  float,
  type GroupOf,
  integer,
  json,
  link,
  longText,
  now,
  type PlayerOf,
  type RowOf,
  random,
  type StateOf,
  text,
  timestamp,
} from "walras";
import { z } from "zod";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<_T extends true>(): void {}

// The design's example, word for word but for the model that it streams from.
const app = defineApp({
  name: "auction",
  title: "Open auction",
  playersPerGroup: 4,
  group: { highestBid: currency({ initial: 0 }), highestBidder: integer() },
  player: { valuation: currency() },
  extraModels: { Bid: { player: link("player"), amount: currency() } },
});
const { Bid } = app.extraModels;
declare const model: { stream(text: string): AsyncIterable<string> };

app.page("Bidding", {
  live(player, bid: number) {
    expectType<Equal<typeof player, PlayerOf<typeof app>>>();
    const { group } = player;
    if (!(bid > group.highestBid)) return;
    group.highestBid = bid;
    group.highestBidder = player.idInGroup;
    Bid.create({ player, amount: bid });
    return { 0: { id_in_group: player.idInGroup, bid } };
  },
});

app.page("Chat", {
  async *live(player, text: string) {
    for await (const chunk of model.stream(text)) yield { [player.idInGroup]: chunk };
  },
});

app.page("Talk", {
  onChat(player, message) {
    expectType<Equal<typeof player, PlayerOf<typeof app>>>();
    player.group.postChat(message.text, { nickname: message.nickname, channel: player.group.id });
    return message.channel === "all" ? { refuse: "no" } : message.text.toUpperCase();
  },
});

// Models.
type Player = PlayerOf<typeof app>;
type Group = GroupOf<typeof app>;
type BidRow = RowOf<typeof app, "Bid">;
expectType<Equal<Player["valuation"], number>>();
expectType<Equal<Player["payoff"], number>>();
expectType<Equal<Player["group"], Group>>();
expectType<Equal<Group["highestBid"], number>>();
expectType<Equal<ReturnType<Group["getPlayers"]>, Player[]>>();
expectType<Equal<ReturnType<Player["getOthersInGroup"]>, Player[]>>();
expectType<Equal<BidRow["player"], Player>>();
expectType<Equal<BidRow["amount"], number>>();
expectType<Equal<Player["participant"]["label"], string | null>>();

// Field kinds.
function fieldType<T>(_field: Field<T>): T {
  throw new Error("types only");
}
const types = {
  integer: fieldType(integer()),
  float: fieldType(float({ min: 0, max: 1, initial: 0.5 })),
  boolean: fieldType(boolean({ initial: false })),
  text: fieldType(text({ label: "Name", doc: "As they wrote it" })),
  longText: fieldType(longText()),
  currency: fieldType(currency({ initial: 3 })),
  timestamp: fieldType(timestamp()),
  json: fieldType(json<{ x: number }[]>({ initial: [] })),
  unknown: fieldType(json()),
  blank: fieldType(integer({ blank: true })),
  blankText: fieldType(longText({ blank: true, initial: "" })),
  blankTime: fieldType(timestamp({ blank: true })),
  blankJson: fieldType(json<string[]>({ blank: true })),
  choices: fieldType(integer({ choices: [1, 2, 3], initial: 2 })),
  labelled: fieldType(
    text({
      choices: [
        ["a", "Apple"],
        ["b", "Banana"],
      ],
      initial: "b",
    }),
  ),
  mixed: fieldType(text({ choices: ["x", ["y", "Why"]], blank: true })),
  yesNo: fieldType(boolean({ choices: [[true, "Yes"]] })),
};
expectType<
  Equal<
    typeof types,
    {
      integer: number;
      float: number;
      boolean: boolean;
      text: string;
      longText: string;
      currency: number;
      timestamp: number;
      json: { x: number }[];
      unknown: unknown;
      blank: number | null;
      blankText: string | null;
      blankTime: number | null;
      blankJson: string[] | null;
      choices: 1 | 2 | 3;
      labelled: "a" | "b";
      mixed: "x" | "y" | null;
      yesNo: true;
    }
  >
>();

// The same inside a definition, where each builder has a contextual type.
const market = defineApp({
  name: "market",
  playersPerGroup: "all",
  rounds: 3,
  constants: { endowment: 100, goods: ["tea", "salt"] },
  group: {
    board: json<("X" | "O" | null)[]>({ initial: [] }),
    opened: timestamp({ blank: true }),
    winner: link("player", { blank: true }),
  },
  player: { role: text({ choices: ["buyer", "seller"] }), history: json<{ price: number }[]>(), ready: boolean() },
  extraModels: {
    Offer: {
      seller: link("player"),
      buyer: link("player", { blank: true }),
      price: currency(),
      note: text({ blank: true }),
      state: text({ choices: ["open", "sold"], initial: "open" }),
      details: json<{ color: string }>({ initial: { color: "red" } }),
    },
    Trade: { group: link("group"), price: float() },
  },
});
const { Offer, Trade } = market.extraModels;
type MarketPlayer = PlayerOf<typeof market>;
type MarketGroup = GroupOf<typeof market>;
type OfferRow = RowOf<typeof market, "Offer">;
expectType<Equal<MarketPlayer["role"], "buyer" | "seller">>();
expectType<Equal<MarketPlayer["ready"], boolean>>();
expectType<Equal<MarketGroup["board"], ("X" | "O" | null)[]>>();
expectType<Equal<MarketGroup["winner"], MarketPlayer | null>>();
expectType<Equal<OfferRow["buyer"], MarketPlayer | null>>();
expectType<Equal<OfferRow["state"], "open" | "sold">>();
expectType<Equal<typeof market.constants.endowment, 100>>();

function play(player: MarketPlayer): Deliveries {
  const { group } = player;
  group.board[3] = "X";
  group.opened = now() + 1000 * random();
  group.winner = player;
  group.winner = null;
  player.payoff += market.constants.endowment;
  const offer = Offer.create({ seller: player, price: 3 });
  Offer.create({ seller: player, price: 3, buyer: null, note: "n", state: "sold", details: { color: "blue" } });
  offer.buyer = group.getPlayerById(2);
  offer.state = "sold";
  for (const mine of Offer.filter({ seller: player, state: "open" })) mine.delete();
  Trade.create({ group, price: offer.price });
  const best = Math.max(
    ...Offer.filter({ group }).map((row) => row.price),
    ...Trade.filter({ group }).map((row) => row.n),
  );
  const past = player.inPreviousRounds().map((earlier) => earlier.history[0]?.price ?? earlier.payoff);
  const rounds = player.inAllRounds().length + player.inRound(1).roundNumber + player.subsession.roundNumber;
  const stake = player.session.config.stake;
  // Deliveries computed for each player, in both of the usual ways.
  const each: Deliveries = Object.fromEntries(group.getPlayers().map((one) => [one.idInGroup, one.payoff]));
  const none: Record<number, string> = {};
  for (const other of player.getOthersInGroup()) none[other.idInGroup] = other.participant.code;
  return { ...each, ...none, [player.idInGroup]: { best, past, rounds, stake } };
}

// Pages.
market.page("Welcome");
market.page("Untyped", {
  live(player, data) {
    expectType<Equal<typeof data, unknown>>();
    return play(player);
  },
});
market.page("Silent", { live() {} });
market.page("Promised", {
  async live(player, wait: { seconds: number }) {
    if (wait.seconds > 3) return;
    await new Promise((resolve) => setTimeout(resolve, wait.seconds * 1000));
    return play(player);
  },
});
market.page("Computed", {
  live: (player, _data: null) => Object.fromEntries(player.getOthersInGroup().map((other) => [other.idInGroup, 1])),
});
market.page("Schema", {
  message: z.object({ price: z.number(), note: z.string().default("") }),
  live(player, data) {
    expectType<Equal<typeof data, { price: number; note: string }>>();
    Offer.create({ seller: player, ...data });
  },
});
market.page("SchemaAfter", {
  live(_player, data) {
    expectType<Equal<typeof data, number>>();
  },
  message: z.number(),
});
market.page("ByType", {
  live: {
    bid(player, data: { amount: number }) {
      expectType<Equal<typeof player, MarketPlayer>>();
      player.payoff = data.amount;
    },
    async *ask(player, data: { texts: string[] }) {
      for (const one of data.texts) yield { [player.idInGroup]: one };
    },
    load: play,
  },
});
market.page("ByTypeSchema", {
  message: z.discriminatedUnion("type", [
    z.object({ type: z.literal("bid"), amount: z.number() }),
    z.object({ type: z.literal("say"), text: z.string() }),
  ]),
  live: {
    bid(player, data) {
      expectType<Equal<typeof data, { type: "bid"; amount: number }>>();
      player.payoff = data.amount;
    },
    say: (_player, data) => ({ 0: data.text }),
  },
});
market.page("Everything", {
  history: true,
  isDisplayed: (player) => player.roundNumber > 1,
  varsForTemplate: (player) => ({ others: player.getOthersInGroup() }),
  jsVars: ({ role }) => ({ role }),
  errorMessage(player) {
    if (!player.ready) return "Please wait.";
  },
  beforeNextPage(player) {
    player.history = [];
  },
  live: (player) => play(player),
});

defineConfig({
  sessionConfigs: [{ name: "auction", appSequence: ["auction"], numDemoParticipants: 4, stake: 3 }],
  sessionConfigDefaults: { showUpFee: 5 },
  currency: { code: "EUR", decimals: 2, locale: "de" },
  language: "de",
});

// Published state, as bots and tests see it.
const published = defineApp({
  name: "published",
  playersPerGroup: 2,
  presenceGrace: 3,
  publishPresence: true,
  group: {
    price: currency({ publish: "group" }),
    side: text({ choices: ["buy", "sell"], publish: "group" }),
    leader: link("player", { blank: true, publish: "group" }),
  },
  player: { offers: json<number[]>({ initial: [], publish: "player" }) },
});
published.page("Play", {
  presence(player, connected) {
    expectType<Equal<typeof connected, boolean>>();
    expectType<Equal<typeof player.connected, boolean>>();
    return { others: connected };
  },
});
export function look(state: StateOf<typeof published>): void {
  expectType<Equal<typeof state.group.price, number | null | undefined>>();
  expectType<Equal<typeof state.group.side, "buy" | "sell" | null | undefined>>();
  expectType<Equal<typeof state.group.leader, number | null | undefined>>();
  expectType<Equal<typeof state.player.offers, number[] | null | undefined>>();
  expectType<Equal<(typeof state.players)[1]["connected"], boolean | undefined>>();
}

// Async hooks.
market.page("AsyncHooks", {
  formFields: ["ready"],
  async varsForTemplate(player, { signal }) {
    expectType<Equal<typeof signal, AbortSignal>>();
    return { payoff: player.payoff };
  },
  jsVars: async () => ({ n: 1 }),
  errorMessage: async (_player, { ready }) => (ready ? undefined : { ready: "Not yet." }),
  async beforeNextPage(player, { timeoutHappened }, { signal }) {
    if (!timeoutHappened && !signal.aborted) return { [player.idInGroup]: "thanks" };
  },
});

// Fields of a round: set where all groups are seen, read by each.
const round = defineApp({
  name: "round",
  playersPerGroup: 2,
  subsession: { price: currency(), history: json<number[]>({ initial: [] }), note: text({ blank: true }) },
  extraModels: { Offer: { player: link("player") } },
});
round.creatingSession((subsession) => {
  subsession.price = 3;
  subsession.history.push(4);
  expectType<Equal<typeof subsession.note, string | null>>();
  expectType<Equal<ReturnType<typeof subsession.getPlayers>, PlayerOf<typeof round>[]>>();
});
round.page("Play", {
  live(player) {
    expectType<Equal<typeof player.subsession.price, number>>();
    expectType<Equal<typeof player.group.subsession.history, readonly number[]>>();
    const [offer] = round.extraModels.Offer.filter({ player });
    // @ts-expect-error: groups read it
    player.subsession.price = 4;
    // @ts-expect-error: not declared
    player.subsession.prize;
    return { 0: offer?.player.subsession.note };
  },
});
