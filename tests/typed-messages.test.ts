import { expect, test } from "@jest/globals";
import { z } from "zod";
import { connectLive, HeadlessParticipant, typedLive } from "../client-sdk/index.ts";
import { defineApp, integer, toPage } from "../index.ts";
import type { Command } from "../rooms/calls.ts";
import { type Guest, TestGame } from "./helpers/game.ts";
import { at, seatedGroup, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

/** What the handlers have got. */
const handled: unknown[] = [];
/** What `give` returns. */
let given: unknown;
let ran = 0;

const app = defineApp({ name: "market", playersPerGroup: 2, group: { price: integer({ initial: 0 }) } });
const trade = app.page("Trade", {
  sends: z.object({ price: z.number().min(0), note: z.string().default("none") }),
  live: {
    offer: {
      message: z.object({ price: z.number().positive(), tags: z.array(z.string().max(3)).default([]) }),
      reply: z.object({ quote: z.number(), currency: z.string().default("points") }),
      handle(player, data, call) {
        handled.push(data);
        player.group.price = data.price;
        call.reply({ quote: data.price + 1 });
        return { 0: { price: data.price } };
      },
    },
    strict: {
      message: z.strictObject({ when: z.coerce.date() }),
      async handle(_player, { when }) {
        handled.push(when);
      },
    },
    reply: {
      message: z.object({ value: z.json().optional() }),
      reply: z.number(),
      handle(player, { value }, call) {
        player.group.price = 99;
        if (value !== undefined) call.reply(value as number);
      },
    },
    replyLater: {
      message: z.object({ value: z.json().optional() }),
      reply: z.number(),
      async handle(player, { value }, call) {
        player.group.price = 99;
        if (value !== undefined) call.reply(value as number);
      },
    },
    plain(_player, data: unknown) {
      handled.push(data);
    },
    give(player) {
      player.group.price = 77;
      return given as undefined;
    },
    async *giveLater(player) {
      player.group.price = 77;
      try {
        yield given as undefined;
      } catch (error) {
        handled.push(error);
        given = undefined;
      }
    },
  },
  beforeNextPage: () => given as undefined,
});
app.page("Watch", { sends: z.object({ total: z.number() }), live() {} });

async function group() {
  handled.length = 0;
  given = undefined;
  const stage = await seatedGroup(await sqlite.world([app.spec]), ["market"], 2);
  const [one, two] = stage.players as [TestConnection, TestConnection];
  const price = async () =>
    at(await stage.store.read.rows(app.spec.group.table, { id: stage.actorId }), 0).price as number;
  return { ...stage, one, two, price };
}

test("a handler gets what its own schema gives: checked, with defaults, without the type", async () => {
  const { one, two, price } = await group();
  const answer = await one.ask({ type: "offer", price: 4, unknown: true });
  expect(handled).toEqual([{ price: 4, tags: [] }]);
  expect(answer.v).toEqual({ quote: 5, currency: "points" });
  expect(two.received).toEqual([{ price: 4, note: "none" }]);
  expect(await price()).toBe(4);
  await one.ask({ type: "strict", when: "2026-11-22T00:00:00Z" });
  await one.ask({ type: "plain", more: 1 });
  expect(handled.slice(1)).toEqual([new Date("2026-11-22T00:00:00Z"), { type: "plain", more: 1 }]);
});

test.each<[object, RegExp]>([
  [{ type: "offer" }, /market\/1\/Trade: the message does not fit: price: .*number/],
  [{ type: "offer", price: "4" }, /price: .*expected number, received string/],
  [{ type: "offer", price: -1 }, /price: .*>0/],
  [{ type: "offer", price: 1, tags: ["abc", "abcd"] }, /tags\.1: .*3/],
  [{ type: "strict", when: "2026-11-22", who: 1 }, /who/],
  [{ type: "strict", when: "never" }, /when: /],
  [{ type: "ofer", price: 4 }, /type the text "ofer" has no live method|ofer.*the types are offer, strict/],
  [{ price: 4 }, /the types are offer/],
])("%j is refused with path and rule, and never reaches the handler", async (message, reason) => {
  const { one, two, price, world } = await group();
  const { e, v } = await one.ask(message);
  expect(e).toMatchObject({ code: "invalid", retry: false, message: expect.stringMatching(reason) });
  expect(v).toBeUndefined();
  expect(handled).toEqual([]);
  expect(two.received).toEqual([]);
  expect(await price()).toBe(0);
  // The sender's mistake, not the author's.
  expect(world.log.lines).toEqual([]);
  expect(await one.ask(message, { n: 1 })).toMatchObject({ e });
});

test.each(["reply", "replyLater"])("%s: a reply must fit its schema, and there must be one", async (type) => {
  const { one, price } = await group();
  expect((await one.ask({ type, value: 5 })).v).toBe(5);
  expect(await price()).toBe(99);
  for (const [value, reason] of [
    ["5", /market\/1\/Trade live: the reply does not fit the page's schema: .*expected number/],
    [undefined, /ended without call\.reply\(value\)/],
  ] as const) {
    const stage = await group();
    const { e } = await stage.one.ask({ type, value });
    expect(e).toMatchObject({ code: "failed", message: expect.stringMatching(reason) });
    expect(await stage.price()).toBe(0);
  }
});

test.each<[string, unknown, RegExp]>([
  ["to the page", { 0: { price: -5 } }, /Trade live: the message to page market\/1\/Trade does not fit .*price: /],
  ["to one player", [{ 2: { price: 1 } }, { 1: { price: "5" } }], /page market\/1\/Trade .*price: /],
])("what does not fit what the page sends, %s, is the author's mistake", async (_name, wrong, reason) => {
  for (const type of ["give", "giveLater"]) {
    const { one, two, price } = await group();
    given = wrong;
    const { e } = await one.ask({ type });
    if (type === "give") expect(e).toMatchObject({ code: "failed", message: expect.stringMatching(reason) });
    else expect(handled).toEqual([expect.objectContaining({ code: "does_not_fit" })]);
    expect([one.received, two.received]).toEqual([[], []]);
    expect(await price()).toBe(0);
  }
});

test("what is sent to another page is held to that page's schema, from any hook", async () => {
  const { world, actorId, one, two } = await group();
  const submit = (participantId: number): Command => ({
    kind: "submit",
    participantId,
    pageIndex: 1,
    outbox: [],
    form: {},
  });
  expect(await world.actors.call(actorId, submit(two.participantId))).toEqual({ kind: "goto", pageIndex: 2 });
  const watching = await world.connect(actorId, two.participantId);
  given = toPage("Watch", { 0: { price: 3 } });
  expect((await one.ask({ type: "give" })).e?.message).toMatch(/to page market\/1\/Watch .*total: /);
  given = [{ 0: { price: 3 } }, toPage("Watch", { 0: { total: 4, more: 1 } })];
  expect((await one.ask({ type: "give" })).e).toBeUndefined();
  expect(watching.received).toEqual([{ total: 4 }]);
  // A form that is left sends to everybody on their page.
  given = { 0: { price: 3 } };
  const refused = await world.actors.call(actorId, submit(one.participantId));
  expect(refused).toMatchObject({
    kind: "refused",
    message: expect.stringMatching(/beforeNextPage: .*Watch .*total: /),
  });
  given = { 0: { total: 5 } };
  expect(await world.actors.call(actorId, submit(one.participantId))).toMatchObject({ kind: "goto" });
  expect(watching.received.at(-1)).toEqual({ total: 5 });
});

test("a schema for the whole page and one of a handler both hold, in this order", async () => {
  const both = defineApp({ name: "both" });
  both.page("Play", {
    message: z.object({ type: z.enum(["add", "sub"]), by: z.coerce.number() }),
    live: {
      add: {
        message: z.object({ by: z.number().max(5) }),
        handle(_player, data, call) {
          ran += 1;
          call.reply(data);
        },
      },
      sub(_player, data, call) {
        call.reply(data);
      },
    },
  });
  const { players } = await seatedGroup(await sqlite.world([both.spec]), ["both"], 1);
  const one = at(players, 0);
  expect((await one.ask({ type: "add", by: "4" })).v).toEqual({ by: 4 });
  expect((await one.ask({ type: "sub", by: "4" })).v).toEqual({ type: "sub", by: 4 });
  expect((await one.ask({ type: "add", by: "6" })).e).toMatchObject({
    code: "invalid",
    message: expect.stringMatching(/by/),
  });
  expect((await one.ask({ type: "mul", by: "6" })).e).toMatchObject({
    code: "invalid",
    message: expect.stringMatching(/type/),
  });
  expect(ran).toBe(1);
});

test("a schema that cannot be used is refused where it is defined", () => {
  const define = (options: object) => () => defineApp({ name: "a" }).page("Play", options as never);
  const live = () => {};
  const asynchronous = { "~standard": { version: 1, vendor: "own", validate: async (value: unknown) => ({ value }) } };
  const wrong: [object, string, RegExp][] = [
    [{ live, message: { price: "number" } }, "wrong_option", /a: page Play: message is .*give it a schema/],
    [{ live, sends: 5 }, "wrong_option", /a: page Play: sends is .*give it a schema/],
    [{ live: { offer: { message: 5, handle: live } } }, "wrong_option", /live\.offer\.message is .*give it a schema/],
    [{ live: { offer: { reply: 5, handle: live } } }, "wrong_option", /live\.offer\.reply is .*give it a schema/],
    [
      { live: { offer: { message: z.number() } } },
      "wrong_option",
      /live\.offer\.handle is undefined; give it a function/,
    ],
    [{ live: { offer: { mesage: z.number(), handle: live } } }, "unknown_option", /mesage.*message/],
    [{ live: { *offer() {} } }, "must_be_async", /live\.offer is a generator that is not async/],
    [{ live: {} }, "wrong_option", /live is an empty object/],
    [{ live, message: asynchronous }, "async_schema", /message: the schema is asynchronous/],
    [{ live: { offer: { message: asynchronous, handle: live } } }, "async_schema", /offer\.message/],
    [{ message: z.number() }, "not_live", /has message but no live method/],
  ];
  for (const [options, code, message] of wrong) {
    expect(define(options)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }) as never,
    );
  }
});

test("a schema that waits for some values only is refused with the first of them", async () => {
  const slow = defineApp({ name: "slow" });
  slow.page("Play", {
    message: z.string().refine(async (text) => text.length > 3),
    live() {
      ran += 1;
    },
  });
  const before = ran;
  const { players } = await seatedGroup(await sqlite.world([slow.spec]), ["slow"], 1);
  const { e } = await at(players, 0).ask("hello");
  expect(e).toMatchObject({ code: "failed", message: expect.stringContaining("the schema is asynchronous") });
  expect(ran).toBe(before);
});

test("a typed client opens a link, calls, and receives; app.page gives the page that carries the types", async () => {
  expect(trade).toEqual({ app: "market", name: "Trade" });
  given = undefined;
  const game = await TestGame.start([app]);
  try {
    const [first, second] = (await game.guests(["market"], 2)) as [Guest, Guest];
    const one = await connectLive<typeof trade>(`${game.base}/live/${first.code}`);
    const other = await HeadlessParticipant.open(`${game.base}/live/${second.code}`);
    const two = typedLive<typeof trade>(other);
    const { quote, currency } = await one.call("offer", { price: 4 });
    expect([quote, currency]).toEqual([5, "points"]);
    const { price, note } = await one.receive();
    expect([price, note]).toEqual([4, "none"]);
    expect(await two.send({ type: "offer", price: 6, tags: ["a"] })).toEqual({ quote: 7, currency: "points" });
    expect(await one.receive((delivery) => delivery.price > 5)).toEqual({ price: 6, note: "none" });
    await expect(two.call("offer", { price: -1 })).rejects.toMatchObject({ code: "invalid" });
    expect(one.participant.status).toBe("open");
    one.close();
    other.close();
    expect(one.participant.status).toBe("closed");
    await expect(one.call("offer", { price: 4 })).rejects.toMatchObject({ code: "not_live" });
  } finally {
    await game.stop();
  }
});
