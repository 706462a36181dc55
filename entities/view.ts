import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldSpec, ModelSpec } from "./app-spec.ts";
import { type Handle, isHandle, ROW, VIEW } from "./handle.ts";
import { extraHandle, groupHandle, playerHandle } from "./handles.ts";
import { type GroupMemory, Row } from "./memory.ts";
import { Surroundings, type SurroundingsOptions } from "./surroundings.ts";
import { ChatTable, TimerTable } from "./system-tables.ts";
import type { Table, Value } from "./tables.ts";
import { byDeadline } from "./timers.ts";
import { checkValue, initialValues } from "./values.ts";

/** A JSON field as an author's code holds it. */
export interface ParsedJson {
  text: string;
  readonly value: unknown;
}

/** What a view is made with. */
export interface ViewOptions extends SurroundingsOptions {
  /** Names the call in errors, e.g. `auction/Bidding live`. */
  readonly what: string;
  readonly at: number;
  readonly random: () => number;
}

/**
 * How one call of an author's function sees the models: every handle belongs to a view, and reads and
 * writes go through it. A view ends with its call; what an author keeps of it throws from then on,
 * because it would write outside of any unit.
 */
export abstract class View {
  readonly memory: GroupMemory;
  /** Names the call in errors, e.g. `auction/Bidding live`. */
  readonly what: string;
  protected readonly at: number;
  readonly #draw: () => number;
  #ended = false;
  readonly #handles = new Map<Row, Handle>();
  /** JSON fields that were read, with the text that they were read from: they may be changed in place, which shows
   * at the end of the unit. */
  protected readonly parsed = new Map<Row, Map<string, ParsedJson>>();
  readonly #options: SurroundingsOptions;
  /** Made when it is first asked for: most calls look at their group only. */
  #around: Surroundings | undefined;

  constructor(memory: GroupMemory, options: ViewOptions) {
    this.memory = memory;
    this.what = options.what;
    this.at = options.at;
    this.#draw = options.random;
    this.#options = options;
    // What another view has changed shows here, too.
    if (options.own !== undefined) this.#around = this.#makeSurroundings();
  }

  /** The unit's time, milliseconds since 1970 (UTC). */
  now(): number {
    this.check();
    return this.at;
  }

  /** The unit's random numbers, 0 ≤ x < 1. */
  random(): number {
    this.check();
    return this.#draw();
  }

  end(): void {
    this.#ended = true;
  }

  protected check(): void {
    if (this.#ended) {
      throw new AuthorError(
        "view_ended",
        `${this.what}: a player, group or row was used after the call it belonged to had ended. Do not keep them in variables outside of the function or use them in setTimeout; get them anew in each call.`,
      );
    }
  }

  player(row: Row): Handle {
    return this.#handle(row, playerHandle);
  }

  group(): Handle {
    return this.#handle(this.memory.group, groupHandle);
  }

  extra(row: Row): Handle {
    return this.#handle(row, extraHandle);
  }

  /** The person behind a player. @param row of the participant */
  participant(row: Row): object {
    return this.#surroundings.participant(row);
  }

  session(): object {
    return this.#surroundings.session();
  }

  /** This app in this round. */
  subsession(): object {
    return this.#surroundings.subsession();
  }

  /** The players of all groups. @throws AuthorError where the call sees one group */
  everybody(what: string): readonly Handle[] {
    return this.#surroundings.everybody(what);
  }

  /** The fields of participants, session and round that were changed. @throws AuthorError for what is not JSON, or not theirs to change */
  protected changedOwn(): Iterable<{ row: Row; text: string }> {
    return this.#around?.changed() ?? [];
  }

  /** What was changed of them is not so. */
  protected forgetOwn(): void {
    this.#around?.forget();
  }

  get #surroundings(): Surroundings {
    this.#around ??= this.#makeSurroundings();
    return this.#around;
  }

  #makeSurroundings(): Surroundings {
    const view = {
      memory: this.memory,
      what: this.what,
      check: () => this.check(),
      read: (row: Row, name: string) => this.read(row, name),
      write: (row: Row, name: string, value: Value) => this.write(row, name, value),
      builtIn: (row: Row, name: string) => this.builtIn(row, name),
    };
    return new Surroundings(view, this.#options);
  }

  /** A player who is in this view's group from now on: what authors hold of them goes on here. */
  moveIn(row: Row, from: View): void {
    const handle = from.#handles.get(row);
    if (handle !== undefined) {
      from.#handles.delete(row);
      this.#handles.set(row, handle);
      (handle as { [VIEW]: View })[VIEW] = this;
    }
    const parsed = from.parsed.get(row);
    if (parsed !== undefined) {
      from.parsed.delete(row);
      this.parsed.set(row, parsed);
    }
  }

  #handle(row: Row, make: (view: View, row: Row) => Handle): Handle {
    let handle = this.#handles.get(row);
    if (handle === undefined) {
      handle = make(this, row);
      this.#handles.set(row, handle);
    }
    return handle;
  }

  /** Reads a declared field as authors see it. */
  readField(row: Row, name: string, spec: FieldSpec): unknown {
    this.check();
    if (this.isDeleted(row)) throw this.#deletedError(row);
    const value = this.read(row, name);
    if (value === null) {
      if (spec.blank) return null;
      const where = `${this.memory.app.name}: ${row.model?.name}.${name}`;
      throw new AuthorError(
        "field_not_set",
        `${where} was read but never set. Set it first, give it an \`initial\` value, or declare it with \`blank: true\` and check for null.`,
      );
    }
    if (spec.kind === "json") return this.#parse(row, name, value as string);
    if (spec.kind === "link") return this.#linked(spec, value as number);
    return value;
  }

  /** Writes a declared field, checked and rounded. */
  writeField(row: Row, name: string, spec: FieldSpec, value: unknown): void {
    this.check();
    if (this.isDeleted(row)) throw this.#deletedError(row);
    this.write(row, name, this.#toValue(row.model as ModelSpec, name, spec, value));
    this.parsed.get(row)?.delete(name);
  }

  /** A new extra row; see the typed `create` of the author's API. */
  create(model: ModelSpec, values: Record<string, unknown>): Handle {
    this.check();
    this.#requireOwn(model);
    const row = new Row(model.table, model, initialValues(model.table, this.memory.decimals));
    for (const name of Object.keys(values)) {
      const spec = this.#field(model, name);
      row.values[name] = this.#toValue(model, name, spec, values[name]);
    }
    for (const [name, spec] of Object.entries(model.fields)) {
      if (spec.kind === "link" && !spec.blank && row.values[name] === null) {
        throw new AuthorError(
          "link_missing",
          `${model.app}: ${model.name}.create() needs \`${name}\`, the ${spec.to} that the row belongs to.`,
        );
      }
    }
    this.insert(row);
    return this.extra(row);
  }

  /** Extra rows with these values, in order of creation; see the typed `filter` of the author's API. */
  filter(model: ModelSpec, where: Record<string, unknown>): Handle[] {
    this.check();
    this.#requireOwn(model);
    const wanted: [string, Value][] = [];
    for (const name of Object.keys(where)) {
      const value = where[name];
      // The rows in memory are this group's; asking for the group is asking for all of them.
      if (name === "group" && model.fields.group === undefined) {
        if (!isHandle(value) || value[ROW] !== this.memory.group) throw this.#foreign(model, name);
        continue;
      }
      const spec = this.#field(model, name);
      wanted.push([name, value === null ? null : this.#toValue(model, name, spec, value)]);
    }
    const found: Handle[] = [];
    for (const row of this.rows(model.table)) {
      if (!row.deleted && wanted.every(([name, value]) => this.read(row, name) === value)) found.push(this.extra(row));
    }
    return found;
  }

  deleteRow(row: Row): void {
    this.check();
    this.remove(row);
  }

  /** A new deadline of the group; see timers.ts for the authors' side, which checks it. @returns its number */
  addTimer(values: {
    name: string;
    dueAt: number;
    everySeconds: number | null;
    payload: string | null;
    page?: string;
  }): number {
    this.check();
    const row = new Row(TimerTable, null, { page: null, ...values });
    this.insert(row);
    return row.values.n as number;
  }

  /** A new message of a chat; see chat.ts for the authors' side, which checks it. @returns its row, which has its
   * number now or, of an async call, when it is stored */
  addChat(values: { participantId: number | null; channel: string; nickname: string; body: string }): Row {
    this.check();
    const row = new Row(ChatTable, null, { sessionId: this.memory.session.id, ...values, at: this.now() });
    this.insert(row);
    return row;
  }

  /** The group's deadlines, the next one first. */
  pendingTimers(): Row[] {
    this.check();
    return [...this.rows(TimerTable)].filter((row) => !this.isDeleted(row)).sort(byDeadline);
  }

  removeTimer(row: Row): void {
    this.check();
    this.remove(row);
  }

  /** The JSON fields that were changed in place since they were read. @throws AuthorError for what is not JSON */
  protected *changedInPlace(): Iterable<{ row: Row; name: string; text: string }> {
    for (const [row, fields] of this.parsed) {
      if (this.isDeleted(row)) continue;
      for (const [name, json] of fields) {
        const text = this.textOf(row, name, json.value);
        if (text !== json.text) yield { row, name, text };
      }
    }
  }

  protected textOf(row: Row, name: string, value: unknown): string {
    const model = row.model as ModelSpec;
    const spec = model.fields[name] as FieldSpec;
    return checkValue(spec, value, `${model.app}: ${model.name}.${name}`, this.memory.decimals) as string;
  }

  protected isDeleted(row: Row): boolean {
    return row.deleted;
  }

  protected abstract read(row: Row, name: string): Value;
  protected abstract write(row: Row, name: string, value: Value): void;
  protected abstract insert(row: Row): void;
  protected abstract remove(row: Row): void;
  protected abstract rows(table: Table): Iterable<Row>;

  /** A built-in column that only Walras writes. */
  builtIn(row: Row, name: string): Value {
    this.check();
    if (name === "id" && this.#options.unnumbered === true) {
      throw new AuthorError(
        "not_numbered",
        `${this.what}: ${row.model?.name}.id is given when the session has been made. Use player.participant.idInSession or group.idInSubsession instead.`,
      );
    }
    return this.read(row, name);
  }

  #parse(row: Row, name: string, text: string): unknown {
    let fields = this.parsed.get(row);
    if (fields === undefined) {
      fields = new Map();
      this.parsed.set(row, fields);
    }
    const known = fields.get(name);
    if (known !== undefined && known.text === text) return known.value;
    const value: unknown = JSON.parse(text);
    fields.set(name, { text, value });
    return value;
  }

  #linked(spec: FieldSpec, id: number): Handle {
    if (spec.to === "group") return this.group();
    const row = this.memory.playerById(id);
    if (row === undefined) throw new Error(`no player ${id} in group ${this.memory.actorId}`);
    return this.player(row);
  }

  #toValue(model: ModelSpec, name: string, spec: FieldSpec, value: unknown): Value {
    if (spec.kind === "link" && value !== null) {
      const kind = spec.to as string;
      if (!isHandle(value) || value[ROW].model?.kind !== kind || value[ROW].model?.app !== model.app) {
        throw new AuthorError(
          "wrong_link",
          `${model.app}: ${model.name}.${name} takes a ${kind}, e.g. \`{ ${name}: ${kind === "player" ? "player" : "player.group"} }\`.`,
        );
      }
      const target = value[ROW];
      if (target !== this.memory.group && this.memory.playerById(target.values.id as number) !== target) {
        throw this.#foreign(model, name);
      }
      return target.values.id as number;
    }
    return checkValue(spec, value, `${model.app}: ${model.name}.${name}`, this.memory.decimals);
  }

  #field(model: ModelSpec, name: string): FieldSpec {
    const spec = model.fields[name];
    if (spec === undefined || !Object.hasOwn(model.fields, name)) {
      throw new AuthorError(
        "unknown_field",
        `${model.app}: ${model.name} has no field "${name}". Its fields are ${Object.keys(model.fields).join(", ")}.`,
      );
    }
    return spec;
  }

  #requireOwn(model: ModelSpec): void {
    if (this.memory.app.extras[model.name] !== model) {
      throw new AuthorError("wrong_app", `${model.app}: ${model.name} is not a model of app ${this.memory.app.name}.`);
    }
  }

  #foreign(model: ModelSpec, name: string): AuthorError {
    return new AuthorError(
      "foreign_group",
      `${model.app}: ${model.name}.${name} names a player or group outside of this group. A live method can only touch its own group's rows.`,
    );
  }

  #deletedError(row: Row): AuthorError {
    return new AuthorError("row_deleted", `${row.model?.app}: this ${row.model?.name} was deleted.`);
  }
}
