import { type Bot, defineBots } from "walras";
import app from "./index.ts";

type Message = string | { n: number };

/** Each case is a way in which player 1's script goes wrong; player 2 plays on as far as it can. */
const WAYS: Record<string, (bot: Bot<Message>) => void | Promise<void>> = {
  async "plays well"(bot) {
    bot.expect(bot.live.state.player.idInGroup, bot.idInGroup);
    bot.expect(await bot.live.call("say", { word: "hi" }), { heard: { type: "say", word: "hi" } });
    // The other one has said something, too.
    const { group } = await bot.live.until((state) => Number(state.group.sent) >= 2);
    bot.expect(group.sent, 2, "the published state");
  },
  async "waits for a state in vain"(bot) {
    await bot.live.until(({ group }) => group.sent === -1, { timeoutMs: 50 });
  },
  async throws() {
    throw new TypeError("oops");
  },
  "ends early"() {},
  "never ends": () => new Promise(() => {}),
  async "waits in vain"(bot) {
    await bot.live.send({ n: 1 });
    await bot.live.receive((data) => data === "never", { timeoutMs: 100 });
  },
  async "is refused"(bot) {
    await bot.live.send("fail");
  },
  async "expects something else"(bot) {
    await bot.live.send({ n: 1 });
    bot.expect(await bot.live.receive(), { n: 2 }, "the echo");
  },
  async "waits for a page that is not there"(bot) {
    await bot.waitFor("Fromm");
  },
  async "waits for a page that is behind"(bot) {
    await bot.submit();
    await bot.waitFor("Play");
  },
  async "submits what is refused"(bot) {
    await bot.submit();
    // It is player 2 whose form is refused.
    await bot.submitMustFail();
  },
  async "fills in a field that is not there"(bot) {
    await bot.submit();
    await bot.submit({ price: 4 });
  },
  async "sends to a page without a live method"(bot) {
    await bot.submit();
    await bot.submit();
    await bot.live.send("all");
  },
  async "catches everything"(bot) {
    for (;;) await bot.live.receive(() => false, { timeoutMs: 10 }).catch(() => {});
  },
};

export default defineBots<Message>(
  app,
  async (bot) => {
    if (bot.idInGroup === 1) await WAYS[bot.case]?.(bot);
    if (bot.case === "ends early" && bot.idInGroup === 1) return;
    await bot.live.send("all");
    bot.expect(await bot.live.receive<{ from: number }>((data) => data.from === bot.idInGroup), {
      from: bot.idInGroup,
    });
    bot.expect(bot.text.startsWith(`Play Play & win, player ${bot.idInGroup}!`), "text without tags");
    await bot.submit();
    if (bot.idInGroup === 2) {
      bot.expect(await bot.submitMustFail(), "Player 2 must stay & wait.");
      await bot.live.send("let me go");
    }
    await bot.submit({ maxPrice: 4 });
    bot.expect(bot.page, "End");
    await bot.submit();
  },
  { cases: Object.keys(WAYS) },
);
