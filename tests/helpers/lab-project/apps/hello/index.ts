import { defineApp } from "walras";

/** For tests of entrances: everybody sees who they are. */
const app = defineApp({ name: "hello" });

app.creatingSession((subsession) => {
  if (subsession.session.config.labelled !== true) return;
  for (const { participant } of subsession.getPlayers())
    if (participant.idInSession === 2) participant.label = " Müller 2 ";
});

app.page("Hello", {
  beforeNextPage({ participant }) {
    if (participant.entry.age === "12") participant.status = "screenedOut";
    if (participant.entry.age === "0") participant.status = "constructor";
  },
  varsForTemplate: ({ participant }) => ({ who: `${participant.label}/${participant.entry.STUDY_ID ?? "none"}` }),
});

export default app;
