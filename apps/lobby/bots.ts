import { defineBots } from "walras";
import app from "./index.ts";

const { endowment, benefit, costs } = app.constants;

export default defineBots(app, async (bot) => {
  await bot.waitFor("Effort");
  const cost = bot.text.includes(`costs you ${costs.cheap} points`) ? costs.cheap : costs.dear;
  bot.expect(bot.text.includes(`costs you ${cost} points`), "the page names the cost of the treatment");
  bot.expect(bot.text.includes(bot.idInGroup === 1 ? "You are Amber" : "You are Blue"), "the page names the role");

  const partner = bot.idInGroup === 1 ? "Blue" : "Amber";
  await bot.chat.send(`hello ${partner}`);
  const greeting = await bot.chat.receive();
  bot.expect(greeting.nickname, partner, "who has written is named");
  bot.expect(greeting.text.startsWith("hello"), "the partner's words come as they are");

  await bot.submitMustFail({});
  await bot.submitMustFail({ effort: 8 });
  // Amber works less: her effort counts for both.
  const effort = bot.idInGroup === 1 ? 3 : 6;
  await bot.submit({ effort });

  await bot.waitFor("Outcome");
  const payoff = endowment + benefit * 3 - cost * effort;
  bot.expect(bot.text.includes(`You earn ${payoff} points`), `the lower effort counts, and one's own costs: ${payoff}`);
  await bot.submit();

  await bot.waitFor("Ranking");
  bot.expect(bot.text.includes("Your pair"), "one's own pair is in the ranking");
  await bot.chat.send("well played");
  await bot.chat.receive(({ text }) => text === "well played");
  await bot.submit();
});
