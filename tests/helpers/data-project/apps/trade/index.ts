import { boolean, currency, defineApp, float, integer, json, link, longText, now, text, timestamp } from "walras";

/** For tests of exports: two rounds, every kind of field, an extra model with links, and an export of its own. */
const app = defineApp({
  name: "trade",
  title: "Trade",
  playersPerGroup: 2,
  rounds: 2,
  roles: ["Buyer", "Seller"],
  constants: { factor: 2 },
  subsession: { season: text({ doc: "part of the year" }), tax: currency({ initial: 0.5 }) },
  group: { price: currency({ blank: true, doc: "price of the last trade" }) },
  player: {
    age: integer({ blank: true, label: "How old are you?", min: 0 }),
    share: float({ blank: true, unit: "kg" }),
    isHappy: boolean({ blank: true }),
    color: text({ blank: true, choices: [["r", "Red"], "blue"] }),
    story: longText({ blank: true }),
    picks: json<number[]>({ blank: true }),
    soldAt: timestamp({ blank: true }),
  },
  extraModels: { Trade: { buyer: link("player"), seller: link("player", { blank: true }), amount: currency() } },
});
const { Trade } = app.extraModels;

interface Order {
  amount: number;
  story?: string;
}

app.creatingSession((subsession) => {
  for (const player of subsession.getPlayers()) {
    Object.assign(player.participant, { treatment: player.participant.idInSession % 2 === 0 ? "even" : "odd" });
  }
  subsession.season = subsession.roundNumber === 1 ? "dry" : "wet";
  Object.assign(subsession.session, { price: 7 });
});

app.page("Market", {
  live(player, { amount, story }: Order) {
    player.group.price = amount;
    Trade.create({ buyer: player, seller: player.getOthersInGroup()[0] ?? null, amount });
    if (story !== undefined) {
      Object.assign(player, { age: 30, share: 0.1 + 0.2, isHappy: true, color: "r", story, picks: [1, 2] });
      player.soldAt = now();
    }
    player.payoff += 1.5;
    return { 0: amount };
  },
});

app.page("Results");

app.customExport("trades", {
  doc: "one row per trade",
  columns: ["session", "round", "buyer", "amount", "detail"],
  *rows(group) {
    for (const { buyer, amount, n } of Trade.filter({ group })) {
      yield [group.session.code, group.roundNumber, buyer.participant.code, amount, { n }];
    }
  },
});

export default app;
