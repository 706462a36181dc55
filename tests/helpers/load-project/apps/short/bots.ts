import { defineBots } from "walras";
import app from "./index.ts";

export default defineBots(app, async (bot) => {
  for (const click of [1, 2]) {
    await bot.live.send(null);
    bot.expect(await bot.live.receive<number>(), click);
  }
  await bot.submit();
});
