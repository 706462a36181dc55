import type { GroupMemory, Row } from "./memory.ts";
import { ChatTable, TimerTable } from "./system-tables.ts";
import type { RowChange, Table, Value, Values } from "./tables.ts";

/** A field as somebody has written it. */
export interface WrittenField {
  readonly row: Row;
  readonly name: string;
  readonly value: Value;
}

/**
 * The unit of work: what one turn changes in an actor's memory.
 *
 * Writes go straight into memory, so that reads are plain reads; the old values are kept here until
 * the unit has committed, so that it can be taken back whole, also after later units ran on top of it
 * (those are taken back first).
 */
export class Unit {
  readonly #memory: GroupMemory;
  /** Old values of the fields that were written. */
  readonly #old = new Map<Row, Values>();
  readonly #created = new Set<Row>();
  readonly #deleted = new Set<Row>();
  /** Rows of Walras' own tables that this unit made, and how each leaves memory again. */
  readonly #added = new Map<Row, () => void>();

  /** Version of the memory that this unit made, see {@link stamp}; 0: not stamped. */
  version = 0;
  /** What {@link Row.changedAt} said of the fields that this unit changed, before it did. */
  readonly #before = new Map<Row, Map<string, number>>();

  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  set(row: Row, name: string, value: Value): void {
    if (!this.#created.has(row)) {
      let old = this.#old.get(row);
      if (old === undefined) {
        old = {};
        this.#old.set(row, old);
      }
      if (!(name in old)) old[name] = row.values[name] ?? null;
    }
    row.values[name] = value;
  }

  /** The fields of stored rows that were written, with their values now. */
  *written(): Iterable<WrittenField> {
    for (const [row, old] of this.#old) {
      for (const name in old) yield { row, name, value: row.values[name] ?? null };
    }
  }

  /** The stored rows that were deleted. */
  deleted(): Iterable<Row> {
    return this.#deleted;
  }

  /** Adds an extra row, a timer or a chat message and gives it the group's next number; a timer may have its number already. */
  create(row: Row): void {
    const { group } = this.#memory;
    const counter = COUNTERS.get(row.table) ?? "extraCount";
    const last = (group.values[counter] ?? 0) as number;
    const given = row.table === TimerTable ? (row.values.n as number | undefined) : undefined;
    const n = given ?? last + 1;
    this.set(group, counter, Math.max(last, Math.abs(n)));
    row.values.actorId = this.#memory.actorId;
    row.values.n = n;
    row.deleted = false;
    this.#memory.extrasOf(row.table).set(n, row);
    this.#created.add(row);
  }

  /** Adds a row of one of Walras' own tables to a map in memory. */
  add<K>(row: Row, rows: Map<K, Row>, id: K): void {
    rows.set(id, row);
    this.#added.set(row, () => rows.delete(id));
  }

  delete(row: Row): void {
    if (row.deleted) return;
    row.deleted = true;
    this.#deleted.add(row);
  }

  /** The changes that are to be stored: only columns whose value differs from before the unit. */
  changes(): RowChange[] {
    const changes: RowChange[] = [];
    for (const row of this.#created) {
      if (!row.deleted) changes.push({ op: "insert", table: row.table, values: { ...row.values } });
    }
    for (const row of this.#added.keys()) changes.push({ op: "insert", table: row.table, values: { ...row.values } });
    for (const [row, old] of this.#old) {
      if (row.deleted || this.#added.has(row)) continue;
      const values: Values = {};
      let any = false;
      for (const name in old) {
        const value = row.values[name] ?? null;
        if (value !== old[name]) {
          values[name] = value;
          any = true;
        }
      }
      if (any) changes.push({ op: "update", table: row.table, key: row.key(), values });
    }
    for (const row of this.#deleted) {
      if (!this.#created.has(row)) changes.push({ op: "delete", table: row.table, key: row.key() });
    }
    return changes;
  }

  /** Marks what changed, for {@link Row.changedAt}. */
  stamp(): void {
    this.version = ++this.#memory.version;
    for (const row of this.#created) this.#mark(row, "n");
    for (const [row, old] of this.#old) {
      for (const name in old) if (row.values[name] !== old[name]) this.#mark(row, name);
    }
  }

  #mark(row: Row, name: string): void {
    let before = this.#before.get(row);
    if (before === undefined) {
      before = new Map();
      this.#before.set(row, before);
    }
    before.set(name, row.changedAt(name));
    row.setChangedAt(name, this.version);
  }

  /** Whether this unit, once stamped, changed a field's value. */
  changed(row: Row, name: string): boolean {
    return this.#before.get(row)?.has(name) ?? false;
  }

  /** Takes everything back. Later units must have been taken back before. */
  undo(): void {
    for (const row of this.#deleted) row.deleted = false;
    for (const row of this.#created) {
      this.#memory.extrasOf(row.table).delete(row.values.n as number);
      row.deleted = true;
    }
    for (const forget of this.#added.values()) forget();
    for (const [row, old] of this.#old) {
      for (const name in old) row.values[name] = old[name] ?? null;
    }
    // Who read the values from before has them again, and their writes are not stale.
    for (const [row, before] of this.#before) {
      for (const [name, version] of before) row.setChangedAt(name, version);
    }
    if (this.version > 0) this.#memory.takenBack.add(this.version);
  }

  /** Called when it has committed: deleted rows leave memory, and chat messages, which are read from the database. */
  settle(): void {
    for (const row of this.#created) {
      if (row.table === ChatTable) this.#memory.extrasOf(ChatTable).delete(row.values.n as number);
    }
    for (const row of this.#deleted) this.#memory.extrasOf(row.table).delete(row.values.n as number);
  }
}

/** Columns of the group that count rows of Walras' own tables; all rows of authors count together. */
const COUNTERS: ReadonlyMap<Table, string> = new Map([
  [TimerTable, "timerCount"],
  [ChatTable, "chatCount"],
]);

/** JSON text of changes for the journal: table, key and values, in the order in which they were made. */
export function changesToJson(changes: readonly RowChange[]): string | null {
  if (changes.length === 0) return null;
  return JSON.stringify(
    changes.map((change) =>
      change.op === "insert"
        ? { insert: change.table.name, values: change.values }
        : change.op === "update"
          ? { update: change.table.name, key: change.key, values: change.values }
          : { delete: change.table.name, key: change.key },
    ),
  );
}
