import { defineBots } from "walras";
import app from "./index.ts";

interface Bid {
  id_in_group: number;
  bid: number;
}

export default defineBots(
  app,
  async (bot) => {
    const me = bot.idInGroup;
    bot.expect(bot.text.includes(`You are player ${me}`), "the page says who one is");

    // As the page's script does when it has been loaded: what has been bid so far?
    let highest = 0;
    await bot.live.send({});
    for (const news of bot.live.receiveAll<Bid | { history: Bid[] }>()) {
      highest = "history" in news ? (news.history.at(-1)?.bid ?? 0) : news.bid;
    }

    if (bot.case === "all bid") {
      for await (const _turn of bot.turns(5)) {
        // Somebody else may have bid as much meanwhile: then nothing happens.
        await bot.live.send(highest + 1);
        for (const { bid } of bot.live.receiveAll<Bid>()) {
          bot.expect(bid > highest, `after a bid of ${highest} comes a higher one, not ${bid}`);
          highest = bid;
        }
      }
      await bot.submit();
      bot.expect(/The item is yours, for|has the highest bid,/.test(bot.text), "the page says who has the highest bid");
    }

    if (bot.case === "player 2 wins") {
      if (me === 2) await bot.live.send(100);
      if (highest < 100) {
        const news = await bot.live.receive<Bid>();
        bot.expect(news, { id_in_group: 2, bid: 100 }, "everybody sees the bid");
      }
      // Not more than the highest bid, or not a whole amount.
      for (const wrong of [100, 99, 100.5]) await bot.live.send(wrong);
      bot.expect(bot.live.receiveAll(), [], "nobody hears of a bid that does not count");
      await bot.live.send({});
      const history = [{ id_in_group: 2, bid: 100 }];
      bot.expect(await bot.live.receive(), { history }, "nor is it in the history");
      await bot.submit();
      const result = me === 2 ? "The item is yours, for 100 points." : "Player 2 has the highest bid, 100 points.";
      bot.expect(bot.text.includes(result), `the page says: ${result}`);
    }

    if (bot.case === "nobody bids") {
      await bot.submit();
      bot.expect(bot.text.includes("Nobody has bid."), "the page says that nobody has bid");
    }

    bot.expect(bot.page, "Results");
    await bot.submit();
  },
  { cases: ["all bid", "player 2 wins", "nobody bids"] },
);
