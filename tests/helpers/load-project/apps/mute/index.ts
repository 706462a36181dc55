import { defineApp } from "walras";

/** For tests of the load test: an app without bots, for the whole session at once. */
const app = defineApp({ name: "mute", playersPerGroup: "all" });

app.page("Only");

export default app;
