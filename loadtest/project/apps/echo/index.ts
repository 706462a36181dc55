import { defineApp } from "walras";

const app = defineApp({
  name: "echo",
  title: "Echo",
  doc: "Sends every message back to its sender: what a message costs that changes no row.",
  playersPerGroup: 4,
  group: {},
  player: {},
});

app.page("Echo", {
  live: (player, data: number) => ({ [player.idInGroup]: data }),
});

export default app;
