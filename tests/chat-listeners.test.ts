import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import type { ChatFrame } from "../client-sdk/protocol.ts";
import type { Values } from "../entities/tables.ts";
import type { Actor } from "../rooms/actor.ts";
import { chatSeal } from "../rooms/chat-seal.ts";
import { Chats } from "../rooms/chats.ts";
import type { Connection } from "../rooms/gate.ts";
import { MemoryLog } from "./helpers/world.ts";

const seal = chatSeal("secret");
const place = { participantId: 1, page: "talk/1/Talk", channel: "1-talk-x", nickname: "Ann" };

/** A channel in which groups 5 and 6 write, and the database that it is read from. */
function stage() {
  const rows: Values[] = [];
  const faults = { failing: 0 };
  const waiting: (() => void)[] = [];
  const read = {
    chatHeads: async () => {
      if (faults.failing-- > 0) throw new Error("the database is away");
      const newest = new Map<number, number>();
      for (const { actorId, n } of rows) newest.set(Number(actorId), Number(n));
      return [...newest].map(([actorId, n]) => ({ channel: place.channel, actorId, n }));
    },
    chatMessages: async (_channel: string, after: ReadonlyMap<number, number>) => {
      if (faults.failing-- > 0) throw new Error("the database is away");
      return rows.filter(({ actorId, n }) => Number(n) > (after.get(Number(actorId)) ?? Number.POSITIVE_INFINITY));
    },
  };
  const log = new MemoryLog();
  const chats = new Chats({ seal, read, log, sleep: () => sleep(1), after: (_ms, run) => waiting.push(run) });
  const write = (actorId: number, isTold = true): void => {
    const n = rows.filter((row) => row.actorId === actorId).length + 1;
    rows.push({
      actorId,
      n,
      participantId: 1,
      channel: place.channel,
      nickname: "Ann",
      body: `${actorId}.${n}`,
      at: n,
    });
    if (isTold) chats.posted(place.channel, actorId);
  };
  const listen = (seen: Record<string, number> = {}, page = { buffered: 0, at: place.page }) => {
    const told: string[] = [];
    let drops = 0;
    const connection = { participantId: 1, ...page } as unknown as Connection;
    const pass = (_to: Connection, json: string) => {
      for (const { text } of (JSON.parse(json) as ChatFrame).m) told.push(text);
    };
    const gate = { pass, drop: () => void drops++ };
    const actor = { dead: false, pageOf: () => page.at, gate } as unknown as Actor;
    chats.listen({ connection, actor, box: 0, place, seen });
    return { told, connection, drops: () => drops };
  };
  return { chats, write, listen, faults, waiting };
}

test("a reading that fails is made up for, and nothing is told twice", async () => {
  const { write, listen, faults, waiting } = stage();
  write(5);
  const page = listen();
  await sleep(5);
  faults.failing = 2;
  write(5);
  write(6);
  await sleep(5);
  expect(page.told).toEqual(["5.1"]);
  for (const again of waiting.splice(0)) again();
  write(5);
  await sleep(5);
  expect(page.told.toSorted()).toEqual(["5.1", "5.2", "5.3", "6.1"]);
  // Who comes while nothing can be read comes back.
  faults.failing = 1;
  const other = listen();
  await sleep(5);
  expect([other.told, other.drops()]).toEqual([[], 1]);
});

test("a page that comes back gets what it does not have, of each group; what other servers have stored is found by a look", async () => {
  const { chats, write, listen } = stage();
  for (const group of [5, 6, 5, 6, 5]) write(group);
  const page = listen({ [seal.source(5)]: 2, [seal.source(6)]: 1 });
  await sleep(5);
  expect(page.told).toEqual(["6.2", "5.3"]);
  write(6, false);
  await sleep(5);
  expect(page.told).toHaveLength(2);
  await chats.poll();
  await sleep(5);
  expect(page.told).toEqual(["6.2", "5.3", "6.3"]);
});

test("a slow page keeps nobody waiting and loses nothing; one that was left is told nothing more", async () => {
  const { chats, write, listen } = stage();
  for (let i = 0; i < 250; i++) write(5);
  const buffer = { buffered: 10_000_000, at: place.page };
  const slow = listen({}, buffer);
  Object.defineProperty(slow.connection, "buffered", { get: () => buffer.buffered });
  const quick = listen();
  await sleep(5);
  write(6);
  await sleep(5);
  expect([slow.told.length, quick.told.length]).toEqual([0, 251]);
  buffer.buffered = 0;
  await sleep(10);
  expect(new Set(slow.told).size).toBe(251);
  expect(slow.told).toHaveLength(251);

  const where = { buffered: 0, at: place.page };
  const left = listen({ [seal.source(5)]: 250, [seal.source(6)]: 1 }, where);
  await sleep(5);
  where.at = "talk/1/Game";
  write(6);
  await sleep(5);
  expect([left.told, left.drops()]).toEqual([[], 1]);
  chats.leave(quick.connection);
  write(6);
  await sleep(5);
  expect(quick.told).toHaveLength(252);
});
