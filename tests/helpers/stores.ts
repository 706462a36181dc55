import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe } from "@jest/globals";
import { type DatabaseOptions, openStore, type StoreOptions } from "../../entities/open-store.ts";
import type { Dialect } from "../../entities/sql.ts";
import type { Store } from "../../entities/store.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";

/** What a contract suite gets for one of the databases. */
export interface StoreKit {
  readonly dialect: Dialect;
  /** A database that is empty and not in use. */
  fresh(): Promise<DatabaseOptions>;
  /** Opens a store, on a fresh database unless `options` name one. It is closed when the test ends. */
  open(options: StoreOptions): Promise<Store>;
  /** The server; only with PostgreSQL. */
  server(): TestPostgres;
}

/** Runs one suite on SQLite and on PostgreSQL. */
export function forEachStore(suite: (kit: StoreKit) => void): void {
  describe.each<Dialect>(["sqlite", "postgres"])("on %s", (dialect) => {
    let directory: string;
    let postgres: TestPostgres | undefined;
    let files = 0;
    let opened: Store[] = [];

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "walras-stores-"));
      if (dialect === "postgres") postgres = await startPostgres();
    });
    afterEach(async () => {
      const stores = opened;
      opened = [];
      for (const store of stores) await store.close();
    });
    afterAll(async () => {
      await postgres?.stop();
      rmSync(directory, { recursive: true, force: true });
    });

    const server = () => {
      if (postgres === undefined) throw new Error("There is no PostgreSQL server in this suite.");
      return postgres;
    };
    const fresh = async (): Promise<DatabaseOptions> => {
      if (dialect === "postgres") return { databaseUrl: await server().database() };
      files += 1;
      return { file: join(directory, `test${files}.sqlite3`) };
    };
    suite({
      dialect,
      fresh,
      server,
      async open(options) {
        const place = options.file === undefined && options.databaseUrl === undefined ? await fresh() : {};
        const store = await openStore({ ...place, ...options });
        opened.push(store);
        return store;
      },
    });
  });
}
