import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import app, { type chat } from "../apps/chat_stream/index.ts";
import { serverSentEvents, streamAnswer } from "../apps/chat_stream/model.ts";
import { HeadlessParticipant, typedLive } from "../client-sdk/index.ts";
import { defineApp, integer } from "../index.ts";
import type { Command } from "../rooms/calls.ts";
import { FakeLlm, token } from "./helpers/fake-llm.ts";
import { type Guest, TestGame } from "./helpers/game.ts";

const GROUPS = 100;
const TOKENS = 10;
const WHOLE = Array.from({ length: TOKENS }, (_, index) => token(index));

const counting = defineApp({ name: "counting", player: { count: integer({ initial: 0 }) } });
counting.page("Count", {
  live(player, _data: unknown, { reply }) {
    player.count += 1;
    reply(player.count);
  },
});

let llm: FakeLlm;
let game: TestGame;
let tabs: HeadlessParticipant[] = [];

beforeAll(async () => {
  llm = await FakeLlm.start({ tokens: TOKENS });
  process.env.CHAT_STREAM_KEY = "key";
  process.env.CHAT_STREAM_MODEL = "tiny";
});
beforeEach(async () => {
  process.env.CHAT_STREAM_URL = llm.url;
  llm.status = 200;
  llm.lastToken = Promise.resolve();
  llm.requests.length = 0;
  game = await TestGame.start([app, counting], { limits: { callGrace: 100 } });
});
afterEach(async () => {
  for (const tab of tabs) tab.close();
  tabs = [];
  await game.stop();
});
afterAll(async () => {
  delete process.env.CHAT_STREAM_URL;
  delete process.env.CHAT_STREAM_KEY;
  delete process.env.CHAT_STREAM_MODEL;
  await llm.stop();
});

async function open(guest: Guest): Promise<HeadlessParticipant> {
  const tab = await HeadlessParticipant.open(`${game.base}/live/${guest.code}`);
  tabs.push(tab);
  await tab.until(() => tab.status === "open");
  return tab;
}

type News = { type: string; n: number; text: string; answer: string; failure: string | null };
const newsOf = (tab: HeadlessParticipant) => tab.received.map(({ data }) => data as News);
const piecesOf = (tab: HeadlessParticipant) => newsOf(tab).filter(({ type }) => type === "piece");

async function questions(actorId: number) {
  const [model] = Object.values(app.spec.extras);
  if (model === undefined) throw new Error("no model");
  return game.game.store.read.rows(model.table, { actorId });
}

test("a model's tokens reach both players one by one, in order; the whole answer is stored once", async () => {
  const [one, two] = (await game.guests(["chat_stream"], 2)) as [Guest, Guest];
  const [tab, other] = [await open(one), await open(two)];
  const n = await typedLive<typeof chat>(tab).call("ask", { text: " Pizza? " });
  await other.until(() => newsOf(other).some(({ type }) => type === "end"));
  for (const at of [tab, other]) {
    expect(piecesOf(at).map(({ text }) => text)).toEqual(WHOLE);
    expect(newsOf(at)[0]).toMatchObject({ type: "question", n, text: "Pizza?", answer: "" });
    expect(newsOf(at).at(-1)).toMatchObject({ type: "end", n, answer: WHOLE.join(""), failure: null });
  }
  expect(await questions(one.actorId)).toMatchObject([{ text: "Pizza?", answer: WHOLE.join(""), ended: true }]);
  expect(llm.authorizations.at(-1)).toBe("Bearer key");
  expect(llm.requests.at(-1)).toMatchObject({ model: "tiny", stream: true });
  // The next question brings what was said before.
  await typedLive<typeof chat>(other).call("ask", { text: "Really?" });
  expect(
    llm.requests
      .at(-1)
      ?.messages.map(({ role, content }) => [role, content])
      .slice(1),
  ).toEqual([
    ["user", "Pizza?"],
    ["assistant", WHOLE.join("")],
    ["user", "Really?"],
  ]);
});

test(`${GROUPS} groups stream at once, without loss or mix-up, and other pages are answered meanwhile`, async () => {
  const guests = await game.guests(["chat_stream"], 2 * GROUPS);
  const [counter] = (await game.guests(["counting"], 1)) as [Guest];
  const chatters = await Promise.all(guests.map(open));
  const other = await open(counter);
  const { promise, resolve } = Promise.withResolvers<void>();
  llm.lastToken = promise;
  // The first of each group asks.
  const asking = guests.flatMap((guest, index) =>
    guests.findIndex(({ actorId }) => actorId === guest.actorId) === index ? [index] : [],
  );
  expect(asking).toHaveLength(GROUPS);
  const asked = asking.map((index) =>
    (chatters[index] as HeadlessParticipant).call("ask", { text: `Question ${index}` }),
  );
  const counted: unknown[] = [];
  for (let i = 0; i < 20; i++) counted.push(await other.call("count", {}));
  expect(counted).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  // All of them are still at it: none can have got its last token.
  await Promise.all(chatters.map((tab) => tab.until(() => piecesOf(tab).length === TOKENS - 1, 60_000)));
  expect(llm.streaming).toBe(GROUPS);
  expect(await other.call("count", {})).toBe(21);
  resolve();
  await Promise.all(asked);
  await Promise.all(chatters.map((tab) => tab.until(() => newsOf(tab).at(-1)?.type === "end", 60_000)));
  for (const [index, tab] of chatters.entries()) {
    expect(piecesOf(tab).map(({ text }) => text)).toEqual(WHOLE);
    const asker = asking.find((first) => guests[first]?.actorId === guests[index]?.actorId);
    expect(newsOf(tab)[0]?.text).toBe(`Question ${asker}`);
  }
  expect(game.log.lines).toEqual([]);
});

test("a model that fails is said to have failed, and the question stays", async () => {
  llm.status = 503;
  const errors: unknown[] = [];
  const { error } = console;
  console.error = (...args: unknown[]) => errors.push(args);
  try {
    const [one] = (await game.guests(["chat_stream"], 2)) as [Guest];
    const tab = await open(one);
    await tab.call("ask", { text: "Pizza?" });
    expect(newsOf(tab).at(-1)).toMatchObject({ type: "end", failure: "The assistant cannot answer now.", answer: "" });
    expect(await questions(one.actorId)).toMatchObject([{ ended: true, answer: "" }]);
    expect(errors).toHaveLength(1);
  } finally {
    console.error = error;
  }
});

test("a player who goes on takes the model's time no longer; what has come of the answer is kept", async () => {
  const [one] = (await game.guests(["chat_stream"], 2)) as [Guest];
  const tab = await open(one);
  const { promise, resolve } = Promise.withResolvers<void>();
  llm.lastToken = promise;
  const abandoned = llm.abandoned;
  const asked = tab.call("ask", { text: "Pizza?" });
  await tab.until(() => piecesOf(tab).length === TOKENS - 1);
  const submit: Command = { kind: "submit", participantId: one.id, pageIndex: 1, outbox: [], form: {} };
  expect(await game.game.call(one.actorId, submit)).toEqual({ kind: "goto", pageIndex: 2 });
  await expect(asked).rejects.toMatchObject({ code: "left" });
  while ((await questions(one.actorId))[0]?.ended !== true) await new Promise((wake) => setTimeout(wake, 5));
  const answer = WHOLE.slice(0, -1).join("");
  expect(await questions(one.actorId)).toMatchObject([{ answer, failure: "The answer was broken off." }]);
  resolve();
  while (llm.abandoned === abandoned) await new Promise((wake) => setTimeout(wake, 5));
});

test("a server that stops in the middle of an answer keeps what has come of it", async () => {
  const [one] = (await game.guests(["chat_stream"], 2)) as [Guest];
  const tab = await open(one);
  const { promise, resolve } = Promise.withResolvers<void>();
  llm.lastToken = promise;
  const asked = tab.call("ask", { text: "Pizza?" });
  await tab.until(() => piecesOf(tab).length === TOKENS - 1);
  const { store } = game.game;
  const end = store.close.bind(store);
  let stored: unknown;
  store.close = async () => {
    stored = await questions(one.actorId);
    await end();
  };
  const refused = expect(asked).rejects.toMatchObject({ code: "interrupted" });
  await game.stop();
  await refused;
  expect(newsOf(tab).at(-1)).toMatchObject({ type: "end", answer: WHOLE.slice(0, -1).join("") });
  expect(stored).toMatchObject([{ ended: true, failure: "The answer was broken off." }]);
  resolve();
  game = await TestGame.start([app]);
});

test("without a model there is an answer all the same, which can be broken off", async () => {
  delete process.env.CHAT_STREAM_URL;
  const pieces: string[] = [];
  const controller = new AbortController();
  const conversation = [{ role: "user" as const, content: "Pizza?" }];
  for await (const piece of streamAnswer(conversation, controller.signal)) pieces.push(piece);
  expect(pieces.join("")).toContain("“Pizza?”");
  expect(pieces.length).toBeGreaterThan(3);
  controller.abort(new Error("enough"));
  await expect(streamAnswer(conversation, controller.signal).next()).rejects.toThrow("enough");
});

test("server-sent events are read however the bytes are cut, with either line end", async () => {
  const text = 'data: {"a":"é€🙂"}\r\n\r\n: comment\nevent: x\ndata:one\ndata: two\n\ndata: [DONE]\n\n';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    async function* cut() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const events: string[] = [];
    for await (const data of serverSentEvents(cut())) events.push(data);
    expect(events).toEqual(['{"a":"é€🙂"}', "one\ntwo", "[DONE]"]);
  }
});
