import { defineApp, integer } from "walras";

/** For tests of grouping by arrival: groups of four, and one page behind it. */
const app = defineApp({ name: "crowd", playersPerGroup: 4, rounds: 2, group: { runs: integer({ initial: 0 }) } });

app.waitPage("Lobby", {
  groupByArrivalTime: true,
  afterAllPlayersArrive(group) {
    group.runs += 1;
  },
});

app.page("Play");

export default app;
