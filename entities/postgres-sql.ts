import { createHash } from "node:crypto";
import type { SqlColumn, SqlTable } from "./sql.ts";
import type { Value, Values } from "./tables.ts";

/** One statement for any number of rows: a parameter per column, each an array with a value per row.
 * Its text does not depend on the number of rows, so that the server keeps its plan under `name`. */
export interface Bulk {
  readonly name: string;
  readonly text: string;
  readonly values: Value[][];
}

/** Inserts journal rows and returns the keys of those that were not there. */
export function insertEntries(journal: SqlTable, rows: readonly Values[]): Bulk {
  const text = journal.text("fence", () => {
    return `${insertText(journal)} on conflict do nothing returning ${list(journal.keys)}`;
  });
  return bulk(text, journal.columns, rows);
}

/** Sets clients' numbers where they are higher than what is stored; returns the keys of those clients. */
export function takeNumbers(clients: SqlTable, rows: readonly Values[]): Bulk {
  const text = clients.text("take", () => {
    const n = clients.at("n");
    const keys = clients.keys.map((column) => column.sql).join(", ");
    return `${insertText(clients)} on conflict (${keys}) do update set ${n} = excluded.${n}
      where t.${n} < excluded.${n} returning ${list(clients.keys, "t.")}`;
  });
  return bulk(text, clients.columns, rows);
}

/** `actorId, seq, writer, batch` of those of these entries that are stored. */
export function selectOwners(journal: SqlTable, rows: readonly Values[]): Bulk {
  const text = journal.text("owners", () => {
    const found = [...journal.keys, journal.column("writer"), journal.column("batch")];
    return `select ${list(found, "t.")} from ${journal.path} t join ${unnest(journal.keys)} on ${sameKey(journal)}`;
  });
  return bulk(text, journal.keys, rows);
}

/** Inserts rows of all columns. */
export function insertRows(sql: SqlTable, rows: readonly Values[]): Bulk {
  return bulk(
    sql.text("insert", () => insertText(sql)),
    sql.columns,
    rows,
  );
}

/** Sets the columns `names` of rows that hold them and the key; returns the keys of those that were there. */
export function updateRows(sql: SqlTable, names: readonly string[], rows: readonly Values[]): Bulk {
  const changed = names.map((name) => sql.column(name));
  const columns = [...sql.keys, ...changed];
  const text = sql.text(`update ${names}`, () => {
    const set = changed.map((column) => `${column.sql} = v.${column.sql}`).join(", ");
    return `update ${sql.path} t set ${set} from ${unnest(columns)} where ${sameKey(sql)} returning ${list(sql.keys, "t.")}`;
  });
  return bulk(text, columns, rows);
}

export function deleteRows(sql: SqlTable, keys: readonly Values[]): Bulk {
  const text = sql.text("delete", () => `delete from ${sql.path} t using ${unnest(sql.keys)} where ${sameKey(sql)}`);
  return bulk(text, sql.keys, keys);
}

function insertText(sql: SqlTable): string {
  const names = sql.columns.map((column) => column.sql).join(", ");
  return `insert into ${sql.path} as t (${names}) select * from ${unnest(sql.columns)}`;
}

function bulk(text: string, columns: readonly SqlColumn[], rows: readonly Values[]): Bulk {
  const values = columns.map(({ name, initial, encode }) =>
    rows.map((row) => {
      const value = row[name];
      return encode(value === undefined ? initial : value);
    }),
  );
  return { name: statementName(text), text, values };
}

/** `unnest($1::bigint[], $2::text[]) v("id", "label")` */
function unnest(columns: readonly SqlColumn[]): string {
  const arrays = columns.map((column, i) => `$${i + 1}::${column.arrayType}`).join(", ");
  return `unnest(${arrays}) v(${columns.map((column) => column.sql).join(", ")})`;
}

function sameKey(sql: SqlTable): string {
  return sql.keys.map((column) => `t.${column.sql} = v.${column.sql}`).join(" and ");
}

function list(columns: readonly SqlColumn[], prefix = ""): string {
  return columns.map((column) => `${prefix}${column.sql} as "${column.name}"`).join(", ");
}

const names = new Map<string, string>();

/** A short name for a statement; PostgreSQL cuts names off at 63 bytes. */
export function statementName(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    if (names.size >= 1_000) names.clear();
    name = `w${createHash("sha1").update(text).digest("base64url")}`;
    names.set(text, name);
  }
  return name;
}
