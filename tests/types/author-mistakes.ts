/**
 * What must not compile: `npm run check` fails when one of the marked lines does. Never run.
 */
import {
  boolean,
  currency,
  defineApp,
  defineConfig,
  integer,
  json,
  link,
  longText,
  type PlayerOf,
  text,
  timestamp,
} from "walras";
import { z } from "zod";

const app = defineApp({
  name: "auction",
  playersPerGroup: 4,
  constants: { endowment: 100 },
  group: { highestBid: currency({ initial: 0 }), highestBidder: integer({ blank: true }), board: json<number[]>() },
  player: {
    valuation: currency(),
    role: text({ choices: ["buyer", "seller"] }),
    ready: boolean(),
    trades: json<{ price: number }[]>(),
  },
  extraModels: {
    Bid: { player: link("player"), amount: currency(), note: text({ blank: true }), at: timestamp({ initial: 0 }) },
  },
});
const { Bid } = app.extraModels;
declare const player: PlayerOf<typeof app>;
const { group } = player;

// Fields.
// @ts-expect-error a currency field takes a number
player.valuation = "12";
// @ts-expect-error a boolean field takes true or false
player.ready = 1;
// @ts-expect-error not one of the choices
player.role = "bystander";
// @ts-expect-error only a blank field takes null
player.valuation = null;
// @ts-expect-error a blank field may be null
group.highestBidder.toFixed();
// @ts-expect-error a blank field may be null
export const bidder: number = group.highestBidder;
// @ts-expect-error the board holds numbers
group.board[0] = "X";
// @ts-expect-error undeclared
player.valuaton = 12;
// @ts-expect-error undeclared
group.lowestBid;

// What Walras sets.
// @ts-expect-error read-only
player.idInGroup = 2;
// @ts-expect-error read-only
player.id = 2;
// @ts-expect-error read-only
player.roundNumber = 2;
// @ts-expect-error read-only
player.group = group;
// @ts-expect-error read-only
player.participant.code = "A";
// @ts-expect-error read-only
player.session.config.stake = 3;
// @ts-expect-error read-only
player.subsession.roundNumber = 3;
// @ts-expect-error read-only
group.id = 3;
// @ts-expect-error read-only
group.idInSubsession = 3;
// @ts-expect-error constants stay the same
app.constants.endowment = 200;
// @ts-expect-error payoff is a number
player.payoff = "3";

// Earlier rounds.
// @ts-expect-error earlier rounds are read-only
player.inRound(1).valuation = 3;
// @ts-expect-error earlier rounds are read-only
player.inRound(1).payoff = 3;
// @ts-expect-error earlier rounds are read-only, all the way down
player.inRound(1).trades.push({ price: 3 });
// @ts-expect-error another actor owns the groups of earlier rounds
player.inRound(1).group.idInSubsession = 3;

// Extra models.
// @ts-expect-error amount takes a number
Bid.create({ player, amount: "3" });
// @ts-expect-error amount is missing
Bid.create({ player });
// @ts-expect-error player is missing
Bid.create({ amount: 3 });
// @ts-expect-error a group is not a player
Bid.create({ player: group, amount: 3 });
// @ts-expect-error undeclared
Bid.create({ player, amount: 3, price: 3 });
// @ts-expect-error undeclared
Bid.filter({ player, price: 3 });
// @ts-expect-error amount takes a number
Bid.filter({ player, amount: "3" });
// @ts-expect-error a player is not a group
Bid.filter({ group: player });
// @ts-expect-error read-only
Bid.create({ player, amount: 3 }).n = 3;
// @ts-expect-error no such model
app.extraModels.Offer;

// Live methods.
// @ts-expect-error a text is not deliveries
app.page("Text", { live: () => "hello" });
// @ts-expect-error an array is not deliveries
app.page("List", { live: () => [1, 2] });
// @ts-expect-error a number is not deliveries
app.page("Number", { live: () => 3 });
// @ts-expect-error null is not deliveries; return nothing for silence
app.page("Null", { live: () => null });
app.page("Generator", {
  // @ts-expect-error a generator must be async
  *live() {
    yield { 0: 1 };
  },
});
app.page("Yields", {
  // @ts-expect-error a text is not deliveries
  async *live() {
    yield "hello";
  },
});
app.page("Promises", {
  // @ts-expect-error a text is not deliveries
  async live() {
    return "hello";
  },
});
app.page("Unknown", {
  live(_player, data) {
    // @ts-expect-error without annotation or schema, the message is unknown
    data.price;
  },
});
app.page("Schema", {
  message: z.object({ price: z.number() }),
  live(_player, data) {
    data.price.toFixed();
    // @ts-expect-error the schema knows no amount
    data.amount;
  },
});
app.page("OtherType", {
  // @ts-expect-error the schema gives an object
  message: z.object({ price: z.number() }),
  live(_player, _data: number) {},
});
app.page("ByType", {
  live: {
    bid: (_player, data: { amount: number }) => ({ 0: data.amount }),
    // @ts-expect-error a text is not deliveries
    say: () => "hello",
  },
});
app.page("ByTypeSchema", {
  message: z.object({ type: z.literal("bid"), amount: z.number() }),
  live: {
    bid() {},
    // @ts-expect-error the schema knows no such type
    say() {},
  },
});
app.page("Hooks", {
  // @ts-expect-error true or false
  isDisplayed: () => "yes",
  // @ts-expect-error an object of variables
  varsForTemplate: () => 3,
  // @ts-expect-error a text, or nothing
  errorMessage: () => false,
});
app.page("ChatDecides", {
  // @ts-expect-error a text, { refuse } or nothing
  onChat: () => false,
});
app.page("ChatPosts", {
  onChat(player) {
    // @ts-expect-error it needs a nickname
    player.group.postChat("hello");
  },
});
// @ts-expect-error an unknown option
app.page("Misspelt", { livemethod() {} });

// Definitions.
// @ts-expect-error initial has the field's type
integer({ initial: "3" });
// @ts-expect-error initial is one of the choices
integer({ initial: 4, choices: [1, 2, 3] });
// @ts-expect-error misspelt
integer({ inital: 3 });
// @ts-expect-error choices have the field's type
text({ choices: [1, 2] });
// @ts-expect-error a text has no min
text({ min: 3 });
// @ts-expect-error a longText has no choices
longText({ choices: ["a"] });
// @ts-expect-error initial has the declared shape
json<number[]>({ initial: ["a"] });
// @ts-expect-error links lead to a player or group
link("session");
// @ts-expect-error links have no initial value
link("player", { initial: null });
// @ts-expect-error an app needs a name
defineApp({ title: "Nameless" });
// @ts-expect-error a field is made by a builder
defineApp({ name: "a", player: { age: "integer" } });
// @ts-expect-error the builder must be called
defineApp({ name: "a", player: { age: integer } });
// @ts-expect-error a number or "all"
defineApp({ name: "a", playersPerGroup: "many" });
// @ts-expect-error unknown option
defineApp({ name: "a", players: 3 });
// @ts-expect-error numDemoParticipants is missing
defineConfig({ sessionConfigs: [{ name: "a", appSequence: ["a"] }] });
// @ts-expect-error unknown option
defineConfig({ sessionConfigs: [], rooms: [] });
