import { boolean, currency, defineApp, type GroupOf, radioHorizontal, slider } from "walras";

const app = defineApp({
  name: "ultimatum",
  title: "Ultimatum game",
  doc: "The proposer offers a part of an amount to the responder, who accepts the split or rejects it for both.",
  playersPerGroup: 2,
  roles: ["proposer", "responder"],
  constants: { endowment: 100, secondsToOffer: 120, secondsToAnswer: 90 },
  group: {
    offer: currency({
      label: "How much do you offer to the other?",
      min: 0,
      blank: true,
      doc: "What the proposer offers; empty if they did not decide in time",
      widget: slider({ low: "Nothing", high: "All of it" }),
    }),
    accepted: boolean({
      label: "Do you accept?",
      blank: true,
      choices: [
        [true, "Accept"],
        [false, "Reject"],
      ],
      widget: radioHorizontal(),
      doc: "The responder's answer; empty if there was none in time",
    }),
  },
});
const { endowment, secondsToOffer, secondsToAnswer } = app.constants;

app.page("Offer", {
  isDisplayed: (player) => player.role === "proposer",
  formModel: "group",
  formFields: ["offer"],
  fields: { offer: { max: endowment } },
  timeoutSeconds: secondsToOffer,
  errorMessage: (_player, { offer }) =>
    offer === null ? { offer: "Please touch the line to make an offer." } : undefined,
});

app.waitPage("WaitForOffer", { body: "The proposer is thinking about an offer." });

app.page("Answer", {
  isDisplayed: (player) => player.role === "responder" && player.group.offer !== null,
  formModel: "group",
  formFields: ["accepted"],
  timeoutSeconds: secondsToAnswer,
  errorMessage: (_player, { accepted }) => (accepted === null ? { accepted: "Please accept or reject." } : undefined),
});

app.waitPage("WaitForAnswer", {
  body: "The responder is thinking about the offer.",
  afterAllPlayersArrive: setPayoffs,
});

app.page("Results");

function setPayoffs(group: GroupOf<typeof app>): void {
  // Who let the time run out gets nothing, and neither does who had to rely on them.
  const isAgreed = group.offer !== null && group.accepted === true;
  const [proposer, responder] = [group.getPlayerByRole("proposer"), group.getPlayerByRole("responder")];
  proposer.payoff = isAgreed ? endowment - (group.offer ?? 0) : 0;
  responder.payoff = isAgreed ? (group.offer ?? 0) : 0;
}

export default app;
