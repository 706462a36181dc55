import { defineBots } from "walras";
import app from "./index.ts";

const { endowment } = app.constants;

export default defineBots(
  app,
  async (bot) => {
    const accepts = bot.case === "accepted";
    if (bot.idInGroup === 1) {
      bot.expect(bot.page, "Offer");
      const tooMuch = await bot.submitMustFail({ offer: endowment + 1 });
      bot.expect(tooMuch.includes("between"), "nobody offers more than there is");
      const untouched = await bot.submitMustFail({ offer: "" });
      bot.expect(untouched.includes("touch the line"), "an offer has to be made");
      await bot.submit({ offer: 40 });
    } else {
      await bot.waitFor("Answer");
      bot.expect(bot.text.includes("40 points"), "the responder sees the offer");
      await bot.submitMustFail({});
      await bot.submit({ accepted: accepts });
    }
    await bot.waitFor("Results");
    const payoff = !accepts ? 0 : bot.idInGroup === 1 ? endowment - 40 : 40;
    bot.expect(bot.text.includes(`You get ${payoff} points.`), `the page says that the player gets ${payoff} points`);
    await bot.submit();
  },
  { cases: ["accepted", "rejected"] },
);
