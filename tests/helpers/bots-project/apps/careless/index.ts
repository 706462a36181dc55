import { defineApp } from "walras";

/** Refuses whatever is said. */
const app = defineApp({ name: "careless" });
app.page("Only", {
  live() {
    throw new Error("the author's mistake");
  },
});

export default app;
