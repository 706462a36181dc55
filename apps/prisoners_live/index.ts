import { boolean, defineApp, type GroupOf, integer, json, type PlayerOf, text } from "walras";

/** The two moves of a period, in order of the players. */
type Moves = ("cooperate" | "defect")[];

const app = defineApp({
  name: "prisoners_live",
  title: "Prisoner's dilemma",
  doc: "Both choose at the same time, five times. For whoever loses the connection, the computer cooperates until they are back.",
  playersPerGroup: 2,
  // A player is gone when no page of theirs has been connected for so many seconds.
  presenceGrace: 3,
  // live.state.players[2].connected
  publishPresence: true,
  constants: {
    periods: 5,
    both: 3,
    neither: 1,
    cheater: 5,
    cheated: 0,
    /** The computer chooses for a player who has been gone for so many seconds; `patience` of the session config, if given. */
    patience: 10,
  },
  group: {
    period: integer({ initial: 1, publish: "group", doc: "The period that is played, from 1" }),
    history: json<Moves[]>({ initial: [], publish: "group", doc: "The moves of each period" }),
    isOver: boolean({ initial: false, publish: "group", doc: "1: all periods have been played" }),
  },
  player: {
    // Only one's own page sees it before the period is over.
    move: text({ choices: ["cooperate", "defect"], blank: true, publish: "player", doc: "Choice in this period" }),
    hasMoved: boolean({ initial: false, publish: "group", doc: "1: has chosen in this period" }),
    byComputer: boolean({ initial: false, publish: "group", doc: "1: the computer chooses for them at the moment" }),
  },
});
type Player = PlayerOf<typeof app>;
type Group = GroupOf<typeof app>;

app.page("Decide", {
  // Nothing is sent back: what pages show is what is published.
  live(player, move: unknown) {
    if (move === "cooperate" || move === "defect") choose(player, move);
  },
  // Called when somebody comes, and when they are gone: from then on the other is not kept waiting for long.
  presence(player, connected) {
    const { group } = player;
    if (connected) {
      player.byComputer = false;
      for (const { id, payload } of group.timers(replace)) if (payload === player.idInGroup) group.cancel(id);
    }
    for (const one of group.getPlayers()) expectBack(one);
  },
  errorMessage: (player) => (player.group.isOver ? undefined : "The game is not over yet."),
  jsVars: () => ({ periods: app.constants.periods }),
});

app.page("Results", {
  varsForTemplate: (player) => ({ periods: player.group.history.map((moves) => earned(moves, player.idInGroup)) }),
});

const replace = app.timer("replace", (group, idInGroup: number) => {
  const player = group.getPlayerById(idInGroup);
  if (player.connected || group.isOver) return;
  player.byComputer = true;
  choose(player, "cooperate");
});

/** Whoever is not there has some time to come back. */
function expectBack(player: Player): void {
  const { group, idInGroup } = player;
  const isExpected = group.timers(replace).some(({ payload }) => payload === idInGroup);
  if (player.connected || player.byComputer || isExpected || group.isOver) return;
  const { patience = app.constants.patience } = player.session.config;
  group.after(Number(patience), replace, idInGroup);
}

function choose(player: Player, move: Moves[number]): void {
  const { group } = player;
  if (group.isOver || player.move !== null) return;
  player.move = move;
  player.hasMoved = true;
  if (group.getPlayers().every(({ hasMoved }) => hasMoved)) endPeriod(group);
}

function endPeriod(group: Group): void {
  const players = group.getPlayers();
  const moves = players.map(({ move }) => move ?? "cooperate");
  group.history.push(moves);
  for (const player of players) {
    player.payoff += earned(moves, player.idInGroup).points;
    player.move = null;
    player.hasMoved = false;
  }
  if (group.period === app.constants.periods) {
    group.isOver = true;
    return;
  }
  group.period += 1;
  for (const player of players) if (player.byComputer) choose(player, "cooperate");
}

/** What a player did and got in a period. */
function earned(moves: Moves, idInGroup: number) {
  const [mine, theirs] = idInGroup === 1 ? [moves[0], moves[1]] : [moves[1], moves[0]];
  const { both, neither, cheater, cheated } = app.constants;
  const ifCooperated = theirs === "cooperate" ? both : cheated;
  const ifDefected = theirs === "cooperate" ? cheater : neither;
  return { mine, theirs, points: mine === "cooperate" ? ifCooperated : ifDefected };
}

export default app;
