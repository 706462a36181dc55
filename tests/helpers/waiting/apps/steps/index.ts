import { defineApp, integer, link } from "walras";

/** For tests of crashes: each round a form, a wait page of the group and one of all groups, all of which count. */
const app = defineApp({
  name: "steps",
  playersPerGroup: 3,
  rounds: 4,
  group: { met: integer({ initial: 0 }), sum: integer({ initial: 0 }), together: integer({ initial: 0 }) },
  player: { given: integer({ initial: 0 }) },
  extraModels: { Mark: { player: link("player") } },
});

app.page("Give", {
  beforeNextPage(player) {
    player.given += 1;
  },
});

app.waitPage("Meet", {
  afterAllPlayersArrive(group) {
    group.met += 1;
    for (const player of group.getPlayers()) {
      group.sum += player.given;
      app.extraModels.Mark.create({ player });
    }
  },
});

app.waitPage("All", {
  waitForAllGroups: true,
  afterAllPlayersArrive(subsession) {
    for (const group of subsession.getGroups()) group.together += 1;
  },
});

export default app;
