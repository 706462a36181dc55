import { defineApp } from "walras";

/** For tests of entrances: everybody sees who they are. */
const app = defineApp({ name: "hello" });

app.page("Hello", {
  varsForTemplate: ({ participant }) => ({ who: `${participant.label}/${participant.entry.STUDY_ID ?? "none"}` }),
});

export default app;
