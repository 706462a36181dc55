import { describe, expect, test } from "@jest/globals";
import type { AppSpec } from "../entities/app-spec.ts";
import { sqliteConnection, sqliteSource } from "../entities/data-source.ts";
import { type DatabaseOptions, openStore } from "../entities/open-store.ts";
import { resetDatabase } from "../entities/reset-database.ts";
import { createSession } from "../entities/sessions.ts";
import type { Store } from "../entities/store.ts";
import { forEachStore } from "./helpers/stores.ts";
import { type TestAppOptions, testApp } from "./helpers/test-app.ts";

const base: TestAppOptions = {
  group: { highestBid: "currency" },
  player: { valuation: "currency", comment: "text" },
  bid: { amount: "currency" },
};

forEachStore((kit) => {
  /** A database with one session of an app. */
  async function used(app: AppSpec): Promise<DatabaseOptions> {
    const place = await kit.fresh();
    const store = await openStore({ ...place, apps: [app] });
    await play(store, app);
    await store.close();
    return place;
  }

  function play(store: Store, app: AppSpec) {
    const config = { name: "demo", appSequence: [app.name] };
    const apps = new Map([[app.name, app]]);
    return store.transact((write) =>
      createSession(write, { config, apps, participants: 2, isDemo: true, now: 1, decimals: 2 }),
    );
  }

  /** Changes with every change of the schema. */
  async function fingerprint(place: DatabaseOptions): Promise<unknown> {
    if (kit.dialect === "postgres") {
      const rows = ["pg_class where relnamespace", "pg_constraint where connamespace"].map((catalog) => {
        const sql = `select oid, xmin::text from ${catalog} = current_schema()::regnamespace order by oid`;
        return kit.server().query(sql, place.databaseUrl);
      });
      return Promise.all(rows);
    }
    const source = sqliteSource(String(place.file), [], { role: "reader" });
    await source.initialize();
    const version = sqliteConnection(source).pragma("schema_version", { simple: true });
    await source.destroy();
    return version;
  }

  test("opening again changes nothing", async () => {
    const place = await used(testApp(base));
    const before = await fingerprint(place);
    const store = await openStore({ ...place, apps: [testApp(base)] });
    expect(await store.read.sessions(10)).toHaveLength(1);
    await store.close();
    expect(await fingerprint(place)).toEqual(before);
    const changed = await openStore({ ...place, apps: [testApp({ ...base, bid: { ...base.bid, note: "text" } })] });
    await changed.close();
    expect(await fingerprint(place)).not.toEqual(before);
  });

  test("a new column is there, with its initial value in old rows and null without one", async () => {
    const place = await used(testApp(base));
    const player = { ...base.player, score: "integer", ready: "boolean", note: "longText", motto: "text" } as const;
    const app = testApp({ ...base, player, initial: { score: 7, ready: true, motto: "it's 5 o'clock" } });
    const store = await kit.open({ ...place, apps: [app] });
    const old = { valuation: null, comment: null, score: 7, ready: true, note: null, motto: "it's 5 o'clock" };
    expect(await store.read.rows(app.player.table)).toMatchObject([old, old]);
    await play(store, app);
    expect(await store.read.rows(app.player.table)).toHaveLength(4);
  });

  test("what the rows can hold is tightened: not null, unique, and a new column with something to fill it", async () => {
    const place = await used(testApp(base));
    const player = { ...base.player, age: "integer" } as const;
    const playerTable = { required: ["payoff", "age"], unique: [["sessionId", "participantId"]] };
    const app = testApp({ ...base, player, playerTable, initial: { age: 30 } });
    const store = await kit.open({ ...place, apps: [app] });
    expect(await store.read.rows(app.player.table)).toMatchObject([{ age: 30 }, { age: 30 }]);
    const row = { ...(await store.read.rows(app.player.table))[0], id: null };
    await expect(store.transact((write) => write.insert(app.player.table, [row]))).rejects.toThrow(/unique/i);
  });

  test("a new app and a new extra model get their tables; tables of an app that is gone stay", async () => {
    const auction = testApp(base);
    const place = await used(auction);
    const market = testApp({ ...base, name: "market" });
    const store = await kit.open({ ...place, apps: [market] });
    await play(store, market);
    await store.close();
    const both = await kit.open({ ...place, apps: [auction, market] });
    expect(await both.read.rows(auction.player.table)).toHaveLength(2);
    expect(await both.read.rows(market.player.table)).toHaveLength(2);
  });

  describe("a database from when the journal's own index made numbers unique", () => {
    const app = testApp(base);
    const entry = (actorId: number, seq: number, participantId: number, clientId: string | null, n: number | null) => ({
      entry: {
        ...{ actorId, seq, at: 1, kind: "message" as const, participantId, page: null, clientId, n, input: null },
        ...{ output: `"${actorId}/${seq}"`, changes: null, seed: null, writer: "w", batch: "b" },
      },
      changes: [],
    });
    const sent = [
      ...[entry(1, 1, 1, "one", 1), entry(1, 2, 2, "two", 1), entry(1, 3, 1, "one", 2), entry(1, 4, 1, "one", -2)],
      ...[entry(1, 5, 1, null, null), entry(1, 1700, 1, "one", 3), entry(2, 1, 1, "one", 4), entry(2, 2, 2, "two", 5)],
    ];

    async function old(): Promise<DatabaseOptions> {
      const place = await used(app);
      const store = await openStore({ ...place, apps: [app] });
      expect(await store.commit(sent)).toEqual({ result: "done" });
      await store.close();
      const unique = "constraint uq_journal_participant_id_client_id_n unique (participant_id, client_id, n)";
      const gone = ["drop table client", "drop table message_mark"];
      if (kit.dialect === "postgres") {
        const run = (sql: string) => kit.server().query(sql, place.databaseUrl);
        for (const sql of [...gone, `alter table journal add ${unique}`]) await run(sql);
        return place;
      }
      const source = sqliteSource(String(place.file), [], { role: "writer" });
      await source.initialize();
      const db = sqliteConnection(source);
      const [{ sql }] = db.prepare("select sql from sqlite_master where name = 'journal'").all() as [{ sql: string }];
      const made = sql.replace(/, PRIMARY KEY/, `, ${unique}, PRIMARY KEY`);
      expect(made).not.toBe(sql);
      const copied = ["alter table journal rename to before", made, "insert into journal select * from before"];
      for (const text of [...gone, ...copied, "drop table before"]) db.exec(text);
      await source.destroy();
      return place;
    }

    test("goes on where it was: every message is found, and none counts twice", async () => {
      const store = await kit.open({ ...(await old()), apps: [app] });
      for (const { entry } of sent) {
        if (entry.clientId === null || entry.n === null) continue;
        expect(await store.read.message(entry.participantId, entry.clientId, entry.n)).toEqual(entry);
      }
      expect(await store.read.message(1, "one", 5)).toBeUndefined();
      expect([await store.read.lastNumber(1, "one"), await store.read.lastNumber(2, "two")]).toEqual([4, 5]);
      const again = entry(2, 3, 1, "one", 4);
      expect(await store.commit([again])).toEqual({ result: "duplicate", units: [again] });
      expect(await store.commit([entry(2, 3, 1, "one", 5)])).toEqual({ result: "done" });
    });

    test("is changed once", async () => {
      const place = await old();
      await (await openStore({ ...place, apps: [app] })).close();
      const before = await fingerprint(place);
      await (await openStore({ ...place, apps: [app] })).close();
      expect(await fingerprint(place)).toEqual(before);
    });
  });

  describe("refuses to start, and changes nothing, when", () => {
    test.each<[string, TestAppOptions, RegExp]>([
      [
        "a column is gone",
        { ...base, player: { valuation: "currency" } },
        /auction_player\.comment is no longer defined/,
      ],
      [
        "a column was renamed",
        { ...base, group: { bestBid: "currency" } },
        /auction_group\.highest_bid is no longer defined/,
      ],
      ["a type was changed", { ...base, bid: { amount: "text" } }, /auction_bid\.amount holds double precision.* text/],
      [
        "a column may not be null any more, but is",
        { ...base, playerTable: { required: ["comment"] } },
        /auction_player\.comment must not be null any more/,
      ],
      [
        "a column must be unique now, but is not",
        { ...base, playerTable: { unique: [["sessionId"]] } },
        /auction_player has rows with the same session_id/,
      ],
      [
        "a new column must be filled, and nothing is given to fill it",
        { ...base, player: { ...base.player, age: "integer" }, playerTable: { required: ["age"] } },
        /auction_player\.age is new, must not be null/,
      ],
    ])("%s", async (_, changed, message) => {
      const place = await used(testApp(base));
      const opening = openStore({ ...place, apps: [testApp({ ...changed, bid: { ...changed.bid, extra: "text" } })] });
      await expect(opening).rejects.toMatchObject({
        code: "schema_would_lose_data",
        message: expect.stringMatching(message),
      });
      await expect(opening).rejects.toThrow("npm run walras -- resetdb");
      const app = testApp(base);
      const store = await kit.open({ ...place, apps: [app] });
      expect(await store.read.rows(app.player.table)).toHaveLength(2);
    });
  });

  test("after resetdb the database is empty, and other people's tables are still there", async () => {
    const place = await used(testApp({ ...base, name: "gone" }));
    if (kit.dialect === "postgres") await kit.server().query("create table theirs (id integer)", place.databaseUrl);
    await resetDatabase(place);
    const app = testApp({ ...base, player: {} });
    const store = await kit.open({ ...place, apps: [app] });
    expect(await store.read.sessions(10)).toEqual([]);
    await play(store, app);
    if (kit.dialect === "postgres") {
      expect(await kit.server().query("select * from theirs", place.databaseUrl)).toEqual([]);
      const gone = "select 1 from pg_tables where schemaname = current_schema() and tablename like 'gone%'";
      expect(await kit.server().query(gone, place.databaseUrl)).toEqual([]);
    }
  });

  test("resetdb of a database that was never used does nothing", async () => {
    await resetDatabase(await kit.fresh());
  });

  if (kit.dialect === "sqlite") {
    test("resetdb is refused while a server is running", async () => {
      const place = await kit.fresh();
      const store = await kit.open({ ...place, apps: [] });
      await expect(resetDatabase(place)).rejects.toMatchObject({ code: "database_in_use" });
      expect(await store.read.sessions(1)).toEqual([]);
    });
  } else {
    test("servers that start together migrate one after the other", async () => {
      const place = await kit.fresh();
      const apps = [testApp(base)];
      const stores = await Promise.all([1, 2, 3].map(() => kit.open({ ...place, apps })));
      for (const store of stores) expect(await store.read.sessions(1)).toEqual([]);
    });

    test("a server that does not answer is named, without its password", async () => {
      const databaseUrl = "postgres://me:secret@127.0.0.1:1/games";
      const opening = openStore({ databaseUrl, apps: [] });
      await expect(opening).rejects.toMatchObject({ code: "database_unreachable" });
      await expect(opening).rejects.toThrow(/"?games"? at 127\.0\.0\.1:1 as me/);
      await expect(opening).rejects.not.toThrow("secret");
    });
  }
});

test.each([{}, { file: "" }, { file: ":memory:" }, { databaseUrl: "mysql://x" }])(
  "%j is no database",
  async (place) => {
    await expect(openStore({ ...place, apps: [] })).rejects.toMatchObject({ code: "no_database" });
  },
);
