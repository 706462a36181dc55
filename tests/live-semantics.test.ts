import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { JournalTable } from "../entities/system-tables.ts";
import { defineApp, integer, json, link } from "../index.ts";
import { makeAuction } from "./helpers/apps.ts";
import { at, fromWire, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

/** What the live method of the next message does; tests put it here. */
type Answer = (player: Parameters<typeof act>[0], data: unknown) => unknown;
let answer: Answer = () => undefined;
const seen: unknown[] = [];

const app = defineApp({
  name: "talk",
  playersPerGroup: 3,
  rounds: 2,
  group: { total: integer({ initial: 0 }), board: json<number[]>({ initial: [] }) },
  extraModels: { Note: { player: link("player"), value: integer() } },
});
const { Note } = app.extraModels;
function act(player: import("../index.ts").PlayerOf<typeof app>, data: unknown): never {
  seen.push(data);
  return answer(player, data) as never;
}
app.page("Chat", { live: act });
app.page("Log", { live: act, history: true });
app.page("Still", {});

async function group() {
  seen.length = 0;
  answer = () => undefined;
  return seatedGroup(await sqlite.world([app.spec]), ["talk"], 3);
}

type Stage = Awaited<ReturnType<typeof group>>;

async function move(stage: Stage, who: number, pageIndex: number) {
  return stage.world.actors.call(stage.actorId, {
    kind: "submit",
    participantId: at(stage.people, who).id as number,
    pageIndex,
    outbox: [],
    form: {},
  });
}

/** Nothing that the message did is in memory or in the database. */
async function expectUntouched(stage: Stage) {
  const { store, actorId } = stage;
  expect(await store.read.rows(app.spec.group.table, { id: actorId })).toEqual([
    expect.objectContaining({ total: 0, board: "[]", extraCount: 0 }),
  ]);
  expect(await store.read.rows((app.spec.extras.Note as (typeof app.spec)["group"]).table)).toEqual([]);
}

const jsonValue = fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }).filter((value) => {
  const text = JSON.stringify(value);
  return !text.includes("__proto__") && !text.includes("\\u0000") && !/\\ud[89a-f]/i.test(text);
});

test("any JSON value arrives in the live method and at the recipient as JSON.parse(JSON.stringify(x)) gives it", async () => {
  const stage = await group();
  const [sender, other] = [at(stage.players, 0), at(stage.players, 1)];
  answer = (_player, data) => ({ 2: data });
  let n = 0;
  const examples: [unknown][] = [
    null,
    -0,
    1e308,
    -1e-308,
    2 ** 53,
    -(2 ** 53),
    "",
    "😀\u2028é",
    [],
    {},
    [null, [{ a: { "": [] } }]],
    false,
  ].map((x) => [x]);
  await fc.assert(
    fc.asyncProperty(jsonValue, async (value) => {
      seen.length = 0;
      const before = other.received.length;
      n++;
      const done = await sender.ask(value, fromWire(sender, n, value));
      expect(done).toEqual({ c: sender.clientId, n });
      const expected = JSON.parse(JSON.stringify(value));
      expect(seen).toEqual([expected]);
      expect(Object.is(seen[0], expected) || typeof expected === "object").toBe(true);
      await other.until(() => other.received.length > before);
      expect(other.received.slice(before)).toEqual([expected]);
    }),
    { numRuns: 200, examples: examples as [never][] },
  );
});

test("a value that the live method computes arrives as JSON.parse(JSON.stringify(x)) gives it", async () => {
  const stage = await group();
  const sender = at(stage.players, 0);
  await fc.assert(
    fc.asyncProperty(jsonValue, async (value) => {
      answer = () => ({ 1: value });
      const before = sender.received.length;
      await sender.ask("go");
      expect(sender.received.slice(before)).toEqual([JSON.parse(JSON.stringify(value))]);
    }),
    { numRuns: 100 },
  );
});

const cycle: unknown[] = [];
cycle.push([cycle]);

test.each<[string, unknown, RegExp]>([
  ["NaN", Number.NaN, /NaN/],
  ["infinity", { deep: [Number.POSITIVE_INFINITY] }, /Infinity/],
  ["a BigInt", 1n, /BigInt/],
  ["a function", { f: () => 1 }, /function/],
  ["a cycle", cycle, /contains itself/],
  ["NUL", "a\0b", /NUL/],
  ["half of a surrogate pair", ["\ud800"], /surrogate/],
  ["NUL in a key", { "a\0": 1 }, /NUL/],
  ["a Map", new Map([[1, 2]]), /Map/],
  ["a promise inside", { later: Promise.resolve(1) }, /[Pp]romise/],
])("%s in a delivery is refused with a reason, and nothing of the message is stored", async (_name, value, reason) => {
  const stage = await group();
  const sender = at(stage.players, 0);
  answer = (player) => {
    player.group.total = 7;
    player.group.board.push(1);
    Note.create({ player, value: 1 });
    return { 0: "before", 2: value };
  };
  const refused = await sender.ask("go");
  expect(refused.e).toMatchObject({ code: "failed", retry: false, message: expect.stringMatching(reason) });
  expect(refused.e?.message).toContain("talk/1/Chat");
  for (const player of stage.players) expect(player.received).toEqual([]);
  await expectUntouched(stage);
  expect(stage.world.log.lines.map((line) => line.message)).toContain("a live method failed");
});

test("what is no JSON does not come in: deep nesting, NUL, lone surrogates and __proto__ are refused and the group plays on", async () => {
  const stage = await group();
  const sender = at(stage.players, 0);
  answer = () => ({ 0: "on" });
  const deep = "[".repeat(30_000) + "]".repeat(30_000);
  const texts = ['"\\u0000"', '"\\ud800"', '{"__proto__":{"x":1}}', deep];
  const { decodeFrame } = await import("../rooms/frames.ts");
  let n = 0;
  for (const text of texts) {
    n++;
    const bytes = Buffer.from(`{"k":"send","c":"${sender.clientId}","n":${n},"p":"${sender.page}","d":${text}}`);
    const decoded = decodeFrame(bytes, 64 * 1024);
    if (decoded.kind !== "send") throw new Error(JSON.stringify(decoded));
    expect((await sender.ask(null, decoded.message)).e).toMatchObject({ code: "not_json", retry: false });
  }
  expect(seen).toEqual([]);
  await sender.ask("fine");
  expect(sender.received).toEqual(["on"]);
});

test("null is delivered, undefined is silence, nothing returned is silence", async () => {
  const stage = await group();
  const [one, two, three] = stage.players as [TestConnection, TestConnection, TestConnection];
  answer = (_player, data) =>
    data === "null" ? { 1: null, 2: undefined } : data === "none" ? undefined : { 0: undefined };
  await one.ask("null");
  await one.ask("none");
  await one.ask("all undefined");
  expect([one.received, two.received, three.received]).toEqual([[null], [], []]);
});

test("replies go to the sender, to several, to the group with 0, and a specific one wins over 0", async () => {
  const stage = await group();
  const [one, two, three] = stage.players as [TestConnection, TestConnection, TestConnection];
  const replies: Record<string, unknown> = {
    sender: { 1: "s" },
    several: { 2: "a", 3: "b" },
    group: { 0: "g" },
    specific: { 0: "g2", 2: "only two" },
    silenced: { 0: "g3", 3: undefined },
    named: Object.assign(Object.create(null), { 3: "no prototype" }),
  };
  answer = (_player, data) => replies[data as string];
  for (const name of Object.keys(replies)) await one.ask(name);
  expect(one.received).toEqual(["s", "g", "g2", "g3"]);
  expect(two.received).toEqual(["a", "g", "only two", "g3"]);
  expect(three.received).toEqual(["b", "g", "g2", "no prototype"]);
});

test("deliveries reach only members who are on that page now", async () => {
  const stage = await group();
  const [one, two, three] = stage.players as [TestConnection, TestConnection, TestConnection];
  answer = () => ({ 0: "all", 2: "two" });
  await move(stage, 1, 1);
  const twoLater = await stage.world.connect(stage.actorId, two.participantId);
  expect(twoLater.page).toBe("talk/1/Log");
  await one.ask("hello");
  expect([one.received, two.received, three.received, twoLater.received]).toEqual([["all"], [], ["all"], []]);
  const [entry] = (await stage.store.read.rows(JournalTable, { actorId: stage.actorId, kind: "message" })) as {
    output: string;
  }[];
  expect(JSON.parse(entry?.output ?? "")).toEqual({ d: [{ to: [1, 3], m: "all" }] });
});

test("who joins late sees nothing from before the page was rendered, and asks for the state", async () => {
  const world = await sqlite.world([app.spec]);
  const { people } = await world.session(["talk"], 3);
  const actorId = await world.arrive(at(people, 0));
  for (const person of people.slice(1)) await world.arrive(person);
  const one = await world.connect(actorId, at(people, 0).id as number);
  answer = (player, data) => {
    if (data === "state") return { [player.idInGroup]: { total: player.group.total } };
    player.group.total += 1;
    return { 0: player.group.total };
  };
  await one.ask("add");
  await one.ask("add");
  const page = await world.view(actorId, at(people, 1).id as number);
  if (page.kind !== "page" || page.live === null) throw new Error(JSON.stringify(page));
  await one.ask("add");
  const two = await world.connect(actorId, at(people, 1).id as number, { seen: page.live.seq });
  expect(two.received).toEqual([3]);
  await two.ask("state");
  expect(two.received).toEqual([3, { total: 3 }]);
});

test("a page with history gets all of its deliveries, of this player on this page, before the new ones", async () => {
  const stage = await group();
  const [one] = stage.players as [TestConnection];
  answer = (_player, data) => data;
  await one.ask({ 1: "on the page before" });
  await move(stage, 0, 1);
  await move(stage, 1, 1);
  const logOne = await stage.world.connect(stage.actorId, one.participantId, { history: true });
  for (const reply of [{ 0: "a" }, { 2: "not for one" }, { 1: "b" }]) await logOne.ask(reply);
  const page = await stage.world.view(stage.actorId, one.participantId, 2);
  if (page.kind !== "page" || page.live === null) throw new Error(JSON.stringify(page));
  expect(page.live.history).toBe(true);
  const again = await stage.world.connect(stage.actorId, one.participantId, { history: true });
  await again.ask({ 0: "c" });
  expect(again.received).toEqual(["a", "b", "c"]);
});

test("a late message of round 1 never runs in round 2", async () => {
  const stage = await group();
  const one = at(stage.players, 0);
  answer = () => ({ 0: "ran" });
  await one.ask("in time");
  for (const pageIndex of [1, 2, 3]) await move(stage, 0, pageIndex);
  seen.length = 0;
  // At the group of round 1: its page is told to load again.
  one.post("late");
  await one.until(() => one.frames.at(-1)?.k === "reload");
  expect(one.frames.at(-1)).toEqual({ k: "reload", why: "moved_on" });
  // And sent on to the group of round 2, on a page of the same name.
  const place = await stage.store.read.whereabouts(at(stage.people, 0).code as string);
  const second = place?.actorId as number;
  expect(second).not.toBe(stage.actorId);
  await stage.world.view(second, one.participantId, 4);
  const later = await stage.world.connect(second, one.participantId);
  expect(later.page).toBe("talk/2/Chat");
  const refused = await later.ask("late", { c: one.clientId, n: 2, p: one.page });
  expect(refused.e).toMatchObject({ code: "wrong_page", retry: false });
  expect(seen).toEqual([]);
  // The others of round 1 play on.
  const two = at(stage.players, 1);
  await two.ask("still here");
  expect(two.received).toEqual(["ran", "ran"]);
});

test("a message from another page is refused, and the answer stays the same", async () => {
  const stage = await group();
  const one = at(stage.players, 0);
  answer = () => ({ 0: "ran" });
  await move(stage, 0, 1);
  const first = await one.ask("late");
  expect(first.e).toMatchObject({ code: "wrong_page", retry: false });
  const again = await stage.world.connect(stage.actorId, one.participantId);
  expect(await again.ask("late", { c: one.clientId, n: 1, p: one.page })).toEqual(first);
  expect(seen).toEqual([]);
  await move(stage, 0, 2);
  const still = await stage.world.connect(stage.actorId, one.participantId);
  expect((await still.ask("x")).e).toMatchObject({ code: "not_live", retry: false });
});

class Reply {
  1 = "x";
}

test.each<[string, () => unknown, RegExp]>([
  ["an unknown recipient", () => ({ 4: "x" }), /"4".*players 1 to 3/],
  ["a recipient that is no number", () => ({ all: "x" }), /"all"/],
  ["a recipient of another spelling", () => ({ "01": "x" }), /"01"/],
  ["a negative recipient", () => ({ [-1]: "x" }), /"-1"/],
  ["an array", () => ["x"], /an array/],
  ["null", () => null, /null/],
  ["a text", () => "x", /the text "x"/],
  ["a number", () => 5, /the number 5/],
  ["an object of a class", () => new Reply(), /class Reply/],
  ["a promise", () => Promise.resolve({ 0: "x" }), /a promise/],
  ["a promise that fails", () => Promise.reject(new Error("later")), /a promise/],
])(
  "%s returned is the author's error: nothing of the message remains, the group plays on",
  async (_name, give, reason) => {
    const stage = await group();
    const [one, two] = stage.players as [TestConnection, TestConnection];
    answer = (player, data) => {
      player.group.total += 5;
      player.group.board.push(5);
      Note.create({ player, value: 5 });
      return data === "bad" ? give() : { 0: [player.group.total, player.group.board, Note.filter({ player }).length] };
    };
    const refused = await one.ask("bad");
    expect(refused.e).toMatchObject({ code: "failed", retry: false, message: expect.stringMatching(reason) });
    expect(refused.e?.message).toContain("talk/1/Chat");
    await expectUntouched(stage);
    await two.ask("good");
    expect(one.received).toEqual([[5, [5], 1]]);
    expect(two.received).toEqual([[5, [5], 1]]);
  },
);

test.each<[string, () => never]>([
  [
    "an error",
    () => {
      throw new Error("mistake");
    },
  ],
  [
    "a text",
    () => {
      throw "mistake";
    },
  ],
  [
    "an object without a prototype",
    () => {
      throw Object.create(null);
    },
  ],
  [
    "nothing",
    () => {
      throw undefined;
    },
  ],
])("a live method that throws %s leaves nothing behind, and the group plays on", async (_name, thrower) => {
  const stage = await group();
  const [one, two] = stage.players as [TestConnection, TestConnection];
  answer = (player, data) => {
    player.group.total += 5;
    player.group.board.push(5);
    Note.create({ player, value: 5 });
    if (data === "bad") thrower();
    return { 0: [player.group.total, player.group.board, Note.filter({ player }).length] };
  };
  const refused = await one.ask("bad");
  expect(refused.e).toMatchObject({ code: "failed", retry: false });
  await expectUntouched(stage);
  expect((await one.ask("bad", { n: 1 })).e).toEqual(refused.e);
  await two.ask("good");
  await settle(stage.world);
  expect(one.received).toEqual([[5, [5], 1]]);
  expect(await stage.store.read.rows(app.spec.group.table, { id: stage.actorId })).toEqual([
    expect.objectContaining({ total: 5, board: "[5]", extraCount: 1 }),
  ]);
});

test("in production the sender is told that the live method failed, and the log alone says why", async () => {
  const app = makeAuction();
  const world = await sqlite.world([app.spec], { development: false });
  const { players } = await seatedGroup(world, ["auction"], 4);
  expect((await at(players, 0).ask({ do: "throw" })).e).toEqual({
    code: "failed",
    message: "The live method failed.",
    retry: false,
  });
  expect(JSON.stringify(world.log.lines)).toContain("the author's mistake");
});
