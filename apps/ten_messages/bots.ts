import { defineBots } from "walras";
import app from "./index.ts";

type Message = { type: "load" } | { type: "message"; text: string };
type News =
  | { type: "history"; history: { id_in_group: number; text: string }[]; num_messages: number }
  | { type: "message"; id_in_group: number; text: string; num_messages: number }
  | { type: "game_finished" };

const needed = app.constants.messagesNeeded;

export default defineBots<Message>(app, async (bot) => {
  const me = bot.idInGroup;
  const refusal = await bot.submitMustFail();
  bot.expect(refusal.includes("Please write ten messages together first."), "nobody leaves before the tenth message");

  await bot.live.send({ type: "load" });
  let news = await bot.live.receive<News>();
  while (news.type !== "game_finished") {
    const written = news.num_messages;
    // In turns: player 1 writes the first.
    if (written % 2 === me - 1) {
      await bot.live.send({ type: "message", text: "   " });
      await bot.live.send({ type: "message", text: `  Message ${written + 1} of ${needed} <b> ` });
    }
    // In a browser, the page's own script asks for the history as well.
    news = await bot.live.receive<News>((data) => data.type !== "history");
    if (news.type === "game_finished") {
      bot.expect(written, needed - 1, "the game ends with the tenth message");
    } else {
      const text = `Message ${written + 1} of ${needed} <b>`;
      bot.expect(
        news,
        { type: "message", id_in_group: 1 + (written % 2), text, num_messages: written + 1 },
        "both see each message, trimmed; blank ones do not count",
      );
    }
  }
  await bot.submit();

  bot.expect(bot.page, "Results");
  bot.expect(bot.text.includes(`You have written ${needed} messages together`), "the page counts the messages");
  for (let n = 1; n <= needed; n++) {
    bot.expect(bot.text.includes(`Message ${n} of ${needed} <b>`), `the page shows message ${n}, as it was typed`);
  }
  await bot.submit();
});
