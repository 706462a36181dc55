import { defineBots } from "walras";
import app from "./index.ts";

const { endowment, multipliers } = app.constants;

/** What each player contributes in each round. */
const CASES: Record<string, readonly number[]> = {
  mixed: [0, 10, 20],
  "all give": [20, 20, 20],
  "nobody gives": [0, 0, 0],
};

/** Points that the player has earned in earlier rounds, by participant. */
const earned = new Map<number, number>();

export default defineBots(
  app,
  async (bot) => {
    const { round } = bot;
    if (round === 1) {
      bot.expect(bot.page, "Introduction");
      earned.set(bot.participant, 0);
      await bot.submit();
    }
    const contributions = CASES[bot.case] ?? [];
    const own = contributions[(bot.idInGroup ?? 1) - 1] ?? 0;
    const multiplier = bot.text.includes(`multiplied by ${multipliers.high} `) ? multipliers.high : multipliers.low;
    const tooMuch = await bot.submitMustFail({ contribution: endowment + 1 });
    bot.expect(tooMuch.includes(String(endowment)), "nobody contributes more than there is");
    await bot.submitMustFail({ contribution: -1 });
    await bot.submitMustFail({ contribution: "" });
    await bot.submit({ contribution: own });

    await bot.waitFor("Results");
    const share = Math.round((contributions.reduce((sum, one) => sum + one, 0) * multiplier) / contributions.length);
    const payoff = endowment - own + share;
    bot.expect(bot.text.includes(`You earn ${payoff} points in this round`), `the page says that they earn ${payoff}`);
    await bot.submit();

    const total = (earned.get(bot.participant) ?? 0) + payoff;
    earned.set(bot.participant, total);
    if (round < app.spec.rounds) return;
    bot.expect(bot.page, "Final");
    bot.expect(
      bot.text.includes(`you have earned ${total} points`),
      `the page says that they have earned ${total} in all`,
    );
    await bot.submit();
  },
  { cases: Object.keys(CASES) },
);
