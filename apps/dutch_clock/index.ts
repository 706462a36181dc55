import { boolean, currency, defineApp, type GroupOf, integer, now, random, timestamp } from "walras";

const C = {
  auctions: 2,
  /** The price falls from `start` by `step`, every `interval` seconds, but not below `reserve`. */
  start: 100,
  reserve: 28,
  step: 3,
  interval: 0.4,
  /** Seconds between the arrival of the last bidder and the beginning. */
  countdown: 3,
};

const app = defineApp({
  name: "dutch_clock",
  title: "Dutch clock auction",
  doc: "The price falls by itself; whoever stops the clock first has bought at the price of that moment.",
  playersPerGroup: 3,
  rounds: C.auctions,
  constants: C,
  group: {
    startsAt: timestamp({ blank: true, publish: "group", doc: "When the price begins to fall" }),
    price: currency({ initial: C.start, publish: "group", doc: "The price now; in the end, what was paid" }),
    buyer: integer({ blank: true, publish: "group", doc: "Who stopped the clock, by id_in_group; empty: nobody" }),
    isOver: boolean({ initial: false, publish: "group", doc: "1: the auction is over" }),
  },
  player: { valuation: currency({ initial: 0, publish: "player", doc: "What the item is worth to the player" }) },
});
type Group = GroupOf<typeof app>;

app.waitPage("Gather", {
  body: "The auction begins as soon as all three bidders are here.",
  afterAllPlayersArrive(group) {
    for (const player of group.getPlayers()) player.valuation = 40 + Math.floor(random() * 61);
    group.startsAt = now() + C.countdown * 1000;
    group.after(C.countdown, begin);
  },
});

app.page("Auction", {
  live(player, message: unknown) {
    const { group } = player;
    if (message !== "buy" || group.isOver || now() < (group.startsAt ?? Number.POSITIVE_INFINITY)) return;
    group.buyer = player.idInGroup;
    player.payoff = player.valuation - group.price;
    close(group);
  },
  errorMessage: (player) => (player.group.isOver ? undefined : "The clock is still running."),
});

app.page("Results", {
  isDisplayed: (player) => player.roundNumber === C.auctions,
  varsForTemplate: (player) => {
    const rounds = player
      .inAllRounds()
      .map(({ roundNumber, valuation, payoff }) => ({ roundNumber, valuation, payoff }));
    return { auctions: rounds, total: rounds.reduce((sum, { payoff }) => sum + payoff, 0) };
  },
});

const begin = app.timer("begin", (group) => void group.every(C.interval, fall));

/** One step, however late the clock is: nobody could have bought at a price that no page has shown. */
const fall = app.timer("fall", (group) => {
  if (group.price - C.step < C.reserve) close(group);
  else group.price -= C.step;
});

function close(group: Group): void {
  group.cancel(begin);
  group.cancel(fall);
  group.isOver = true;
}

export default app;
