import { AuthorError } from "../client-sdk/errors.ts";
import { DroppedWrites } from "./dropped-writes.ts";
import type { GroupMemory, Row } from "./memory.ts";
import { ChatTable, TimerTable } from "./system-tables.ts";
import type { Table, Value, Values } from "./tables.ts";
import type { Unit, WrittenField } from "./unit.ts";
import { View } from "./view.ts";

/**
 * Thrown where an async call would build on what is not so any more: at an assignment, or at a `yield`. Nothing that
 * the call has written since its last yield remains then. Who catches it reads again, and does that whole step again;
 * whatever of it is left out throws once more at the next yield, so that no half of a step is stored.
 */
export class StaleWrite extends AuthorError {
  override readonly name: string = "StaleWrite";

  constructor(row: Row, field: string, why: string) {
    super(
      "stale_write",
      `${row.model?.app}: ${row.model?.name}.${field} ${why}. Nothing that the call has written since its last yield remains: read again after the last await, and decide anew.`,
      { retry: true },
    );
  }
}

const CHANGED = "was changed by another message since this call read it, so this write would undo that change";
const DELETED = "belongs to a row that another message has deleted";
const LEFT_OUT =
  "was written by this call before a stale write, by which it was lost, and was left out when the rest was done again";
const TAKEN_BACK = "was read by this call from a change that the database has refused since";

/**
 * The view of an async call. The group plays on while the call waits, so its writes stay here until a
 * unit takes them over ({@link apply}) at a yield or at the end, and a write to a field that others
 * changed since this call read it is refused instead of losing their change.
 */
export class BufferedView extends View {
  readonly #written = new Map<Row, Values>();
  readonly #created = new Set<Row>();
  readonly #deleted = new Set<Row>();
  /** Which version of a field this call has read: what `changedAt` said then. */
  readonly #readAt = new Map<Row, Map<string, number>>();
  /** What others have written for this view to see. */
  readonly #given = new Map<Row, Values>();
  /** What others have deleted, as this view sees it. */
  readonly #givenDeleted: ReadonlySet<Row>;
  /** What stale writes since the last unit have lost. */
  readonly #dropped = new DroppedWrites();
  readonly #clock: () => number;
  /** A unit has the writes, and has not committed yet. */
  #handedOver = false;

  /**
   * @param options.clock the time goes on in a call that waits
   * @param options.written by somebody else who will store it before this view's own writes: reads show it
   * @param options.deleted as `written`, of rows
   */
  constructor(
    memory: GroupMemory,
    options: {
      what: string;
      random: () => number;
      clock: () => number;
      written?: Iterable<WrittenField>;
      deleted?: Iterable<Row>;
    },
  ) {
    super(memory, { what: options.what, at: options.clock(), random: options.random });
    this.#clock = options.clock;
    this.#givenDeleted = new Set(options.deleted);
    for (const { row, name, value } of options.written ?? []) {
      const values = this.#given.get(row) ?? {};
      values[name] = value;
      this.#given.set(row, values);
    }
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
    const open = this.#dropped.open();
    if (open !== undefined) throw new StaleWrite(open.row, open.name, LEFT_OUT);
    this.#refuseTakenBack();
    for (const { row, name, text } of this.changedInPlace()) this.#put(row, name, text);
    for (const { row, text } of this.changedOwn()) this.#put(row, "fields", text);
    for (const [row, values] of this.#written) {
      for (const name in values) {
        const why = this.#whyStale(row, name);
        if (why !== undefined) throw new StaleWrite(row, name, why);
      }
    }
    for (const row of this.#created) {
      // It is said now, after what others have said while this call waited.
      if (row.table === ChatTable) row.values.at = this.#clock();
      unit.create(row);
    }
    for (const [row, values] of this.#written) {
      for (const name in values) unit.set(row, name, values[name] ?? null);
    }
    for (const row of this.#deleted) unit.delete(row);
    this.#handedOver = true;
  }

  /** The unit that took the writes over has committed: what this call wrote counts as read by it. */
  applied(unit: Unit): void {
    for (const [row, values] of this.#written) {
      for (const name in values) {
        if (unit.changed(row, name)) this.#reads(row).set(name, unit.version);
        // The author may have kept the object, and change it in place again.
        const json = this.parsed.get(row)?.get(name);
        if (json !== undefined) json.text = values[name] as string;
      }
    }
    this.#clear();
  }

  /** Forgets the writes since the last unit, which has failed: its author has been told why. */
  discard(): void {
    // Not when the unit fails: it may be run again, behind another one that is taken back, and must fail again.
    for (const { name, reads } of this.#readsTakenBack()) reads.delete(name);
    this.#dropped.clear();
    this.#drop();
  }

  #drop(): void {
    for (const row of this.#created) row.deleted = true;
    this.parsed.clear();
    this.forgetOwn();
    this.#clear();
  }

  /** At an assignment: what was written since the last unit is lost, and has to be decided anew. */
  #stale(row: Row, name: string, why: string): StaleWrite {
    for (const { row: changed, name: field } of this.changedInPlace()) this.#dropped.field(changed, field);
    for (const { row: changed } of this.changedOwn()) this.#dropped.field(changed, "fields");
    for (const [written, values] of this.#written) for (const field in values) this.#dropped.field(written, field);
    for (const created of this.#created) this.#dropped.created(created);
    for (const deleted of this.#deleted) this.#dropped.deleted(deleted);
    this.#dropped.field(row, name);
    this.#drop();
    return new StaleWrite(row, name, why);
  }

  #clear(): void {
    this.#written.clear();
    this.#created.clear();
    this.#deleted.clear();
    this.#handedOver = false;
  }

  protected override read(row: Row, name: string): Value {
    const written = this.#written.get(row);
    this.#dropped.fieldAgain(row, name);
    if (written !== undefined && name in written) return written[name] ?? null;
    const given = this.#given.get(row);
    if (given !== undefined && name in given) return given[name] ?? null;
    if (name === "n" && this.#created.has(row)) {
      throw new AuthorError(
        "not_numbered",
        `${row.model?.app}: a new ${row.model?.name} of an async method gets its number n at the next yield.`,
      );
    }
    const value = row.values[name] ?? null;
    const json = this.parsed.get(row)?.get(name);
    if (json !== undefined && json.text !== value && this.textOf(row, name, json.value) !== json.text) {
      // It would be read anew, and what this call has done to the old one would be lost.
      throw this.#stale(row, name, CHANGED);
    }
    this.#reads(row).set(name, row.changedAt(name));
    return value;
  }

  protected override write(row: Row, name: string, value: Value): void {
    this.#requireOpen();
    const why = this.#whyStale(row, name);
    if (why !== undefined) throw this.#stale(row, name, why);
    this.#dropped.fieldAgain(row, name);
    this.#put(row, name, value);
  }

  #put(row: Row, name: string, value: Value): void {
    if (this.#created.has(row)) {
      row.values[name] = value;
      return;
    }
    let written = this.#written.get(row);
    if (written === undefined) {
      written = {};
      this.#written.set(row, written);
    }
    written[name] = value;
  }

  protected override insert(row: Row): void {
    this.#requireOpen();
    if (row.table === TimerTable) row.values.n = this.#timerNumber();
    this.#created.add(row);
    this.#dropped.createdAgain(row);
  }

  /**
   * A timer's number is wanted at once, for cancelling it, and other messages may set timers before this call's
   * unit is made. Below zero it cannot meet theirs, which count on as if this call were not there (as a replay does).
   */
  #timerNumber(): number {
    const { memory } = this;
    const last = Math.max((memory.group.values.timerCount ?? 0) as number, memory.reservedTimer);
    memory.reservedTimer = last + 1;
    return -memory.reservedTimer;
  }

  protected override remove(row: Row): void {
    this.#requireOpen();
    this.#dropped.deletedAgain(row);
    if (this.#created.delete(row)) row.deleted = true;
    else this.#deleted.add(row);
  }

  protected override isDeleted(row: Row): boolean {
    return row.deleted || this.#deleted.has(row) || this.#givenDeleted.has(row);
  }

  protected override *rows(table: Table): Iterable<Row> {
    const stored = this.memory.extrasOf(table);
    for (const row of stored.values()) {
      if (this.#deleted.has(row) || this.#givenDeleted.has(row)) continue;
      this.#reads(row).set("n", row.changedAt("n"));
      yield row;
    }
    // While a unit has them, they are in memory already.
    if (!this.#handedOver) for (const row of this.#created) if (row.table === table) yield row;
  }

  #reads(row: Row): Map<string, number> {
    let reads = this.#readAt.get(row);
    if (reads === undefined) {
      reads = new Map();
      this.#readAt.set(row, reads);
    }
    return reads;
  }

  #whyStale(row: Row, name: string): string | undefined {
    if (row.deleted) return DELETED;
    const readAt = this.#readAt.get(row)?.get(name);
    return readAt !== undefined && row.changedAt(name) !== readAt ? CHANGED : undefined;
  }

  /** What this call computed from a unit that was taken back must not get out. */
  #refuseTakenBack(): void {
    for (const { row, name } of this.#readsTakenBack()) throw new StaleWrite(row, name, TAKEN_BACK);
  }

  *#readsTakenBack(): Iterable<{ row: Row; name: string; reads: Map<string, number> }> {
    const { takenBack } = this.memory;
    if (takenBack.size === 0) return;
    for (const [row, reads] of this.#readAt) {
      for (const [name, version] of reads) if (takenBack.has(version)) yield { row, name, reads };
    }
  }

  /** Between a yield and its commit nothing would hold a write: the author's code is doing two things at once. */
  #requireOpen(): void {
    if (!this.#handedOver) return;
    throw new AuthorError(
      "unit_closed",
      `${this.what}: a field or row was written while a yield was being stored. Await everything that you have started before you yield.`,
    );
  }
}
