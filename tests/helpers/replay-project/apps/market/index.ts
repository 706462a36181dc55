import { boolean, currency, defineApp, float, integer, json, link, now, random, timestamp } from "walras";

/** For tests of replay: everything that an app can do. `REPLAY_FAULT` makes its code another one. */
const fault = () => process.env.REPLAY_FAULT ?? "";

const app = defineApp({
  name: "market",
  playersPerGroup: 2,
  rounds: 2,
  presenceGrace: 0.1,
  subsession: { fee: currency({ initial: 0 }) },
  group: {
    price: currency({ initial: 10 }),
    luck: float({ blank: true }),
    soldAt: timestamp({ blank: true }),
    ticks: integer({ initial: 0 }),
    quotes: json<number[]>({ initial: [] }),
    tokens: integer({ initial: 0 }),
    isMet: boolean({ initial: false }),
  },
  player: { cash: currency({ initial: 100 }), leavings: integer({ initial: 0 }) },
  extraModels: { Offer: { player: link("player"), price: currency() } },
});
const { Offer } = app.extraModels;

app.creatingSession((subsession) => {
  subsession.fee = subsession.roundNumber;
});

app.timer("tick", (group, payload: { step: number }) => {
  group.ticks += payload.step;
  return { 0: { ticks: group.ticks } };
});

app.page("Trade", {
  live: {
    offer(player, { price }: { type: "offer"; price: number }) {
      if (price > 50) throw new Error("too dear");
      const { group } = player;
      group.price = fault() === "rule" ? price + 1 : price;
      group.luck = fault() === "chance" ? Math.random() : random();
      group.soldAt = fault() === "clock" ? Date.now() : now();
      player.cash -= price;
      Offer.create({ player, price });
      if (fault() === "silent") return;
      return { 0: { price }, others: { from: player.idInGroup, note: fault() === "words" ? "hey" : "hello" } };
    },
    quote(player, _data: { type: "quote" }, call) {
      const quote = call.outside("quote", () => 7 + Math.floor(1_000 * Math.random()));
      player.group.quotes.push(quote);
      call.reply(quote);
    },
    wind(player, _data: { type: "wind" }) {
      player.group.after(0.05, "tick", { step: 2 });
    },
    async *stream(player, _data: { type: "stream" }) {
      for (let i = 1; i <= 3; i++) {
        player.group.tokens += 1;
        yield { 0: { token: i } };
      }
    },
  },
  presence(player, connected) {
    if (!connected) player.leavings += 1;
  },
});

app.waitPage("Meet", {
  afterAllPlayersArrive(group) {
    group.isMet = true;
    for (const player of group.getPlayers()) player.payoff = player.cash - player.subsession.fee;
  },
});

app.page("Results", {
  beforeNextPage(player) {
    player.cash += player.inPreviousRounds().length;
  },
});

export default app;
