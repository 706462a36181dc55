import { currency, defineApp, integer, json, link, longText, now, random, text } from "../../index.ts";

/** A small auction with what the actor tests need to break. */
export function makeAuction(options: { playersPerGroup?: number | "all"; rounds?: number; name?: string } = {}) {
  const app = defineApp({
    name: options.name ?? "auction",
    playersPerGroup: options.playersPerGroup ?? 4,
    rounds: options.rounds ?? 1,
    group: {
      highestBid: currency({ initial: 0 }),
      highestBidder: integer({ blank: true }),
      note: text({ blank: true }),
      moves: json<number[]>({ initial: [] }),
    },
    player: { bids: integer({ initial: 0 }), opinion: longText({ blank: true }), secret: integer() },
    extraModels: { Bid: { player: link("player"), amount: currency() } },
  });
  const { Bid } = app.extraModels;
  type Data = number | { do: string; [key: string]: unknown };

  app.page("Bidding", {
    live(player, data: Data) {
      const { group } = player;
      if (typeof data === "number") {
        if (!(data > group.highestBid)) return;
        group.highestBid = data;
        group.highestBidder = player.idInGroup;
        player.bids += 1;
        Bid.create({ player, amount: data });
        return { 0: { id_in_group: player.idInGroup, bid: data } };
      }
      switch (data.do) {
        case "state":
          return { [player.idInGroup]: { highest: group.highestBid, bids: Bid.filter({ group }).length } };
        case "note":
          group.note = String(data.text);
          return { 0: { note: group.note } };
        case "add":
          // Depends on everything before it: an order that is lost shows in the sum.
          group.highestBid = group.highestBid + Number(data.amount);
          Bid.create({ player, amount: Number(data.amount) });
          return { 0: { sum: group.highestBid } };
        case "push":
          group.moves.push(Number(data.value));
          return { 0: group.moves };
        case "dice":
          return { [player.idInGroup]: [random(), now()] };
        case "throw":
          group.highestBid = 99_999;
          group.moves.push(1);
          Bid.create({ player, amount: 1 });
          throw new Error("the author's mistake");
        case "answer":
          return data.with as never;
        case "unset":
          return { 0: player.secret };
        case "echo":
          return { 0: data.with };
        default:
          return;
      }
    },
  });
  app.page("Results", {});
  return app;
}
