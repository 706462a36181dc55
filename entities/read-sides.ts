import type { DataSource } from "typeorm";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { classify } from "./classify.ts";
import { postgresPool, type SqliteStatement, sqliteConnection } from "./data-source.ts";
import { statementName } from "./postgres-sql.ts";
import type { Query, ReadSide } from "./reads.ts";
import type { Values } from "./tables.ts";

/** Reads over a read-only connection to a SQLite file, on the main thread: each is a few microseconds. */
export function sqliteReads(source: DataSource): ReadSide {
  const db = sqliteConnection(source);
  const statements = new Map<string, SqliteStatement>();
  function all<Row>({ text, values }: Query): Row[] {
    let statement = statements.get(text);
    if (statement === undefined) {
      if (statements.size >= 1_000) statements.clear();
      statement = db.prepare(text.replaceAll(/\$\d+/g, "?"));
      statements.set(text, statement);
    }
    return statement.all<Row>(
      values.map((value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : value)),
    );
  }
  return honest({
    dialect: "sqlite",
    all: async (query) => all(query),
    async snapshot(queries) {
      db.exec("begin");
      try {
        return queries.map((query) => all<Values>(query));
      } finally {
        db.exec("rollback");
      }
    },
  });
}

/** Reads over a pool of connections to a PostgreSQL server. */
export function postgresReads(source: DataSource): ReadSide {
  const pool = postgresPool(source);
  return honest({
    dialect: "postgres",
    async all({ text, values }) {
      return (await pool.query({ name: statementName(text), text, values: [...values] })).rows;
    },
    async snapshot(queries) {
      const client = await pool.connect();
      // A connection that breaks tells its queries, and then everybody: without a listener the process ends.
      const ignore = () => {};
      client.on("error", ignore);
      try {
        const [, ...answers] = await Promise.all([
          client.query("begin isolation level repeatable read read only"),
          ...queries.map(({ text, values }) =>
            client.query<Values>({ name: statementName(text), text, values: [...values] }),
          ),
        ]);
        await client.query("rollback");
        client.off("error", ignore);
        client.release();
        return answers.map((answer) => answer.rows);
      } catch (error) {
        client.release(true);
        throw error;
      }
    },
  });
}

/** A side whose errors tell a database that is away, and will be back, from a query that is wrong. */
function honest(side: ReadSide): ReadSide {
  const fail = (error: unknown): never => {
    if (classify(error, "statement") === "data") throw error;
    const message = `The database does not answer: ${messageOf(error)}`;
    throw new WalrasError("database_unreachable", message, { retry: true, cause: error });
  };
  return {
    dialect: side.dialect,
    all: (query) => side.all<never>(query).catch(fail),
    snapshot: (queries) => side.snapshot(queries).catch(fail),
  };
}
