import { existsSync } from "node:fs";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec } from "./app-spec.ts";
import { postgresPool, postgresSource, sqliteConnection, sqliteSource } from "./data-source.ts";
import { connectPostgres, type DatabaseOptions, placeOf, tablesOf } from "./open-store.ts";
import { createReads, type Query, type ReadSide } from "./reads.ts";
import { removedApps } from "./removed-apps.ts";
import { type Dialect, type SqlTable, SqlTables } from "./sql.ts";
import type { JournalEntry, Reads } from "./store.ts";
import { ActorTable, JournalTable } from "./system-tables.ts";
import type { Table, Value, Values } from "./tables.ts";

/** Rows that are read at once. */
const CHUNK = 1_000;

/** One moment of a database, read to its end however long that takes and whatever is written meanwhile. */
export interface Snapshot {
  /** A table's rows in order of its key, in chunks; with `sessionId`, those that belong to one session. */
  scan(table: Table, sessionId?: number): AsyncGenerator<Values[]>;
  /** One group's journal, oldest first. */
  journal(actorId: number): AsyncGenerator<JournalEntry>;
  /** The rows whose column has one of these values, in order of the key. */
  among(table: Table, column: string, values: readonly number[]): Promise<Values[]>;
  /** How many rows {@link scan} would give. */
  count(table: Table, sessionId?: number): Promise<number>;
  /** The reads of a running server, of this same moment. */
  readonly read: Reads;
  close(): Promise<void>;
}

type Run = (text: string, values: readonly (Value | readonly number[])[]) => Promise<Values[]>;

/**
 * Opens a database for reading, beside a server that may be running on it. Nothing is written, no table
 * is made, and no lock is taken.
 *
 * @throws WalrasError `no_database` (there is no such file), `database_unreachable`, `old_schema`
 */
export async function openSnapshot(
  options: DatabaseOptions & { readonly apps: readonly AppSpec[] },
): Promise<Snapshot> {
  const place = placeOf(options);
  const tables = tablesOf(options.apps);
  const entities = tables.map((table) => table.entity);
  if (place.dialect === "sqlite") {
    if (!existsSync(place.file)) {
      throw new WalrasError(
        "no_database",
        `There is no database ${place.file} yet. Start the server once, or set WALRAS_DB.`,
      );
    }
    const source = sqliteSource(place.file, entities, { role: "reader" });
    await source.initialize();
    const sql = new SqlTables(source, "sqlite", tables);
    const removed = await removedApps(source, sql, options.apps);
    const db = sqliteConnection(source);
    db.exec("begin");
    const run: Run = async (text, values) => {
      const bound = values.map((value) =>
        typeof value === "object" && value !== null ? JSON.stringify(value) : value,
      );
      return db.prepare(text.replaceAll(/\$\d+/g, "?")).all(...bound);
    };
    return new SqlSnapshot("sqlite", sql, [options.apps, removed], run, () => source.destroy());
  }
  const source = postgresSource(place.url, entities, { role: "reader" });
  await connectPostgres(source, place.url);
  const sql = new SqlTables(source, "postgres", tables);
  const removed = await removedApps(source, sql, options.apps);
  const client = await postgresPool(source).connect();
  // Without a listener, a connection that breaks ends the process; the query under way has the error too.
  client.on("error", () => {});
  await client.query("begin isolation level repeatable read read only");
  const run: Run = async (text, values) => (await client.query<Values>(text, [...values])).rows;
  return new SqlSnapshot("postgres", sql, [options.apps, removed], run, async () => {
    client.release(true);
    await source.destroy();
  });
}

class SqlSnapshot implements Snapshot {
  readonly #dialect: Dialect;
  readonly #sql: SqlTables;
  readonly #run: Run;
  readonly read: Reads;
  readonly close: () => Promise<void>;

  constructor(
    dialect: Dialect,
    sql: SqlTables,
    [apps, removed]: readonly [apps: readonly AppSpec[], removed: readonly string[]],
    run: Run,
    close: () => Promise<void>,
  ) {
    this.#dialect = dialect;
    this.#sql = sql;
    this.#run = run;
    this.close = close;
    const side: ReadSide = {
      dialect,
      all: async <Row>({ text, values }: Query) => (await run(text, values).catch(oldSchema())) as Row[],
      async snapshot(queries) {
        const answers: Values[][] = [];
        for (const { text, values } of queries) answers.push(await run(text, values));
        return answers;
      },
    };
    this.read = createReads(side, sql, apps, removed);
  }

  async *scan(table: Table, sessionId?: number): AsyncGenerator<Values[]> {
    const own = this.#sql.get(table);
    if (sessionId !== undefined && has(own, "actorId")) {
      // Actor by actor: their entries stand together, so that no row of another session is looked at.
      for await (const actors of this.scan(ActorTable, sessionId)) {
        for (const { id } of actors) yield* this.#walk(own, "actorId", id);
      }
    } else if (sessionId === undefined) {
      yield* this.#walk(own);
    } else {
      yield* this.#walk(own, has(own, "sessionId") ? "sessionId" : "id", sessionId);
    }
  }

  async *journal(actorId: number): AsyncGenerator<JournalEntry> {
    for await (const rows of this.#walk(this.#sql.get(JournalTable), "actorId", actorId)) {
      for (const row of rows) yield row as Values & JournalEntry;
    }
  }

  /** All rows whose column has a value, from key to key. */
  async *#walk(sql: SqlTable, column?: string, value: Value = null): AsyncGenerator<Values[]> {
    const { key } = sql.table;
    // A column of the key that is fixed needs no comparison.
    const keys = key.filter((name) => name !== column);
    let after: Value[] | undefined;
    for (;;) {
      const values: Value[] = [];
      const next = (one: Value) => `$${values.push(one)}`;
      const conditions = column === undefined ? [] : [`${sql.at(column)} = ${next(value)}`];
      if (after !== undefined && keys.length > 0) {
        conditions.push(`(${keys.map((name) => sql.at(name)).join(", ")}) > (${after.map(next).join(", ")})`);
      }
      const rows = await this.#select(sql, conditions, values, CHUNK);
      if (rows.length > 0) yield rows;
      if (rows.length < CHUNK || keys.length === 0) return;
      const last = rows.at(-1) as Values;
      after = keys.map((name) => last[name] ?? null);
    }
  }

  async among(table: Table, column: string, values: readonly number[]): Promise<Values[]> {
    if (values.length === 0) return [];
    const sql = this.#sql.get(table);
    const any = this.#dialect === "postgres" ? "= any($1::bigint[])" : "in (select value from json_each($1))";
    return this.#select(sql, [`${sql.at(column)} ${any}`], [values]);
  }

  async count(table: Table, sessionId?: number): Promise<number> {
    const sql = this.#sql.get(table);
    const text = `select count(*) as "n" from ${sql.path}`;
    if (sessionId === undefined) return this.#number(sql, text, []);
    if (!has(sql, "actorId")) {
      return this.#number(sql, `${text} where ${sql.at(has(sql, "sessionId") ? "sessionId" : "id")} = $1`, [sessionId]);
    }
    const actor = this.#sql.get(ActorTable);
    const actors = `select ${actor.at("id")} from ${actor.path} where ${actor.at("sessionId")} = $1`;
    return this.#number(sql, `${text} where ${sql.at("actorId")} in (${actors})`, [sessionId]);
  }

  async #number(sql: SqlTable, text: string, values: readonly Value[]): Promise<number> {
    const [row] = await this.#query(sql, text, values);
    return Number(row?.n);
  }

  async #select(
    sql: SqlTable,
    conditions: readonly string[],
    values: readonly (Value | readonly number[])[],
    limit?: number,
  ): Promise<Values[]> {
    const order = sql.keys.map((key) => key.sql).join(", ");
    const text = `select ${sql.list()} from ${sql.path}${where(conditions)} order by ${order}`;
    const rows = await this.#query(sql, limit === undefined ? text : `${text} limit ${limit}`, values);
    return rows.map((row) => sql.decode(row));
  }

  async #query(sql: SqlTable, text: string, values: readonly (Value | readonly number[])[]): Promise<Values[]> {
    return this.#run(text, values).catch(oldSchema(` (table ${sql.table.name})`));
  }
}

/** Tells of a table or column that is not there what to do about it. @param where of which it is known */
function oldSchema(where = ""): (error: unknown) => never {
  return (error) => {
    if (!/no such (table|column)|does not exist/i.test(messageOf(error))) throw error;
    throw new WalrasError(
      "old_schema",
      `The database does not have everything that the apps define now: ${messageOf(error)}${where}. Start the server once, which brings it up to date.`,
      { cause: error },
    );
  };
}

function has(sql: SqlTable, name: string): boolean {
  return sql.table.columns.some((column) => column.name === name);
}

function where(conditions: readonly string[]): string {
  return conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`;
}
