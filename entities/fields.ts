import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldForm, FieldKind, FieldSpec, OrLater } from "./app-spec.ts";
import { checkKeys } from "./suggest.ts";
import type { Value } from "./tables.ts";
import { checkValue, describe } from "./values.ts";
import { checkWidget, likertChoices, type Widget } from "./widgets.ts";

export { checkValue, roundCurrency } from "./values.ts";

/** Whether a new row starts with a value in this field. */
export type Start = "set" | "unset";

/**
 * A declared field, made by {@link integer}, {@link text} and their like. `T` is the type it reads
 * as; both type parameters exist for the compiler only.
 */
export class Field<T, S extends Start = Start> {
  declare readonly type: T;
  declare readonly start: S;
  readonly kind: FieldKind;
  /** As the author gave them; {@link fieldSpec} checks them, once app, model and field are known. */
  readonly options: object;
  readonly to: "player" | "group" | undefined;

  constructor(kind: FieldKind, options: object, to?: "player" | "group") {
    this.kind = kind;
    this.options = options;
    this.to = to;
  }
}

/** The fields of a model, by name. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

declare const LINK: unique symbol;
/** Stands for the app's player or group type, which a link cannot know yet. */
export interface LinkTo<W extends "player" | "group"> {
  readonly [LINK]: W;
}

/** An allowed value, or `[value, label]` with the text that forms show for it. */
export type Choice<V> = V | readonly [value: V, label: string];
/** The value in a {@link Choice}. */
export type ChoiceValue<C> = C extends readonly [infer V, string] ? V : C;
/** Adds null to what a blank field reads as. */
export type OrNull<T, B> = T | (B extends true ? null : never);
/** "set" for a field that has an initial value. */
export type StartOf<I> = I extends undefined ? "unset" : "set";

/** What every field may say about itself. */
export interface FieldOptions<B extends boolean> {
  /** Text beside the input in forms. */
  label?: string;
  /** What the field means, for the data's documentation. */
  doc?: string;
  /** May stay empty: reads as `null` then, and takes `null`. */
  blank?: B;
  /**
   * Keeps the value in step in the browser, as `live.state.group.x` or `live.state.players[id].x`: "group" for
   * everybody in the group, "player" for that player alone. Left out: it never leaves the server by itself.
   */
  publish?: "group" | "player";
  /** Smaller text under the label in forms. */
  helpText?: string;
  /** How forms show the field; see {@link radio}, {@link slider} and their like. Default: by kind and choices. */
  widget?: Widget;
}

/** What forms check of a value typed by a participant, beyond the field's limits. */
export interface CheckOptions<V> {
  /** A text refuses the value and is shown beside the field. It may be async. A page's `fields` may say more for a player. */
  errorMessage?: (value: V) => OrLater<string | undefined>;
}

export interface LengthOptions {
  /** Most characters that a form takes. */
  maxLength?: number;
}

export interface InitialOptions<I, B extends boolean> extends FieldOptions<B> {
  /** The value of new rows, and of rows from before the field was added. */
  initial?: I;
}

export interface ChoiceOptions<C, I, B extends boolean> extends InitialOptions<I, B> {
  /** The only values allowed, as values or `[value, label]` pairs. */
  choices?: readonly C[];
}

export interface RangeOptions<I, B extends boolean> extends InitialOptions<I, B> {
  /** The least value allowed. */
  min?: number;
  /** The greatest value allowed. */
  max?: number;
}

export interface NumberOptions<C, I, B extends boolean>
  extends ChoiceOptions<C, I, B>,
    RangeOptions<I, B>,
    CheckOptions<number> {}

export interface UnitOptions {
  /** What the number counts, e.g. "kg": behind its input in forms, and in the data dictionary. */
  unit?: string;
}

/** A whole number, exact up to ±2^53. */
export function integer<
  const C extends Choice<number> = number,
  const I extends ChoiceValue<C> | undefined = undefined,
  const B extends boolean = false,
>(options: NumberOptions<C, I, B> & UnitOptions = {}): Field<OrNull<ChoiceValue<C>, B>, StartOf<I>> {
  return new Field("integer", options);
}

/** A number with a fraction. */
export function float<
  const C extends Choice<number> = number,
  const I extends ChoiceValue<C> | undefined = undefined,
  const B extends boolean = false,
>(options: NumberOptions<C, I, B> & UnitOptions = {}): Field<OrNull<ChoiceValue<C>, B>, StartOf<I>> {
  return new Field("float", options);
}

/** An amount of money or points: a plain number, rounded to the session's decimals on assignment, half away from zero. */
export function currency<
  const C extends Choice<number> = number,
  const I extends ChoiceValue<C> | undefined = undefined,
  const B extends boolean = false,
>(options: NumberOptions<C, I, B> = {}): Field<OrNull<ChoiceValue<C>, B>, StartOf<I>> {
  return new Field("currency", options);
}

/** true or false. */
export function boolean<
  const C extends Choice<boolean> = boolean,
  const I extends ChoiceValue<C> | undefined = undefined,
  const B extends boolean = false,
>(options: ChoiceOptions<C, I, B> & CheckOptions<boolean> = {}): Field<OrNull<ChoiceValue<C>, B>, StartOf<I>> {
  return new Field("boolean", options);
}

/** A text of at most 10,000 characters. */
export function text<
  const C extends Choice<string> = string,
  const I extends ChoiceValue<C> | undefined = undefined,
  const B extends boolean = false,
>(
  options: ChoiceOptions<C, I, B> & CheckOptions<string> & LengthOptions = {},
): Field<OrNull<ChoiceValue<C>, B>, StartOf<I>> {
  return new Field("text", options);
}

/** A text of any length. */
export function longText<const I extends string | undefined = undefined, const B extends boolean = false>(
  options: InitialOptions<I, B> & CheckOptions<string> & LengthOptions = {},
): Field<OrNull<string, B>, StartOf<I>> {
  return new Field("longText", options);
}

/**
 * Anything that JSON can carry; say its shape as a type: `json<number[]>()`. May be changed in
 * place: `group.board[3] = "X"`.
 */
export function json<T = unknown>(
  options: InitialOptions<NoInfer<T>, boolean> & { blank: true },
): Field<T | null, "unset">;
export function json<T = unknown>(
  options: InitialOptions<NoInfer<T>, false> & { initial: NoInfer<T> },
): Field<T, "set">;
export function json<T = unknown>(options?: FieldOptions<false>): Field<T, "unset">;
export function json<T>(options: InitialOptions<T, boolean> = {}): Field<T> {
  return new Field("json", options);
}

/** A point in time: milliseconds since 1970 (UTC), as `now()` gives. */
export function timestamp<const I extends number | undefined = undefined, const B extends boolean = false>(
  options: RangeOptions<I, B> = {},
): Field<OrNull<number, B>, StartOf<I>> {
  return new Field("timestamp", options);
}

/** A player or the group to which a row belongs; stored as `player_id`. Assign and compare the objects themselves. */
export function link<const W extends "player" | "group", const B extends boolean = false>(
  to: W,
  options: FieldOptions<B> = {},
): Field<OrNull<LinkTo<W>, B>, "unset"> {
  return new Field("link", options, to);
}

const ABOUT = ["label", "doc", "blank", "helpText", "widget", "publish"];
const NUMBER = ["initial", "min", "max", "choices", "errorMessage", ...ABOUT];
const CHOICE = ["initial", "choices", "errorMessage", ...ABOUT];
/** Which options make sense for which kind. */
const OPTIONS: Readonly<Record<FieldKind, readonly string[]>> = {
  integer: [...NUMBER, "unit"],
  float: [...NUMBER, "unit"],
  currency: NUMBER,
  boolean: CHOICE,
  text: [...CHOICE, "maxLength"],
  longText: ["initial", "errorMessage", "maxLength", ...ABOUT],
  json: ["initial", ...ABOUT],
  timestamp: ["initial", "min", "max", ...ABOUT],
  link: ["label", "doc", "blank", "publish"],
};

/** Options as they may really come, from an author who does not run the type checker. */
interface RawOptions {
  initial?: unknown;
  min?: unknown;
  max?: unknown;
  choices?: unknown;
  label?: unknown;
  doc?: unknown;
  blank?: unknown;
  publish?: unknown;
  helpText?: unknown;
  unit?: unknown;
  widget?: unknown;
  maxLength?: unknown;
  errorMessage?: unknown;
}

/**
 * The checked form of a declared field.
 *
 * @param where names the field, e.g. "auction: Player.valuation"
 * @throws AuthorError `not_a_field`, `unknown_option`, `wrong_option`, and as {@link checkValue} for
 * initial and choices
 */
export function fieldSpec(field: unknown, where: string): FieldSpec {
  if (!(field instanceof Field)) {
    const cure =
      typeof field === "function"
        ? `Call the builder: ${field.name || "integer"}().`
        : "Use integer(), text(), currency() or another of the field builders.";
    throw new AuthorError("not_a_field", `${where} is ${describe(field)}, not a field. ${cure}`);
  }
  const { kind, to } = field;
  checkKeys(field.options, OPTIONS[kind], `${where}: ${kind}()`);
  const options: RawOptions = field.options;
  if (kind === "link" && to !== "player" && to !== "group") {
    throw new AuthorError(
      "wrong_option",
      `${where}: link(${describe(to)}) leads nowhere; use link("player") or link("group").`,
    );
  }
  const bare: FieldSpec = {
    kind,
    to,
    label: option(options.label, "string", `${where}: label`),
    doc: option(options.doc, "string", `${where}: doc`),
    blank: option(options.blank, "boolean", `${where}: blank`) ?? false,
    min: limit(kind, options.min, `${where}: min`),
    max: limit(kind, options.max, `${where}: max`),
    choices: undefined,
    initial: undefined,
    publish: publication(options.publish, `${where}: publish`),
    form: fieldForm(kind, options, where),
  };
  if (bare.min !== undefined && bare.max !== undefined && bare.min > bare.max) {
    throw new AuthorError("wrong_option", `${where}: min ${bare.min} is more than max ${bare.max}; swap them.`);
  }
  const chosen = { ...bare, choices: choicesOf(bare, options.choices ?? likertChoices(bare.form?.widget), where) };
  const { initial } = options;
  if (initial === undefined) return chosen;
  // No session yet, so no decimals: an initial amount is rounded when its row is made.
  return { ...chosen, initial: checkValue(chosen, initial, `${where}: initial`, Number.POSITIVE_INFINITY) };
}

function fieldForm(kind: FieldKind, options: RawOptions, where: string): FieldForm | undefined {
  const { widget, maxLength, errorMessage, helpText, unit } = options;
  if ([widget, maxLength, errorMessage, helpText, unit].every((given) => given === undefined)) return undefined;
  if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && (maxLength as number) >= 1)) {
    throw new AuthorError(
      "wrong_option",
      `${where}: maxLength is ${describe(maxLength)}; give it a whole number from 1, or leave it out.`,
    );
  }
  return {
    widget: widget === undefined ? undefined : checkWidget(widget, kind, `${where}: widget`),
    helpText: option(helpText, "string", `${where}: helpText`),
    unit: option(unit, "string", `${where}: unit`),
    maxLength: maxLength as number | undefined,
    errorMessage: option(errorMessage, "function", `${where}: errorMessage`) as FieldForm["errorMessage"],
  };
}

interface OptionTypes {
  string: string;
  boolean: boolean;
  function: (...values: never) => unknown;
}

function option<K extends keyof OptionTypes>(value: unknown, type: K, where: string): OptionTypes[K] | undefined {
  if (value === undefined || typeof value === type) return value as OptionTypes[K] | undefined;
  throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a ${type}.`);
}

function publication(value: unknown, where: string): FieldSpec["publish"] {
  if (value === undefined || value === "group" || value === "player") return value;
  throw new AuthorError(
    "wrong_option",
    `${where} is ${describe(value)}; give it "group" for everybody in the group or "player" for that player alone, or leave it out.`,
  );
}

function limit(kind: FieldKind, value: unknown, where: string): number | undefined {
  if (value === undefined) return undefined;
  const whole = kind === "integer" || kind === "timestamp";
  if (typeof value === "number" && (whole ? Number.isSafeInteger(value) : Number.isFinite(value))) return value;
  throw new AuthorError(
    "wrong_option",
    `${where} is ${describe(value)}; give it a ${whole ? "whole " : ""}number, or leave it out.`,
  );
}

/** The choices of a field, declared or given by a page. @throws AuthorError `wrong_option` and as {@link checkValue} */
export function choicesOf(spec: FieldSpec, choices: unknown, where: string): FieldSpec["choices"] {
  if (choices === undefined) return undefined;
  if (!Array.isArray(choices) || choices.length === 0) {
    throw new AuthorError(
      "wrong_option",
      `${where}: choices is ${Array.isArray(choices) ? "an empty array" : describe(choices)}; give it an array of values or [value, label] pairs, or leave it out.`,
    );
  }
  const seen = new Set<Value>();
  return choices.map((choice: unknown, index) => {
    const at = `${where}: choices[${index}]`;
    const [given, label] = Array.isArray(choice) ? choice : [choice, undefined];
    const value = checkValue({ ...spec, blank: false }, given, at, Number.POSITIVE_INFINITY);
    if (seen.has(value))
      throw new AuthorError("wrong_option", `${at} repeats the value ${JSON.stringify(value)}; name each value once.`);
    seen.add(value);
    return { value, label: option(label, "string", `${at}: label`) ?? String(value) };
  });
}
