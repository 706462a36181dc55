import { expect, test } from "@jest/globals";
import type { Send } from "../client-sdk/protocol.ts";
import { JournalTable, MessageMarkTable } from "../entities/system-tables.ts";
import { defineApp, integer } from "../index.ts";
import { decodeFrame } from "../rooms/frames.ts";
import { at, type Group, holdCommits, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

function makeApp(name: string) {
  const app = defineApp({
    name,
    playersPerGroup: 2,
    group: { sum: integer({ initial: 0 }), forms: integer({ initial: 0 }), log: integer({ initial: 0 }) },
  });
  app.page("Add", {
    live(player, add: number) {
      if (add < 0) throw new Error("negative");
      player.group.sum += add;
      return { 0: player.group.sum };
    },
    beforeNextPage(player) {
      player.group.forms += 1;
      player.group.log = player.group.sum;
    },
  });
  return app;
}
const first = makeApp("first");
const second = makeApp("second");

async function stage() {
  const group = await seatedGroup(await sqlite.world([first.spec, second.spec]), ["first", "second"], 2);
  const [one, two] = group.players as [TestConnection, TestConnection];
  return { ...group, one, two };
}

async function sums({ store, actorId }: Group, app = first) {
  const row = at(await store.read.rows(app.spec.group.table, { id: actorId }), 0);
  return { sum: row.sum, forms: row.forms, log: row.log };
}

function submit(group: Group, who: number, outbox: Send[] = [], actorId = group.actorId, pageIndex = 1) {
  const participantId = at(group.people, who).id as number;
  return group.world.actors.call(actorId, { kind: "submit", participantId, pageIndex, outbox, form: {} });
}

/** Answers to a number on a connection, in order. */
function answers(connection: TestConnection, n: number, clientId = connection.clientId) {
  return connection.frames.flatMap((frame) => {
    const answer = frame.k === "answer" || frame.k === "recv" ? frame.a : undefined;
    return answer?.n === n && answer.c === clientId ? [answer] : [];
  });
}

test("the same number again gets the same answer and has one effect", async () => {
  const group = await stage();
  const { one, two } = group;
  for (let i = 0; i < 3; i++) one.post(5, { n: 1 });
  await one.ask(7, { n: 2 });
  one.post(5, { n: 1 });
  const refused = await one.ask(-1, { n: 3 });
  expect(refused.e).toMatchObject({ code: "failed" });
  one.post(-1, { n: 3 });
  await one.ask(1, { n: 4 });
  await settle(group.world);
  expect(answers(one, 1)).toEqual(Array(4).fill({ c: one.clientId, n: 1 }));
  expect(answers(one, 3)).toEqual([refused, refused]);
  expect(two.received).toEqual([5, 12, 13]);
  expect(await sums(group)).toMatchObject({ sum: 13 });
});

test("a number from far back in a long history is still found, whoever else has sent how much since", async () => {
  const group = await stage();
  const { one, two, store } = group;
  const last = 2_600;
  for (let n = 1; n <= last; n++) {
    two.post(n % 500 === 0 ? -1 : 0, { n });
    // The other sends now and then.
    if (n % 700 === 0) one.post(n % 1400 === 0 ? -1 : 0, { n: n / 700 });
    if (n % 50 === 0) await two.until(() => two.answerTo(n) !== undefined);
  }
  await settle(group.world);
  const asked = async (connection: TestConnection, n: number, data: number) => {
    const before = answers(connection, n).length;
    connection.post(data, { n });
    await connection.until(() => answers(connection, n).length > before);
    return answers(connection, n).at(-1);
  };
  for (const n of [1, 2, 499, 501, 997, 998, 999, 1001, 1002, 1003, 1499, 1999, last]) {
    expect(await asked(two, n, 0)).toEqual({ c: two.clientId, n });
  }
  for (const n of [500, 1000, 1500, 2000, 2500]) expect((await asked(two, n, -1))?.e).toMatchObject({ code: "failed" });
  expect(await asked(one, 1, 0)).toEqual({ c: one.clientId, n: 1 });
  expect((await asked(one, 2, -1))?.e).toMatchObject({ code: "failed" });
  expect(await asked(one, 3, 0)).toEqual({ c: one.clientId, n: 3 });
  expect((await asked(two, 7, 1))?.e).toMatchObject({ code: "number_reused" });
  // By a handful of marks, not by one for each message.
  expect((await store.read.rows(MessageMarkTable)).length).toBeLessThan(10);
});

test("a number that comes again with other data is refused, and the first effect stays", async () => {
  const group = await stage();
  const { one } = group;
  await one.ask(5, { n: 1 });
  one.post(6, { n: 1 });
  await settle(group.world);
  expect(answers(one, 1)[1]?.e).toMatchObject({ code: "number_reused", retry: false });
  one.post(5, { n: 1 });
  await settle(group.world);
  expect(answers(one, 1)[2]).toEqual({ c: one.clientId, n: 1 });
  expect(await sums(group)).toMatchObject({ sum: 5 });
});

test("a number that comes too early is refused for now, and accepted when its turn has come", async () => {
  const group = await stage();
  const { one } = group;
  const early = await one.ask(2, { n: 2 });
  expect(early.e).toMatchObject({ code: "out_of_order", retry: true });
  await one.ask(1, { n: 1 });
  one.post(2, { n: 2 });
  await settle(group.world);
  expect(answers(one, 2)[1]).toEqual({ c: one.clientId, n: 2 });
  expect(one.received).toEqual([1, 3]);
});

test("what is refused on sight uses its number up, and the answer stays the same after a reload of the group", async () => {
  const group = await stage();
  const { one, world, actorId } = group;
  const text = JSON.stringify("x".repeat(70_000));
  const decoded = decodeFrame(
    Buffer.from(`{"k":"send","c":"${one.clientId}","n":1,"p":"${one.page}","d":${text}}`),
    64 * 1024,
  );
  if (decoded.kind !== "send") throw new Error("not a message");
  const refused = await one.ask(null, decoded.message);
  expect(refused.e).toMatchObject({ code: "too_large", retry: false });
  await one.ask(1, { n: 2 });
  world.actors.get(actorId).die();
  const back = await world.connect(actorId, one.participantId);
  expect(await back.ask(null, decoded.message)).toEqual(refused);
  expect(await sums(group)).toMatchObject({ sum: 1 });
});

test("a page name that no database keeps is malformed, so that it cannot use up a number that is not stored", () => {
  const bytes = Buffer.from('{"k":"send","c":"clientclient","n":1,"p":"first/1/\\u0000","d":1}');
  expect(decodeFrame(bytes, 1000)).toEqual({ kind: "malformed", why: "no page" });
});

test("a number that was used before the group left memory has no second effect after it is loaded again", async () => {
  const group = await stage();
  const { world, actorId, one, two } = group;
  await one.ask(5);
  for (const player of [one, two]) world.actors.get(actorId).gate.detach(player);
  const before = world.actors.get(actorId);
  world.actors.evict(0);
  expect(before.dead).toBe(true);
  expect(world.actors.has(actorId)).toBe(false);
  const back = await world.connect(actorId, one.participantId);
  expect(await back.ask(5, { c: one.clientId, n: 1 })).toEqual({ c: one.clientId, n: 1 });
  await back.ask(6, { c: one.clientId, n: 2 });
  expect(back.received).toEqual([5, 11]);
  expect(await sums(group)).toMatchObject({ sum: 11 });
});

test("a number that was used in the group before has no second effect in the next one", async () => {
  const group = await stage();
  const { world, store, people, one } = group;
  await one.ask(5);
  const refused = await one.ask(-1);
  expect(await submit(group, 0)).toEqual({ kind: "goto", pageIndex: 2 });
  const place = await store.read.whereabouts(at(people, 0).code as string);
  const next = place?.actorId as number;
  await world.view(next, one.participantId, 2);
  const later = await world.connect(next, one.participantId);
  expect(later.page).toBe("second/1/Add");
  expect(await later.ask(5, { c: one.clientId, n: 1, p: one.page })).toEqual({ c: one.clientId, n: 1 });
  expect(await later.ask(-1, { c: one.clientId, n: 2, p: one.page })).toEqual(refused);
  expect((await later.ask(9, { c: one.clientId, n: 3, p: one.page })).e).toMatchObject({ code: "wrong_page" });
  expect(await later.ask(3, { c: one.clientId, n: 4 })).toEqual({ c: one.clientId, n: 4 });
  expect(await sums({ ...group, actorId: next }, second)).toMatchObject({ sum: 3 });
  expect(await sums(group)).toMatchObject({ sum: 5 });
});

test("two tabs that race with the same numbers have each effect once, in order", async () => {
  const group = await stage();
  const { world, actorId, one, store } = group;
  const twin = await world.connect(actorId, one.participantId);
  const held = holdCommits(store);
  for (let n = 1; n <= 20; n++) {
    const [a, b] = n % 2 === 0 ? [one, twin] : [twin, one];
    a.post(n, { c: one.clientId, n });
    b.post(n, { c: one.clientId, n });
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
  held.release();
  for (const tab of [one, twin]) {
    await tab.until(() => answers(tab, 20, one.clientId).length > 0);
    await settle(world);
    for (let n = 1; n <= 20; n++) expect(answers(tab, n, one.clientId)).toEqual([{ c: one.clientId, n }]);
  }
  expect(await sums(group)).toMatchObject({ sum: 210 });
  const kept = await store.read.rows(JournalTable, { actorId, kind: "message" });
  expect(kept.map((entry) => entry.n)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
});

test("the outbox that a form carries runs before the form, each message once", async () => {
  const group = await stage();
  const { world, one, two } = group;
  await one.ask(1);
  one.post(2);
  const outbox = [2, 3, 4].map((n): Send => ({ k: "send", c: one.clientId, n, p: one.page, d: n }));
  expect(await submit(group, 0, outbox)).toEqual({ kind: "goto", pageIndex: 2 });
  await settle(world);
  expect(await sums(group)).toEqual({ sum: 10, forms: 1, log: 10 });
  expect(two.received).toEqual([1, 3, 6, 10]);
});

test("a form whose outbox cannot be run waits with it: nothing is lost on the way out", async () => {
  const group = await stage();
  const { store } = group;
  const { lastNumber } = store.read;
  let failures = 1;
  Object.assign(store.read, {
    lastNumber: async (...key: Parameters<typeof lastNumber>) => {
      if (failures-- > 0) throw new Error("disk on fire");
      return lastNumber.call(store.read, ...key);
    },
  });
  const outbox: Send[] = [{ k: "send", c: "clientclient", n: 1, p: "first/1/Add", d: 5 }];
  expect(await submit(group, 0, outbox)).toMatchObject({ kind: "refused", code: "halted", retry: true });
  expect(await sums(group)).toEqual({ sum: 0, forms: 0, log: 0 });
  expect(await submit(group, 0, outbox)).toEqual({ kind: "goto", pageIndex: 2 });
  expect(await sums(group)).toEqual({ sum: 5, forms: 1, log: 5 });
});

test("an outbox that is none is refused, and the form with it", async () => {
  const group = await stage();
  const bad = [{ k: "send", c: "x", n: 0 }] as unknown as Send[];
  expect(await submit(group, 0, bad)).toMatchObject({ kind: "refused", code: "malformed_outbox", retry: false });
  expect(await sums(group)).toEqual({ sum: 0, forms: 0, log: 0 });
});

test("a form that is sent twice before the first one is stored leaves the page once", async () => {
  const group = await stage();
  const { world, store, one, two } = group;
  await one.ask(1);
  const held = holdCommits(store);
  const replies = [submit(group, 0), submit(group, 0)];
  await new Promise((resolve) => setImmediate(resolve));
  // Also a message from the page that was left, and one of somebody who stays.
  one.post(5);
  two.post(7);
  await new Promise((resolve) => setTimeout(resolve, 20));
  held.release();
  expect(await Promise.all(replies)).toEqual([{ kind: "goto", pageIndex: 2 }, { kind: "elsewhere" }]);
  await settle(world);
  expect(one.frames.at(-1)).toEqual({ k: "reload", why: "moved_on" });
  expect(two.received).toEqual([1, 8]);
  expect(await sums(group)).toEqual({ sum: 8, forms: 1, log: 1 });
  expect(await submit(group, 0)).toEqual({ kind: "elsewhere" });
});

test("a page that is shown while a form is being stored does not bring the participant back", async () => {
  const group = await stage();
  const { world, store, actorId, one } = group;
  const participantId = one.participantId;
  const held = holdCommits(store);
  const shown = world.view(actorId, participantId, 1);
  const left = submit(group, 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const after = submit(group, 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  held.release();
  expect(await shown).toMatchObject({ kind: "page" });
  expect(await left).toEqual({ kind: "goto", pageIndex: 2 });
  expect(await after).toEqual({ kind: "elsewhere" });
  expect(await sums(group)).toMatchObject({ forms: 1 });
});
