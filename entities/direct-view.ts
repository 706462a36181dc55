import type { GroupMemory, Row } from "./memory.ts";
import type { Table, Value } from "./tables.ts";
import { Unit } from "./unit.ts";
import { View, type ViewOptions } from "./view.ts";

/** The view of a synchronous call: reads and writes memory, and keeps the undo in its unit. */
export class DirectView extends View {
  readonly unit: Unit;

  constructor(memory: GroupMemory, options: ViewOptions) {
    super(memory, options);
    this.unit = new Unit(memory);
  }

  /** Ends the call: in-place changes of JSON fields are found now. @throws AuthorError for what is not JSON */
  finish(): void {
    for (const { row, name, text } of this.changedInPlace()) this.write(row, name, text);
    for (const { row, text } of this.changedOwn()) this.write(row, "fields", text);
    this.end();
  }

  protected override read(row: Row, name: string): Value {
    return row.values[name] ?? null;
  }

  protected override write(row: Row, name: string, value: Value): void {
    this.unit.set(row, name, value);
  }

  protected override insert(row: Row): void {
    this.unit.create(row);
  }

  protected override remove(row: Row): void {
    this.unit.delete(row);
  }

  protected override rows(table: Table): Iterable<Row> {
    return this.memory.extrasOf(table).values();
  }
}
