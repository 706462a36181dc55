import { defineApp } from "walras";

const app = defineApp({ name: "wrong_export" });
app.page("Only");

export default app;
