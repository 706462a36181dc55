import { boolean, defineApp, link, longText, text } from "walras";
import { z } from "zod";
import { type ModelMessage, streamAnswer } from "./model.ts";

const app = defineApp({
  name: "chat_stream",
  title: "Chat with an assistant",
  doc: "Two players share a chat with a language model, whose answers appear word by word on both screens.",
  playersPerGroup: 2,
  constants: {
    maxLength: 500,
    instructions: "You help two people to agree on where to have dinner. Answer in one or two sentences.",
  },
  extraModels: {
    Question: {
      player: link("player"),
      text: text({ doc: "What was asked" }),
      answer: longText({ initial: "", doc: "As much of the answer as had come when it ended" }),
      ended: boolean({ initial: false, doc: "1: nothing more comes" }),
      failure: text({ blank: true, doc: "Why there is no more of it, if it broke off" }),
    },
  },
});
const { Question } = app.extraModels;
const { maxLength, instructions } = app.constants;
type Asked = ReturnType<typeof Question.create>;

/** What everybody sees of a question. */
const shown = (question: Asked) => ({
  n: question.n,
  id_in_group: question.player.idInGroup,
  text: question.text,
  answer: question.answer,
  ended: question.ended,
  failure: question.failure,
});

export const chat = app.page("Chat", {
  // An answer that takes longer is ended; what has come of it is kept.
  timeLimit: 120,
  live: {
    load(player) {
      const questions = Question.filter({ group: player.group }).map(shown);
      return { [player.idInGroup]: { type: "history", questions } };
    },

    ask: {
      message: z.object({ text: z.string().trim().min(1).max(maxLength) }),
      async *handle(player, data, call) {
        const { group } = player;
        const conversation: ModelMessage[] = [{ role: "system", content: instructions }];
        for (const { text, answer } of Question.filter({ group })) {
          conversation.push({ role: "user", content: text }, { role: "assistant", content: answer });
        }
        conversation.push({ role: "user", content: data.text });
        const question = Question.create({ player, text: data.text });
        // It is stored with this yield, and has its number then.
        yield undefined;
        const { n } = question;
        call.reply(n);
        yield { 0: { type: "question", ...shown(question) } };

        let answer = "";
        let failure: string | null = "The answer was broken off.";
        try {
          for await (const piece of streamAnswer(conversation, call.signal)) {
            answer += piece;
            yield { 0: { type: "piece", n, text: piece } };
          }
          failure = null;
        } catch (error) {
          // Told to end: what has come is kept. Anything else is the model's fault.
          if (!call.signal.aborted) {
            failure = "The assistant cannot answer now.";
            console.error(error);
          }
        } finally {
          // Written once, and not with each piece; also if the answer takes too long or the server stops.
          question.answer = answer;
          question.ended = true;
          question.failure = failure;
          yield { 0: { type: "end", ...shown(question) } };
        }
      },
    },
  },
  jsVars: (player) => ({ my_id: player.idInGroup }),
  errorMessage(player) {
    if (Question.filter({ player }).length === 0) return "Please ask the assistant something first.";
  },
});

app.page("Results", {
  varsForTemplate: ({ group }) => ({ questions: Question.filter({ group }).map(shown) }),
});

export default app;
