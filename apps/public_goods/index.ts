import { assignTreatments, currency, defineApp, type GroupOf, text } from "walras";

const rounds = 3;

const app = defineApp({
  name: "public_goods",
  title: "Public goods game",
  doc: "Three players decide in three rounds how much to give to a common project, which is worth more to all than to one.",
  playersPerGroup: 3,
  rounds,
  constants: {
    endowment: 20,
    secondsToDecide: 120,
    /** By what the contributions are multiplied, before they are shared out. */
    multipliers: { low: 1.5, high: 2.4 },
  },
  group: {
    treatment: text({ choices: ["low", "high"], initial: "low", doc: "which multiplier the group has" }),
    total: currency({ initial: 0, doc: "sum of the group's contributions" }),
    share: currency({ initial: 0, doc: "what each player gets out of the project" }),
  },
  player: {
    contribution: currency({
      label: "How much do you contribute to the project?",
      min: 0,
      doc: "what the player gave to the project; 0 if they entered nothing in time",
    }),
    share: currency({ initial: 0, doc: "what the player got out of the project" }),
  },
});
const { endowment, multipliers, secondsToDecide } = app.constants;
type Treatment = keyof typeof multipliers;

// Which treatments there are is up to the session config; as many groups get one as the other. It depends on the
// group alone, so that it is the same in all rounds.
app.creatingSession((subsession) => {
  const { treatments = ["low"] } = subsession.session.config;
  assignTreatments(subsession, treatments as Treatment[], (group, treatment) => {
    group.treatment = treatment;
  });
});

app.page("Introduction", {
  isDisplayed: (player) => player.roundNumber === 1,
  varsForTemplate: (player) => {
    const size = player.group.getPlayers().length;
    const multiplier = multiplierOf(player.group);
    // An example: everybody gives half.
    const total = (endowment / 2) * size;
    const example = { total, multiplied: total * multiplier, share: (total * multiplier) / size };
    return { others: size - 1, rounds, multiplier, example };
  },
});

app.page("Contribute", {
  formModel: "player",
  formFields: ["contribution"],
  fields: { contribution: { max: endowment } },
  // Who lets the time run out gives what they have entered, or nothing: nobody waits for them for ever.
  timeoutSeconds: secondsToDecide,
  varsForTemplate: (player) => ({ multiplier: multiplierOf(player.group), rounds }),
});

app.waitPage("WaitForOthers", { body: "The others are still deciding.", afterAllPlayersArrive: setPayoffs });

app.page("Results", {
  varsForTemplate: (player) => ({
    rounds,
    multiplier: multiplierOf(player.group),
    players: player.group.getPlayers(),
    history: player.inAllRounds(),
  }),
});

app.page("Final", {
  isDisplayed: (player) => player.roundNumber === rounds,
  varsForTemplate: (player) => {
    const history = player.inAllRounds();
    return { history, total: history.reduce((sum, { payoff }) => sum + payoff, 0) };
  },
});

type Group = GroupOf<typeof app>;

function setPayoffs(group: Group): void {
  const players = group.getPlayers();
  group.total = players.reduce((sum, player) => sum + (player.contribution ?? 0), 0);
  group.share = (group.total * multiplierOf(group)) / players.length;
  for (const player of players) {
    player.share = group.share;
    player.payoff = endowment - (player.contribution ?? 0) + group.share;
  }
}

function multiplierOf(group: Group): number {
  return multipliers[group.treatment as Treatment];
}

export default app;
