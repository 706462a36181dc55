import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { OUTBOX_FIELD } from "../client-sdk/protocol.ts";
import { type SqliteConnection, sqliteConnection, sqliteSource } from "../entities/data-source.ts";
import type { Faults } from "../entities/faults.ts";
import type { Game } from "../rooms/calls.ts";
import { readSettings } from "../server/config.ts";
import { makeLog } from "../server/log.ts";
import { serve } from "../server/serve.ts";
import { ask } from "./helpers/http.ts";
import { expectWhole, openGroups, type Query, type Teller } from "./helpers/ledger.ts";
import { LedgerProcess } from "./helpers/ledger-process.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";

/**
 * The store goes away under load, and comes back: the whole server, real participants, and a database
 * that really refuses. Nobody restarts anything.
 */
let folder: string;
let ends: (() => Promise<unknown>)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "walras-storage-"));
});
afterEach(async () => {
  const now = ends.reverse();
  ends = [];
  for (const end of now) await end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Stage {
  readonly base: string;
  readonly groups: Teller[][];
  /** What the server has logged. */
  lines(): string[];
}

let servers = 0;

/** The server with its defaults, but for the speed at which participants may talk. */
async function start(
  database: Record<string, string>,
  faults: Faults,
  onHear: (heard: { text: string }) => void = () => {},
): Promise<Stage> {
  const settings = readSettings({
    PORT: "0",
    HOST: "127.0.0.1",
    WALRAS_RATE: "10000",
    WALRAS_BURST: "10000",
    ...database,
  });
  const lines: string[] = [];
  const game: Game = await serve(
    join(import.meta.dirname, "helpers/ledger"),
    settings,
    makeLog((line) => lines.push(line)),
    faults,
  );
  ends.push(() => game.stop());
  const base = `http://127.0.0.1:${game.port}`;
  const groups = await openGroups(base, "two_groups", { onHear });
  ends.push(async () => {
    for (const teller of groups.flat()) teller.client.close();
  });
  return { base, groups, lines: () => lines };
}

async function health(base: string): Promise<{ status: number; halted: string | null }> {
  const { status, text } = await ask(`${base}/health`);
  return { status, halted: JSON.parse(text).halted };
}

/** Looks until something is so. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error("It did not come to be so.");
    await sleep(20);
  }
}

interface Trouble {
  /** What /health says of it. */
  readonly reason: RegExp;
  begin(): Promise<void> | void;
  end(): Promise<void> | void;
  readonly query: Query;
}

/** Plays through a trouble of the store, and looks at everything that participants see of it. */
async function playThrough({ base, groups, lines }: Stage, { reason, begin, end, query }: Trouble): Promise<void> {
  const tellers = groups.flat();
  let isOn = true;
  const load = Promise.all(tellers.map((teller) => teller.chatter(8, () => isOn)));
  await Promise.all(tellers.map(({ client, heard }) => client.until(() => heard.length >= 30)));

  await begin();
  await eventually(async () => (await health(base)).status === 503);
  expect((await health(base)).halted).toMatch(reason);
  await Promise.all(tellers.map(({ client }) => client.until(() => client.status === "halted")));
  const seen = tellers.map(({ heard, done }) => ({ heard: heard.length, done: done.size }));
  const texts = new Set(tellers.flatMap(({ heard, done }) => [...heard.map(({ text }) => text), ...done]));

  // Pages, forms, seats and the desk are told to come back, and what a form carries is not half done.
  const { url } = tellers[0]?.client.page ?? { url: "" };
  const outbox = JSON.stringify([{ k: "send", c: "of_the_form", n: 1, p: "ledger/1/Talk", d: { text: "form" } }]);
  const answers = await Promise.all([
    ask(url),
    ask(url, { form: { [OUTBOX_FIELD]: outbox } }),
    ask(`${url}/seat`, { method: "POST" }),
    ask(`${base}/demo/one_group`, { method: "POST" }),
  ]);
  for (const { status, headers, text } of answers) {
    expect([status, headers["retry-after"]]).toEqual([503, "2"]);
    expect(text).not.toMatch(/sqlite|postgres|ECONN|stack/i);
  }

  // More than one probe later: everything is kept, nothing moves, nobody is turned away.
  await sleep(1500);
  expect(tellers.map(({ heard, done }) => ({ heard: heard.length, done: done.size }))).toEqual(seen);
  for (const { client, refused } of tellers) {
    expect(client.status).toBe("halted");
    expect(client.unanswered).toBeGreaterThan(0);
    expect(refused).toEqual([]);
  }

  await end();
  const stored = new Set((await query("select text from ledger_line")).map((row) => row.text));
  expect([...texts].filter((text) => !stored.has(text))).toEqual([]);
  await eventually(async () => (await health(base)).status === 200);
  await Promise.all(tellers.map(({ client }) => client.until(() => client.status === "open")));
  isOn = false;
  await load;
  await Promise.all(groups.map((group) => Promise.all(group.map((teller) => teller.settled(group)))));
  await expectWhole(groups, query);
  expect(await query("select id from session")).toHaveLength(1);

  // And pages are served as before.
  await tellers[0]?.client.submit();
  expect(tellers[0]?.client.page).toMatchObject({ status: 200, title: "Done" });
  expect(lines().filter((line) => / error /.test(line) && !/does not take writes/.test(line))).toEqual([]);
}

describe("on sqlite", () => {
  /** A file, the statements of its live writing connection, and another connection to look and to lock with. */
  async function sqlite() {
    const file = join(folder, `${++servers}.sqlite3`);
    let live: (sql: string) => unknown = () => {};
    let trouble: string | undefined;
    const levels: unknown[] = [];
    const faults: Faults = {
      connected(run) {
        live = run;
        // better-sqlite3 gives its connection back: the one that commits.
        levels.push((run("select 1") as SqliteConnection).pragma("synchronous", { simple: true }));
        if (trouble !== undefined) run(trouble);
      },
    };
    const connect = async (): Promise<SqliteConnection> => {
      const source = sqliteSource(file, [], { role: "writer" });
      await source.initialize();
      ends.push(() => source.destroy());
      return sqliteConnection(source);
    };
    let other: SqliteConnection | undefined;
    const unstored: string[] = [];
    return {
      database: { WALRAS_DB: file },
      faults,
      levels,
      unstored,
      connect,
      /** A statement on the live connection, and on each that follows it. */
      inflict(sql: string) {
        trouble = sql;
        live(sql);
      },
      relieve() {
        trouble = undefined;
      },
      async watch() {
        other = await connect();
      },
      query: async (sql: string) => (other ?? (await connect())).prepare(sql).all(),
      /** Looks through the other connection, at the very moment at which somebody hears something. */
      onHear({ text }: { text: string }) {
        const found = other?.prepare("select 1 from ledger_line where text = ?").all(text) ?? [1];
        if (found.length !== 1) unstored.push(text);
      },
    };
  }

  test.each([
    ["the disk is full", "pragma max_page_count = 1", /full/],
    ["the file has become read-only", "pragma query_only = 1", /readonly/],
  ])("%s: everybody is told, nothing is lost, and it goes on by itself", async (_name, statement, reason) => {
    const db = await sqlite();
    const stage = await start(db.database, db.faults, db.onHear);
    await db.watch();
    await playThrough(stage, { reason, begin: () => db.inflict(statement), end: db.relieve, query: db.query });
    expect(db.unstored).toEqual([]);
    // FULL, on the first connection and on those that came after the trouble.
    expect(db.levels.length).toBeGreaterThan(1);
    expect(new Set(db.levels)).toEqual(new Set([2]));
  });

  test("another program locks the file: everybody is told, nothing is lost, and it goes on by itself", async () => {
    const db = await sqlite();
    const stage = await start(db.database, db.faults, db.onHear);
    await db.watch();
    const intruder = await db.connect();
    await playThrough(stage, {
      reason: /locked/,
      begin: () => void intruder.exec("begin immediate"),
      end: () => void intruder.exec("rollback"),
      query: db.query,
    });
    expect(db.unstored).toEqual([]);
    expect(new Set(db.levels)).toEqual(new Set([2]));
  });

  test("the answers to commits are lost now and then: they are looked up, and nobody notices", async () => {
    const db = await sqlite();
    let commits = 0;
    let isBad = false;
    let cuts = 0;
    const faults: Faults = {
      ...db.faults,
      beforeCommit() {
        commits += 1;
        if (isBad && commits % 40 === 0)
          throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC" });
      },
      afterCommit() {
        if (!isBad || commits % 10 !== 5) return;
        cuts += 1;
        throw new Error("cut");
      },
    };
    const { groups } = await start(db.database, faults, db.onHear);
    await db.watch();
    isBad = true;
    const tellers = groups.flat();
    await Promise.all(
      tellers.map(async (teller) => {
        // On a slow machine more of them go into one commit.
        for (let i = 0; i < 60 || (cuts < 4 && i < 2000); i++) {
          teller.say();
          await sleep(5);
        }
      }),
    );
    await Promise.all(groups.map((group) => Promise.all(group.map((teller) => teller.settled(group)))));
    expect(cuts).toBeGreaterThan(3);
    expect(db.unstored).toEqual([]);
    await expectWhole(groups, db.query);
  });
});

// Where a running process can be given limits from outside.
if (process.platform === "linux") {
  test("no file of a server can grow any more, which shows in COMMIT: it says so, and goes on by itself", async () => {
    const file = join(folder, "limited.sqlite3");
    const server = await LedgerProcess.start({ WALRAS_DB: file });
    ends.push(() => server.stop());
    const limit = (bytes: number | "unlimited") =>
      execFileSync("prlimit", ["--pid", String(server.pid), `--fsize=${bytes}:unlimited`]);
    const groups = await openGroups(server.base, "two_groups");
    ends.push(async () => {
      for (const teller of groups.flat()) teller.client.close();
    });
    await playThrough(
      { base: server.base, groups, lines: () => server.output.split("\n") },
      {
        reason: /disk I\/O error|full/,
        begin: () => void limit(statSync(`${file}-wal`).size),
        end: () => void limit("unlimited"),
        // This process has no connection to the file but this one, and shares no lock with the server.
        async query(sql) {
          const db = new DatabaseSync(file, { readOnly: true });
          try {
            return db.prepare(sql).all();
          } finally {
            db.close();
          }
        },
      },
    );
  });
}

describe("on postgres", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());

  test("the server is shut down and started again: everybody is told, nothing is lost, and it goes on by itself", async () => {
    const url = await postgres.database();
    const stage = await start({ DATABASE_URL: url }, {});
    await playThrough(stage, {
      reason: /terminat|ECONN|EPIPE|connect|shutting down/i,
      begin: () => postgres.halt(),
      end: () => postgres.start(),
      query: (sql) => postgres.query(sql, url),
    });
  });
});
