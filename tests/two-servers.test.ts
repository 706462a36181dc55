import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import type { MonitorAnswer, MonitorRow } from "../client-sdk/monitor/rows.ts";
import { startDemoSession } from "./helpers/browser.ts";
import { expectWhole, openGroups, type Query, type Teller } from "./helpers/ledger.ts";
import { LedgerProcess } from "./helpers/ledger-process.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";
import { Road } from "./helpers/road.ts";

/**
 * Two server processes on one PostgreSQL, which know nothing of each other. Participants come to one
 * or the other as a load balancer would send them.
 */
let postgres: TestPostgres;
let query: Query;
let a: LedgerProcess;
let b: LedgerProcess;
let roads: Road[] = [];
let tellers: Teller[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
});
beforeEach(async () => {
  const url = await postgres.database();
  query = (sql) => postgres.query(sql, url);
  // One after the other: the first makes the tables.
  a = await LedgerProcess.start({ DATABASE_URL: url });
  b = await LedgerProcess.start({ DATABASE_URL: url });
});
afterEach(async () => {
  for (const teller of tellers) teller.client.close();
  for (const road of roads) await road.close();
  tellers = [];
  roads = [];
  await Promise.all([a.stop(), b.stop()]);
});
afterAll(() => postgres.stop());

async function roadTo(server: LedgerProcess): Promise<Road> {
  const road = await Road.to(server.port);
  roads.push(road);
  return road;
}

async function settle(groups: Teller[][]): Promise<void> {
  await Promise.all(groups.map((group) => Promise.all(group.map((teller) => teller.settled(group)))));
}

/** How often a group changed hands, from its journal: the writers in the order of their entries. */
async function turnsOf(group: Teller[]): Promise<string[]> {
  const rows = await query(
    `select j.writer from journal j where j.actor_id =
      (select actor_id from ledger_line where text like '${group[0]?.name} %' limit 1) order by j.seq`,
  );
  const writers = rows.map((row) => String(row.writer));
  return writers.filter((writer, i) => writer !== writers[i - 1]);
}

test("a server stands still, another takes its groups over, and it wakes up: one of them wrote, everybody goes on", async () => {
  const movers = await roadTo(a);
  const stayers = await roadTo(a);
  // The first of each group comes over when the server stands still; the second stays with it and goes on
  // talking; the third stays with it and only listens.
  const groups = await openGroups(movers.base, "two_groups", {
    roadOf: (name) => (name.endsWith("p1") ? movers : stayers).base,
  });
  tellers = groups.flat();
  let isOn = true;
  const talkers = tellers.filter(({ name }) => !name.endsWith("p3"));
  const load = Promise.all(talkers.map((teller) => teller.chatter(8, () => isOn)));
  await Promise.all(tellers.map(({ client, heard }) => client.until(() => heard.length >= 60)));

  a.signal("SIGSTOP");
  for (const road of [movers, stayers]) road.redirect(b.port);
  movers.cut();
  const moved = tellers.filter(({ name }) => name.endsWith("p1"));
  const before = moved.map(({ done }) => done.size);
  await Promise.all(moved.map(({ client, done }, i) => client.until(() => done.size > (before[i] ?? 0) + 20, 15_000)));
  a.signal("SIGCONT");
  // What the stayers sent to the first server meanwhile, it now tries to write.
  const heard = tellers.map((teller) => teller.heard.length);
  await Promise.all(
    tellers.map(({ client, heard: now }, i) => client.until(() => now.length > (heard[i] ?? 0) + 60, 20_000)),
  );
  isOn = false;
  await load;
  await settle(groups);
  await expectWhole(groups, query);
  for (const group of groups) expect(await turnsOf(group)).toHaveLength(2);
  expect(a.output).toContain("another server has taken the group over");
  expect([a.isRunning, b.isRunning]).toEqual([true, true]);
});

test("the group moves away from those who only listen: their server notices, and they hear everything", async () => {
  const mover = await roadTo(a);
  const listeners = await roadTo(a);
  const groups = await openGroups(mover.base, "one_group", {
    roadOf: (name) => (name.endsWith("p1") ? mover : listeners).base,
  });
  tellers = groups.flat();
  const [talker] = tellers;
  await Promise.all(tellers.map(({ client }) => client.until(() => client.status === "open")));
  for (const road of [mover, listeners]) road.redirect(b.port);
  mover.cut();
  for (let i = 0; i < 50; i++) talker?.say();
  await settle(groups);
  await expectWhole(groups, query);
  expect(await turnsOf(tellers)).toHaveLength(2);
  expect(a.output).toContain("another server has taken the group over");
});

test("a server that has a group in memory from earlier, and no sockets there, shows nobody how things were", async () => {
  const groups = await openGroups(a.base, "one_group");
  tellers = groups.flat();
  const urls = tellers.map(({ client }) => client.page.url);
  for (const { client } of tellers) client.close();
  const [url = ""] = urls;
  // They move on at the other server, and come by the first again.
  const person = await HeadlessParticipant.open(url.replace(a.base, b.base));
  await person.submit();
  expect(person.page.title).toBe("Done");
  await person.reload(url);
  expect(person.page).toMatchObject({ status: 200, title: "Done" });
  person.close();
});

test("two servers serve the same group at once: it goes to and fro between them, and nothing is lost or doubled", async () => {
  const left = await roadTo(a);
  const right = await roadTo(b);
  const groups = await openGroups(left.base, "one_group", {
    roadOf: (name) => (name.endsWith("p1") ? left : right).base,
  });
  tellers = groups.flat();
  await Promise.all(
    tellers.map(async (teller) => {
      for (let i = 0; i < 100; i++) {
        teller.say();
        await sleep(20);
      }
    }),
  );
  await settle(groups);
  await expectWhole(groups, query);
  const turns = await turnsOf(groups[0] ?? []);
  expect(turns.length).toBeGreaterThan(2);
  // Each incarnation had its turn once: who lost the group did not write again.
  expect(new Set(turns).size).toBe(turns.length);
  expect([a.isRunning, b.isRunning]).toEqual([true, true]);
});

test("a session that is played on one server can be watched, and helped on, from the other", async () => {
  const { sessionUrl, links } = await startDemoSession(a.base, "one_group");
  const code = sessionUrl.split("/").at(-1);
  const person: HeadlessParticipant = await HeadlessParticipant.open(links[0] as string, {
    onReload: () => void person.reload(links[0]).catch(() => {}),
  });
  const seen = async (): Promise<MonitorRow> => {
    const { rows }: MonitorAnswer = await (await fetch(`${b.base}/SessionMonitor/${code}/changes`)).json();
    return rows[0] as MonitorRow;
  };
  while ((await seen()).connected !== true) await sleep(50);
  const { page, index } = await seen();
  expect(person.page.url).toMatch(new RegExp(`/${page}/${index}$`));
  const response = await fetch(`${b.base}/AdvanceSession/${code}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ who: [[1, index]] }),
  });
  expect(await response.json()).toEqual({ done: [{ ok: true, text: expect.stringContaining("P1 was moved on") }] });
  // The first server notices that the group is no longer its own, and the page that is open there loads again.
  const before = person.page.url;
  while (person.page.url === before) await sleep(50);
  expect((await seen()).index).toBe(index + 1);
  person.close();
});
