import { AuthorError } from "../client-sdk/errors.ts";
import type { ModelSpec } from "./app-spec.ts";
import type { GroupMemory, Row } from "./memory.ts";
import type { Value, Values } from "./tables.ts";
import type { Unit } from "./unit.ts";
import { View } from "./view.ts";

/** Thrown where an async call would overwrite what another unit changed since the call read it. */
export class StaleWrite extends AuthorError {
  override readonly name: string = "StaleWrite";

  constructor(row: Row, field: string) {
    super(
      "stale_write",
      `${row.model?.app}: ${row.model?.name}.${field} was changed by another message since this call read it, so this write would undo that change. Read ${field} again after the last await and decide anew.`,
      { retry: true },
    );
  }
}

/**
 * The view of an async call. The group plays on while the call waits, so its writes stay here until a
 * unit takes them over ({@link apply}) at a yield or at the end, and a write to a field that others
 * changed since this call read it is refused instead of losing their change.
 */
export class BufferedView extends View {
  readonly #written = new Map<Row, Values>();
  readonly #created = new Set<Row>();
  readonly #deleted = new Set<Row>();
  /** What `changedAt` said when this call read a field. */
  readonly #readAt = new Map<Row, Map<string, number>>();
  readonly #clock: () => number;

  /** @param options.clock the time goes on in a call that waits */
  constructor(memory: GroupMemory, options: { what: string; random: () => number; clock: () => number }) {
    super(memory, { what: options.what, at: options.clock(), random: options.random });
    this.#clock = options.clock;
  }

  override now(): number {
    this.check();
    return this.#clock();
  }

  /**
   * Hands the writes since the last unit to a unit. May be called again with another unit if the store
   * made the actor take the first one back.
   * @throws StaleWrite, AuthorError; then nothing was written
   */
  apply(unit: Unit): void {
    this.writeBackJson();
    for (const [row, values] of this.#written) {
      for (const name in values) this.#refuseStale(row, name);
    }
    for (const row of this.#created) unit.create(row);
    for (const [row, values] of this.#written) {
      for (const name in values) unit.set(row, name, values[name] ?? null);
    }
    for (const row of this.#deleted) unit.delete(row);
  }

  /** The unit that took the writes over has committed: what this call wrote counts as read by it. */
  applied(unit: Unit): void {
    for (const [row, values] of this.#written) {
      for (const name in values) this.#reads(row).set(name, unit.version);
    }
    this.discard();
  }

  /** Forgets the writes since the last unit. */
  discard(): void {
    this.#written.clear();
    this.#created.clear();
    this.#deleted.clear();
    this.parsed.clear();
  }

  protected override read(row: Row, name: string): Value {
    const written = this.#written.get(row);
    if (written !== undefined && name in written) return written[name] ?? null;
    this.#reads(row).set(name, row.changedAt.get(name) ?? 0);
    return row.values[name] ?? null;
  }

  protected override write(row: Row, name: string, value: Value): void {
    if (this.#created.has(row)) {
      row.values[name] = value;
      return;
    }
    this.#refuseStale(row, name);
    let written = this.#written.get(row);
    if (written === undefined) {
      written = {};
      this.#written.set(row, written);
    }
    written[name] = value;
  }

  protected override insert(row: Row): void {
    this.#created.add(row);
  }

  protected override remove(row: Row): void {
    if (this.#created.delete(row)) row.deleted = true;
    else this.#deleted.add(row);
  }

  protected override *rows(model: ModelSpec): Iterable<Row> {
    for (const row of this.memory.extrasOf(model.table).values()) if (!this.#deleted.has(row)) yield row;
    for (const row of this.#created) if (row.model === model) yield row;
  }

  #reads(row: Row): Map<string, number> {
    let reads = this.#readAt.get(row);
    if (reads === undefined) {
      reads = new Map();
      this.#readAt.set(row, reads);
    }
    return reads;
  }

  #refuseStale(row: Row, name: string): void {
    const readAt = this.#readAt.get(row)?.get(name);
    if (readAt !== undefined && (row.changedAt.get(name) ?? 0) > readAt) throw new StaleWrite(row, name);
  }
}
