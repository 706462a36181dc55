import { WalrasError } from "../client-sdk/errors.ts";
import type { StoredUnit } from "./store.ts";
import type { RowChange, Table, Values } from "./tables.ts";

/** What a batch does to one table, at most one change per row. */
export interface TableChanges {
  readonly table: Table;
  readonly deletes: readonly Values[];
  readonly updates: readonly { readonly key: Values; readonly values: Values }[];
  /** In the order in which the batch made them. */
  readonly inserts: readonly Values[];
}

/**
 * The net effect of a batch: per row the last value wins, so that a hundred bids of one group are one
 * UPDATE. Insert and update make an insert; insert and delete nothing; update and delete a delete;
 * delete and insert an update of every column.
 *
 * @throws WalrasError `bad_change` when a row is inserted twice, or changed after it was deleted
 */
export function mergeChanges(units: readonly StoredUnit[]): TableChanges[] {
  const tables = new Map<Table, Map<string | number, RowChange | null>>();
  for (const unit of units) {
    for (const change of unit.changes) {
      let rows = tables.get(change.table);
      if (rows === undefined) {
        rows = new Map();
        tables.set(change.table, rows);
      }
      const id = rowId(change);
      const earlier = rows.get(id);
      rows.set(id, earlier === undefined ? change : mergeRow(earlier, change, id));
    }
  }
  return Array.from(tables, ([table, rows]) => {
    const deletes: Values[] = [];
    const updates: { key: Values; values: Values }[] = [];
    const inserts: Values[] = [];
    for (const change of rows.values()) {
      if (change === null) continue;
      if (change.op === "insert") inserts.push(change.values);
      else if (change.op === "update") updates.push(change);
      else deletes.push(change.key);
    }
    return { table, deletes, updates, inserts };
  });
}

/** `earlier` null: the batch has made this row and taken it away again. */
function mergeRow(earlier: RowChange | null, change: RowChange, id: string | number): RowChange | null {
  if (earlier === null) {
    if (change.op === "insert") return change;
  } else if (earlier.op === "delete") {
    if (change.op === "insert") return replace(earlier.key, change);
  } else if (change.op === "delete") {
    return earlier.op === "insert" ? null : change;
  } else if (change.op === "update") {
    return { ...earlier, values: { ...earlier.values, ...change.values } };
  }
  const before = earlier === null || earlier.op === "delete" ? "deleted" : "there";
  throw new WalrasError("bad_change", `${change.op} of ${change.table.name} ${id}: the row is already ${before}.`);
}

function replace(key: Values, insert: RowChange & { op: "insert" }): RowChange {
  const values: Values = {};
  for (const { name, initial } of insert.table.columns) {
    const value = insert.values[name];
    if (!insert.table.key.includes(name)) values[name] = value === undefined ? initial : value;
  }
  return { op: "update", table: insert.table, key, values };
}

/** One value for each key, cheap to look up. Keys are integers, so the slash cannot be part of one. */
function rowId(change: RowChange): string | number {
  const key = change.op === "insert" ? change.values : change.key;
  const names = change.table.key;
  if (names.length === 1) return key[names[0] as string] as string | number;
  let id = "";
  for (const name of names) id += `${key[name]}/`;
  return id;
}
