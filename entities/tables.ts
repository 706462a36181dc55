import type { EntitySchema } from "typeorm";

/** How a value looks in memory and in the database. In memory: `json` is its canonical JSON text,
 * `timestamp` milliseconds since 1970 (UTC), `currency` a number already rounded, `link` and `id` the
 * integer key of the row meant. All columns of authors are nullable: null means "never set". */
export type ColumnKind =
  | "id"
  | "link"
  | "integer"
  | "float"
  | "boolean"
  | "text"
  | "longText"
  | "currency"
  | "json"
  | "timestamp";

/** One stored column. */
export interface Column {
  /** Name in TypeScript, e.g. `highestBid`. */
  readonly name: string;
  /** Name in the database and exports, e.g. `highest_bid`. */
  readonly column: string;
  readonly kind: ColumnKind;
  /** The value that rows from before the column existed get when it is added; also for new rows. */
  readonly initial: Value;
}

/** One stored table: what the unit of work, the stores and the exports need to know of it. */
export interface Table {
  /** Name in the database, e.g. `auction_player`. */
  readonly name: string;
  /** Names (in TypeScript) of the columns that make the primary key. */
  readonly key: readonly string[];
  /** Key columns first. */
  readonly columns: readonly Column[];
  /** The same for TypeORM, which creates the table and gives the SQL its names. */
  readonly entity: EntitySchema;
}

/** A stored value as memory holds it. */
export type Value = null | boolean | number | string;

/** A row's values by TypeScript name. */
export type Values = Record<string, Value>;

/** What a unit did to one row. Insert carries every column; update only what changed; both and delete the key. */
export type RowChange =
  | { readonly op: "insert"; readonly table: Table; readonly values: Values }
  | { readonly op: "update"; readonly table: Table; readonly key: Values; readonly values: Values }
  | { readonly op: "delete"; readonly table: Table; readonly key: Values };

/** `highestBid` → `highest_bid`, `idInGroup` → `id_in_group`, `q1` → `q1`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
