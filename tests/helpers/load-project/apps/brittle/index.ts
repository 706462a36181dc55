import { defineApp } from "walras";

/** For tests of the load test: plays alone; one of its bots fails. */
const app = defineApp({ name: "brittle" });

app.page("Work", { live: (player, n: number) => ({ [player.idInGroup]: n }) });

export default app;
