import { defineBots } from "walras";
import app from "./index.ts";

export default defineBots<string>(
  app,
  async (bot) => {
    if (bot.case === "does not await" && bot.participant === 1) {
      bot.live.send("fail");
      await bot.live.receive(() => false);
    }
    await bot.submit();
  },
  { cases: ["plays well", "does not await"] },
);
