import { defineBots } from "walras";
import app from "./index.ts";

export default defineBots<number>(app, async (bot) => {
  for await (const turn of bot.turns(3)) await bot.live.send(turn);
  await bot.submit();
});
