import { expect, test } from "@jest/globals";
import { StaleWrite } from "../entities/buffered-view.ts";
import { app, calls, door, GO, groupRow, Item, openGroup } from "./helpers/slow-app.ts";
import { at, settle, useSqlite } from "./helpers/sqlite.ts";

const sqlite = useSqlite();
const group = () => openGroup(sqlite);

test("a write to a field that others changed since it was read is refused at the assignment", async () => {
  const { world, store, actorId, one, two } = await group();
  const caught: unknown[] = [];
  calls(async function* (player) {
    const { group } = player;
    const total = group.total;
    await door("wait").opened;
    try {
      group.total = total + 1;
    } catch (error) {
      caught.push(error);
      group.total = group.total + 1;
    }
    yield { 0: group.total };
  });
  const n = one.post(GO);
  await settle(world);
  await two.ask({ type: "do", add: 100 });
  door("wait").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(caught).toEqual([expect.any(StaleWrite)]);
  expect(String(caught[0])).toContain("slow: Group.total");
  expect(two.received.at(-1)).toBe(101);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 101 });
});

test("a stale write that nobody catches refuses the call, and the others' change stays", async () => {
  const { world, store, actorId, one, two } = await group();
  const n = one.post({ type: "once" });
  await settle(world);
  await two.ask({ type: "do", add: 100 });
  door("once").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)?.e).toMatchObject({
    code: "failed",
    retry: false,
    message: expect.stringContaining("Group.total"),
  });
  expect(await groupRow(store, actorId)).toMatchObject({ total: 100, other: 0 });
});

test("a stale write shows at the yield too, where it can be caught and decided anew", async () => {
  const { world, store, actorId, one, two } = await group();
  const caught: unknown[] = [];
  calls(async function* (player) {
    const { group } = player;
    for (;;) {
      group.total = group.total + 1;
      const item = Item.create({ player, value: group.total });
      if (caught.length === 0) await door("wait").opened;
      try {
        yield { 0: group.total };
        return;
      } catch (error) {
        caught.push(error);
        // What was written since the last yield is gone, also the row.
        expect(() => item.value).toThrow("deleted");
        expect(group.total).toBe(100);
        expect(Item.filter({ group })).toEqual([]);
      }
    }
  });
  const n = one.post(GO);
  await settle(world);
  await two.ask({ type: "do", add: 100 });
  door("wait").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)).toEqual({ c: one.clientId, n });
  expect(caught).toEqual([expect.any(StaleWrite)]);
  expect(two.received.at(-1)).toBe(101);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 101, extraCount: 1 });
  expect(await store.read.rows(at(Object.values(app.spec.extras), 0).table)).toMatchObject([{ n: 1, value: 101 }]);
});

test("a JSON field that was only read is not written back over what others did to it", async () => {
  const { world, store, actorId, one, two } = await group();
  calls(async function* (player) {
    const before = player.group.moves.length;
    await door("wait").opened;
    player.group.note = `saw ${before}`;
    yield { 0: player.group.moves };
  });
  const n = one.post(GO);
  await settle(world);
  await two.ask({ type: "do", push: 7 });
  door("wait").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)?.e).toBeUndefined();
  expect(one.received.at(-1)).toEqual([7]);
  expect(await groupRow(store, actorId)).toMatchObject({ moves: "[7]", note: "saw 0" });
});

test("a JSON field changed in place while others changed it is a stale write, not a lost one", async () => {
  const { world, store, actorId, one, two } = await group();
  const caught: unknown[] = [];
  calls(async function* (player) {
    player.group.moves.push(1);
    await door("wait").opened;
    try {
      player.group.moves.push(2);
      yield { 0: "not reached" };
    } catch (error) {
      caught.push(error);
    }
    try {
      yield { 0: "not sent" };
    } catch (error) {
      caught.push(error);
      player.group.moves.push(3);
      yield { 0: player.group.moves };
    }
  });
  const n = one.post(GO);
  await settle(world);
  await two.ask({ type: "do", push: 7 });
  door("wait").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)?.e).toBeUndefined();
  expect(caught).toEqual([expect.any(StaleWrite), expect.any(StaleWrite)]);
  expect(one.received.at(-1)).toEqual([7, 3]);
  expect(await groupRow(store, actorId)).toMatchObject({ moves: "[7,3]" });
});

test("a JSON value that is kept over a yield and changed again is stored again", async () => {
  const { store, actorId, one } = await group();
  calls(async function* (player) {
    const { moves } = player.group;
    moves.push(1);
    yield { 0: moves };
    moves.push(2);
    yield { 0: moves };
  });
  await one.ask(GO);
  expect(one.received).toEqual([[1], [1, 2]]);
  expect(await groupRow(store, actorId)).toMatchObject({ moves: "[1,2]" });
});

test("a message that failed, and a field written with its old value, make nobody's write stale", async () => {
  const { world, one, two } = await group();
  const n = one.post({ type: "once" });
  await settle(world);
  expect((await two.ask({ type: "do", add: 5, push: 1, fail: true })).e).toMatchObject({ code: "failed" });
  await two.ask({ type: "do", add: 0 });
  door("once").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)).toEqual({ c: one.clientId, n });
  expect(one.received.at(-1)).toEqual([1, 1]);
});

test("a row that others deleted is a stale write, not a lost one", async () => {
  const { world, one, two } = await group();
  calls(async function* (player) {
    const item = Item.create({ player, value: 1 });
    expect(() => item.n).toThrow("yield");
    yield undefined;
    expect(item.n).toBe(1);
    item.value = 2;
    await door("wait").opened;
    yield { 0: "not sent" };
  });
  const n = one.post(GO);
  await settle(world);
  await two.ask({ type: "do", remove: true });
  door("wait").open();
  await one.until(() => one.answerTo(n) !== undefined);
  expect(one.answerTo(n)?.e).toMatchObject({ code: "failed", message: expect.stringContaining("deleted") });
  expect(one.received).toEqual([{ total: 0, other: 0, moves: [], items: 0 }]);
});

test("a yield that is stored after a refused unit runs again on what is left, and is not taken for stale", async () => {
  const { world, store, actorId, one, two } = await group();
  calls(async function* (player) {
    const { total } = player.group;
    await door("wait").opened;
    player.group.total = total + 1;
    Item.create({ player, value: 1 });
    yield { 0: "through" };
    player.group.total = player.group.total + 1;
    return { 0: player.group.total };
  });
  const n = one.post(GO);
  await settle(world);
  const { commit } = store;
  let refuse = true;
  store.commit = async (units) => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const bad = units.some(({ entry }) => entry.kind === "message" && entry.participantId === two.participantId);
    if (bad && refuse) return { result: "data", error: new Error("no") };
    return commit.call(store, units);
  };
  const refused = two.ask({ type: "do", field: "other", add: 1 });
  door("wait").open();
  expect((await refused).e).toMatchObject({ code: "failed" });
  await one.until(() => one.answerTo(n) !== undefined);
  refuse = false;
  expect(one.answerTo(n)).toEqual({ c: one.clientId, n });
  expect(one.received).toEqual(["through", 2]);
  expect(await groupRow(store, actorId)).toMatchObject({ total: 2, other: 0, extraCount: 1 });
});

test("what a call read of a unit that was taken back is never sent or stored", async () => {
  const { world, store, actorId, one, two } = await group();
  const caught: unknown[] = [];
  calls(async function* (player) {
    await door("wait").opened;
    for (;;) {
      try {
        yield { 0: [player.group.other, Item.filter({ group: player.group }).length] };
        return;
      } catch (error) {
        caught.push(error);
      }
    }
  });
  const n = one.post(GO);
  await two.ask({ type: "do" });
  await settle(world);
  const { commit } = store;
  store.commit = async (units) => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const bad = units.some(({ entry }) => entry.kind === "message" && entry.participantId === two.participantId);
    return bad ? { result: "data", error: new Error("no") } : commit.call(store, units);
  };
  const refused = two.ask({ type: "do", field: "other", add: 77 });
  door("wait").open();
  expect((await refused).e).toMatchObject({ code: "failed" });
  await one.until(() => one.answerTo(n) !== undefined);
  expect(caught).toHaveLength(1);
  expect(one.received.slice(1)).toEqual([[0, 0]]);
  expect(await groupRow(store, actorId)).toMatchObject({ other: 0 });
});
