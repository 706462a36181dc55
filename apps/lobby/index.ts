import { defineApp, integer, json, likert, text, treatmentOf } from "walras";

const app = defineApp({
  name: "lobby",
  title: "Weakest link",
  doc: "Pairs form as people arrive. Both choose an effort; the lower of the two counts. They may talk before it; in the end everybody sees how all pairs did.",
  playersPerGroup: 2,
  roles: ["Amber", "Blue"],
  constants: {
    endowment: 40,
    /** What each gets for a unit of the pair's lowest effort. */
    benefit: 20,
    /** What a unit of one's own effort costs, by treatment. */
    costs: { cheap: 5, dear: 12 },
    /** For those for whom there is no partner. */
    showUpFee: 10,
  },
  group: {
    treatment: text({ choices: ["cheap", "dear"], doc: "Cost of effort, balanced over the pairs" }),
    lowest: integer({ doc: "The lower of the two efforts" }),
    ranking: json<{ place: number; pair: number; lowest: number; points: number }[]>({
      initial: [],
      doc: "All pairs in the end, the best first",
    }),
  },
  player: {
    effort: integer({ label: "Your effort", widget: likert({ points: 7, low: "Low", high: "High" }) }),
  },
});
const { endowment, benefit, costs, showUpFee } = app.constants;

app.waitPage("Arrival", {
  groupByArrivalTime: true,
  title: "Looking for a partner",
  body: "As soon as somebody else is here, the two of you begin. Please keep this page open.",
  timeout: {
    seconds: 10 * 60,
    outcome(player) {
      player.payoff = showUpFee;
      return "end";
    },
  },
  afterAllPlayersArrive(group) {
    group.treatment = treatmentOf(group, ["cheap", "dear"]);
  },
});

app.page("Effort", {
  formModel: "player",
  formFields: ["effort"],
  varsForTemplate: (player) => ({ cost: costs[player.group.treatment] }),
});

app.waitPage("Partner", {
  body: "Your partner is still choosing.",
  afterAllPlayersArrive(group) {
    const players = group.getPlayers();
    group.lowest = Math.min(...players.map((player) => player.effort));
    for (const player of players) {
      player.payoff = endowment + benefit * group.lowest - costs[group.treatment] * player.effort;
    }
  },
});

app.page("Outcome", {
  varsForTemplate(player) {
    const [partner] = player.getOthersInGroup();
    return { partner: { role: partner?.role, effort: partner?.effort }, cost: costs[player.group.treatment] };
  },
});

app.waitPage("Everybody", {
  waitForAllGroups: true,
  body: "The ranking is made when all pairs have played.",
  // One pair that has gone home must not keep all others waiting.
  timeout: { seconds: 5 * 60, outcome: "proceed" },
  afterAllPlayersArrive(subsession, { missing }) {
    const late = new Set(missing.map((player) => player.group.id));
    const pairs = subsession
      .getGroups()
      .filter((group) => !late.has(group.id))
      .map((group) => ({
        pair: group.idInSubsession,
        lowest: group.lowest,
        points: group.getPlayers().reduce((sum, player) => sum + player.payoff, 0),
      }))
      .sort((a, b) => b.points - a.points);
    const ranking = pairs.map((pair) => ({
      place: 1 + pairs.findIndex(({ points }) => points === pair.points),
      ...pair,
    }));
    for (const group of subsession.getGroups()) group.ranking = ranking;
  },
});

app.page("Ranking", {
  // A name of its own for each, since here all pairs talk to each other.
  varsForTemplate: (player) => ({ nickname: `${player.role} of pair ${player.group.idInSubsession}` }),
});

export default app;
