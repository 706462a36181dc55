import { defineApp, integer } from "walras";

/** Two pages for bots to stumble on. */
const app = defineApp({ name: "game", playersPerGroup: 2, group: { sent: integer({ initial: 0, publish: "group" }) } });

app.page("Play", {
  live(player, data: unknown, call) {
    player.group.sent += 1;
    call.reply({ heard: data });
    if (data === "fail") throw new Error("the author's mistake");
    if (data === "all") return { 0: { from: player.idInGroup } };
    return { [player.idInGroup]: data };
  },
});
app.page("Form", {
  live(player) {
    player.payoff = 1;
  },
  errorMessage: (player) => (player.idInGroup === 2 && player.payoff === 0 ? "Player 2 must stay & wait." : undefined),
});
app.page("End");

export default app;
