import { boolean, defineApp, float, type GroupOf, integer, json, link, now, timestamp } from "walras";

const app = defineApp({
  name: "public_goods_continuous",
  title: "Public good in continuous time",
  doc: "Everybody moves a slider whenever they like, and earns by the second, until the time is up for all at the same moment.",
  playersPerGroup: 3,
  constants: {
    /** Points a second that each may keep or contribute. */
    endowment: 10,
    /** What is contributed grows by this, and is shared. */
    factor: 1.8,
    /** How long it lasts; `seconds` of the session config, if given. */
    seconds: 60,
  },
  group: {
    endsAt: timestamp({ blank: true, publish: "group", doc: "When the time is up for all" }),
    isOver: boolean({ initial: false, publish: "group", doc: "1: the time is up" }),
    history: json<number[]>({ initial: [], publish: "group", doc: "What all contributed, second by second" }),
    countedTo: timestamp({ initial: 0, doc: "Up to this moment everybody's earnings are counted" }),
  },
  player: {
    contribution: integer({
      initial: 0,
      min: 0,
      max: 10,
      publish: "group",
      doc: "Contribution at the end, per second",
    }),
    earned: float({ initial: 0, publish: "player", doc: "Earnings so far, in points" }),
  },
  extraModels: {
    Move: {
      player: link("player"),
      contribution: integer({ doc: "Contribution from then on, per second" }),
      at: timestamp({ doc: "When the slider was moved" }),
    },
  },
});
const { Move } = app.extraModels;
type Group = GroupOf<typeof app>;

app.waitPage("Gather", {
  body: "It begins as soon as all three are here.",
  afterAllPlayersArrive(group) {
    const { seconds = app.constants.seconds } = group.session.config;
    const endsAt = now() + Number(seconds) * 1000;
    group.countedTo = now();
    group.endsAt = endsAt;
    group.every(1, tick);
    group.at(endsAt, end);
  },
});

app.page("Play", {
  live(player, contribution: unknown) {
    const { group } = player;
    if (!Number.isInteger(contribution)) return;
    const points = Number(contribution);
    if (points < 0 || points > app.constants.endowment || points === player.contribution) return;
    // After the last moment nothing counts, also when the server is late to say that it is over.
    if (group.isOver || now() >= (group.endsAt ?? 0)) return;
    count(group);
    player.contribution = points;
    Move.create({ player, contribution: points, at: now() });
  },
  errorMessage: (player) => (player.group.isOver ? undefined : "It is not over yet."),
});

app.page("Results", {
  varsForTemplate: ({ group, idInGroup }) => ({
    rows: group.getPlayers().map((player) => ({
      id: player.idInGroup,
      is_me: player.idInGroup === idInGroup,
      points: player.payoff,
      moves: Move.filter({ player }).length,
    })),
  }),
});

/** Every second, so that the pages show how earnings grow. */
const tick = app.timer("tick", (group) => {
  count(group);
  group.history.push(group.getPlayers().reduce((sum, { contribution }) => sum + contribution, 0));
});

/** The deadline that all share. */
const end = app.timer("end", (group) => {
  count(group);
  group.cancel(tick);
  group.isOver = true;
  for (const player of group.getPlayers()) player.payoff = player.earned;
});

/** Adds what everybody earned since the last time, at the rates that have held since. */
function count(group: Group): void {
  const until = Math.min(now(), group.endsAt ?? 0);
  const seconds = (until - group.countedTo) / 1000;
  const players = group.getPlayers();
  const { endowment, factor } = app.constants;
  const share = (factor * players.reduce((sum, { contribution }) => sum + contribution, 0)) / players.length;
  for (const player of players) player.earned += (endowment - player.contribution + share) * seconds;
  group.countedTo = until;
}

export default app;
