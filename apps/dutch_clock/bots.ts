import { defineBots } from "walras";
import app from "./index.ts";

const { start, reserve, step } = app.constants;

/** In the first auction nobody buys; in the second everybody wants it as soon as it is worth its price. */
export default defineBots(app, async (bot) => {
  await bot.waitFor("Auction");
  const { idInGroup: me, round } = bot;
  const { valuation } = bot.live.state.player;
  bot.expect(bot.live.state.players[me]?.valuation === undefined, "nobody sees another's valuation");
  await bot.live.send("sell");
  const refusal = await bot.submitMustFail();
  bot.expect(refusal.includes("still running"), "nobody leaves while the clock runs");

  if (round === 1) {
    await bot.live.until(({ group }) => group.isOver === true, { timeoutMs: 60_000 });
    const { group } = bot.live.state;
    bot.expect(group.buyer, null, "nobody has bought");
    bot.expect(Number(group.price) - step < reserve && Number(group.price) <= start, "the clock ran down");
  } else {
    // At the price at which it starts the clock may not run yet, and nobody can buy.
    const wanted = Math.min(Number(valuation), start - step);
    await bot.live.until(({ group }) => group.isOver === true || Number(group.price) <= wanted, { timeoutMs: 60_000 });
    // Who comes too late changes nothing.
    await bot.live.send("buy");
    const { group } = bot.live.state;
    bot.expect(group.isOver, true, "the first to buy stops the clock");
    const buyer = group.buyer;
    await bot.live.send("buy");
    bot.expect(bot.live.state.group.buyer, buyer, "there is one buyer");
  }
  await bot.submit();
  if (round === app.constants.auctions) {
    bot.expect(bot.page, "Results");
    bot.expect(bot.text.includes("You have earned"), "the page says what was earned");
    await bot.submit();
  }
});
