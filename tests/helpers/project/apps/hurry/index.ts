import { boolean, defineApp, integer, text } from "walras";

/** For tests: a page whose time runs out. */
const app = defineApp({
  name: "hurry",
  player: { word: text(), age: integer(), late: boolean({ initial: false }) },
});

app.page("Form", {
  timeoutSeconds: 4,
  formFields: ["word", "age"],
  beforeNextPage(player, { timeoutHappened }) {
    player.late = timeoutHappened;
  },
});
app.page("Shown");

export default app;
