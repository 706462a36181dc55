import { defineApp } from "walras";

/** A channel of the same name as the one of all in the app before it. */
const app = defineApp({ name: "other", playersPerGroup: 2 });
app.page("Talk");
export default app;
