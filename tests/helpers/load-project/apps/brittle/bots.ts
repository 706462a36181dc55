import { defineBots } from "walras";
import app from "./index.ts";

export default defineBots<number>(app, async (bot) => {
  for await (const turn of bot.turns(3)) {
    await bot.live.send(turn);
    if (bot.participant === 3 && turn === 2) bot.expect(turn, 7, "the third participant counts to seven");
  }
  await bot.submit();
});
