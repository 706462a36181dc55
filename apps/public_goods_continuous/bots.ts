import { defineBots } from "walras";
import app from "./index.ts";

/** What player 1, 2 and 3 contribute, each second. */
const CONTRIBUTIONS = [10, 5, 0];

export default defineBots(app, async (bot) => {
  await bot.waitFor("Play");
  const mine = CONTRIBUTIONS[bot.idInGroup - 1] ?? 0;
  const refusal = await bot.submitMustFail();
  bot.expect(refusal.includes("not over yet"), "nobody leaves before the end");
  for (const nonsense of [11, -1, 2.5, "all", null]) await bot.live.send(nonsense);
  bot.expect(bot.live.state.players[bot.idInGroup]?.contribution, 0, "nonsense changes nothing");
  await bot.live.send(mine);
  bot.expect(bot.live.state.players[bot.idInGroup]?.contribution, mine, "one's own contribution");

  await bot.live.until(({ group }) => group.isOver === true, { timeoutMs: 90_000 });
  const { group, player } = bot.live.state;
  await bot.live.send(7);
  bot.expect(bot.live.state.players[bot.idInGroup]?.contribution, mine, "after the end nothing moves");
  const history = group.history as number[];
  bot.expect(history.at(-1), 15, "what all three contributed in the last second");
  // At least one's own endowment and share from the first tick with all contributions on.
  const rate = app.constants.endowment - mine + (app.constants.factor * 15) / 3;
  const full = history.filter((sum) => sum === 15).length;
  bot.expect(Number(player.earned) > rate * (full - 1), `more than ${rate} points a second for ${full - 1} seconds`);
  await bot.submit();

  bot.expect(bot.page, "Results");
  bot.expect(bot.text.includes("You have earned"), "the page says what was earned");
  await bot.submit();
});
