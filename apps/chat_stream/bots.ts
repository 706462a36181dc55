import { type Bot, defineBots } from "walras";
import app, { chat } from "./index.ts";

interface Question {
  n: number;
  id_in_group: number;
  text: string;
  answer: string;
  ended: boolean;
  failure: string | null;
}
type News =
  | { type: "history"; questions: Question[] }
  | { type: "piece"; n: number; text: string }
  | ({ type: "question" | "end" } & Question);

const news = (bot: Bot, matches: (one: News) => boolean) => bot.live.receive<News>(matches);

export default defineBots(app, async (bot) => {
  const refusal = await bot.submitMustFail();
  bot.expect(refusal.includes("Please ask the assistant something first."), "nobody leaves without a question");
  const live = bot.live.on(chat);

  await live.call("load");
  bot.expect((await news(bot, (one) => one.type === "history")).type, "history");

  for await (const turn of bot.turns(2)) {
    const text = `Is pizza number ${turn} of player ${bot.idInGroup} <b>good</b>?`;
    const n = await live.call("ask", { text: `  ${text} ` });
    // The call has ended, and everything of it came before its reply.
    const seen = bot.live.receiveAll<News>();
    const end = seen.find((one) => one.type === "end" && one.n === n);
    bot.expect(
      end?.type === "end" && end.text === text && end.ended,
      "the question is shown, trimmed, with its answer",
    );
    const pieces = seen.flatMap((one) => (one.type === "piece" && one.n === n ? [one.text] : []));
    bot.expect(pieces.length > 1, "the answer came in pieces");
    bot.expect(end?.type === "end" ? end.answer : "", pieces.join(""), "the pieces make the whole answer");
  }
  await bot.submit();

  bot.expect(bot.page, "Results");
  bot.expect(bot.text.includes("Is pizza number 0"), "the page shows the questions, as they were typed");
  await bot.submit();
});
