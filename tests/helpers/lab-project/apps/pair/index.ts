import { defineApp } from "walras";

/** For tests of entrances: who is alone for too long goes home. */
const app = defineApp({ name: "pair", playersPerGroup: 2 });

app.waitPage("Meet", {
  timeout: {
    seconds: 1,
    outcome({ participant }) {
      participant.status = "timedOut";
      return "end";
    },
  },
});
app.page("Together");

export default app;
