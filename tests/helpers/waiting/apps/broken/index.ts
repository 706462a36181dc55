import { defineApp, integer } from "walras";

/** For tests of what the experimenter sees: a wait page whose function fails, and that is live. */
const app = defineApp({ name: "broken", playersPerGroup: 2, group: { waves: integer({ initial: 0 }) } });

app.waitPage("Wait", {
  title: "One moment <b>",
  live(player, data: string) {
    player.group.waves += 1;
    return { 0: `${player.idInGroup}: ${data}` };
  },
  presence: (player, connected) => ({ others: `${player.idInGroup} ${connected ? "came" : "left"}` }),
  afterAllPlayersArrive() {
    if (process.env.BROKEN_WAIT_PAGE === "1") throw new Error("no <prices> yet");
  },
});

app.page("Play");

export default app;
