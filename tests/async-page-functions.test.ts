import { beforeEach, expect, test } from "@jest/globals";
import { JournalTable } from "../entities/system-tables.ts";
import type { Table } from "../entities/tables.ts";
import { defineApp, integer, link, type PlayerOf, random, text } from "../index.ts";
import type { HookCall } from "../rooms/hook-run.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { PAGE_TIMES } from "../rooms/page-timeouts.ts";
import { TimerTurn } from "../rooms/timer-turn.ts";
import { replayed } from "./helpers/replayed.ts";
import { settle, useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";

const sqlite = useSqlite();

const app = defineApp({
  name: "study",
  playersPerGroup: 2,
  group: { gone: text({ blank: true }) },
  player: {
    offer: integer({ blank: true, errorMessage: async (value) => (value === 13 ? "Not on a Friday." : undefined) }),
    age: integer({ blank: true }),
    lot: integer({ blank: true }),
    color: text({ blank: true }),
  },
  extraModels: { Call: { player: link("player"), what: text() } },
  presenceGrace: 0,
});
type Player = PlayerOf<typeof app>;

/** What functions were asked, in order, and what they wait for and give. */
let asked: string[];
let answers: Record<string, (player: Player, call?: HookCall) => unknown>;
let doors: Map<string, PromiseWithResolvers<void>>;

beforeEach(() => {
  asked = [];
  answers = {};
  doors = new Map();
});

function door(name: string): PromiseWithResolvers<void> {
  const found = doors.get(name) ?? Promise.withResolvers();
  doors.set(name, found);
  return found;
}

async function ask<T>(name: string, player: Player, otherwise: T, call?: HookCall): Promise<T> {
  asked.push(name);
  await Promise.resolve();
  const answer = answers[name];
  return answer === undefined ? otherwise : ((await answer(player, call)) as T);
}

app.page("Offer", {
  formFields: async (player) => ask("formFields", player, ["offer", "color"] as const),
  fields: {
    offer: {
      max: async (player) => ask("max", player, 20),
      label: async (player, call) => ask("label", player, `Offer, player ${player.idInGroup}`, call),
      errorMessage: async (player, value, call) => ask(`check ${value}`, player, undefined, call),
    },
    color: { choices: async (player) => ask("choices", player, ["red", "blue"]) },
  },
  timeoutSeconds: async (player) => ask("timeoutSeconds", player, undefined),
  timerText: async (player) => ask("timerText", player, "Hurry"),
  beforeNextPage(player) {
    player.lot = Math.floor(random() * 1000);
  },
  presence: async (player, connected) => {
    await ask(connected ? "came" : "gone", player, undefined);
    player.group.gone = connected ? null : `player ${player.idInGroup}`;
    return { 0: { connected } };
  },
  live() {},
  timeLimit: 60,
});
app.page("Eligible", { isDisplayed: async (player) => ask("eligible", player, false) });
app.page("Choice", {
  appAfterThisPage: async (player, apps) => ask(`apps ${apps}`, player, apps[1]),
});
const skipped = defineApp({ name: "skipped" });
skipped.page("Never");
const last = defineApp({ name: "last" });
last.page("End");
const apps = [app.spec, skipped.spec, last.spec];

async function stage() {
  const world = await sqlite.world(apps, { limits: { ...GAME_LIMITS, callGrace: 30 } });
  const people = await walkers(
    world,
    apps.map(({ name }) => name),
    2,
  );
  for (const person of people) await person.start();
  const [one, two] = people as [Walker, Walker];
  const place = await world.store.read.whereabouts(one.code);
  const actorId = place?.actorId as number;
  const actor = world.actors.get(actorId);
  const submit = (form: Record<string, string>, who = one, pageIndex = 1) =>
    world.actors.call(actorId, { kind: "submit", participantId: who.id, pageIndex, outbox: [], form });
  const player = async (who = one) =>
    (await world.store.read.rows(app.spec.player.table, { participantId: who.id }))[0];
  asked = [];
  return { world, one, two, actorId, actor, submit, player };
}

test("every function of a form may ask the world: fields, limits, choices, labels, time, and checks of single values", async () => {
  const { one, submit, world, player, actorId } = await stage();
  answers.timeoutSeconds = () => 100;
  expect(await one.view()).toMatchObject({ kind: "page", status: 200 });
  const shown = world.rendered.at(-1);
  expect(shown?.form?.fields).toMatchObject([
    { name: "offer", label: "Offer, player 1", max: 20 },
    { name: "color", choices: [{ value: "red" }, { value: "blue" }] },
  ]);
  expect(shown?.timer).toMatchObject({ text: "Hurry" });
  expect(shown?.timer?.left).toBeGreaterThan(90_000);
  // Each was asked once.
  expect([...asked].sort()).toEqual(["choices", "formFields", "label", "max", "timeoutSeconds", "timerText"]);

  answers["check 7"] = () => "Anything but 7.";
  expect(await submit({ offer: "7", color: "red" })).toMatchObject({ kind: "page", status: 422 });
  expect(world.rendered.at(-1)?.form?.fields).toMatchObject([{ error: "Anything but 7.", value: "7" }, {}]);
  await submit({ offer: "13", color: "red" });
  expect(world.rendered.at(-1)?.form?.fields).toMatchObject([{ error: "Not on a Friday." }, {}]);
  await submit({ offer: "21", color: "green" });
  expect(world.rendered.at(-1)?.form?.fields).toMatchObject([
    { error: expect.any(String) },
    { error: expect.any(String) },
  ]);
  expect(await player()).toMatchObject({ offer: null });
  expect(await submit({ offer: "8", color: "blue" })).toEqual({ kind: "goto", pageIndex: 3 });
  expect(await player()).toMatchObject({ offer: 8, color: "blue" });
  expect(await replayed(world, app.spec, actorId)).toMatchObject({ difference: undefined });
});

test("what a function writes that a request needs twice is written once", async () => {
  const { submit, world, actorId } = await stage();
  const calls = () => world.store.read.rows(app.spec.extras.Call?.table as Table);
  answers.formFields = (player) => {
    app.extraModels.Call.create({ player, what: "fields" });
    return ["offer", "color"];
  };
  answers["check 7"] = () => "Anything but 7.";
  // To read the form, and to show what was wrong with it.
  expect(await submit({ offer: "7", color: "red" })).toMatchObject({ kind: "page", status: 422 });
  expect(await calls()).toMatchObject([{ n: 1, what: "fields" }]);
  expect(asked.filter((name) => name === "formFields")).toHaveLength(1);
  await submit({ offer: "8", color: "red" });
  expect(await calls()).toMatchObject([{ n: 1 }, { n: 2 }]);
  expect(await replayed(world, app.spec, actorId)).toMatchObject({ difference: undefined });
});

test("isDisplayed may ask the world, sees what was just answered, and decides within the same unit", async () => {
  const { one, two, submit, player, world, actorId } = await stage();
  const seen: unknown[] = [];
  answers.eligible = async (who) => {
    seen.push(who.offer, who.lot);
    await door("service").promise;
    who.age = 40;
    return who.idInGroup === 2;
  };
  const answer = submit({ offer: "5", color: "red" });
  await settle(world);
  // Nothing of it is stored yet, and the page can be looked at.
  expect(await player()).toMatchObject({ offer: null, lot: null, age: null });
  expect(await one.page()).toBe("study/1/Offer");
  expect(await one.view()).toMatchObject({ kind: "page" });
  door("service").resolve();
  expect(await answer).toEqual({ kind: "goto", pageIndex: 3 });
  const stored = await player();
  // Dice fall once, however often the turn begins anew.
  expect(stored).toMatchObject({ offer: seen[0], lot: seen[1], age: 40 });
  const [entry, ...more] = await world.store.read.rows(JournalTable, { kind: "submit" });
  expect(more).toEqual([]);
  expect(entry?.changes).toContain("pageIndex");
  expect(await submit({ offer: "6", color: "red" }, two)).toEqual({ kind: "goto", pageIndex: 2 });
  expect(await replayed(world, app.spec, actorId)).toMatchObject({ difference: undefined });
});

test("appAfterThisPage may ask the world", async () => {
  const { one, submit } = await stage();
  await submit({ offer: "5", color: "red" });
  expect(asked).toContain("eligible");
  expect(await one.page()).toBe("study/1/Choice");
  await submit({}, one, 3);
  expect(asked).toContain("apps skipped,last");
  await one.reaches("last/1/End");
});

test("a function that fails shows its error and leaves the participant where they were", async () => {
  const { one, submit, player } = await stage();
  answers.eligible = () => {
    throw new Error("the service is away");
  };
  expect(await submit({ offer: "5", color: "red" })).toMatchObject({
    kind: "refused",
    message: "the service is away",
  });
  expect(await one.page()).toBe("study/1/Offer");
  expect(await player()).toMatchObject({ offer: null });
  answers.eligible = () => true;
  expect(await submit({ offer: "5", color: "red" })).toEqual({ kind: "goto", pageIndex: 2 });
});

test("a page whose time ends while its answers are being checked takes them", async () => {
  const { one, submit, player, actor, world } = await stage();
  answers.timeoutSeconds = () => 0.05;
  answers["check 9"] = () => door("check").promise;
  await one.view();
  const answer = submit({ offer: "9", color: "red" });
  await new Promise((resolve) => setTimeout(resolve, 50 + PAGE_TIMES.grace + 60));
  // Whoever looks after deadlines finds this one.
  actor.post(new TimerTurn({ begun: () => {}, look: () => {} }));
  await settle(world);
  expect(await one.page()).toBe("study/1/Offer");
  door("check").resolve();
  expect(await answer).toEqual({ kind: "goto", pageIndex: 3 });
  expect(await player()).toMatchObject({ offer: 9, color: "red" });
});

test("a page that is left twice at once is left once, whichever function waits", async () => {
  const { submit, player, world } = await stage();
  answers.eligible = () => door("service").promise;
  const first = submit({ offer: "5", color: "red" });
  await settle(world);
  const second = submit({ offer: "6", color: "red" });
  await settle(world);
  door("service").resolve();
  expect(await first).toMatchObject({ kind: "goto" });
  expect(await second).toEqual(await first);
  expect(await player()).toMatchObject({ offer: 5 });
  expect(asked.filter((name) => name === "eligible")).toHaveLength(1);
  expect(await world.store.read.rows(JournalTable, { kind: "submit" })).toHaveLength(1);
});

test("an experimenter moves on somebody whose answers are checked by a service that never answers", async () => {
  const { one, submit, player, world, actorId } = await stage();
  const signals: unknown[] = [];
  answers["check 9"] = (_player, call) => {
    call?.signal.addEventListener("abort", () => signals.push(call.signal.reason.code));
    return new Promise(() => {});
  };
  const stuck = submit({ offer: "9", color: "red" });
  await settle(world);
  expect(asked).toContain("check 9");
  expect(await world.actors.call(actorId, { kind: "advance", participantId: one.id, pageIndex: 1 })).toEqual({
    kind: "goto",
    pageIndex: 3,
  });
  expect(await stuck).toEqual({ kind: "goto", pageIndex: 3 });
  expect(signals).toEqual(["interrupted"]);
  expect(asked.filter((name) => name === "check 9")).toHaveLength(1);
  expect(await player()).toMatchObject({ offer: null });
});

test("somebody who reloads a slow page without end is told to wait, and the others are not", async () => {
  const { one, two } = await stage();
  answers.label = () => door("label").promise;
  const views = Array.from({ length: GAME_LIMITS.asyncCalls + 1 }, () => one.view());
  expect(await Promise.race(views)).toMatchObject({ kind: "refused", code: "busy", retry: true });
  const other = two.view();
  door("label").resolve();
  expect(await other).toMatchObject({ kind: "page", status: 200 });
  expect((await Promise.all(views)).filter(({ kind }) => kind === "page")).toHaveLength(GAME_LIMITS.asyncCalls);
});

test("who goes on in another tab meanwhile is sent there, and what was under way is told to end", async () => {
  const { world, one, submit } = await stage();
  const signals: unknown[] = [];
  answers.label = (_player, call) => {
    call?.signal.addEventListener("abort", () => signals.push(call.signal.reason.code));
    return door("label").promise;
  };
  const view = one.view();
  await settle(world);
  answers = {};
  expect(await submit({ offer: "5", color: "red" })).toEqual({ kind: "goto", pageIndex: 3 });
  expect(signals).toEqual(["left"]);
  door("label").resolve();
  expect(await view).toEqual({ kind: "goto", pageIndex: 3 });
});

test("presence may ask the world: connected changes together with what it does", async () => {
  const { world, one, two, actor, actorId } = await stage();
  const group = async () => (await world.store.read.rows(app.spec.group.table))[0];
  const connected = () => actor.memory.playerOf(one.id)?.values.connected;
  const other = await two.connect();
  const mine = await one.connect();
  actor.presence.arrive(mine);
  await settle(world);
  expect(connected()).toBe(true);
  answers.gone = () => door("gone").promise;
  actor.gate.detach(mine);
  actor.presence.leave(mine);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await settle(world);
  expect(asked.at(-1)).toBe("gone");
  expect(connected()).toBe(true);
  door("gone").resolve();
  await other.until(() => other.received.some((message) => (message as { connected: boolean }).connected === false));
  expect(connected()).toBe(false);
  expect(await group()).toMatchObject({ gone: "player 1" });
  expect(await replayed(world, app.spec, actorId)).toMatchObject({ difference: undefined });
});

test("who comes back while the group is being told that they are gone was never gone", async () => {
  const { world, one, actor } = await stage();
  const mine = await one.connect();
  actor.presence.arrive(mine);
  await settle(world);
  answers.gone = () => door("gone").promise;
  actor.gate.detach(mine);
  actor.presence.leave(mine);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await settle(world);
  actor.presence.arrive(await one.connect());
  await settle(world);
  door("gone").resolve();
  await settle(world);
  expect(asked.filter((name) => name === "came" || name === "gone")).toEqual(["came", "gone"]);
  expect((await world.store.read.rows(app.spec.group.table))[0]).toMatchObject({ gone: null });
  expect(actor.memory.playerOf(one.id)?.values.connected).toBe(true);
});

test("a presence function that fails does not change who is there", async () => {
  const { world, one, actor } = await stage();
  answers.came = () => {
    throw new Error("no service");
  };
  actor.presence.arrive(await one.connect());
  await settle(world);
  expect(actor.memory.playerOf(one.id)?.values.connected).toBe(true);
  const [entry] = (await world.store.read.rows(JournalTable, { kind: "presence" })).filter(({ output }) => output);
  expect(entry?.output).toContain("no service");
});
