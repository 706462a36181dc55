import { defineBots } from "walras";
import app from "./index.ts";

export default defineBots<string>(app, async (bot) => {
  bot.expect(bot.case, "");
  bot.expect(bot.app, "rounds");
  await bot.live.send(`hi ${bot.round}`);
  await bot.submit();
});
