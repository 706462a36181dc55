import { defineApp } from "walras";

/** For tests of the load test: what one says, only the others hear. */
const app = defineApp({ name: "talk", playersPerGroup: 2 });

app.page("Talk", { live: (player, n: number) => ({ others: { from: player.idInGroup, n } }) });

export default app;
