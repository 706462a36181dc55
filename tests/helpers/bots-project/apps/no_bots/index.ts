import { defineApp } from "walras";

const app = defineApp({ name: "no_bots" });
app.page("Only");

export default app;
