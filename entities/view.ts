import { AsyncLocalStorage } from "node:async_hooks";
import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldSpec, ModelSpec, PinnedPage } from "./app-spec.ts";
import { fieldSpec, text } from "./fields.ts";
import { type Handle, isHandle, ROW, VIEW } from "./handle.ts";
import { extraHandle, groupHandle, playerHandle } from "./handles.ts";
import { asLabel, LABEL_RULE } from "./labels.ts";
import { type GroupMemory, Row, type SessionFacts } from "./memory.ts";
import { inRealWorldCurrency, withParticipationFee } from "./money.ts";
import { type Owner, OwnFields, ownObject } from "./own-fields.ts";
import { ChatTable, TimerTable } from "./system-tables.ts";
import type { Table, Value } from "./tables.ts";
import { byDeadline } from "./timers.ts";
import { Unit } from "./unit.ts";
import { checkValue, describe, initialValues, roundCurrency } from "./values.ts";

/** A JSON field as an author's code holds it. */
export interface ParsedJson {
  text: string;
  readonly value: unknown;
}

const STATUS = fieldSpec(text({ blank: true }), "participant.status");

/** What a view is made with. */
export interface ViewOptions {
  /** Names the call in errors, e.g. `auction/Bidding live`. */
  readonly what: string;
  readonly at: number;
  readonly random: () => number;
  /** Shared by the views of one call that sees several groups. */
  readonly own?: OwnFields;
  /** The call may change the fields of the session and of the round: no other group runs at the same time. */
  readonly mayWriteShared?: boolean;
  /** The players of all groups of the round, where the call sees them. */
  readonly everybody?: (() => readonly Handle[]) | undefined;
  /** Rows have no numbers yet, so that `id` cannot be read. */
  readonly unnumbered?: boolean | undefined;
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
  /** Declared fields of participants and of the session. */
  protected readonly own: OwnFields;
  readonly #ownObjects = new Map<Row, object>();
  readonly #mayWriteShared: boolean;
  readonly #everybody: (() => readonly Handle[]) | undefined;
  readonly #unnumbered: boolean;

  constructor(memory: GroupMemory, options: ViewOptions) {
    this.memory = memory;
    this.what = options.what;
    this.at = options.at;
    this.#draw = options.random;
    this.own = options.own ?? new OwnFields();
    this.#mayWriteShared = options.mayWriteShared ?? false;
    this.#everybody = options.everybody;
    this.#unnumbered = options.unnumbered ?? false;
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
    const { code, idInSession, entry, startedAt = null } = row.values;
    const parameters: unknown = typeof entry === "string" ? JSON.parse(entry) : {};
    const { session } = this.memory;
    const payoff = () => this.#payoff(row);
    const where = () => placeOf(this.memory, this.builtIn(row, "pageIndex") as number);
    const status = {
      get: () => this.builtIn(row, "status"),
      set: (value: unknown) => this.#writeStatus(row, value),
    };
    const label = {
      get: () => this.builtIn(row, "label"),
      set: (value: unknown) => this.#writeLabel(row, value),
    };
    return this.#ownObject(row, "participant", {
      ...{ code, idInSession, entry: parameters, timeStarted: startedAt, visited: startedAt !== null },
      get label() {
        return label.get();
      },
      set label(value: unknown) {
        label.set(value);
      },
      get isOnWaitPage() {
        return where() === "waiting";
      },
      get finished() {
        return where() === "finished";
      },
      get status() {
        return status.get();
      },
      set status(value: unknown) {
        status.set(value);
      },
      get payoff() {
        return payoff();
      },
      get payoffInRealWorldCurrency() {
        return inRealWorldCurrency(payoff(), session);
      },
      get payoffPlusParticipationFee() {
        return withParticipationFee(payoff(), session);
      },
    });
  }

  /** The sum over all apps and rounds: what was elsewhere when the participant came, and what this group says. */
  #payoff({ values }: Row): number {
    this.check();
    const player = this.memory.playerOf(values.id as number);
    const { payoffElsewhere } = values;
    if (player === undefined || typeof payoffElsewhere !== "number") {
      throw new AuthorError(
        "field_not_set",
        `${this.what}: participant.payoff, over all apps and rounds, is known on pages and in functions of one group, but not here. Use player.payoff.`,
      );
    }
    return roundCurrency(payoffElsewhere + (this.read(player, "payoff") as number), this.memory.decimals);
  }

  /** Laid out before anybody comes: later, people may have come by their labels. */
  #writeLabel(row: Row, value: unknown): void {
    this.check();
    const where = `${this.memory.app.name}: participant.label`;
    if (!this.#unnumbered) {
      throw new AuthorError("read_only", `${where} can be set in creatingSession(subsession), and nowhere else.`);
    }
    const label = asLabel(value);
    if (label === undefined && value !== null) {
      throw new AuthorError("wrong_label", `${where} was set to ${describe(value)}. ${LABEL_RULE}.`);
    }
    this.write(row, "label", label ?? null);
  }

  /** A word or two for the experimenter. */
  #writeStatus(row: Row, value: unknown): void {
    this.check();
    const where = `${this.memory.app.name}: participant.status`;
    this.write(row, "status", checkValue(STATUS, value, where, this.memory.decimals));
  }

  session(): object {
    const { id, code, config, isDemo, row } = this.memory.session;
    const builtIns = { id, code, config, isDemo: isDemo === true };
    return row === undefined ? builtIns : this.#ownObject(row, "session", builtIns);
  }

  /** This app in this round. */
  subsession(): object {
    const { subsession, roundNumber } = this.memory;
    return this.#ownObject(subsession, "subsession", { roundNumber });
  }

  /** The players of all groups. @throws AuthorError where the call sees one group */
  everybody(what: string): readonly Handle[] {
    this.check();
    if (this.#everybody !== undefined) return this.#everybody();
    throw new AuthorError(
      "one_group",
      `${this.what}: ${what}() has no place here: a group runs beside the others, and sees its own players. Use it in creatingSession(subsession), or in afterAllPlayersArrive(subsession) of a wait page with waitForAllGroups: true, and store there what pages show of it.`,
    );
  }

  #ownObject(row: Row, what: Owner, builtIns: Record<string, unknown>): object {
    let object = this.#ownObjects.get(row);
    if (object === undefined) {
      const { app, decimals, session } = this.memory;
      object = ownObject({
        what,
        app: app.name,
        builtIns,
        fields: (what === "subsession" ? app.subsession : session.ownFields?.[what]) ?? {},
        decimals,
        values: () => {
          this.check();
          return this.own.values(row, this.read(row, "fields") as string | null);
        },
        requireWritable: (field) => {
          if (what !== "participant") this.#requireShared(what, field);
        },
      });
      this.#ownObjects.set(row, object);
    }
    return object;
  }

  #requireShared(what: "session" | "subsession", field: string): void {
    if (this.#mayWriteShared) return;
    throw new AuthorError(
      `${what}_read_only`,
      `${this.what}: ${what}${field === "" ? "'s fields" : `.${field}`} cannot be changed here, since other groups read it at the same time. Set it in creatingSession(subsession), or in afterAllPlayersArrive(subsession) of a wait page with waitForAllGroups: true.`,
    );
  }

  /** The fields of participants and of the session that were changed. @throws AuthorError for what is not JSON, or not theirs to change */
  protected *changedOwn(): Iterable<{ row: Row; text: string }> {
    for (const changed of this.own.changed()) {
      if (changed.row === this.memory.session.row) this.#requireShared("session", "");
      if (changed.row === this.memory.subsession) this.#requireShared("subsession", "");
      yield changed;
    }
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
    if (name === "id" && this.#unnumbered) {
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

/** Pages of sessions, which are many: they are parsed when somebody first asks. */
const pinned = new WeakMap<SessionFacts, readonly PinnedPage[]>();

/** Where in the study a participant of this group is, by their page's index. */
function placeOf({ app, session }: GroupMemory, index: number): "playing" | "waiting" | "finished" {
  let pages = pinned.get(session);
  if (pages === undefined) {
    pages = JSON.parse((session.row?.values.pages ?? "[]") as string) as PinnedPage[];
    pinned.set(session, pages);
  }
  const at = pages[index - 1];
  if (at === undefined) return index > pages.length ? "finished" : "playing";
  // Wait pages are at the same place in everybody's order.
  return at.app === app.name && app.pages.some(({ name, wait }) => name === at.page && wait !== undefined)
    ? "waiting"
    : "playing";
}

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

let current: View | undefined;
const inAsync = new AsyncLocalStorage<View>();

/** Runs an author's function with `now()` and `random()` bound to a view. */
export function runIn<T>(view: View, call: () => T): T {
  const before = current;
  current = view;
  try {
    return call();
  } finally {
    current = before;
  }
}

/** As {@link runIn}, for calls that go on after an `await`. */
export function runInAsync<T>(view: View, call: () => T): T {
  return inAsync.run(view, call);
}

/** The view of the call that is under way. @throws AuthorError outside of a call */
export function required(what: string): View {
  const view = current ?? inAsync.getStore();
  if (view === undefined) {
    throw new AuthorError(
      "outside_of_call",
      `${what}() was called outside of a function that Walras runs, such as a live method.`,
    );
  }
  return view;
}

/** The time of the message or page that is being handled, in milliseconds since 1970 (UTC); the same
 * when the group is replayed. Use it instead of Date.now(). @throws AuthorError outside of a call */
export function now(): number {
  return required("now").now();
}

/** A random number, 0 ≤ x < 1; the same when the group is replayed. Use it instead of Math.random().
 * @throws AuthorError outside of a call */
export function random(): number {
  return required("random").random();
}
