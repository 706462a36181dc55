import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { headlessTab } from "../bots/headless-tab.ts";
import type { Tab } from "../bots/tab.ts";
import { connectLive } from "../client-sdk/connect-live.ts";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { LiveState } from "../client-sdk/live-state.ts";
import type { PublishedTree, StateFrame } from "../client-sdk/protocol.ts";
import { openStore } from "../entities/open-store.ts";
import type { CommitOutcome } from "../entities/store.ts";
import { boolean, currency, defineApp, float, integer, json, link, longText, text, timestamp } from "../index.ts";
import { type Guest, TestGame } from "./helpers/game.ts";
import { TestWorld } from "./helpers/world.ts";

type Change = { group?: Record<string, unknown>; player?: Record<string, unknown>; to?: number; end?: string };

function makeApp(name = "market", extra: { publishPresence?: boolean } = {}) {
  const app = defineApp({
    name,
    playersPerGroup: 2,
    presenceGrace: 0.3,
    ...extra,
    group: {
      price: currency({ initial: 0, publish: "group" }),
      share: float({ blank: true, publish: "group" }),
      count: integer({ initial: 0, publish: "group" }),
      isOpen: boolean({ initial: true, publish: "group" }),
      note: text({ blank: true, publish: "group" }),
      board: json<unknown>({ initial: [], publish: "group" }),
      closesAt: timestamp({ blank: true, publish: "group" }),
      leader: link("player", { blank: true, publish: "group" }),
      reserve: longText({ initial: "GROUP-SECRET" }),
    },
    player: {
      offers: integer({ initial: 0, publish: "group" }),
      valuation: currency({ initial: 7.5, publish: "player" }),
      letter: longText({ blank: true, publish: "player" }),
      type: text({ initial: "PLAYER-SECRET" }),
    },
  });
  app.page("Trade", {
    live(player, data: Change) {
      const { group } = player;
      Object.assign(group, data.group);
      if (data.to !== undefined) group.leader = group.getPlayerById(data.to);
      Object.assign(player, data.player);
      if (data.end === "throw") throw new Error("the author's mistake");
      if (data.end === "tell") return { 0: "told" };
    },
    beforeNextPage(player) {
      player.group.count += 100;
    },
    presence(player, connected) {
      player.group.note = `${player.idInGroup} ${connected}`;
    },
  });
  app.page("Stream", {
    async *live(player) {
      player.group.count = 1;
      yield;
      await new Promise((resolve) => setTimeout(resolve, 5));
      player.group.count = 2;
      yield { 0: "two" };
    },
  });
  app.page("End");
  return app;
}

const app = makeApp();
const here = makeApp("here", { publishPresence: true });
const silent = defineApp({ name: "silent", playersPerGroup: 2, group: { x: integer({ initial: 0 }) } });
silent.page("Play", {
  live(player) {
    player.group.x += 1;
  },
});

let directory: string;
let game: TestGame;
let people: HeadlessParticipant[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "walras-state-"));
  game = await TestGame.start([app, here, silent], { directory });
});

afterEach(async () => {
  for (const person of people) person.close();
  people = [];
  await game.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function open({ code }: Guest, options = {}): Promise<HeadlessParticipant> {
  const person = await HeadlessParticipant.open(`${game.base}/live/${code}`, options);
  people.push(person);
  await person.until(() => person.status === "open");
  return person;
}

async function two(name = "market"): Promise<[HeadlessParticipant, HeadlessParticipant, Guest[]]> {
  const guests = await game.guests([name], 2);
  const [one, other] = guests as [Guest, Guest];
  const [first, second] = [await open(one), await open(other)];
  await first.until(() => first.state.group.note === "2 true");
  await second.until(() => second.state.group.note === "2 true");
  return [first, second, guests];
}

test("a page has the state from its first line, and every change of it, exactly as it is stored", async () => {
  const [first, second] = await two();
  expect(second.page.live?.state).toMatchObject({
    group: { price: 0, share: null, count: 0, isOpen: true, board: [] },
  });
  expect(second.state).toEqual({
    group: {
      ...{ price: 0, share: null, count: 0, isOpen: true, note: "2 true", board: [], closesAt: null, leader: null },
    },
    player: { idInGroup: 2, offers: 0, valuation: 7.5, letter: null },
    players: { 1: { idInGroup: 1, offers: 0 }, 2: { idInGroup: 2, offers: 0 } },
  });
  const board = { text: "é\u2028</script>", deep: [null, 1.5, { a: [] }], huge: 1e300 };
  const values = {
    price: 1.005,
    share: 0.1 + 0.2,
    count: 2 ** 53 - 1,
    isOpen: false,
    closesAt: 1_700_000_000_123,
    board,
  };
  await first.send({ group: values, player: { offers: -3, letter: "mine" }, to: 2 });
  await second.until(() => second.state.players[1]?.offers === -3);
  const group = { ...values, price: 1.01, note: "2 true", leader: 2 };
  expect(second.state.group).toEqual(group);
  expect(first.state.group).toEqual(group);
  expect(first.state.player).toEqual({ idInGroup: 1, offers: -3, valuation: 7.5, letter: "mine" });
  await first.send({ group: { share: null, note: null, closesAt: null, board: null } }).catch(() => {});
  await first.send({ group: { note: null, closesAt: null } });
  await second.until(() => second.state.group.note === null);
  expect(second.state.group).toEqual({ ...group, note: null, closesAt: null });
});

test("what is not published never reaches a browser, and what is published to one player no other's", async () => {
  const frames: string[] = [];
  const [one, other] = (await game.guests(["market"], 2)) as [Guest, Guest];
  const first = await open(one);
  const spy = await game.connect(other);
  await first.send({ player: { letter: "FOR-ONE-ONLY", valuation: 123.45, type: "PLAYER-SECRET 2" } });
  await first.send({ group: { reserve: "GROUP-SECRET 2", price: 9 }, player: { offers: 4, letter: "FOR-ONE-ONLY 2" } });
  await spy.until(() => spy.frames.some((frame) => frame.k === "state" && frame.x.players?.[1]?.offers === 4));
  // Comes back later, and gets it all at once.
  const again = await game.connect(other);
  for (const socket of [spy, again]) frames.push(...socket.frames.map((frame) => JSON.stringify(frame)));
  const page = await fetch(`${game.base}/live/${other.code}`);
  const seen = frames.join("\n") + (await page.text());
  expect(seen).toContain('"offers":4');
  expect(seen).not.toMatch(/SECRET|FOR-ONE-ONLY|123\.45|reserve|"type"/);
  expect(first.state.player).toMatchObject({ letter: "FOR-ONE-ONLY 2", valuation: 123.45 });
});

test("the state changes before the deliveries and the answer of the same message come", async () => {
  const [first, second] = await two();
  const prices: unknown[] = [];
  const third = await second.duplicate({ onMessage: () => prices.push(third.state.group.price) });
  people.push(third);
  await third.until(() => third.status === "open");
  await first.send({ group: { price: 5 }, end: "tell" });
  expect(first.state.group.price).toBe(5);
  await first.send({ group: { price: 6 } });
  expect(first.state.group.price).toBe(6);
  await third.until(() => prices.length === 1);
  expect(prices).toEqual([5]);
});

test("a message that fails shows nothing", async () => {
  const [first, second] = await two();
  const seen: unknown[] = [];
  const stop = second.onChange((state) => seen.push(state.group.price));
  await expect(first.send({ group: { price: 5 }, end: "throw" })).rejects.toMatchObject({ code: "failed" });
  await first.send({ group: { price: 6 } });
  await second.until(() => second.state.group.price === 6);
  expect(seen).toEqual([0, 6]);
  stop();
});

test("whoever was away, or comes late, or reloads, has the state of now", async () => {
  const [first, second, guests] = await two();
  second.cut();
  await second.until(() => second.status !== "open");
  await first.send({ group: { price: 11 }, player: { offers: 1 } });
  await second.until(() => second.status === "open");
  expect(second.state.group.price).toBe(11);
  await second.reload();
  expect(second.page.live?.state?.group.price).toBe(11);
  expect(second.state.players[1]?.offers).toBe(1);
  // The server starts anew: its copy comes out of the database.
  await game.stop();
  game = await TestGame.start([app, here, silent], { directory });
  const back = await open(guests[1] as Guest);
  expect(back.state.group.price).toBe(11);
});

test("async methods, presence and form posts change it too", async () => {
  const [first, second, guests] = await two();
  const { actorId, id: participantId } = guests[0] as Guest;
  await game.game.call(actorId, { kind: "submit", participantId, pageIndex: 1, outbox: [], form: {} });
  await second.until(() => second.state.group.count === 100);
  const socket = await game.socket(await game.game.seat(actorId, participantId, 2), { page: "market/1/Stream" });
  await socket.hello();
  const counts: unknown[] = [];
  const stop = second.onChange((state) => counts.push(state.group.count));
  await socket.ask(null);
  await second.until(() => second.state.group.count === 2);
  expect(counts).toEqual([100, 1, 2]);
  // On another page of the group, too, and before the delivery of its unit.
  expect(socket.frames.map((frame) => (frame.k === "state" ? frame.x.group?.count : frame.k)).slice(-4)).toEqual([
    ...[1, 2, "recv", "answer"],
  ]);
  stop();
  first.close();
  socket.destroy();
});

test("connectLive has the state, and waits for what is to become of it", async () => {
  const [one, other] = (await game.guests(["market"], 2)) as [Guest, Guest];
  const live = await connectLive(`${game.base}/live/${one.code}`);
  people.push(live.participant);
  const later = live.until(({ group }) => group.price === 8);
  const second = await open(other);
  await second.send({ group: { price: 8 } });
  expect((await later).group.price).toBe(8);
  expect(live.state.player).toMatchObject({ idInGroup: 1, valuation: 7.5 });
  await expect(live.until(({ group }) => group.price === 9, 50)).rejects.toMatchObject({ code: "timeout" });
});

test("bots have the state, and wait for what is to become of it", async () => {
  const guests = (await game.guests(["market"], 2)) as [Guest, Guest];
  const tabs: Tab[] = [];
  let changes = 0;
  for (const { code } of guests) {
    const events = { page() {}, delivery() {}, state: () => void changes++, chat() {} };
    tabs.push(await headlessTab(`${game.base}/live/${code}`)(events));
  }
  const [first, second] = tabs as [Tab, Tab];
  await first.send({ group: { price: 4 } });
  expect(first.state.group.price).toBe(4);
  while (second.state.group.price !== 4) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(changes).toBeGreaterThan(2);
  for (const tab of tabs) tab.close();
});

test("pages see who is there, where the app publishes it", async () => {
  const [first, second] = await two("here");
  expect(first.state.players).toMatchObject({ 1: { connected: true }, 2: { connected: true } });
  second.close();
  await first.until(() => first.state.players[2]?.connected === false);
  expect(first.state.player).toMatchObject({ idInGroup: 1, connected: true });
});

test("a page without a live method has it as well", async () => {
  const [first, , guests] = await two();
  const { actorId, id: participantId } = guests[1] as Guest;
  for (const pageIndex of [1, 2]) {
    await game.game.call(actorId, { kind: "submit", participantId, pageIndex, outbox: [], form: {} });
  }
  const view = await game.game.call(actorId, { kind: "view", participantId, pageIndex: 3 });
  expect(view).toMatchObject({ kind: "page", live: { page: "market/1/End", state: { group: { count: 100 } } } });
  const socket = await game.socket(await game.game.seat(actorId, participantId, 3));
  await socket.hello();
  await first.send({ group: { price: 3 } });
  await socket.until(() => socket.frames.some((frame) => frame.k === "state" && frame.x.group?.price === 3));
});

test("an app that publishes nothing sends nothing", async () => {
  const [one] = (await game.guests(["silent"], 2)) as [Guest];
  const view = await game.game.call(one.actorId, { kind: "view", participantId: one.id, pageIndex: 1 });
  expect(view).toMatchObject({ kind: "page" });
  expect(JSON.stringify(view)).not.toContain('"state"');
  const socket = await game.connect(one);
  await socket.ask(1);
  expect(socket.frames.map((frame) => frame.k)).toEqual(["welcome", "answer"]);
});

test("a page that shows more than this database has is told to load again", async () => {
  const [one] = (await game.guests(["market"], 2)) as [Guest];
  const socket = await game.socket(await game.seat(one));
  socket.frame({ k: "hello", v: 1, c: socket.clientId, s: 0, x: 1_000 });
  await socket.until(() => socket.frames.length > 0);
  expect(socket.frames).toEqual([{ k: "reload", why: "too_far_behind" }]);
});

test("nothing is shown before it is stored, and nothing that the store refuses", async () => {
  const store = await openStore({ file: join(directory, "held.sqlite3"), synchronous: "NORMAL", apps: [app.spec] });
  const held: ((outcome: CommitOutcome) => void)[] = [];
  let hold = false;
  const commit = store.commit.bind(store);
  store.commit = async (units) => {
    if (!hold) return commit(units);
    const outcome = await new Promise<CommitOutcome>((resolve) => held.push(resolve));
    return outcome.result === "done" ? commit(units) : outcome;
  };
  const world = new TestWorld(store, [app.spec]);
  const { people: participants } = await world.session(["market"], 2);
  const [actorId = 0] = [await world.arrive(participants[0] ?? {}), await world.arrive(participants[1] ?? {})];
  const socket = await world.connect(actorId, participants[1]?.id as number);
  const states = () => socket.frames.filter((frame) => frame.k === "state").map((frame) => frame.x.group?.price);
  expect(states()).toEqual([0]);
  hold = true;
  socket.post({ group: { price: 5 } });
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await until(() => held.length === 1);
  // A page that is rendered meanwhile has it, and waits with it.
  let page: unknown;
  void world.view(actorId, participants[0]?.id as number).then((reply) => {
    page = reply;
  });
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect([states(), page]).toEqual([[0], undefined]);
  held.shift()?.({ result: "data", error: new Error("refused") });
  await until(() => held.length === 1);
  hold = false;
  held.shift()?.({ result: "done" });
  await until(() => page !== undefined);
  expect(page).toMatchObject({ kind: "page", live: { state: { group: { price: 0 } } } });
  await socket.ask({ group: { price: 6 } });
  expect(states()).toEqual([0, 6]);
  await world.close();
  await store.close();
});

// ---- the browser's copy ----

const tree: PublishedTree = {
  group: { price: 1, board: [1] },
  player: { idInGroup: 1, secret: 5 },
  players: { 1: { offers: 0 }, 2: { offers: 0 } },
};
const frame = (s: number, x: StateFrame["x"], f?: 1): StateFrame => ({ k: "state", s, x, ...(f ? { f } : {}) });

test("onChange calls back now and at each change, of all or of one part, until it is stopped", () => {
  const state = new LiveState(tree, 3, () => {});
  const all: unknown[] = [];
  const prices: unknown[] = [];
  const second: unknown[] = [];
  const stop = state.onChange((value) => all.push(value.group.price));
  state.onChange("group.price", (value, before) => prices.push([value, before]));
  state.onChange("players.2.offers", (value) => second.push(value));
  state.apply(frame(4, { group: { price: 2 } }));
  state.apply(frame(5, { players: { 2: { offers: 7 } } }));
  // The same again, and all of it: no news.
  state.apply(frame(6, { group: { price: 2 } }));
  state.apply(
    frame(7, { ...tree, group: { price: 2, board: [1] }, players: { 1: { offers: 0 }, 2: { offers: 7 } } }, 1),
  );
  expect(state.seq).toBe(7);
  expect(all).toEqual([1, 2, 2]);
  expect(prices).toEqual([
    [1, undefined],
    [2, 1],
  ]);
  expect(second).toEqual([0, 7]);
  stop();
  state.apply(frame(8, { group: { price: null } }));
  expect(all).toHaveLength(3);
  expect(prices.at(-1)).toEqual([null, 2]);
});

test("the state is a plain object that cannot be changed, and an old one stays as it was", () => {
  const state = new LiveState(tree, 3, () => {});
  const before = state.value;
  state.apply(frame(4, { player: { secret: 6 }, players: { 1: { offers: 1 } } }));
  expect(before).toEqual({
    group: { price: 1, board: [1] },
    player: { idInGroup: 1, offers: 0, secret: 5 },
    players: { 1: { idInGroup: 1, offers: 0 }, 2: { idInGroup: 2, offers: 0 } },
  });
  expect(state.value.player).toEqual({ idInGroup: 1, offers: 1, secret: 6 });
  const { group } = state.value as unknown as { group: { price: number; board: number[] } };
  expect(() => {
    group.price = 5;
  }).toThrow(TypeError);
  expect(() => group.board.push(2)).toThrow(TypeError);
});

test("a callback that throws hurts no other, and a name that is not published is said", () => {
  const reports: string[] = [];
  const state = new LiveState(tree, 3, (message) => reports.push(message));
  const seen: unknown[] = [];
  state.onChange(() => {
    throw new Error("mine");
  });
  state.onChange("group.price", (value) => seen.push(value));
  state.onChange("group.prize", () => seen.push("never"));
  state.apply(frame(4, { group: { price: 2 } }));
  expect(seen).toEqual([1, 2]);
  expect(reports.filter((report) => report.includes("threw"))).toHaveLength(2);
  expect(reports.some((report) => report.includes('"group.prize"'))).toBe(true);
  expect(() => state.onChange("group.price" as never)).toThrow("a path and a function");
});

// ---- mistakes ----

test.each([
  ["a group's field for one player", { group: { x: integer({ publish: "player" }) } }, "belongs to no player"],
  ["a link to the group", { player: { x: link("group", { publish: "group" }) } }, "Leave publish out"],
  [
    "an extra model's field",
    { extraModels: { Bid: { player: link("player"), x: integer({ publish: "group" }) } } },
    "extra models",
  ],
])("%s cannot be published", (_what, models, why) => {
  const define = () => defineApp({ name: "wrong", ...models });
  expect(define).toThrow(why);
  expect(define).toThrow(expect.objectContaining({ code: "wrong_publish" }));
});

test("publish and publishPresence take what they take", () => {
  expect(() => defineApp({ name: "wrong", group: { x: integer({ publish: "all" as "group" }) } })).toThrow(
    /wrong: Group.x: publish is "all"/,
  );
  expect(() => defineApp({ name: "wrong", publishPresence: "yes" as never })).toThrow("publishPresence is");
});
