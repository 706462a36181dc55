import type { DataSource } from "typeorm";
import { WalrasError } from "../client-sdk/errors.ts";
import { isStorableText } from "../client-sdk/json.ts";
import type { Column, ColumnKind, Table, Value, Values } from "./tables.ts";

export type Dialect = "sqlite" | "postgres";

/** A column with what SQL needs of it. */
export interface SqlColumn {
  readonly name: string;
  /** The escaped name in the database. */
  readonly sql: string;
  readonly initial: Value;
  /** The type of a PostgreSQL parameter that carries many values of the column. */
  readonly arrayType: "bigint[]" | "double precision[]" | "boolean[]" | "text[]";
  /** The value as the driver takes it. @throws WalrasError `bad_value` for what the column cannot keep */
  encode(value: Value | undefined): Value;
}

/** A table with its names as TypeORM's metadata gives them, and its SQL texts, each made once. */
export class SqlTable {
  readonly table: Table;
  /** The escaped name. */
  readonly path: string;
  /** Key columns first. */
  readonly columns: readonly SqlColumn[];
  readonly keys: readonly SqlColumn[];
  /** The key is numbered by the database. */
  readonly generated: boolean;
  readonly #byName: ReadonlyMap<string, SqlColumn>;
  readonly #booleans: readonly string[];
  readonly #texts = new Map<string, string>();

  constructor(source: DataSource, dialect: Dialect, table: Table) {
    const metadata = source.getMetadata(table.entity);
    const quote = (name: string) => source.driver.escape(name);
    this.table = table;
    this.path = metadata.tablePath.split(".").map(quote).join(".");
    this.columns = table.columns.map((column) => {
      const databaseName = metadata.findColumnWithPropertyName(column.name)?.databaseName ?? column.column;
      return sqlColumn(table, column, quote(databaseName), dialect);
    });
    this.#byName = new Map(this.columns.map((column) => [column.name, column]));
    this.keys = table.key.map((name) => this.column(name));
    this.generated = metadata.primaryColumns.some((column) => column.isGenerated);
    // SQLite has no booleans: they come back as 0 and 1.
    this.#booleans =
      dialect === "postgres" ? [] : table.columns.filter(({ kind }) => kind === "boolean").map(({ name }) => name);
  }

  column(name: string): SqlColumn {
    const column = this.#byName.get(name);
    if (column === undefined) throw new WalrasError("bad_value", `Table ${this.table.name} has no column ${name}.`);
    return column;
  }

  /** The escaped name of a column. */
  at(name: string): string {
    return this.column(name).sql;
  }

  /** A SQL text that is made once; `id` tells the table's texts apart. */
  text(id: string, make: () => string): string {
    let text = this.#texts.get(id);
    if (text === undefined) {
      // Each set of changed columns has a text of its own; an author with very many must not fill the memory.
      if (this.#texts.size >= 200) this.#texts.clear();
      text = make();
      this.#texts.set(id, text);
    }
    return text;
  }

  /** The columns under their TypeScript names, for `select`; `prefix` is the table's alias. */
  list(prefix = ""): string {
    const dot = prefix === "" ? "" : `${prefix}.`;
    return this.columns.map((column) => `${dot}${column.sql} as "${column.name}"`).join(", ");
  }

  /** Makes a row that was read with {@link list} what memory holds. Changes it in place. */
  decode<Row extends Values>(row: Row): Row {
    for (const name of this.#booleans) {
      const value = row[name];
      if (value !== null) (row as Values)[name] = value === 1;
    }
    return row;
  }
}

/** All tables of a store, by their {@link Table}. */
export class SqlTables {
  readonly #tables: ReadonlyMap<Table, SqlTable>;

  constructor(source: DataSource, dialect: Dialect, tables: readonly Table[]) {
    this.#tables = new Map(tables.map((table) => [table, new SqlTable(source, dialect, table)]));
  }

  get(table: Table): SqlTable {
    const found = this.#tables.get(table);
    if (found === undefined) {
      throw new WalrasError("unknown_table", `Table ${table.name} is not in this store; pass its app to openStore.`);
    }
    return found;
  }
}

function sqlColumn(table: Table, column: Column, sql: string, dialect: Dialect): SqlColumn {
  const refuse = (value: unknown, why: string): never => {
    const shown = typeof value === "string" ? "a text" : String(value);
    throw new WalrasError("bad_value", `${table.name}.${column.column}: ${shown} ${why}.`);
  };
  return { name: column.name, sql, initial: column.initial, ...CONVERSIONS[column.kind](refuse, dialect) };
}

type Conversion = (
  refuse: (value: unknown, why: string) => never,
  dialect: Dialect,
) => Pick<SqlColumn, "arrayType" | "encode">;

// Both databases refuse the same values. SQLite alone would keep 1.5 in an integer column, NaN as
// null and half of a surrogate pair as a replacement character.
const whole: Conversion = (refuse) => ({
  arrayType: "bigint[]",
  encode: (value) => (value == null ? null : Number.isSafeInteger(value) ? value : refuse(value, "is no safe integer")),
});
const real: Conversion = (refuse) => ({
  arrayType: "double precision[]",
  encode: (value) => (value == null ? null : Number.isFinite(value) ? value : refuse(value, "is no finite number")),
});
const text: Conversion = (refuse) => ({
  arrayType: "text[]",
  encode: (value) => {
    if (value == null) return null;
    if (typeof value !== "string") return refuse(value, "is no text");
    return isStorableText(value) ? value : refuse(value, "holds NUL or half of a surrogate pair");
  },
});
const truth: Conversion = (refuse, dialect) => ({
  arrayType: "boolean[]",
  encode: (value) => {
    if (value == null) return null;
    if (typeof value !== "boolean") return refuse(value, "is no boolean");
    return dialect === "postgres" ? value : Number(value);
  },
});

const CONVERSIONS: Readonly<Record<ColumnKind, Conversion>> = {
  id: whole,
  link: whole,
  integer: whole,
  timestamp: whole,
  float: real,
  currency: real,
  boolean: truth,
  text,
  longText: text,
  json: text,
};

/** The error of an update that found no row: memory and database do not agree. */
export function rowMissing(table: Table, key: Values): WalrasError {
  return new WalrasError("row_missing", `Table ${table.name} has no row ${JSON.stringify(key)} to update.`);
}

/** The error of a caller that does not wait for the transaction before. */
export function twoWriters(): WalrasError {
  return new WalrasError("two_writers", "A transaction is open already; only one may write, one at a time.");
}
