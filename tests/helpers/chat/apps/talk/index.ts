import { defineApp, integer, text } from "walras";

/** For the tests of chats: one of the group and one of everybody, with a live method beside them, and one on a wait page. */
const app = defineApp({
  name: "talk",
  playersPerGroup: 2,
  rounds: 2,
  group: { heard: integer({ initial: 0 }) },
  player: { alias: text({ initial: "<b>Zed</b>" }), answer: text({ blank: true }) },
});

app.page("Talk", {
  formModel: "player",
  formFields: ["answer"],
  varsForTemplate: (player) => ({ everybody: player.session.config.channel ?? "all" }),
  onChat(player, { text: said, channel }) {
    player.group.heard += 1;
    if (said === "boom") throw new Error("the author's mistake");
    if (said.startsWith("damn")) return { refuse: "Please be polite." };
    if (said.startsWith("machine")) {
      player.group.postChat("I am listening", { nickname: "Machine", channel: channel === "all" ? "all" : undefined });
    }
    if (said === "think") player.group.after(0, "think");
    return said.startsWith("shout ") ? said.slice(6).toUpperCase() : undefined;
  },
  beforeNextPage(player) {
    if (player.answer === "alert") player.group.postChat("Somebody has left", { nickname: "Alert" });
  },
});

app.page("Game", {
  live(player, data: { ask?: string }) {
    if (data.ask === undefined) return { 0: data };
    const [text] = [data.ask];
    player.group.postChat(text, { nickname: "Game" });
    return { 0: { asked: text } };
  },
});

app.page("Later", {
  async *live(player, text: string) {
    player.group.postChat(text, { nickname: "Slow" });
    yield { 0: text };
    await Promise.resolve();
    player.group.postChat(`${text} again`, { nickname: "Slow" });
  },
});

app.waitPage("Wait");

app.timer("think", async (group) => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  group.postChat("I have thought about it", { nickname: "Machine" });
});

export default app;
