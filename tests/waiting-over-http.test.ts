import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { openStore } from "../entities/open-store.ts";
import { JournalTable, ParticipantTable } from "../entities/system-tables.ts";
import { startDemoSession } from "./helpers/browser.ts";
import { LedgerProcess } from "./helpers/ledger-process.ts";
import crowd from "./helpers/waiting/apps/crowd/index.ts";
import steps from "./helpers/waiting/apps/steps/index.ts";

let directory: string;
let server: LedgerProcess;
const env = () => ({ WALRAS_DB: join(directory, "db.sqlite3") });

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "walras-waiting-"));
  server = await LedgerProcess.start(env(), "waiting");
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Reads the database after the server has stopped. */
async function stored<T>(read: (store: Awaited<ReturnType<typeof openStore>>) => Promise<T>): Promise<T> {
  const store = await openStore({ file: join(directory, "db.sqlite3"), apps: [crowd.spec, steps.spec] });
  try {
    return await read(store);
  } finally {
    await store.close();
  }
}

test("200 participants who come at the same moment make 50 groups of 4, with nobody in two and nobody left", async () => {
  const { links } = await startDemoSession(server.base, "crowd");
  expect(links).toHaveLength(200);
  const people = await Promise.all(
    links.map(async (link) => {
      const person: HeadlessParticipant = await HeadlessParticipant.open(link, {
        onReload: () => void person.reload().catch(() => {}),
      });
      return person;
    }),
  );
  const groups = new Map<number, number[]>();
  for (const person of people) {
    while (!person.page.url.includes("/Play/")) await sleep(20);
    const facts = /id="walras-bot">(.*?)<\/script>/s.exec(person.page.html)?.[1] ?? "{}";
    const { group, idInGroup } = JSON.parse(facts) as { group: number; idInGroup: number };
    groups.set(group, [...(groups.get(group) ?? []), idInGroup]);
  }
  for (const person of people) person.close();
  expect(groups.size).toBe(50);
  for (const members of groups.values()) expect(members.toSorted()).toEqual([1, 2, 3, 4]);

  await server.stop();
  const rows = await stored((store) => store.read.rows(crowd.spec.group.table));
  const formed = rows.filter((row) => row.idInSubsession !== 0);
  expect(formed.filter((row) => row.roundNumber === 1).map((row) => row.runs)).toEqual(Array(50).fill(1));
  expect(formed).toHaveLength(100);
  const players = await stored((store) => store.read.rows(crowd.spec.player.table));
  const lobbies = new Set(rows.filter((row) => row.idInSubsession === 0).map((row) => row.id));
  expect(players.filter((player) => lobbies.has(player.groupId ?? null))).toEqual([]);
  server = await LedgerProcess.start(env(), "waiting");
});

/** Walks a participant through all pages, through every fall of the server. */
async function walk(link: string): Promise<void> {
  const path = new URL(link).pathname;
  let at = path;
  while (!at.includes("OutOfRange")) {
    try {
      const isForm = at.includes("/Give/");
      const response = await fetch(server.base + at, isForm ? { method: "POST", body: new URLSearchParams() } : {});
      await response.text();
      const next = new URL(response.url).pathname;
      // A wait page, or a server that is coming back: look again in a moment.
      if (!response.ok || next === at) await sleep(25);
      if (response.ok) at = next;
    } catch {
      await sleep(50);
      // Whether the last request was carried out is not known: the link leads to where they are.
      at = path;
    }
  }
}

test("through kill -9 everybody is on one page, and each function of a wait page takes effect once", async () => {
  const { links } = await startDemoSession(server.base, "steps");
  const walks = links.map(walk);
  let over = false;
  const all = Promise.all(walks).then(() => {
    over = true;
  });
  let kills = 0;
  for (; !over && kills < 3; kills++) {
    await sleep(120 + 90 * kills);
    if (over) break;
    server.signal("SIGKILL");
    while (server.isRunning) await sleep(5);
    server = await LedgerProcess.start(env(), "waiting");
  }
  await all;
  expect(kills).toBeGreaterThan(1);
  await server.stop();
  await stored(async (store) => {
    const groups = await store.read.rows(steps.spec.group.table);
    expect(groups).toHaveLength(16);
    for (const group of groups) {
      expect([group.met, group.together]).toEqual([1, 1]);
    }
    // A form that was posted again, because its answer was lost, counts once as well.
    const players = await store.read.rows(steps.spec.player.table);
    expect(players.map((player) => player.given)).toEqual(Array(48).fill(1));
    expect(groups.map((group) => group.sum)).toEqual(Array(16).fill(3));
    expect(await store.read.rows(steps.spec.extras.Mark?.table as never)).toHaveLength(48);
    const sessionId = groups[0]?.sessionId as number;
    const people = await store.read.rows(ParticipantTable, { sessionId });
    expect(people.map((person) => person.pageIndex)).toEqual(Array(12).fill(13));
    for (const kind of ["wait", "barrier"]) {
      const entries = await store.read.rows(JournalTable, { kind });
      const own = entries.filter((entry) => entry.page?.toString().startsWith("steps/"));
      const keys = own.map((entry) => `${entry.actorId}/${entry.page}`);
      expect([keys.length, new Set(keys).size]).toEqual([16, 16]);
    }
  });
  server = await LedgerProcess.start(env(), "waiting");
});
