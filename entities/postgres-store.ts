import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from "pg";
import type { DataSource } from "typeorm";
import { WalrasError } from "../client-sdk/errors.ts";
import { asError, classify, type Stage } from "./classify.ts";
import { postgresPool } from "./data-source.ts";
import type { Faults } from "./faults.ts";
import { clientKey, entryKey, fenceOutcome, inFenceOrder, type TakenNumbers, takenNumbers } from "./fence.ts";
import { mergeChanges } from "./merge-changes.ts";
import { deleteRows, insertEntries, insertRows, selectOwners, takeNumbers, updateRows } from "./postgres-sql.ts";
import { rowMissing, type SqlTables, twoWriters } from "./sql.ts";
import type { CommitOutcome, EntryOwner, JournalEntry, Reads, Store, StoredUnit, Writer } from "./store.ts";
import { ClientTable, JournalTable, PROBE_BYTES, ProbeTable } from "./system-tables.ts";
import type { Table, Values } from "./tables.ts";

/** How often a transaction is tried that PostgreSQL took back for the sake of another one. */
const ATTEMPTS = 5;
/** Rows of one insert in bulk creation. */
const ROWS_AT_ONCE = 5_000;
/** Milliseconds between two statements of a transaction after which PostgreSQL takes it back. */
const IDLE_TIMEOUT = 3_000;
/** Milliseconds that a lost connection's server process gets to end. */
const GHOST_TIMEOUT = 5_000;

/**
 * The store on a PostgreSQL server. All statements of a transaction go out at once and are answered in
 * order, COMMIT follows when they are known to be good: two round trips, however many rows.
 */
export class PostgresStore implements Store {
  readonly dialect = "postgres";
  readonly shared = true;
  readonly read: Reads;
  readonly #source: DataSource;
  readonly #sql: SqlTables;
  readonly #faults: Faults;
  readonly #release: () => Promise<void>;
  /** Undefined after a failure, until the next attempt opens a new one. */
  #connection: Connection | undefined;
  /** The server's process behind the last connection that failed; it may not know yet. */
  #ghost: ServerProcess | undefined;
  #busy = false;

  /** @param release closes what the store does not know of: readers */
  constructor(source: DataSource, sql: SqlTables, read: Reads, faults: Faults, release: () => Promise<void>) {
    this.#source = source;
    this.#sql = sql;
    this.read = read;
    this.#faults = faults;
    this.#release = release;
  }

  async commit(units: readonly StoredUnit[]): Promise<CommitOutcome> {
    if (this.#busy) return { result: "io", error: twoWriters() };
    this.#busy = true;
    try {
      for (let attempt = 1; ; attempt++) {
        const outcome = await this.#attempt(units);
        if (outcome.result !== "retry") return outcome;
        if (attempt === ATTEMPTS) return { result: "io", error: outcome.error };
        await sleep(Math.random() * 20 * attempt);
      }
    } finally {
      this.#busy = false;
    }
  }

  async #attempt(units: readonly StoredUnit[]): Promise<CommitOutcome | { result: "retry"; error: Error }> {
    let stage: Stage = "begin";
    try {
      const connection = this.#connection ?? (await this.#connect());
      stage = "statement";
      const stopped = await this.#writeUnits(connection, units);
      if (stopped !== undefined) {
        await connection.send("rollback");
        return stopped;
      }
      await this.#faults.beforeCommit?.();
      stage = "commit";
      await connection.commit();
    } catch (error) {
      this.#disconnect();
      return { result: classify(error, stage), error: asError(error) };
    }
    try {
      await this.#faults.afterCommit?.();
      return { result: "done" };
    } catch (error) {
      this.#disconnect();
      return { result: "unknown", error: asError(error) };
    }
  }

  /** Begins, writes the journal rows and all others; returns what {@link fenceOutcome} says. */
  async #writeUnits(connection: Connection, units: readonly StoredUnit[]): Promise<ReturnType<typeof fenceOutcome>> {
    const ordered = inFenceOrder(units);
    const begun = connection.send("begin");
    const fence = connection.send<EntryOwner>(insertEntries(this.#sql.get(JournalTable), entriesOf(ordered)));
    const numbers = takenNumbers(units);
    const taken = this.#takeNumbers(connection, numbers.clients);
    taken.catch(() => {});
    const rows: Promise<unknown>[] = [];
    const expect = (answer: Promise<unknown>) => {
      answer.catch(() => {});
      rows.push(answer);
    };
    for (const { table, deletes, updates, inserts } of mergeChanges(units)) {
      const sql = this.#sql.get(table);
      if (deletes.length > 0) expect(connection.send(deleteRows(sql, deletes)));
      for (const [names, changes] of Map.groupBy(updates, ({ values }) => Object.keys(values).join())) {
        if (names === "") continue;
        const changed = changes.map(({ key, values }) => ({ ...values, ...key }));
        const done = connection.send<Values>(updateRows(sql, names.split(","), changed));
        expect(done.then((result) => allThere(table, changes, result.rows)));
      }
      if (inserts.length > 0) expect(connection.send(insertRows(sql, inserts)));
    }
    // The answers come in the order of sending. The fence is judged first: to a writer that lost its
    // place the rows may fail for no other reason.
    await begun;
    const inserted = new Set((await fence).rows.map(entryKey));
    const lost = inserted.size === ordered.length ? [] : ordered.filter(({ entry }) => !inserted.has(entryKey(entry)));
    const stopped = fenceOutcome(lost, [...numbers.doubled, ...(await taken)]);
    for (const answer of await Promise.allSettled(rows)) {
      if (answer.status === "rejected" && stopped === undefined) throw answer.reason;
    }
    return stopped;
  }

  /** Writes the clients' highest numbers; returns the units whose number is taken already. */
  async #takeNumbers(connection: Connection, clients: readonly TakenNumbers[]): Promise<StoredUnit[]> {
    if (clients.length === 0) return [];
    const sql = this.#sql.get(ClientTable);
    const row = ({ participantId, clientId }: TakenNumbers, n: number): Values => ({ participantId, clientId, n });
    const firsts = clients.map((client) => row(client, client.first));
    const found = connection.send<TakenNumbers>(takeNumbers(sql, firsts));
    // The first number is what must be higher than before; who has more of them in this batch goes on from there.
    const lasts = clients.filter(({ first, last }) => last > first).map((client) => row(client, client.last));
    if (lasts.length > 0) await connection.send(updateRows(sql, ["n"], lasts));
    const { rows } = await found;
    if (rows.length === clients.length) return [];
    const taken = new Set(rows.map(({ participantId, clientId }) => clientKey(participantId, clientId)));
    return clients.filter((client) => !taken.has(clientKey(client.participantId, client.clientId))).map((c) => c.unit);
  }

  async owners(entries: readonly JournalEntry[]): Promise<EntryOwner[]> {
    const connection = this.#connection ?? (await this.#connect());
    const rows = entries.map((entry): Values => ({ ...entry }));
    return (await connection.send<EntryOwner>(selectOwners(this.#sql.get(JournalTable), rows))).rows;
  }

  async probe(): Promise<void> {
    const { path } = this.#sql.get(ProbeTable);
    const filler = randomBytes(PROBE_BYTES / 2).toString("hex");
    await this.#transaction(async (connection) => {
      await connection.send(`delete from ${path}`);
      await this.#insert(connection, ProbeTable, [{ id: 1, filler }]);
    });
    await this.#transaction((connection) => connection.send(`delete from ${path}`));
  }

  transact<T>(work: (write: Writer) => Promise<T>): Promise<T> {
    return this.#transaction((connection) =>
      work({
        insert: (table, rows) => this.#insert(connection, table, rows),
        update: (table, key, values) => this.#update(connection, table, key, values),
      }),
    );
  }

  async #transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#busy) throw twoWriters();
    this.#busy = true;
    try {
      const connection = this.#connection ?? (await this.#connect());
      await connection.send("begin");
      const result = await work(connection);
      await connection.commit();
      return result;
    } catch (error) {
      this.#disconnect();
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  async #insert(connection: Connection, table: Table, rows: readonly Values[]): Promise<number[]> {
    const sql = this.#sql.get(table);
    const key = sql.keys[0]?.name;
    let ids: number[] = [];
    if (sql.generated && key !== undefined) {
      // Numbers first, rows with them: the order in which an insert returns its rows is not promised.
      const sequence = `pg_get_serial_sequence('${sql.path}', '${sql.table.columns[0]?.column}')`;
      const text = `select nextval(${sequence}) as "id" from generate_series(1, $1)`;
      ids = (await connection.send<{ id: number }>({ text, values: [rows.length] })).rows.map((row) => row.id);
      rows = rows.map((row, i) => ({ ...row, [key]: ids[i] ?? null }));
    }
    for (let i = 0; i < rows.length; i += ROWS_AT_ONCE) {
      await connection.send(insertRows(sql, rows.slice(i, i + ROWS_AT_ONCE)));
    }
    return ids;
  }

  async #update(connection: Connection, table: Table, key: Values, values: Values): Promise<void> {
    const names = Object.keys(values);
    if (names.length === 0) return;
    const done = await connection.send<Values>(updateRows(this.#sql.get(table), names, [{ ...values, ...key }]));
    allThere(table, [{ key }], done.rows);
  }

  async #connect(): Promise<Connection> {
    if (!this.#source.isInitialized) await this.#source.initialize();
    const client = await postgresPool(this.#source).connect();
    const connection = new Connection(client, this.#faults);
    // Also a connection that breaks while nobody uses it must not end the process.
    client.on("error", () => {
      if (this.#connection === connection) this.#disconnect();
    });
    try {
      const server = await introduce(client);
      if (this.#ghost !== undefined) await end(client, this.#ghost);
      this.#ghost = server;
      await this.#faults.connected?.((sql) => client.query(sql));
    } catch (error) {
      client.release(true);
      throw error;
    }
    this.#connection = connection;
    return connection;
  }

  #disconnect(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  async close(): Promise<void> {
    this.#disconnect();
    if (this.#source.isInitialized) await this.#source.destroy();
    await this.#release();
  }
}

/** One connection of the pool, kept. */
class Connection {
  readonly #client: PoolClient;
  readonly #faults: Faults;

  constructor(client: PoolClient, faults: Faults) {
    this.#client = client;
    this.#faults = faults;
  }

  /** Sends a statement behind those before it. The promise may be left alone: whoever sends also looks
   * at a later answer, and that fails, too. */
  send<Row extends QueryResultRow>(statement: string | QueryConfig): Promise<QueryResult<Row>> {
    this.#faults.beforeStatement?.(typeof statement === "string" ? statement : statement.text);
    const answer = this.#client.query<Row>(statement);
    answer.catch(() => {});
    return answer;
  }

  async commit(): Promise<void> {
    const { command } = await this.#client.query("commit");
    // To COMMIT in a transaction that has failed the server answers ROLLBACK, without an error.
    if (command !== "COMMIT") throw Object.assign(new Error("The transaction had failed."), { code: "25P02" });
  }

  destroy(): void {
    this.#client.release(true);
  }
}

/** The process of a PostgreSQL server behind a connection; ids come again, with another start. */
interface ServerProcess {
  readonly pid: number;
  readonly started: string;
}

/** Sets a writing connection up and tells who serves it. */
async function introduce(client: PoolClient): Promise<ServerProcess> {
  const [server] = await Promise.all([
    client.query<ServerProcess>(
      "select pid, extract(epoch from backend_start)::text as started from pg_stat_activity where pid = pg_backend_pid()",
    ),
    // Durable before seen, whatever the server's default.
    client.query(
      "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'",
    ),
    // A server of ours that is stopped between BEGIN and COMMIT must not keep others waiting for its rows.
    client.query(`set idle_in_transaction_session_timeout = ${IDLE_TIMEOUT}`),
  ]);
  const [found] = server.rows;
  if (found === undefined)
    throw new WalrasError("no_connection", "PostgreSQL does not show this connection's process.");
  return found;
}

/**
 * Ends the server's process behind a connection that was lost, and waits until it is gone.
 *
 * After a cut in the network it may still be about to receive our COMMIT; only when it has ended do
 * its transactions have an outcome that can be looked up.
 */
async function end(client: PoolClient, ghost: ServerProcess): Promise<void> {
  const text =
    "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and extract(epoch from backend_start)::text = $2";
  for (const since = performance.now(); performance.now() - since < GHOST_TIMEOUT; await sleep(5)) {
    const { rows } = await client.query(text, [ghost.pid, ghost.started]);
    if (rows.length === 0) return;
  }
  throw new WalrasError("no_connection", `PostgreSQL process ${ghost.pid} of a lost connection does not end.`);
}

function entriesOf(units: readonly StoredUnit[]): Values[] {
  return units.map(({ entry }) => ({ ...entry }));
}

/** @throws WalrasError `row_missing` when an update did not find each of its rows */
function allThere(table: Table, updates: readonly { readonly key: Values }[], found: readonly Values[]): void {
  if (found.length === updates.length) return;
  const id = (row: Values) => table.key.map((name) => row[name]).join("/");
  const there = new Set(found.map(id));
  throw rowMissing(table, updates.find(({ key }) => !there.has(id(key)))?.key ?? {});
}
