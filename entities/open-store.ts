import type { DataSource } from "typeorm";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec } from "./app-spec.ts";
import { canonicalFile, postgresSource, type Synchronous, sqliteSource } from "./data-source.ts";
import type { Faults } from "./faults.ts";
import { migrate } from "./migrate.ts";
import { PostgresStore } from "./postgres-store.ts";
import { postgresReads, sqliteReads } from "./read-sides.ts";
import { createReads } from "./reads.ts";
import { removedApps } from "./removed-apps.ts";
import { SqlTables } from "./sql.ts";
import { lockSqlite } from "./sqlite-lock.ts";
import { SqliteStore } from "./sqlite-store.ts";
import type { Store } from "./store.ts";
import { SYSTEM_TABLES } from "./system-tables.ts";
import type { Table } from "./tables.ts";

/** Where the data is: a PostgreSQL server if `databaseUrl` is given, else a SQLite file. */
export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database` */
  readonly databaseUrl?: string | undefined;
  /** Path of a SQLite file; it and its directory are made if they are not there. */
  readonly file?: string | undefined;
}

export interface StoreOptions extends DatabaseOptions {
  /** SQLite only: FULL (the default) survives a power cut, NORMAL may lose the last commits to one. */
  readonly synchronous?: Synchronous;
  /** Every app whose tables are read or written. */
  readonly apps: readonly AppSpec[];
  /** For tests. */
  readonly faults?: Faults;
}

/**
 * Opens the database, brings its tables to the definition of the apps, and gives it as a Store.
 *
 * @throws WalrasError `database_in_use` (another server has the SQLite file), `database_unreachable`,
 *   `schema_would_lose_data` (see {@link migrate}), `no_database`
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const place = placeOf(options);
  return place.dialect === "postgres" ? openPostgres(place.url, options) : openSqlite(place.file, options);
}

/** Which of the two databases is meant. @throws WalrasError `no_database` */
export function placeOf(
  options: DatabaseOptions,
): { dialect: "postgres"; url: string } | { dialect: "sqlite"; file: string } {
  const { databaseUrl, file } = options;
  if (databaseUrl !== undefined) {
    if (/^postgres(ql)?:\/\//.test(databaseUrl)) return { dialect: "postgres", url: databaseUrl };
    throw new WalrasError(
      "no_database",
      "DATABASE_URL must begin with postgres://; leave it out to use a SQLite file.",
    );
  }
  if (file === undefined || file === "" || file === ":memory:") {
    throw new WalrasError(
      "no_database",
      "Give the path of a SQLite file, or DATABASE_URL=postgres://… for PostgreSQL.",
    );
  }
  return { dialect: "sqlite", file: canonicalFile(file) };
}

async function openSqlite(file: string, { apps, synchronous, faults = {} }: StoreOptions): Promise<Store> {
  const tables = tablesOf(apps);
  const entities = tables.map((table) => table.entity);
  const cleanup: (() => Promise<void>)[] = [];
  try {
    const lock = await lockSqlite(file);
    cleanup.push(() => lock.release());
    const connect = (source: DataSource) => initialize(source, cleanup);
    const migrator = await connect(sqliteSource(file, entities, { role: "writer", synchronous }));
    const sql = new SqlTables(migrator, "sqlite", tables);
    await migrate(migrator, "sqlite", tables, sql);
    const removed = await removedApps(migrator, sql, apps);
    await migrator.destroy();
    const writer = await connect(sqliteSource(file, [], { role: "writer", synchronous }));
    const reader = await connect(sqliteSource(file, [], { role: "reader" }));
    const read = createReads(sqliteReads(reader), sql, apps, removed);
    return new SqliteStore(writer, sql, read, faults, () => runLast(cleanup));
  } catch (error) {
    await runLast(cleanup);
    throw error;
  }
}

async function openPostgres(url: string, { apps, faults = {} }: StoreOptions): Promise<Store> {
  const tables = tablesOf(apps);
  const entities = tables.map((table) => table.entity);
  const cleanup: (() => Promise<void>)[] = [];
  const connect = (source: DataSource) => initialize(source, cleanup, () => connectPostgres(source, url));
  try {
    const migrator = await connect(postgresSource(url, entities, { role: "migrator" }));
    const sql = new SqlTables(migrator, "postgres", tables);
    await migrate(migrator, "postgres", tables, sql);
    const removed = await removedApps(migrator, sql, apps);
    await migrator.destroy();
    const writer = await connect(postgresSource(url, [], { role: "writer" }));
    const reader = await connect(postgresSource(url, [], { role: "reader" }));
    const read = createReads(postgresReads(reader), sql, apps, removed);
    return new PostgresStore(writer, sql, read, faults, () => runLast(cleanup));
  } catch (error) {
    await runLast(cleanup);
    throw error;
  }
}

/** Initializes a PostgreSQL DataSource. @throws WalrasError `database_unreachable` that names server and database, not the password */
export async function connectPostgres(source: DataSource, url: string): Promise<void> {
  try {
    await source.initialize();
  } catch (error) {
    const { host = "", pathname = "", username = "" } = URL.parse(url) ?? {};
    throw new WalrasError(
      "database_unreachable",
      `Cannot open PostgreSQL database ${pathname.slice(1)} at ${host} as ${username}: ${messageOf(error)}. ` +
        "Check that the server runs and that DATABASE_URL is right.",
      { retry: true, cause: error },
    );
  }
}

/** All tables of a store: Walras' own and those of the apps. */
export function tablesOf(apps: readonly AppSpec[]): Table[] {
  const ofApp = (app: AppSpec) => [app.group, app.player, ...Object.values(app.extras)].map((model) => model.table);
  return [...SYSTEM_TABLES, ...apps.flatMap(ofApp)];
}

/** Opens a DataSource, to be closed with the rest. */
async function initialize(
  source: DataSource,
  cleanup: (() => Promise<void>)[],
  open: () => Promise<unknown> = () => source.initialize(),
): Promise<DataSource> {
  await open();
  cleanup.push(async () => {
    if (source.isInitialized) await source.destroy();
  });
  return source;
}

/** Runs what has been collected, last come first, once. */
async function runLast(cleanup: (() => Promise<void>)[]): Promise<void> {
  for (let step = cleanup.pop(); step !== undefined; step = cleanup.pop()) await step();
}
