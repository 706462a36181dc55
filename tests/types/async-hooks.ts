/** Which functions of an app may be async, as the compiler sees it: checked by `npm run check`, never run. */
import { currency, defineApp, integer, type PlayerOf } from "walras";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<_T extends true>(): void {}

const app = defineApp({
  name: "asking",
  playersPerGroup: 2,
  group: { price: currency({ initial: 1 }) },
  player: { offer: integer({ blank: true, errorMessage: async (value) => (value > 9 ? "Less." : undefined) }) },
});
type Player = PlayerOf<typeof app>;

app.creatingSession(async (subsession, { signal }) => {
  expectType<Equal<typeof signal, AbortSignal>>();
  for (const group of subsession.getGroups()) group.price = 3;
});

app.waitPage("Lobby", {
  async groupByArrivalTime(waiting, arrivals, { signal }) {
    expectType<Equal<typeof waiting, Player[]>>();
    const patient = waiting.filter((player) => arrivals.seconds(player) > 5 && !signal.aborted);
    return patient.length > 1 ? patient : undefined;
  },
});
app.page("Offer", {
  formFields: async (player, { signal }) => (player.payoff > 0 && !signal.aborted ? (["offer"] as const) : []),
  fields: {
    offer: {
      min: async () => 1,
      max: async (player) => player.payoff,
      choices: async () => [1, [2, "two"]] as const,
      label: async () => "Your offer",
      helpText: async (_player, { signal }) => String(signal.aborted),
      errorMessage: async (_player, value, { signal }) => {
        expectType<Equal<typeof value, number>>();
        return signal.aborted ? "No." : undefined;
      },
    },
  },
  computer: async (player, { signal }) => (signal.aborted ? undefined : { offer: player.idInGroup }),
  isDisplayed: async (player, { signal }) => player.idInGroup === 1 && !signal.aborted,
  timeoutSeconds: async () => undefined,
  groupTimeoutSeconds: async () => 60,
  timerText: async () => "Left",
  appAfterThisPage: async (_player, apps, { signal }) => (signal.aborted ? undefined : apps[0]),
  presence: async (_player, connected, { signal }) => ({ others: [connected, signal.aborted] }),
});
app.waitPage("Group", {
  title: async () => "A moment",
  async afterAllPlayersArrive(group, { missing }, { signal }) {
    group.price = missing.length;
    if (!signal.aborted) return { 0: "go" };
  },
});
app.waitPage("Everybody", {
  waitForAllGroups: true,
  async afterAllPlayersArrive(subsession, { missing }, { signal }) {
    for (const group of subsession.getGroups()) group.price = missing.length;
    signal.throwIfAborted();
  },
});

app.page("Mistakes", {
  // @ts-expect-error true or false, also later
  isDisplayed: async () => "yes",
  // @ts-expect-error a message is posted or refused at once
  onChat: async () => "later",
});
// @ts-expect-error a number, also later
app.page("Limits", { formFields: ["offer"], fields: { offer: { max: async () => "nine" } } });
app.waitPage("MoreMistakes", {
  // @ts-expect-error it is decided at the moment when the time is up
  timeout: { seconds: 5, outcome: async () => "proceed" },
});
// @ts-expect-error an export reads what there is
app.customExport("rows", { columns: ["price"], rows: async (group) => [[group.price]] });
// @ts-expect-error the order is drawn when the session is made
defineApp({ name: "a", pageOrder: async () => ["A"] });
