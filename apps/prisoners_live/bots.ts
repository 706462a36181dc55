import { defineBots } from "walras";
import app from "./index.ts";

/** What player 1 and 2 do in each period, and what each has in the end. */
const CASES = {
  "both cooperate": { moves: ["cooperate", "cooperate"], points: [15, 15] },
  "one defects": { moves: ["cooperate", "defect"], points: [0, 25] },
  "both defect": { moves: ["defect", "defect"], points: [5, 5] },
} as const;

export default defineBots(
  app,
  async (bot) => {
    const { moves, points } = CASES[bot.case as keyof typeof CASES];
    const me = bot.idInGroup;
    const mine = moves[me - 1];
    await bot.live.until(({ players }) => players[3 - me]?.connected === true);
    for (let period = 1; period <= app.constants.periods; period++) {
      await bot.live.until(({ group }) => group.period === period);
      const refusal = period === 1 ? await bot.submitMustFail() : "";
      if (period === 1) bot.expect(refusal.includes("not over yet"), "nobody leaves while the game runs");
      await bot.live.send(mine);
      const { group } = bot.live.state;
      if (group.period === period && !group.isOver) bot.expect(bot.live.state.player.move, mine, "one's own move");
      bot.expect(Object.hasOwn(bot.live.state.players[3 - me] ?? {}, "move"), false, "the other's move is not shown");
    }
    await bot.live.until(({ group }) => group.isOver === true);
    bot.expect(bot.live.state.group.history, Array(app.constants.periods).fill(moves), "the history");
    await bot.submit();

    bot.expect(bot.page, "Results");
    bot.expect(
      bot.text.includes(`You have earned ${points[me - 1]} points.`),
      `the page says ${points[me - 1]} points`,
    );
    await bot.submit();
  },
  { cases: Object.keys(CASES) },
);
