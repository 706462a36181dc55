import { currency, defineApp, integer, link } from "walras";

const app = defineApp({
  name: "auction",
  title: "Open auction",
  doc: "Players bid for one item in real time. The highest bid wins and pays itself.",
  playersPerGroup: 4,
  group: {
    highestBid: currency({ initial: 0, doc: "The highest bid; in the end, the price" }),
    highestBidder: integer({ blank: true, doc: "Who made it, by id_in_group" }),
  },
  player: {},
  extraModels: {
    Bid: { player: link("player"), amount: currency({ doc: "What was bid" }) },
  },
});
const { Bid } = app.extraModels;

app.page("Bidding", {
  live(player, data: unknown) {
    const { group } = player;
    if (typeof data === "number") {
      // A player bids. What is not more than the highest bid came too late.
      if (!Number.isInteger(data) || data <= group.highestBid) return;
      group.highestBid = data;
      group.highestBidder = player.idInGroup;
      Bid.create({ player, amount: data });
      return { 0: { id_in_group: player.idInGroup, bid: group.highestBid } };
    }
    // A player loads the page: only they get the bids so far.
    const history = Bid.filter({ group }).map((bid) => ({ id_in_group: bid.player.idInGroup, bid: bid.amount }));
    return { [player.idInGroup]: { history } };
  },
  jsVars: (player) => ({ my_id: player.idInGroup }),
});

app.page("Results", {
  varsForTemplate: (player) => ({ is_winner: player.group.highestBidder === player.idInGroup }),
});

export default app;
