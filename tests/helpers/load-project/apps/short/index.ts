import { defineApp, integer } from "walras";

/** For tests of the load test: over after two messages. */
const app = defineApp({ name: "short", player: { clicks: integer({ initial: 0 }) } });

app.page("Click", {
  live(player) {
    player.clicks += 1;
    return { [player.idInGroup]: player.clicks };
  },
});

export default app;
