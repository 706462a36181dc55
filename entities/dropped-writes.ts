import type { Row } from "./memory.ts";
import type { Table } from "./tables.ts";

/**
 * What an async call has lost by a stale write: everything that it had written since its last yield. It may go on
 * when it has decided anew about each of these: read or written the field again, made as many rows again, deleted
 * the row again. Otherwise half of a unit could be stored, by a call that caught the stale write at one assignment
 * and did only that one again.
 */
export class DroppedWrites {
  readonly #fields = new Map<Row, Set<string>>();
  readonly #created = new Map<Table, { row: Row; count: number }>();
  readonly #deleted = new Set<Row>();

  field(row: Row, name: string): void {
    const names = this.#fields.get(row);
    if (names === undefined) this.#fields.set(row, new Set([name]));
    else names.add(name);
  }

  created(row: Row): void {
    const count = this.#created.get(row.table)?.count ?? 0;
    this.#created.set(row.table, { row, count: count + 1 });
  }

  deleted(row: Row): void {
    this.#deleted.add(row);
  }

  fieldAgain(row: Row, name: string): void {
    this.#fields.get(row)?.delete(name);
  }

  createdAgain({ table }: Row): void {
    const created = this.#created.get(table);
    if (created !== undefined) created.count -= 1;
  }

  deletedAgain(row: Row): void {
    this.#deleted.delete(row);
  }

  /** One of those about which the call has not decided anew; rows that others have deleted need no decision. */
  open(): { row: Row; name: string } | undefined {
    for (const [row, names] of this.#fields) for (const name of names) if (!row.deleted) return { row, name };
    for (const { row, count } of this.#created.values()) if (count > 0) return { row, name: "n" };
    for (const row of this.#deleted) if (!row.deleted) return { row, name: "n" };
    return undefined;
  }

  clear(): void {
    this.#fields.clear();
    this.#created.clear();
    this.#deleted.clear();
  }
}
