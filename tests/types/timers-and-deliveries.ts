/** What must and must not compile of timers and deliveries: checked by `npm run check`, never run. */
import { currency, defineApp, type GroupOf, now, toPage } from "walras";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<_T extends true>(): void {}

const app = defineApp({ name: "clock", playersPerGroup: 2, group: { price: currency({ initial: 9 }) } });
type Group = GroupOf<typeof app>;

const fall = app.timer("fall", (group, step: number, { dueAt, missed }) => {
  expectType<Equal<typeof group, Group>>();
  expectType<Equal<typeof dueAt, number>>();
  group.price -= step * (1 + missed);
  return [{ 0: group.price }, undefined, toPage("Watch", { 1: "one", others: "the rest" })];
});
const close = app.timer("close", (group) => void group.cancel(fall));
app.timer("plain", (group, payload: { text: string }) => toPage("Watch", [{ 0: payload.text }, { 2: group.price }]));

app.page("Buy", {
  live({ group }) {
    expectType<Equal<ReturnType<typeof group.cancel>, boolean>>();
    const id: number = group.every(0.5, fall, 3);
    group.cancel(id);
    group.cancel("fall");
    group.after(60, close);
    group.at(now() + 60_000, "plain", { text: "by name, any payload" });
    group.after(1, "plain");
    for (const { dueAt } of group.timers(fall)) return { others: dueAt };
    return [{ 1: group.timers().length }, { others: null }];
  },
  beforeNextPage: () => ({ others: "gone" }),
});

export function mistakes(group: Group): void {
  // @ts-expect-error a timer's own payload
  group.after(1, fall, "three");
  // @ts-expect-error it wants one
  group.after(1, fall);
  // @ts-expect-error seconds come first
  group.after("fall", 1);
  // @ts-expect-error a number, not a Date
  group.at(new Date(), fall, 1);
  // @ts-expect-error misspelt
  group.before(1, fall, 1);
  app.timer("later", async (_group: Group, _payload: unknown, _timer, { signal }) => ({ 0: signal.aborted }), {
    timeLimit: 10,
  });
  // @ts-expect-error deliveries, not a text
  app.timer("laterText", async (_group: Group) => "to everybody");
  // @ts-expect-error a number of seconds
  app.timer("laterStill", async (_group: Group) => {}, { timeLimit: "10" });
  // @ts-expect-error deliveries, not a text
  app.timer("text", () => "to everybody");
  // @ts-expect-error deliveries inside, not a text
  toPage("Watch", "to everybody");
}
