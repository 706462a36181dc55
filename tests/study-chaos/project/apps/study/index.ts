import { currency, defineApp, type GroupOf, integer, link, type PlayerOf, text } from "walras";

export const PLAYERS = 4;
/** What each player has in each round, before gifts. */
export const ENDOWMENT = 100;

/** Rounds of a run of the harness. */
const rounds = Number(process.env.STUDY_ROUNDS ?? 1);

const app = defineApp({
  name: "study",
  doc: "Groups by arrival, a form, a wait page, a page with a time limit, a barrier. Every hook leaves a row and counts.",
  playersPerGroup: PLAYERS,
  rounds,
  group: { formed: integer({ initial: 0 }), shared: integer({ initial: 0 }), total: currency({ initial: 0 }) },
  player: {
    gift: currency({ min: 0, max: ENDOWMENT, label: "Your gift" }),
    note: text({ blank: true, label: "A note" }),
    guess: integer({ blank: true, min: 0, max: 1_000_000_000, label: "Your guess" }),
    gave: integer({ initial: 0 }),
    guessed: integer({ initial: 0 }),
    paid: integer({ initial: 0 }),
  },
  extraModels: { Run: { player: link("player"), hook: text() } },
});
const { Run } = app.extraModels;

app.waitPage("Lobby", {
  groupByArrivalTime: true,
  keepGroups: false,
  afterAllPlayersArrive(group) {
    group.formed += 1;
    note(group, "formed");
  },
});

app.page("Give", {
  formModel: "player",
  formFields: ["gift", "note"],
  beforeNextPage(player) {
    player.gave += 1;
    player.group.total += player.gift ?? 0;
    Run.create({ player, hook: "gave" });
  },
});

app.waitPage("Share", {
  afterAllPlayersArrive(group) {
    group.shared += 1;
    note(group, "shared");
    // Everybody's gift goes to the next: the sum of a group's payoffs stays what it was.
    const players = group.getPlayers();
    for (const [i, player] of players.entries()) {
      const before = players.at(i - 1) as PlayerOf<typeof app>;
      player.payoff += ENDOWMENT - (player.gift ?? 0) + (before.gift ?? 0);
    }
  },
});

app.page("Guess", {
  formModel: "player",
  formFields: ["guess"],
  timeoutSeconds: 1.5,
  beforeNextPage(player, { timeoutHappened }) {
    player.guessed += 1;
    Run.create({ player, hook: timeoutHappened ? "timed out" : "guessed" });
  },
});

app.waitPage("All", {
  waitForAllGroups: true,
  afterAllPlayersArrive(subsession) {
    const { session } = subsession;
    session.barriers = Number(session.barriers ?? 0) + 1;
    for (const player of subsession.getPlayers()) {
      player.paid += 1;
      player.participant.earned = Number(player.participant.earned ?? 0) + player.payoff;
      session.paid = Number(session.paid ?? 0) + player.payoff;
      Run.create({ player, hook: "paid" });
    }
  },
});

function note(group: GroupOf<typeof app>, hook: string): void {
  for (const player of group.getPlayers()) Run.create({ player, hook });
}

export default app;
