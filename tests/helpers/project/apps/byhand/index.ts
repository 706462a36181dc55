import { boolean, defineApp, float, integer, text } from "walras";

/** For tests: a form whose inputs the author wrote by hand. */
const app = defineApp({
  name: "byhand",
  player: {
    age: integer({ min: 18 }),
    share: float({ max: 1 }),
    color: text({ choices: ["red", "blue"] }),
    agrees: boolean(),
    clicks: integer({ initial: 0 }),
  },
});

app.page("Form", {
  formFields: ["age", "share", "color", "agrees", "clicks"],
  preserveUnsubmittedInputs: true,
});
app.page("Shown");

export default app;
