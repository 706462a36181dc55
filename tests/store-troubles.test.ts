import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "@jest/globals";
import { Client } from "pg";
import { sqliteConnection, sqliteSource } from "../entities/data-source.ts";
import type { DatabaseOptions } from "../entities/open-store.ts";
import type { Store } from "../entities/store.ts";
import {
  app,
  bid,
  bidTable,
  commit,
  DONE,
  entry,
  groupTable,
  journal,
  StoresWithFaults,
  setGroup,
  unit,
} from "./helpers/store-units.ts";
import { forEachStore } from "./helpers/stores.ts";

forEachStore((kit) => {
  const stores = new StoresWithFaults(kit);

  if (kit.dialect === "sqlite") {
    test.each([
      ["FULL", 2],
      ["NORMAL", 1],
    ] as const)(
      "PRAGMA synchronous of the connection that commits is %s when asked for",
      async (synchronous, level) => {
        let checks = 0;
        const store = await kit.open({
          synchronous,
          apps: [app],
          faults: {
            connected(run) {
              checks += 1;
              run(`create temp table live (synchronous integer check (synchronous = ${level}))`);
              run("insert into live select synchronous from pragma_synchronous");
            },
          },
        });
        expect(await commit(store, unit(1, 1))).toEqual(DONE);
        expect(checks).toBe(1);
      },
    );

    test("PRAGMA synchronous is FULL when nothing is asked for", async () => {
      stores.faults.connected = (run) => {
        run("create temp table live (synchronous integer check (synchronous = 2))");
        run("insert into live select synchronous from pragma_synchronous");
      };
      expect(await commit(await stores.open(), unit(1, 1))).toEqual(DONE);
    });

    test("a commit answers at once", async () => {
      const store = await stores.open();
      expect(store.commit([unit(1, 1)])).toEqual(DONE);
    });

    test("a full disk is io, and the probe fails until there is room", async () => {
      const place = await kit.fresh();
      const small = await stores.open(place);
      await small.close();
      let pages = 1;
      stores.faults.connected = (run) => void run(`pragma max_page_count = ${pages}`);
      const store = await stores.open(place, 0);
      const large = unit(1, 1, [bid(1, 1, { aLongText: "x".repeat(1_000_000) })]);
      expect(await commit(store, large)).toMatchObject({ result: "io", error: { code: "SQLITE_FULL" } });
      expect(await journal(store)).toEqual([]);
      await expect(store.probe()).rejects.toThrow("full");
      pages = 1_000_000;
      stores.failOnce("beforeStatement", new Error("so that it connects again"));
      await commit(store, unit(1, 1));
      await store.probe();
      expect(await commit(store, large)).toEqual(DONE);
    });

    test("somebody else's lock on the file is io, and passes", async () => {
      const place = await kit.fresh();
      const store = await stores.open(place);
      const source = sqliteSource(String(place.file), [], { role: "lock" });
      await source.initialize();
      const shell = sqliteConnection(source);
      shell.exec("begin immediate");
      expect(await commit(store, unit(1, 1))).toMatchObject({ result: "io", error: { code: "SQLITE_BUSY" } });
      shell.exec("rollback");
      await source.destroy();
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
    });
  } else {
    test("a serialization failure is tried again", async () => {
      const store = await stores.open();
      stores.failOnce("beforeCommit", Object.assign(new Error("could not serialize"), { code: "40001" }));
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
      stores.faults.beforeCommit = () => {
        throw Object.assign(new Error("could not serialize"), { code: "40001" });
      };
      expect(await commit(store, unit(1, 2))).toMatchObject({
        result: "io",
        error: { message: "could not serialize" },
      });
      stores.faults = {};
      expect(await journal(store)).toHaveLength(1);
    });

    /** Somebody else's transaction, which holds a group's row until it is ended. */
    async function rival(place: DatabaseOptions, ...statements: string[]): Promise<Client> {
      const client = new Client({ connectionString: place.databaseUrl });
      await client.connect();
      for (const statement of ["begin", ...statements]) await client.query(statement);
      return client;
    }

    /** Waits until the store's writer waits for a lock. */
    async function writerIsBlocked(): Promise<void> {
      const blocked =
        "select 1 from pg_stat_activity where application_name = 'walras writer' and wait_event_type = 'Lock'";
      while ((await kit.server().query(blocked)).length === 0);
    }

    const killWriter =
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'walras writer'";

    test("a deadlock with somebody else is survived", async () => {
      const place = await kit.fresh();
      const store = await stores.open(place);
      // Each holds the row that the other wants next; the rival is in no hurry to find out.
      const other = await rival(
        place,
        "set deadlock_timeout = '1s'",
        "update auction_group set extra_count = 5 where id = 2",
      );
      const outcome = commit(store, unit(1, 1, [setGroup(1, { highestBid: 1 }), setGroup(2, { highestBid: 1 })]));
      await writerIsBlocked();
      await other.query("update auction_group set extra_count = 5 where id = 1").catch(() => {});
      await other.query("commit");
      await other.end();
      expect(await outcome).toEqual(DONE);
      expect(await store.read.rows(groupTable, { highestBid: 1 })).toHaveLength(2);
    });

    test("two stores on one database: exactly one of them gets a seq", async () => {
      const place = await kit.fresh();
      const both = [await stores.open(place), await stores.open(place, 0)];
      for (let seq = 1; seq <= 20; seq++) {
        const outcomes = await Promise.all(
          both.map((store, i) => commit(store, unit(1, seq, [bid(1, seq)], { writer: `w${i}` }))),
        );
        expect(outcomes.map((outcome) => outcome.result).toSorted()).toEqual(["done", "stale"]);
      }
      expect(await (both[0] as Store).read.rows(bidTable)).toHaveLength(20);
    });

    test("a connection that the server ends while idle costs one attempt at most", async () => {
      const store = await stores.open();
      await commit(store, unit(1, 1));
      const ours = "pid in (select pid from pg_stat_activity where application_name like 'walras %')";
      await kit.server().query(`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`);
      const first = await commit(store, unit(1, 2));
      expect(["done", "io"]).toContain(first.result);
      if (first.result === "io") expect(await commit(store, unit(1, 2))).toEqual(DONE);
      await store.read.sessions(1).catch(() => {});
      expect(await journal(store)).toHaveLength(2);
    });

    test("a connection that ends before COMMIT was sent is io", async () => {
      const place = await kit.fresh();
      const store = await stores.open(place);
      const other = await rival(place, "update auction_group set extra_count = 5 where id = 1");
      const outcome = commit(store, unit(1, 1, [setGroup(1, { highestBid: 1 })]));
      await writerIsBlocked();
      await kit.server().query(killWriter);
      expect(await outcome).toMatchObject({ result: "io", error: { code: "57P01" } });
      await other.end();
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
    });

    test("a COMMIT without an answer is unknown, and its outcome can be looked up", async () => {
      const store = await stores.open();
      stores.faults.beforeCommit = async () => {
        delete stores.faults.beforeCommit;
        await kit.server().query(killWriter);
      };
      const mine = unit(1, 1);
      expect(await store.commit([mine])).toMatchObject({ result: "unknown" });
      expect(await store.owners([mine.entry])).toEqual([]);
      expect(await store.commit([mine])).toEqual(DONE);
    });

    test("a transaction that the server still holds for a connection cut in the network is ended first", async () => {
      const place = await kit.fresh();
      await using wire = await cuttable(String(place.databaseUrl));
      const store = await stores.open({ databaseUrl: wire.url });
      stores.faults.beforeCommit = () => {
        delete stores.faults.beforeCommit;
        wire.cut();
      };
      const mine = unit(1, 1, [bid(1, 1)]);
      expect(await store.commit([mine])).toMatchObject({ result: "unknown" });
      const held =
        "select 1 from pg_stat_activity where application_name = 'walras writer' and state like 'idle in tr%'";
      expect(await kit.server().query(held)).toHaveLength(1);
      expect(await store.owners([mine.entry])).toEqual([]);
      expect(await kit.server().query(held)).toHaveLength(0);
      expect(await store.commit([mine])).toEqual(DONE);
    });

    test("a server that stops in the middle of a transaction is not waited for", async () => {
      const place = await kit.fresh();
      const [stopped, other] = [await stores.open(place), await stores.open(place, 0)];
      stores.faults.connected = (run) => run("set idle_in_transaction_session_timeout = 100") as Promise<void>;
      stores.failOnce("beforeCommit", new Error("so that it connects again"));
      await commit(stopped, unit(9, 1));
      let goOn: () => void = () => {};
      const inTransaction = new Promise<void>((reached) => {
        stores.faults.beforeCommit = () => {
          delete stores.faults.beforeCommit;
          reached();
          return new Promise((resolve) => {
            goOn = resolve;
          });
        };
      });
      const outcome = commit(stopped, unit(1, 1, [], { writer: "stopped" }));
      await inTransaction;
      expect(await commit(other, unit(1, 1, [], { writer: "other" }))).toEqual(DONE);
      goOn();
      expect(await outcome).toMatchObject({ result: "unknown" });
      expect(await stopped.owners([entry(1, 1)])).toMatchObject([{ writer: "other" }]);
      expect(await commit(stopped, unit(1, 1))).toEqual({ result: "stale", actorIds: [1] });
    });

    test("a server that is gone is io, and the store comes back with it", async () => {
      const store = await stores.open();
      await commit(store, unit(1, 1));
      await kit.server().halt();
      expect(await commit(store, unit(1, 2))).toMatchObject({ result: "io" });
      await expect(store.probe()).rejects.toThrow();
      await expect(store.read.sessions(1)).rejects.toThrow();
      await kit.server().start();
      await store.probe();
      expect(await commit(store, unit(1, 2))).toEqual(DONE);
      expect(await journal(store)).toHaveLength(2);
    });
  }
});

/** A wire to a PostgreSQL server that can be cut so that only our end notices. */
async function cuttable(databaseUrl: string) {
  const url = new URL(databaseUrl);
  const target = Number(url.port);
  const near = new Set<Socket>();
  const far = new Set<Socket>();
  const relay = createServer((socket) => {
    const server = connect(target, "127.0.0.1");
    near.add(socket);
    far.add(server);
    socket.on("data", (data) => server.write(data)).on("error", () => {});
    server.on("data", (data) => !socket.destroyed && socket.write(data)).on("error", () => {});
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  url.port = String((relay.address() as AddressInfo).port);
  return {
    url: url.href,
    cut() {
      for (const socket of near) socket.destroy();
      near.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of [...near, ...far]) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
}
