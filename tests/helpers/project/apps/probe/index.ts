import { defineApp, longText } from "walras";

/** For tests of pages: players tell their names and see each other's in every place of a template. */
const app = defineApp({
  name: "probe",
  title: "Probe",
  playersPerGroup: 2,
  player: { alias: longText({ initial: "" }) },
});

app.page("Name", {
  live(player, alias: string) {
    player.alias = alias;
    return { 0: { id_in_group: player.idInGroup } };
  },
  errorMessage: (player) => (player.alias === "" ? "Please tell your name <first>." : undefined),
});

app.page("Show", {
  jsVars: (player) => ({ others: player.getOthersInGroup().map((other) => other.alias) }),
  varsForTemplate: (player) => ({ others: player.getOthersInGroup().map((other) => ({ alias: other.alias })) }),
});

export default app;
