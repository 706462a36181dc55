import { defineApp, integer } from "walras";

const app = defineApp({ name: "end", player: { left: integer({ initial: 0 }) } });

app.page("End", {
  beforeNextPage(player) {
    player.left += 1;
  },
});

export default app;
