import { defineApp, integer } from "walras";

const app = defineApp({
  name: "ticks",
  title: "Ticks",
  doc: "A timer in each group that changes a row and tells everybody, beside messages that are echoed.",
  playersPerGroup: 4,
  group: { ticks: integer({ initial: 0 }) },
});

app.page("Tick", {
  live(player, data: number | { every: number }) {
    if (typeof data === "number") return { [player.idInGroup]: data };
    player.group.every(data.every, tick);
  },
});

const tick = app.timer("tick", (group) => {
  group.ticks += 1;
  return { 0: group.ticks };
});

export default app;
