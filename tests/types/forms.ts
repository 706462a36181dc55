/** Forms in an author's hands: what must compile by inference alone, and what must not. Checked by `npm run check`, never run. */
import {
  boolean,
  checkbox,
  currency,
  defineApp,
  integer,
  json,
  likert,
  link,
  longText,
  type PlayerOf,
  slider,
  text,
} from "walras";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<_T extends true>(): void {}

const app = defineApp({
  name: "forms",
  group: { price: currency({ min: 0 }) },
  player: {
    age: integer({ widget: slider({ min: 0, max: 99 }), errorMessage: (age) => (age === 13 ? "No." : undefined) }),
    color: text({ choices: ["red", "blue"], blank: true }),
    happy: integer({ widget: likert({ points: 7 }) }),
    agrees: boolean({ widget: checkbox() }),
    story: longText({ maxLength: 500 }),
    log: json<number[]>(),
    friend: link("player", { blank: true }),
  },
});
type Player = PlayerOf<typeof app>;

app.page("Person", {
  formFields: ["age", "color", "agrees"],
  fields: {
    age: {
      max: (player) => player.idInGroup * 10,
      errorMessage(player, age) {
        expectType<Equal<typeof player, Player>>();
        expectType<Equal<typeof age, number>>();
        return age === player.id ? "No." : undefined;
      },
    },
    color: { choices: (player) => (player.agrees ? ["red"] : ["red", ["blue", "Blue"]]) },
  },
  errorMessage(player, values) {
    expectType<Equal<typeof player, Player>>();
    expectType<Equal<typeof values.age, number>>();
    expectType<Equal<typeof values.color, "red" | "blue" | null>>();
    expectType<Equal<typeof values.log, number[]>>();
    if (values.age < 18) return { age: "Too young." };
    return values.agrees ? undefined : "Please agree.";
  },
});
app.page("Computer", { formFields: ["color"], computer: () => ({ color: "red" }) });
app.page("Chosen", { formFields: (player) => (player.agrees ? ["age"] : []) });
app.page("Price", {
  formModel: "group",
  formFields: ["price"],
  errorMessage: (_player, values) => (values.price > 3 ? "Too much." : undefined),
});
app.page("Live", { formFields: ["age"], live: (player, bid: number) => ({ [player.idInGroup]: bid }) });

// @ts-expect-error undeclared
app.page("Undeclared", { formFields: ["agee"] });
// @ts-expect-error a field of the group
app.page("Other", { formFields: ["price"] });
// @ts-expect-error a field of the player
app.page("Other", { formModel: "group", formFields: ["age"] });
// @ts-expect-error a link
app.page("Link", { formFields: ["friend"] });
// @ts-expect-error not one of the field's choices
app.page("Choices", { formFields: ["color"], fields: { color: { choices: ["green"] } } });
// @ts-expect-error undeclared
app.page("Errors", { formFields: ["age"], errorMessage: () => ({ agee: "No." }) });
// @ts-expect-error a number is no text
app.page("Errors", { formFields: ["age"], errorMessage: () => 3 });
// @ts-expect-error not called
integer({ widget: checkbox });
