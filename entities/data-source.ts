import { mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type ClientBase, type Pool, types } from "pg";
import { DataSource, type EntitySchema } from "typeorm";
import type { BetterSqlite3Driver } from "typeorm/driver/better-sqlite3/BetterSqlite3Driver.js";
import type { PostgresDriver } from "typeorm/driver/postgres/PostgresDriver.js";
import { WalrasError } from "../client-sdk/errors.ts";
import type { Value, Values } from "./tables.ts";

/** What Walras uses of a better-sqlite3 connection. */
export interface SqliteConnection {
  prepare(sql: string): SqliteStatement;
  exec(sql: string): unknown;
  pragma(text: string, options?: { simple?: boolean }): unknown;
  close(): void;
}

export interface SqliteStatement {
  run(...values: (Value | readonly Value[])[]): { changes: number; lastInsertRowid: number };
  /** Rows have the shape that the SQL text gives them. */
  all<Row = Values>(...values: (Value | readonly Value[])[]): Row[];
}

/** How hard SQLite makes sure of a commit: FULL syncs the disk each time, NORMAL may lose the last
 * commits when the machine (not the process) dies. */
export type Synchronous = "FULL" | "NORMAL";

/** Milliseconds that a commit waits for someone else's lock on the SQLite file (a backup, a shell). The
 * whole process waits with it, so it is short; after that the store says `io` and is probed. */
const BUSY_TIMEOUT = 100;
/** Milliseconds after which a PostgreSQL that does not answer counts as lost. */
const CONNECT_TIMEOUT = 5_000;
const QUERY_TIMEOUT = 15_000;

/** The one real path of a database file, whatever links lead to it; makes its directory. */
export function canonicalFile(file: string): string {
  const path = resolve(file);
  mkdirSync(dirname(path), { recursive: true });
  try {
    return realpathSync(path);
  } catch {
    return join(realpathSync(dirname(path)), basename(path));
  }
}

/** A DataSource on a SQLite file. @param role the writer creates the file; readers find it. */
export function sqliteSource(
  file: string,
  entities: readonly EntitySchema[],
  options: { role: "writer" | "reader" | "lock"; synchronous?: Synchronous },
): DataSource {
  const { role, synchronous = "FULL" } = options;
  return new DataSource({
    type: "better-sqlite3",
    database: file,
    entities: [...entities],
    readonly: role === "reader",
    timeout: role === "lock" ? 0 : BUSY_TIMEOUT,
    prepareDatabase(db: SqliteConnection) {
      if (role !== "writer") return;
      db.pragma("journal_mode = WAL");
      // better-sqlite3 is compiled to fall back to NORMAL in WAL mode: say it, and look that it holds.
      db.pragma(`synchronous = ${synchronous}`);
      // Indexes of long journals stay in memory (KiB, at most).
      db.pragma("cache_size = -65536");
      // Every commit rewrites the same last pages; the later they are copied from the WAL into the file, the
      // fewer copies. 8,000 pages are 32 MiB, read again in a fraction of a second after a crash.
      db.pragma("wal_autocheckpoint = 8000");
      // A reader that held the WAL back once must not leave a huge file for good.
      db.pragma("journal_size_limit = 67108864");
      const level = db.pragma("synchronous", { simple: true });
      if (level !== (synchronous === "FULL" ? 2 : 1)) {
        throw new WalrasError("not_durable", `SQLite runs with synchronous=${level} instead of ${synchronous}.`);
      }
    },
  });
}

/** The live connection of an initialized SQLite DataSource. */
export function sqliteConnection(source: DataSource): SqliteConnection {
  return (source.driver as BetterSqlite3Driver).databaseConnection;
}

/**
 * A DataSource on a PostgreSQL server.
 *
 * @param role the writer has one connection, readers a small pool that cannot write; the migrator, which
 *   lives only while the server starts, may take its time.
 */
export function postgresSource(
  url: string,
  entities: readonly EntitySchema[],
  options: { role: "writer" | "reader" | "migrator" },
): DataSource {
  const { role } = options;
  return new DataSource({
    type: "postgres",
    url,
    entities: [...entities],
    installExtensions: false,
    applicationName: `walras ${role}`,
    connectTimeoutMS: CONNECT_TIMEOUT,
    // The pool reports connections that broke while idle. It replaces them by itself, and whoever uses
    // one that breaks gets the error.
    poolErrorHandler: () => {},
    poolSize: { writer: 1, reader: 4, migrator: 2 }[role],
    extra: {
      // Of these connections only: pg.types.setTypeParser would change every user of pg in the process.
      types: { getTypeParser },
      keepAlive: true,
      // Statements go out without waiting for the answer to the one before.
      ...(role === "migrator" ? {} : { pipeline: true, query_timeout: QUERY_TIMEOUT }),
      ...(role === "reader" ? { onConnect: makeReadOnly } : {}),
    },
  });
}

/** The live pool of an initialized PostgreSQL DataSource. */
export function postgresPool(source: DataSource): Pool {
  return (source.driver as PostgresDriver).master;
}

function makeReadOnly(client: ClientBase): Promise<unknown> {
  return client.query("set default_transaction_read_only = on");
}

/** int8 as a number: what Walras writes is always a safe integer. */
const getTypeParser: typeof types.getTypeParser = (oid: number, format?: "text" | "binary") => {
  return oid === types.builtins.INT8 && format !== "binary" ? Number : types.getTypeParser(oid, format as "text");
};
