import { defineBots } from "walras";
import app from "./index.ts";

export default defineBots(app, async (bot) => {
  while (bot.page === "Only") bot.random();
});
