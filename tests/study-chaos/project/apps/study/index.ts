import { currency, defineApp, type GroupOf, integer, link, type PlayerOf, text } from "walras";

export const PLAYERS = 4;
/** What each player has in each round, before gifts. */
export const ENDOWMENT = 100;
/** What the computer gives in somebody's place. */
export const COMPUTED = { gift: 10, note: "computer" } as const;

/** Rounds of a run of the harness. */
const rounds = Number(process.env.STUDY_ROUNDS ?? 1);

const app = defineApp({
  name: "study",
  doc: "Groups by arrival, a form, a wait page, a page with a time limit, a live page, a barrier; each wait is limited. Every hook leaves a row and counts.",
  playersPerGroup: PLAYERS,
  rounds,
  group: {
    formed: integer({ initial: 0 }),
    shared: integer({ initial: 0 }),
    total: currency({ initial: 0 }),
  },
  player: {
    gift: currency({ min: 0, max: ENDOWMENT, label: "Your gift" }),
    note: text({ blank: true, label: "A note" }),
    guess: integer({ blank: true, min: 0, max: 1_000_000_000, label: "Your guess" }),
    gave: integer({ initial: 0 }),
    guessed: integer({ initial: 0 }),
    said: integer({ initial: 0 }),
    talked: integer({ initial: 0 }),
    paid: integer({ initial: 0 }),
  },
  extraModels: { Run: { player: link("player"), hook: text() } },
});
const { Run } = app.extraModels;

/** Whether each hook is async, and asks the world first, which takes its time. */
const asks = process.env.STUDY_ASYNC === "1";

function hook<A extends unknown[], T>(run: (...args: A) => T): (...args: A) => T | Promise<T> {
  if (!asks) return run;
  return async (...args) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
    return run(...args);
  };
}

app.waitPage("Lobby", {
  groupByArrivalTime: true,
  keepGroups: false,
  // The last ones are too few for a whole group.
  timeout: { seconds: 6, outcome: "proceed" },
  afterAllPlayersArrive: hook((group) => {
    group.formed += 1;
    note(group, "formed");
  }),
});

app.page("Give", {
  formModel: "player",
  formFields: ["gift", "note"],
  computer: hook(() => COMPUTED),
  isDisplayed: hook(() => true),
  beforeNextPage: hook((player) => {
    player.gave += 1;
    player.group.total += player.gift;
    Run.create({ player, hook: "gave" });
  }),
});

/** Each way out of a wait has its rounds; the last one ends the study for every other group's. */
const OUTCOMES = ["replace", "proceed", "replace", "end"] as const;

app.waitPage("Share", {
  timeout: {
    seconds: 10,
    outcome: ({ group, roundNumber }) => {
      const outcome = OUTCOMES[(roundNumber - 1) % OUTCOMES.length];
      return outcome === "end" && group.idInSubsession % 2 === 0 ? "proceed" : outcome;
    },
  },
  afterAllPlayersArrive: hook((group) => {
    group.shared += 1;
    note(group, "shared");
    // Everybody's gift goes to the next: the sum of a group's payoffs stays what it was.
    const players = group.getPlayers();
    for (const [i, player] of players.entries()) {
      const before = players.at(i - 1) as PlayerOf<typeof app>;
      player.payoff += ENDOWMENT - given(player) + given(before);
    }
  }),
});

app.page("Guess", {
  formModel: "player",
  formFields: ["guess"],
  timeoutSeconds: 1.5,
  beforeNextPage: hook((player, { timeoutHappened }) => {
    player.guessed += 1;
    Run.create({ player, hook: timeoutHappened ? "timed out" : "guessed" });
  }),
});

// Where the computer stays for as long as anybody else of the group does.
app.page("Talk", {
  live(player, words: number) {
    player.said += words;
  },
  beforeNextPage(player) {
    player.talked += 1;
    Run.create({ player, hook: "talked" });
  },
});

app.waitPage("All", {
  waitForAllGroups: true,
  timeout: { seconds: 10, outcome: "replace" },
  afterAllPlayersArrive: hook((subsession) => {
    const { session } = subsession;
    session.barriers = Number(session.barriers ?? 0) + 1;
    for (const player of subsession.getPlayers()) {
      player.paid += 1;
      player.participant.earned = Number(player.participant.earned ?? 0) + player.payoff;
      session.paid = Number(session.paid ?? 0) + player.payoff;
      Run.create({ player, hook: "paid" });
    }
  }),
});

/** Nothing, of who has not come. */
function given(player: PlayerOf<typeof app>): number {
  return player.gave === 0 ? 0 : player.gift;
}

function note(group: GroupOf<typeof app>, hook: string): void {
  for (const player of group.getPlayers()) Run.create({ player, hook });
}

export default app;
