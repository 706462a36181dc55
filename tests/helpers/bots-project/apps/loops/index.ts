import { defineApp } from "walras";

const app = defineApp({ name: "loops" });
app.page("Only");

export default app;
