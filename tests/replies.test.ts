import { expect, test } from "@jest/globals";
import { WalrasError } from "../client-sdk/errors.ts";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { JournalTable } from "../entities/system-tables.ts";
import { type Deliveries, defineApp, integer, type LiveCall, type PlayerOf } from "../index.ts";
import type { Command } from "../rooms/calls.ts";
import { type Guest, TestGame } from "./helpers/game.ts";
import { at, holdCommits, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

/** What the next message does. */
let work: (player: PlayerOf<typeof app>, call: LiveCall) => unknown;
let workAsync: (player: PlayerOf<typeof app>, call: LiveCall) => AsyncGenerator<Deliveries | undefined>;

const app = defineApp({ name: "shop", playersPerGroup: 2, group: { sold: integer({ initial: 0 }) } });
app.page("Trade", {
  live: {
    offer(player, { price }: { price: number }, { reply }) {
      player.group.sold += 1;
      reply({ price: price + 1, sold: player.group.sold });
      return { 0: "offered" };
    },
    async *stream(player, { price }: { price: number }, call) {
      call.reply({ price });
      player.group.sold += 1;
      yield { 0: "streaming" };
    },
    async later(_player, { price }: { price: number }, call) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      call.reply(price * 2);
    },
    refuse(player) {
      player.group.sold = 99;
      throw new WalrasError("sold_out", "Nothing is left.");
    },
    work: (player, _data: unknown, call) => work(player, call) as undefined,
    async *workAsync(player, _data: unknown, call) {
      yield* workAsync(player, call);
    },
    never: () => new Promise(() => {}) as never,
    async hang() {
      await new Promise(() => {});
    },
  },
});
app.page("After", {});

async function group() {
  const stage = await seatedGroup(await sqlite.world([app.spec]), ["shop"], 2);
  const [one, two] = stage.players as [TestConnection, TestConnection];
  const outputs = async () =>
    (await stage.store.read.rows(JournalTable, { actorId: stage.actorId }))
      .filter(({ kind }) => ["message", "refused", "yield", "done"].includes(kind as string))
      .map(({ kind, output }) => [kind, JSON.parse((output as string | null) ?? "null")]);
  return { ...stage, one, two, outputs };
}

test("a reply is the value of the sender's answer, and of nobody else's", async () => {
  const { one, two } = await group();
  const answer = await one.ask({ type: "offer", price: 4 });
  expect(answer).toEqual({ c: one.clientId, n: 1, v: { price: 5, sold: 1 } });
  expect(two.received).toEqual(["offered"]);
  expect(two.frames.filter((frame) => frame.k === "answer" || (frame.k === "recv" && frame.a))).toEqual([]);
});

test("a message that is sent again gets the same reply and runs once, also from another server", async () => {
  const { world, people, actorId, one } = await group();
  const offer = { type: "offer", price: 4 };
  const stream = { type: "stream", price: 7 };
  const [a, b] = [await one.ask(offer), await one.ask(stream)];
  expect(b.v).toEqual({ price: 7 });
  one.frames.length = 0;
  expect(await one.ask(offer, { n: 1 })).toEqual(a);
  expect(await one.ask(stream, { n: 2 })).toEqual(b);
  const next = await sqlite.restart(world, [app.spec]);
  const back = await next.connect(actorId, at(people, 0).id as number);
  expect(await back.ask(offer, { c: one.clientId, n: 1 })).toEqual(a);
  expect(await back.ask(stream, { c: one.clientId, n: 2 })).toEqual(b);
  expect((await back.ask({ type: "offer", price: 1 }, { n: 1 })).v).toEqual({ price: 2, sold: 3 });
});

test("a reply goes out only after the commit of what it was computed from", async () => {
  const { world, store, one } = await group();
  for (const type of ["offer", "stream", "later"]) {
    const held = holdCommits(store);
    const n = one.post({ type, price: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(one.answerTo(n)).toBeUndefined();
    held.release();
    await one.until(() => one.answerTo(n) !== undefined);
    await settle(world);
  }
  expect(one.answerTo(3)?.v).toBe(2);
});

test("a reply is a copy, as JSON, of what it was when it was given", async () => {
  const { one } = await group();
  const value = { list: [1], none: undefined };
  work = (_player, call) => {
    call.reply(value);
    value.list.push(2);
  };
  expect((await one.ask({ type: "work" })).v).toEqual({ list: [1] });
  // Nothing is a value of its own.
  work = (_player, call) => call.reply(null);
  expect((await one.ask({ type: "work" })).v).toBeNull();
});

test.each<[string, (call: LiveCall, player: PlayerOf<typeof app>) => void, RegExp]>([
  [
    "a second reply",
    (call) => {
      call.reply(1);
      call.reply(2);
    },
    /shop\/1\/Trade live: call\.reply\(value\) was called a second time/,
  ],
  ["a reply that is not JSON", (call) => call.reply({ a: [Number.NaN] }), /the reply\.a\[0\] is NaN/],
  ["a reply of undefined", (call) => call.reply(undefined), /the reply is undefined; send null/],
  ["a whole player", (call, player) => call.reply(player), /a whole Player/],
])("%s is the author's mistake: nothing of the message remains, sync or async", async (_name, give, message) => {
  const { one, two, outputs } = await group();
  work = (player, call) => {
    player.group.sold = 50;
    give(call, player);
    return { 0: "not sent" };
  };
  workAsync = async function* (player, call) {
    player.group.sold = 50;
    give(call, player);
    yield { 0: "not sent" };
  };
  for (const type of ["work", "workAsync"]) {
    const { e, v } = await one.ask({ type });
    expect(e).toMatchObject({ code: "failed", message: expect.stringMatching(message), retry: false });
    expect(v).toBeUndefined();
  }
  expect(two.received).toEqual([]);
  expect((await one.ask({ type: "offer", price: 1 })).v).toEqual({ price: 2, sold: 1 });
  expect((await outputs()).map(([kind]) => kind)).toEqual(["refused", "done", "message"]);
});

test("a method that fails after its reply is refused; the reply is gone", async () => {
  const { one } = await group();
  work = (_player, call) => {
    call.reply("fine");
    throw new Error("after all not");
  };
  workAsync = async function* (_player, call) {
    call.reply("fine");
    yield undefined;
    throw new Error("after all not");
  };
  for (const type of ["work", "workAsync"]) {
    const answer = await one.ask({ type });
    expect(answer.v).toBeUndefined();
    expect(answer.e).toMatchObject({ code: "failed", message: expect.stringContaining("after all not") });
  }
});

test("what is kept of a call has no effect after its end", async () => {
  const { one } = await group();
  const kept: LiveCall[] = [];
  work = (_player, call) => void kept.push(call);
  workAsync = async function* (_player, call) {
    kept.push(call);
    yield undefined;
  };
  for (const type of ["work", "workAsync"]) expect(await one.ask({ type })).not.toHaveProperty("v");
  expect(kept).toHaveLength(2);
  for (const call of kept) {
    expect(() => call.reply(1)).toThrow(expect.objectContaining({ code: "call_ended" }) as never);
    expect(() => call.outside("x", () => 1)).toThrow(expect.objectContaining({ code: "call_ended" }) as never);
  }
});

test("what comes from outside is journaled with the unit that it becomes part of, and given as the journal has it", async () => {
  const { one, outputs } = await group();
  const got: unknown[] = [];
  work = (_player, call) => {
    got.push(call.outside("now", () => ({ at: new Date(0), none: undefined })));
    call.outside("nothing", () => {});
    call.reply("done");
    return { 0: 1 };
  };
  workAsync = async function* (player, call) {
    got.push(await call.outside("quote", async (signal) => [signal.aborted]));
    const failed = call.outside("web", () => Promise.reject(new Error("503")));
    await failed.catch((error: unknown) => got.push(String(error)));
    player.group.sold += 1;
    yield { 0: 2 };
    const quote = await call.outside("again", async () => ({ price: 3 }));
    quote.price = 9;
    call.outside("sync", () => 4);
  };
  await one.ask({ type: "work" });
  await one.ask({ type: "workAsync" });
  work = (_player, call) => {
    call.outside("before", () => 1);
    throw new Error("failed");
  };
  await one.ask({ type: "work" });
  expect(got).toEqual([{ at: "1970-01-01T00:00:00.000Z" }, [false], "Error: 503"]);
  expect(await outputs()).toEqual([
    ["message", { d: [{ to: [1, 2], m: 1 }], v: "done", o: [{ name: "now", v: got[0] }, { name: "nothing" }] }],
    [
      "yield",
      {
        d: [{ to: [1, 2], m: 2 }],
        o: [
          { name: "quote", v: [false] },
          { name: "web", e: "503" },
        ],
      },
    ],
    [
      "done",
      {
        o: [
          { name: "again", v: { price: 3 } },
          { name: "sync", v: 4 },
        ],
      },
    ],
    ["refused", { e: expect.objectContaining({ code: "failed" }), o: [{ name: "before", v: 1 }] }],
  ]);
});

test("a sync method cannot wait for what is outside, and is told how it could", async () => {
  const { one } = await group();
  work = (_player, call) => void call.outside("quote", () => Promise.reject(new Error("nobody hears this")));
  expect((await one.ask({ type: "work" })).e?.message).toContain("not async. Write async live(player, data, call)");
});

test("live.call resolves to the reply and rejects with code and reason; no promise is left hanging", async () => {
  const game = await TestGame.start([app]);
  try {
    const [guest, other] = (await game.guests(["shop"], 2)) as [Guest, Guest];
    const one = await HeadlessParticipant.open(`${game.base}/live/${guest.code}`);
    await expect(one.call("offer", { price: 4 })).resolves.toEqual({ price: 5, sold: 1 });
    await expect(one.call("stream", { price: 4 })).resolves.toEqual({ price: 4 });
    await expect(one.call("later", { price: 4 })).resolves.toBe(8);
    await expect(one.call("workless", {})).rejects.toMatchObject({ code: "invalid" });
    await expect(one.call("refuse")).rejects.toMatchObject({ code: "sold_out", message: "Nothing is left." });
    await expect(one.call("never")).rejects.toMatchObject({ code: "failed" });
    await expect(one.send({ type: "offer", price: 9 })).resolves.toEqual({ price: 10, sold: 3 });
    await expect(one.call("offer", [4])).rejects.toMatchObject({ code: "wrong_call" });
    await expect(one.call("offer", { type: "bid" })).rejects.toMatchObject({ code: "wrong_call" });
    await expect(one.call("", {})).rejects.toMatchObject({ code: "wrong_call" });

    // The page loads again, or is closed: the answer goes elsewhere.
    const [reloaded, alsoReloaded] = [one.call("hang"), one.send({ type: "hang" })];
    await one.reload();
    await expect(reloaded).rejects.toMatchObject({ code: "left", retry: true });
    await expect(alsoReloaded).rejects.toMatchObject({ code: "left" });
    const closed = one.call("hang");
    one.close();
    await expect(closed).rejects.toMatchObject({ code: "left" });
    await expect(one.call("offer", { price: 1 })).rejects.toMatchObject({ code: "not_live" });

    // Somebody who has moved on, in another tab or by the server, is told so.
    const two = await HeadlessParticipant.open(`${game.base}/live/${other.code}`);
    const running = two.call("hang");
    await two.until(() => two.status === "open");
    const submit: Command = { kind: "submit", participantId: other.id, pageIndex: 1, outbox: [], form: {} };
    expect(await game.game.call(other.actorId, submit)).toEqual({ kind: "goto", pageIndex: 2 });
    await expect(running).rejects.toMatchObject({ code: "left" });
    await expect(two.call("offer", { price: 1 })).rejects.toMatchObject({ code: "wrong_page" });
    two.close();
  } finally {
    await game.stop();
  }
});
