import { describe, expect, test } from "@jest/globals";
import { JournalTable } from "../entities/system-tables.ts";
import { boolean, checkbox, currency, defineApp, integer, link, longText, text } from "../index.ts";
import type { Command, Reply } from "../rooms/calls.ts";
import { at, seatedGroup, useSqlite } from "./helpers/sqlite.ts";

const sqlite = useSqlite();

function makeApp() {
  const app = defineApp({
    name: "shop",
    playersPerGroup: 2,
    group: { price: currency({ initial: 0, max: 100 }), note: text({ blank: true }) },
    player: {
      age: integer({ min: 0, max: 120, label: "Your age" }),
      fullName: text(),
      agrees: boolean({ widget: checkbox() }),
      comment: longText({ blank: true }),
      secret: integer({ initial: 7 }),
      tries: integer({ initial: 0 }),
      budget: currency({ initial: 10 }),
      offer: currency({ min: 0 }),
      color: text(),
      partner: link("player", { blank: true }),
    },
  });
  app.page("Person", {
    formFields: ["age", "fullName", "agrees", "comment"],
    errorMessage(player, values) {
      player.tries += 1;
      if (values.fullName === "Nobody") return "Please give your real name.";
      if (!values.agrees) return { agrees: "Please agree." };
    },
    beforeNextPage(player) {
      player.comment = `${player.comment ?? "-"} by ${player.fullName}`;
    },
  });
  app.page("Price", { formModel: "group", formFields: ["price"] });
  app.page("Offer", {
    formFields: (player) => (player.idInGroup === 1 ? ["offer", "color"] : ["color"]),
    fields: {
      offer: {
        label: (player) => `Up to ${player.budget}`,
        max: (player) => player.budget,
        errorMessage: (player, offer) => (offer === player.budget - 1 ? "Not that." : undefined),
      },
      color: { choices: (player) => (player.idInGroup === 1 ? ["red", "blue"] : ["green"]) },
    },
  });
  app.page("Done", { errorMessage: () => "Nobody leaves." });
  return app;
}

const app = makeApp();

async function stage() {
  const group = await seatedGroup(await sqlite.world([app.spec]), ["shop"], 2);
  const id = (who: number) => at(group.people, who).id as number;
  return {
    ...group,
    id,
    post(pageIndex: number, form: Record<string, string>, who = 0): Promise<Reply> {
      const command = { kind: "submit", participantId: id(who), pageIndex, outbox: [], form } satisfies Command;
      return group.world.actors.call(group.actorId, command);
    },
    view: (pageIndex: number, who = 0) => group.world.view(group.actorId, id(who), pageIndex),
    async player(who = 0) {
      return at(await group.store.read.rows(app.spec.player.table, { participantId: id(who) }), 0);
    },
    async group() {
      return at(await group.store.read.rows(app.spec.group.table, { id: group.actorId }), 0);
    },
    /** What the newest page showed as wrong. */
    errors() {
      const { form, error } = at(group.world.rendered, group.world.rendered.length - 1);
      return [error, Object.fromEntries((form?.fields ?? []).flatMap((f) => (f.error ? [[f.name, f.error]] : [])))];
    },
    shown() {
      const { form } = at(group.world.rendered, group.world.rendered.length - 1);
      return Object.fromEntries((form?.fields ?? []).map(({ name, value }) => [name, value]));
    },
  };
}

const GOOD = { age: "30", full_name: "Ann", agrees: "true", comment: "" };

describe("a form post", () => {
  test("sets the listed fields and moves on, in one unit with beforeNextPage, with its input in the journal", async () => {
    const { post, player, store, actorId, id } = await stage();
    expect(await post(1, GOOD)).toEqual({ kind: "goto", pageIndex: 2 });
    expect(await player()).toMatchObject({ age: 30, fullName: "Ann", agrees: true, comment: "- by Ann" });
    const entries = await store.read.rows(JournalTable, { actorId });
    const submit = entries.filter(({ kind }) => kind === "submit");
    expect(submit).toHaveLength(1);
    expect(submit[0]).toMatchObject({ participantId: id(0), page: "shop/1/Person" });
    expect(JSON.parse(String(submit[0]?.input)).form).toEqual(GOOD);
    // Fields and move are one unit.
    for (const changed of ["fullName", "pageIndex"]) expect(submit[0]?.changes).toContain(changed);
  });

  test("takes field names as columns write them and as TypeScript does", async () => {
    const { post, player } = await stage();
    const { full_name: fullName, ...rest } = GOOD;
    await post(1, { ...rest, fullName });
    expect(await player()).toMatchObject({ fullName: "Ann" });
  });

  test("that is invalid sets nothing, says what is wrong with each field, and keeps what was typed", async () => {
    const { post, player, errors, shown } = await stage();
    const reply = await post(1, { age: "abc", full_name: "Ann", agrees: "true" });
    expect(reply).toMatchObject({ kind: "page", status: 422 });
    expect(errors()).toEqual(["Please fix the errors.", { age: "Please enter a whole number, such as 12." }]);
    expect(shown()).toMatchObject({ age: "abc", full_name: "Ann" });
    expect(await player()).toMatchObject({ age: null, fullName: null, tries: 0 });
    await post(1, {});
    expect(errors()[1]).toEqual({ age: "This field is required.", full_name: "This field is required." });
    await post(1, { ...GOOD, age: "121" });
    expect(errors()[1]).toEqual({ age: "Value must be between 0 and 120." });
  });

  test("never sets a field that is not listed, nor anything that is no field", async () => {
    const { post, player } = await stage();
    const before = await player();
    await post(1, {
      ...GOOD,
      secret: "1",
      payoff: "1000",
      id_in_group: "2",
      page_index: "9",
      pageIndex: "9",
      offer: "3",
      partner: "1",
      partner_id: "1",
      tries: "99",
      constructor: "x",
      ["__proto__"]: "x",
    });
    expect(await player()).toEqual({
      ...before,
      age: 30,
      fullName: "Ann",
      agrees: true,
      comment: "- by Ann",
      tries: 1,
    });
  });

  test("that repeats one, from a stale tab or the back button, is led to where the participant is and changes nothing", async () => {
    const { post, player, view } = await stage();
    await Promise.all([post(1, GOOD), post(1, { ...GOOD, age: "40" })]);
    expect(await post(1, { ...GOOD, age: "50" })).toEqual({ kind: "goto", pageIndex: 2 });
    expect(await view(1)).toEqual({ kind: "goto", pageIndex: 2 });
    expect(await player()).toMatchObject({ age: 30, tries: 1 });
  });

  test("of two players who set the same group field: each in its turn, the later one counts", async () => {
    const { post, group } = await stage();
    await post(1, GOOD, 0);
    await post(1, GOOD, 1);
    await Promise.all([post(2, { price: "30" }, 0), post(2, { price: "40" }, 1)]);
    expect(await group()).toMatchObject({ price: 40 });
  });
});

describe("the page's errorMessage", () => {
  test("gets the player and the values, runs only when all fields are valid, and may keep the player with a text", async () => {
    const { post, errors, player } = await stage();
    expect(await post(1, { ...GOOD, full_name: "Nobody" })).toMatchObject({ status: 422 });
    expect(errors()).toEqual(["Please give your real name.", {}]);
    // What it counts is kept, though the form was refused.
    expect(await player()).toMatchObject({ tries: 1, fullName: null });
    await post(1, { ...GOOD, full_name: "Nobody", age: "x" });
    expect(await player()).toMatchObject({ tries: 1 });
  });

  test("may give texts for fields", async () => {
    const { post, errors } = await stage();
    await post(1, { ...GOOD, agrees: "" });
    expect(errors()).toEqual(["Please fix the errors.", { agrees: "Please agree." }]);
  });

  test("runs on pages without fields too", async () => {
    const { post, errors } = await stage();
    await post(1, GOOD);
    await post(2, { price: "3" });
    await post(3, { offer: "3", color: "red" });
    expect(await post(4, {})).toMatchObject({ kind: "page", status: 422 });
    expect(errors()[0]).toBe("Nobody leaves.");
  });
});

describe("fields for each player", () => {
  async function atOffer() {
    const all = await stage();
    for (const who of [0, 1]) {
      await all.post(1, GOOD, who);
      await all.post(2, { price: "3" }, who);
    }
    return all;
  }

  test("differ in number, label, limits and choices", async () => {
    const { view, world } = await atOffer();
    await view(3, 0);
    await view(3, 1);
    const forms = world.rendered.slice(-2).map(({ form }) => form?.fields ?? []);
    expect(forms.map((fields) => fields.map(({ name }) => name))).toEqual([["offer", "color"], ["color"]]);
    expect(forms[0]?.[0]).toMatchObject({ label: "Up to 10", min: 0, max: 10, required: true });
    expect(forms.map((fields) => fields.at(-1)?.choices?.map(({ value }) => value))).toEqual([
      ["red", "blue"],
      ["green"],
    ]);
  });

  test("are checked on the server by the same rules", async () => {
    const { post, errors, player } = await atOffer();
    await post(3, { offer: "10.01", color: "green" });
    expect(errors()[1]).toEqual({
      offer: "Value must be between 0.00 points and 10.00 points.",
      color: "Please choose one of the answers.",
    });
    await post(3, { offer: "9", color: "red" });
    expect(errors()[1]).toEqual({ offer: "Not that." });
    await post(3, { offer: "8", color: "red" });
    expect(await player()).toMatchObject({ offer: 8, color: "red" });
    // Player 2 has no such field on this page.
    await post(3, { offer: "5", color: "green" }, 1);
    expect(await player(1)).toMatchObject({ offer: null, color: "green" });
  });
});

test("a form shows what is stored: initial values, the group's newest, and earlier answers", async () => {
  const { post, view, shown, world } = await stage();
  await post(1, GOOD, 0);
  await post(1, GOOD, 1);
  await post(2, { price: "30" }, 0);
  await view(2, 1);
  expect(shown()).toEqual({ price: "30" });
  expect(world.rendered.at(-1)?.answers).toEqual({ price: "30" });
});

test("fieldDisplay gives the label of what was chosen", async () => {
  const made = defineApp({
    name: "shown",
    player: {
      color: text({ choices: [["r", "Red"], "blue"], blank: true }),
      age: integer({ initial: 3 }),
      sure: boolean({ initial: false }),
    },
  });
  const seen: string[] = [];
  made.page("Page", {
    formFields: ["color"],
    varsForTemplate(player) {
      seen.push(player.fieldDisplay("color"), player.fieldDisplay("age"), player.fieldDisplay("sure"));
      return {};
    },
    beforeNextPage: (player) => void seen.push(player.fieldDisplay("color")),
  });
  const world = await sqlite.world([made.spec]);
  const { people } = await world.session(["shown"], 1);
  const participantId = at(people, 0).id as number;
  const actorId = await world.arrive(at(people, 0));
  await world.view(actorId, participantId);
  await world.actors.call(actorId, { kind: "submit", participantId, pageIndex: 1, outbox: [], form: { color: "r" } });
  expect(seen).toEqual(["", "3", "No", "Red"]);
});

describe("a mistake in a form's definition is named at start", () => {
  const base = () => defineApp({ name: "shop", player: { age: integer(), friend: link("player"), done: boolean() } });
  test.each<[string, object, RegExp]>([
    [
      "a field that does not exist",
      { formFields: ["agee"] },
      /formFields: Player has no field "agee"\. Did you mean "age"/,
    ],
    ["a field of the other model", { formModel: "group", formFields: ["age"] }, /Group has no field "age"/],
    ["a link", { formFields: ["friend"] }, /friend is a link, which a form cannot set/],
    ["a field twice", { formFields: ["age", "age"] }, /names age twice/],
    ["no array", { formFields: "age" }, /formFields is "age" \(a string\); give it an array/],
    ["an unknown model", { formModel: "subsession", formFields: [] }, /give it "player" or "group"/],
    ["a model without fields", { formModel: "player" }, /has formModel but no formFields/],
    ["rules without fields", { fields: { age: {} } }, /has fields but no formFields/],
    ["rules for a field that is not on the page", { formFields: ["age"], fields: { done: {} } }, /no option "done"/],
    ["an unknown rule", { formFields: ["age"], fields: { age: { maximum: 3 } } }, /Did you mean "max"/],
    ["a limit that is no number", { formFields: ["age"], fields: { age: { max: "3" } } }, /fields\.age\.max is "3"/],
    [
      "a limit of a yes-or-no field",
      { formFields: ["done"], fields: { done: { max: 3 } } },
      /a boolean field has no max/,
    ],
    [
      "a widget that does not fit",
      { formFields: ["age"], fields: { age: { widget: checkbox() } } },
      /checkbox\(\) cannot show/,
    ],
  ])("%s", (_what, options, message) => {
    expect(() => base().page("Page", options as never)).toThrow(message);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "a widget that was not called",
      () => integer({ widget: checkbox as never }),
      /not a widget\. Call it: checkbox\(\)/,
    ],
    [
      "a slider for a text",
      () => text({ widget: { type: "slider" } as never }),
      /slider\(\) cannot show a field of kind text/,
    ],
    ["a length below 1", () => text({ maxLength: 0 }), /maxLength is 0/],
  ])("%s", (_what, make, message) => {
    expect(() => defineApp({ name: "shop", player: { x: make() as never } })).toThrow(message);
  });

  test("and at the page, for what a function gives", async () => {
    const faulty = defineApp({ name: "faulty", player: { age: integer(), kind: integer() } });
    const kinds = [{ max: () => "x" }, { choices: () => [] }, { label: () => 3 }, { min: () => 5, max: () => 4 }];
    faulty.page("Page", {
      formFields: ["age"],
      fields: {
        age: Object.fromEntries(
          ["min", "max", "choices", "label"].map((rule) => [
            rule,
            (player: { participant: { idInSession: number } }) =>
              (at(kinds, player.participant.idInSession - 1) as Record<string, (() => unknown) | undefined>)[rule]?.(),
          ]),
        ) as never,
      },
    });
    const world = await sqlite.world([faulty.spec]);
    const { people } = await world.session(["faulty"], 4);
    const messages: string[] = [];
    for (const person of people) {
      const reply = await world.view(await world.arrive(person), person.id as number);
      messages.push(reply.kind === "refused" ? reply.message : reply.kind);
    }
    expect(messages).toEqual([
      expect.stringMatching(/faulty\/Page: age: max gave "x"/),
      expect.stringMatching(/faulty\/Page: age: choices is an empty array/),
      expect.stringMatching(/faulty\/Page: age label gave 3/),
      expect.stringMatching(/faulty\/Page: age: min 5 is more than max 4/),
    ]);
  });
});
