import { randomBytes } from "node:crypto";
import type { DataSource } from "typeorm";
import { asError, classify, type Stage } from "./classify.ts";
import { type SqliteConnection, type SqliteStatement, sqliteConnection } from "./data-source.ts";
import type { Faults } from "./faults.ts";
import { fenceOutcome, inFenceOrder, takenNumbers } from "./fence.ts";
import { mergeChanges } from "./merge-changes.ts";
import { rowMissing, type SqlColumn, type SqlTable, type SqlTables, twoWriters } from "./sql.ts";
import type { CommitOutcome, EntryOwner, JournalEntry, Reads, Store, StoredUnit, Writer } from "./store.ts";
import { ClientTable, JournalTable, PROBE_BYTES, ProbeTable } from "./system-tables.ts";
import type { Table, Value, Values } from "./tables.ts";

/**
 * The store on a SQLite file. A commit runs synchronously on prepared statements of the DataSource's own
 * connection: a promise for each statement would cost more than the statement.
 */
export class SqliteStore implements Store {
  readonly dialect = "sqlite";
  readonly shared = false;
  readonly read: Reads;
  readonly #source: DataSource;
  readonly #sql: SqlTables;
  readonly #faults: Faults;
  readonly #release: () => Promise<void>;
  /** Undefined after a failure, until the next attempt opens a new one. */
  #connection: Connection | undefined;
  /** The DataSource's connection was closed behind its back. */
  #closed = false;
  /** A transaction is waiting for something outside. */
  #busy = false;

  /** @param release closes what the store does not know of: readers and the lock */
  constructor(source: DataSource, sql: SqlTables, read: Reads, faults: Faults, release: () => Promise<void>) {
    this.#source = source;
    this.#sql = sql;
    this.read = read;
    this.#faults = faults;
    this.#release = release;
  }

  commit(units: readonly StoredUnit[]): CommitOutcome | Promise<CommitOutcome> {
    if (this.#busy) return { result: "io", error: twoWriters() };
    this.#busy = true;
    const outcome = this.#connection === undefined ? this.#reconnect(units) : this.#attempt(this.#connection, units);
    if (outcome instanceof Promise) {
      return outcome.finally(() => {
        this.#busy = false;
      });
    }
    this.#busy = false;
    return outcome;
  }

  async #reconnect(units: readonly StoredUnit[]): Promise<CommitOutcome> {
    try {
      return await this.#attempt(await this.#connect(), units);
    } catch (error) {
      return this.#fail(error, "begin");
    }
  }

  #attempt(connection: Connection, units: readonly StoredUnit[]): CommitOutcome | Promise<CommitOutcome> {
    let stage: Stage = "begin";
    try {
      connection.run("begin immediate");
      stage = "statement";
      const stopped = fenceOutcome(this.#insertEntries(connection, units), this.#takeNumbers(connection, units));
      if (stopped !== undefined) {
        connection.run("rollback");
        return stopped;
      }
      this.#writeRows(connection, units);
      const held = this.#faults.beforeCommit?.();
      if (held === undefined) return this.#finish(connection);
      return held.then(
        () => this.#finish(connection),
        (error) => this.#fail(error, "statement"),
      );
    } catch (error) {
      return this.#fail(error, stage);
    }
  }

  #finish(connection: Connection): CommitOutcome | Promise<CommitOutcome> {
    try {
      connection.commit();
    } catch (error) {
      return this.#fail(error, "commit");
    }
    const cut = (error: unknown): CommitOutcome => {
      this.#disconnect();
      return { result: "unknown", error: asError(error) };
    };
    try {
      const held = this.#faults.afterCommit?.();
      return held === undefined ? DONE : held.then(() => DONE, cut);
    } catch (error) {
      return cut(error);
    }
  }

  #fail(error: unknown, stage: Stage): CommitOutcome {
    this.#disconnect();
    const failure = classify(error, stage);
    return { result: failure === "retry" ? "io" : failure, error: asError(error) };
  }

  /** Inserts the journal rows; returns the units whose row is there already. */
  #insertEntries(connection: Connection, units: readonly StoredUnit[]): StoredUnit[] {
    const journal = this.#sql.get(JournalTable);
    const text = journal.text("fence", () => `${insertText(journal.path, journal.columns)} on conflict do nothing`);
    const statement = connection.get(text);
    return inFenceOrder(units).filter(({ entry }) => {
      const values = journal.columns.map((column) => column.encode(entry[column.name as keyof JournalEntry]));
      return statement.run(values).changes === 0;
    });
  }

  /** Writes the clients' highest numbers; returns the units whose number is taken already. */
  #takeNumbers(connection: Connection, units: readonly StoredUnit[]): StoredUnit[] {
    const sql = this.#sql.get(ClientTable);
    const text = sql.text("take", () => {
      const n = sql.at("n");
      const keys = sql.keys.map((column) => column.sql).join(", ");
      return `${insertText(sql.path, sql.columns)} on conflict (${keys}) do update set ${n} = excluded.${n}
        where ${sql.path}.${n} < ?`;
    });
    const { clients, doubled } = takenNumbers(units);
    for (const { participantId, clientId, first, last, unit } of clients) {
      const done = connection.get(text).run([participantId, clientId, last, first]);
      if (done.changes === 0) doubled.push(unit);
    }
    return doubled;
  }

  #writeRows(connection: Connection, units: readonly StoredUnit[]): void {
    for (const { table, deletes, updates, inserts } of mergeChanges(units)) {
      const sql = this.#sql.get(table);
      for (const key of deletes) {
        connection.get(sql.text("delete", () => deleteText(sql))).run(encode(sql.keys, key));
      }
      for (const { key, values } of updates) {
        this.#update(connection, table, key, values);
      }
      for (const values of inserts) {
        connection.get(sql.text("insert", () => insertText(sql.path, sql.columns))).run(encode(sql.columns, values));
      }
    }
  }

  #update(connection: Connection, table: Table, key: Values, values: Values): void {
    const sql = this.#sql.get(table);
    const names = Object.keys(values);
    if (names.length === 0) return;
    const columns = names.map((name) => sql.column(name));
    const statement = connection.get(sql.text(`update ${names}`, () => updateText(sql, columns)));
    const done = statement.run([...encode(columns, values), ...encode(sql.keys, key)]);
    if (done.changes === 0) throw rowMissing(table, key);
  }

  async owners(entries: readonly JournalEntry[]): Promise<EntryOwner[]> {
    const connection = this.#connection ?? (await this.#connect());
    const journal = this.#sql.get(JournalTable);
    const text = journal.text("owners", () => {
      const [actorId, seq, writer, batch] = ["actorId", "seq", "writer", "batch"].map(
        (name) => journal.column(name).sql,
      );
      return `select ${actorId} as "actorId", ${seq} as "seq", ${writer} as "writer", ${batch} as "batch"
        from ${journal.path} where ${actorId} = ? and ${seq} = ?`;
    });
    return entries.flatMap((entry) => connection.get(text).all<EntryOwner>([entry.actorId, entry.seq]));
  }

  async probe(): Promise<void> {
    const { path } = this.#sql.get(ProbeTable);
    const filler = randomBytes(PROBE_BYTES / 2).toString("hex");
    // Two transactions: pages that are freed in the one that took them would never reach the disk.
    await this.#transaction((connection) => {
      connection.run(`delete from ${path}`);
      this.#insert(connection, ProbeTable, [{ id: 1, filler }]);
    });
    await this.#transaction((connection) => connection.run(`delete from ${path}`));
  }

  transact<T>(work: (write: Writer) => Promise<T>): Promise<T> {
    return this.#transaction((connection) =>
      work({
        insert: async (table, rows) => this.#insert(connection, table, rows),
        update: async (table, key, values) => this.#update(connection, table, key, values),
      }),
    );
  }

  async #transaction<T>(work: (connection: Connection) => T | Promise<T>): Promise<T> {
    if (this.#busy) throw twoWriters();
    this.#busy = true;
    try {
      const connection = this.#connection ?? (await this.#connect());
      connection.run("begin immediate");
      const result = await work(connection);
      connection.commit();
      return result;
    } catch (error) {
      this.#disconnect();
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  #insert(connection: Connection, table: Table, rows: readonly Values[]): number[] {
    const sql = this.#sql.get(table);
    if (!sql.generated) {
      const statement = connection.get(sql.text("insert", () => insertText(sql.path, sql.columns)));
      for (const row of rows) statement.run(encode(sql.columns, row));
      return [];
    }
    const columns = sql.columns.filter((column) => !sql.keys.includes(column));
    const statement = connection.get(sql.text("insert numbered", () => insertText(sql.path, columns)));
    return rows.map((row) => statement.run(encode(columns, row)).lastInsertRowid);
  }

  async #connect(): Promise<Connection> {
    // A DataSource whose connection was closed in #disconnect still thinks that it is open.
    if (this.#closed && this.#source.isInitialized) await this.#source.destroy();
    if (!this.#source.isInitialized) await this.#source.initialize();
    this.#closed = false;
    const db = sqliteConnection(this.#source);
    try {
      await this.#faults.connected?.((sql) => db.exec(sql));
    } catch (error) {
      db.close();
      this.#closed = true;
      throw error;
    }
    this.#connection = new Connection(db, this.#faults);
    return this.#connection;
  }

  /** Closing rolls back what is open, and TypeORM's idea of the connection goes with it. */
  #disconnect(): void {
    if (this.#connection === undefined) return;
    this.#connection = undefined;
    this.#closed = true;
    sqliteConnection(this.#source).close();
  }

  async close(): Promise<void> {
    this.#connection = undefined;
    if (this.#source.isInitialized) await this.#source.destroy();
    await this.#release();
  }
}

const DONE: CommitOutcome = { result: "done" };

/** One open connection with its prepared statements. */
class Connection {
  readonly #db: SqliteConnection;
  readonly #faults: Faults;
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(db: SqliteConnection, faults: Faults) {
    this.#db = db;
    this.#faults = faults;
  }

  get(text: string): SqliteStatement {
    this.#faults.beforeStatement?.(text);
    return this.#prepare(text);
  }

  run(text: string): void {
    this.get(text).run();
  }

  commit(): void {
    this.#prepare("commit").run();
  }

  #prepare(text: string): SqliteStatement {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      if (this.#statements.size >= 1_000) this.#statements.clear();
      statement = this.#db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }
}

function insertText(path: string, columns: readonly SqlColumn[]): string {
  const names = columns.map((column) => column.sql).join(", ");
  return `insert into ${path} (${names}) values (${columns.map(() => "?").join(", ")})`;
}

function updateText(sql: SqlTable, columns: readonly SqlColumn[]): string {
  return `update ${sql.path} set ${columns.map((column) => `${column.sql} = ?`).join(", ")} where ${whereKey(sql)}`;
}

function deleteText(sql: SqlTable): string {
  return `delete from ${sql.path} where ${whereKey(sql)}`;
}

function whereKey(sql: SqlTable): string {
  return sql.keys.map((column) => `${column.sql} = ?`).join(" and ");
}

function encode(columns: readonly SqlColumn[], values: Values): Value[] {
  return columns.map((column) => {
    const value = values[column.name];
    return column.encode(value === undefined ? column.initial : value);
  });
}
