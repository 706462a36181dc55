import { defineApp } from "walras";

/** For tests: pages whose author made a mistake. */
const app = defineApp({ name: "faulty" });

app.page("Hook", {
  isDisplayed: (player) => player.session.config.fault === "hook",
  varsForTemplate() {
    throw new Error("the hook has failed <b>here</b>");
  },
});
app.page("Template");

export default app;
