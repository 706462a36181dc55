import {
  boolean,
  checkbox,
  currency,
  defineApp,
  dropdown,
  float,
  integer,
  likert,
  longText,
  radio,
  radioHorizontal,
  slider,
  text,
  textarea,
} from "walras";

const AGREEMENT = likert({
  labels: ["Strongly disagree", "Disagree", "Neither", "Agree", "Strongly agree"],
});

const app = defineApp({
  name: "survey",
  title: "Survey",
  doc: "A questionnaire with every kind of question: texts, numbers, choices, scales, sliders and amounts.",
  // Half of the participants judge before they say what they think.
  pageOrder: [["Attitudes"], ["Judgements"]],
  player: {
    consent: boolean({
      label: "I have read the information and want to take part.",
      widget: checkbox(),
      doc: "Consent, asked before anything else",
    }),
    age: integer({ label: "How old are you?", min: 16, max: 120 }),
    gender: text({
      label: "What is your gender?",
      choices: [
        ["female", "Female"],
        ["male", "Male"],
        ["diverse", "Diverse"],
        ["none", "I would rather not say"],
      ],
      widget: radio(),
    }),
    height: float({ label: "How tall are you, in metres?", helpText: "For instance 1.72", min: 0.5, max: 2.5 }),
    field: text({
      label: "What do you study?",
      choices: ["Economics", "Psychology", "Law", "Medicine", "Something else"],
      widget: dropdown(),
    }),
    otherField: text({ label: "And what is that?", maxLength: 100 }),
    employed: boolean({ label: "Do you have a job beside your studies?", widget: radioHorizontal() }),
    hoursOfWork: integer({ label: "How many hours a week do you work?", min: 1, max: 80 }),
    wage: currency({
      label: "What are you paid for an hour?",
      min: 0,
      blank: true,
      helpText: "You may leave this empty.",
    }),
    trust: integer({ label: "Most people can be trusted.", widget: AGREEMENT }),
    fairness: integer({ label: "Most people try to be fair.", widget: AGREEMENT }),
    help: integer({ label: "People mostly look out for themselves.", widget: AGREEMENT }),
    risk: integer({
      label: "How willing are you to take risks?",
      widget: likert({ points: 7, low: "Not at all", high: "Very willing" }),
    }),
    happiness: integer({
      label: "All in all, how happy are you?",
      min: 0,
      max: 100,
      widget: slider({ low: "Not at all happy", high: "Completely happy" }),
    }),
    probability: float({
      label: "How likely is rain tomorrow?",
      min: 0,
      max: 1,
      widget: slider({ low: "Impossible", high: "Certain" }),
    }),
    donation: currency({ label: "How much would you give to charity?", min: 0 }),
    advice: text({ label: "One piece of advice for us", widget: textarea(), blank: true, maxLength: 280 }),
    comments: longText({ label: "Is there anything else that you want to say?", blank: true }),
  },
});

app.page("Consent", {
  formFields: ["consent"],
  errorMessage: (_player, { consent }) =>
    consent ? undefined : { consent: "You can only take part if you agree. Otherwise please close this window." },
});

app.page("You", {
  formFields: ["age", "gender", "height", "field", "employed"],
});

// Only for those to whom it applies.
app.page("More", {
  formFields: (player) => [
    ...(player.field === "Something else" ? (["otherField"] as const) : []),
    ...(player.employed ? (["hoursOfWork", "wage"] as const) : []),
  ],
  isDisplayed: (player) => player.field === "Something else" || player.employed,
});

app.page("Attitudes", {
  formFields: ["trust", "fairness", "help", "risk"],
});

app.page("Judgements", {
  formFields: ["happiness", "probability", "donation"],
  fields: {
    donation: {
      // What somebody can give differs from one to the other.
      label: (player) => `You have won ${prize(player)} points. How much of it would you give to charity?`,
      max: (player) => prize(player),
      errorMessage: (player, amount) =>
        amount === prize(player) ? "That is generous, but please keep at least one point." : undefined,
    },
  },
});

app.page("Comments", {
  formFields: ["advice", "comments"],
  allowBack: true,
  // Nobody writes a long text twice.
  preserveUnsubmittedInputs: true,
});

app.page("Thanks");

/** Ten points, and one more for every seat further back. */
function prize(player: { participant: { idInSession: number } }): number {
  return 10 + player.participant.idInSession;
}

export default app;
