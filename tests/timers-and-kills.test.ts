import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { sqliteConnection, sqliteSource } from "../entities/data-source.ts";
import { makeSession } from "./helpers/http.ts";
import type { Order } from "./helpers/ledger/apps/alarm/index.ts";
import type { Query, Row } from "./helpers/ledger.ts";
import { LedgerProcess } from "./helpers/ledger-process.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";
import { Road } from "./helpers/road.ts";

/** Real server processes, killed while timers are pending, with a way to them that stays. */
let query: Query;
let servers: LedgerProcess[];
let road: Road;
let participants: HeadlessParticipant[];

async function start(env: Record<string, string>): Promise<LedgerProcess> {
  const server = await LedgerProcess.start(env);
  servers.push(server);
  return server;
}

beforeEach(() => {
  servers = [];
  participants = [];
});
afterEach(async () => {
  for (const participant of participants) participant.close();
  await road.close();
  await Promise.all(servers.map((server) => server.stop()));
});

async function kill(server: LedgerProcess): Promise<void> {
  server.signal("SIGKILL");
  while (server.isRunning) await sleep(5);
}

/** A session of two groups; gives one participant of each. */
async function openGroups(): Promise<[HeadlessParticipant, HeadlessParticipant]> {
  const session = await makeSession(road.base, "alarms");
  for (const code of session.participants) {
    participants.push(await HeadlessParticipant.open(`${road.base}/InitializeParticipant/${code}`));
  }
  return [participants[0], participants[2]] as [HeadlessParticipant, HeadlessParticipant];
}

/** Labels `<name><i>`, spread over some seconds. */
function spread(name: string, count: number, seconds: number): Order {
  const list = Array.from({ length: count }, (_, i): [string, number] => [`${name}${i}`, ((i + 1) / count) * seconds]);
  return { seconds: Object.fromEntries(list) };
}

async function ringsUntil(isEnough: (rings: Row[]) => boolean): Promise<Row[]> {
  for (const end = Date.now() + 40_000; ; await sleep(50)) {
    const rings = await query("select * from alarm_ring order by actor_id, number");
    if (isEnough(rings)) return rings;
    if (Date.now() > end) throw new Error(`only ${rings.length} rings`);
  }
}

/** Each deadline once, in order, never early, numbered without a hole; those that rang once are not pending. */
async function expectWhole(rings: readonly Row[]): Promise<void> {
  for (const group of Map.groupBy(rings, (ring) => ring.actor_id).values()) {
    expect(group.map(({ number }) => Number(number))).toEqual(group.map((_, i) => i + 1));
    const once = group.filter(({ label }) => !String(label).startsWith("every"));
    expect(once.map(({ due }) => Number(due))).toEqual(once.map(({ due }) => Number(due)).sort((a, b) => a - b));
    expect(new Set(once.map(({ label }) => label)).size).toBe(once.length);
    for (const { due, fired } of group) expect(Number(fired)).toBeGreaterThanOrEqual(Number(due));
    const ticks = group.filter(({ label }) => label === "every");
    for (const [i, tick] of ticks.entries()) {
      const next = ticks[i + 1];
      if (next !== undefined) expect(Number(next.due) - Number(tick.due)).toBe(100 * (1 + Number(tick.missed)));
    }
  }
  const pending = await query("select payload from timer");
  for (const { payload } of pending) expect(payload).toBe('"every"');
}

describe("on SQLite", () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "walras-timers-"));
    query = async (sql) => {
      const source = await sqliteSource(join(directory, "db.sqlite3"), [], { role: "reader" }).initialize();
      try {
        return sqliteConnection(source).prepare(sql).all() as Row[];
      } finally {
        await source.destroy();
      }
    };
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("servers are killed again and again: each timer fires once, and who is there hears each once", async () => {
    const env = { WALRAS_DB: join(directory, "db.sqlite3") };
    let server = await start(env);
    road = await Road.to(server.port);
    const [one, two] = await openGroups();
    await one.send({ seconds: { every: 0.1 }, every: true } satisfies Order);
    await one.send(spread("a", 40, 3.5));
    await two.send(spread("b", 40, 3.5));
    for (let kills = 0; kills < 3; kills++) {
      await sleep(400 + 100 * kills);
      await kill(server);
      server = await start(env);
      road.redirect(server.port);
    }
    const labels = (rings: Row[]) => rings.filter(({ label }) => label !== "every").length;
    const rings = await ringsUntil((all) => labels(all) >= 80);
    await expectWhole(rings);
    expect(rings.some(({ missed }) => Number(missed) > 0)).toBe(true);
    for (const participant of [one, two]) {
      const heard = () => participant.received.map(({ data }) => data as { n: number; label: string });
      await participant.until(() => heard().filter(({ label }) => label !== "every").length >= 40, 20_000);
      expect(heard().map(({ n }) => n)).toEqual(heard().map((_, i) => i + 1));
      expect(participant.reloadRequests).toBe(0);
    }
  });

  test("with no browser open and no group loaded, a server that starts fires what is overdue and what comes", async () => {
    const env = { WALRAS_DB: join(directory, "db.sqlite3") };
    const first = await start(env);
    road = await Road.to(first.port);
    const [one, two] = await openGroups();
    await one.send(spread("a", 10, 2));
    await two.send(spread("b", 10, 3));
    for (const participant of participants) participant.close();
    await kill(first);
    await sleep(800);
    await start(env);
    const rings = await ringsUntil((all) => all.length >= 20);
    await expectWhole(rings);
  });
});

describe("on PostgreSQL", () => {
  let postgres: TestPostgres;

  beforeEach(async () => {
    postgres = await startPostgres();
  });
  afterEach(() => postgres.stop());

  test("of two servers the one that has the group fires; when it is killed, the other takes over what is overdue", async () => {
    const url = await postgres.database();
    query = (sql) => postgres.query(sql, url);
    const a = await start({ DATABASE_URL: url });
    await start({ DATABASE_URL: url });
    road = await Road.to(a.port);
    const [one, two] = await openGroups();
    await one.send(spread("a", 30, 1));
    await two.send(spread("b", 30, 1));
    await one.send({ seconds: { late: 2 } } satisfies Order);
    for (const participant of participants) participant.close();
    await ringsUntil((all) => all.length >= 60);
    // Both have been there all the time, and no group has changed hands.
    const writers = await query("select actor_id, count(distinct writer) as n from journal group by actor_id");
    expect(writers.map(({ n }) => Number(n))).toEqual([1, 1]);
    await kill(a);
    const rings = await ringsUntil((all) => all.length >= 61);
    await expectWhole(rings);
    const takenOver = await query("select actor_id from journal group by actor_id having count(distinct writer) > 1");
    expect(takenOver).toHaveLength(1);
  });
});
