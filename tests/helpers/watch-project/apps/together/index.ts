import { defineApp, integer } from "walras";

/** All groups wait for each other. */
const app = defineApp({ name: "together", playersPerGroup: 2, group: { runs: integer({ initial: 0 }) } });

app.page("Begin");

app.waitPage("All", {
  waitForAllGroups: true,
  afterAllPlayersArrive(subsession) {
    for (const group of subsession.getGroups()) group.runs += 1;
  },
});

app.page("End");

export default app;
