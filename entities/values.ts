import { roundCurrency } from "../client-sdk/currency.ts";
import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import { isStorableText, toJson } from "../client-sdk/json.ts";
import type { FieldKind, FieldSpec } from "./app-spec.ts";
import type { Table, Value, Values } from "./tables.ts";

export { roundCurrency };

/** Longest value of a `text` field, in characters as JavaScript counts them; `longText` has no limit. */
export const TEXT_LIMIT = 10_000;

/**
 * Checks a value that an author's code gives to a field, and returns it as memory holds it: JSON as
 * its text, currency rounded, everything else as it is.
 *
 * @param where names the field in errors, e.g. "auction: Player.valuation"
 * @param decimals decimal places of the session's currency; Infinity: do not round
 * @throws AuthorError `wrong_type`, `null_not_allowed`, `out_of_range`, `not_a_choice`, `too_long`,
 * `not_storable`, `not_json`
 */
export function checkValue(spec: FieldSpec, value: unknown, where: string, decimals: number): Value {
  if (value === null) {
    if (spec.blank) return null;
    const cure = "Declare the field with `blank: true` if it may be empty.";
    throw new AuthorError("null_not_allowed", `${where} was set to null, but it is not blank. ${cure}`);
  }
  const held = toHeld(spec, value, where, decimals);
  if (typeof held === "number") checkRange(spec, held, where, decimals);
  if (spec.choices !== undefined) checkChoice(spec, held, where, decimals);
  return held;
}

/**
 * The values of a new row: declared initial values, null otherwise. Amounts are rounded here, where the
 * session is known, and not in the declaration.
 *
 * @param decimals decimal places of the session's currency
 */
export function initialValues(table: Table, decimals: number): Values {
  const values: Values = {};
  for (const { name, kind, initial } of table.columns) {
    values[name] = kind === "currency" && typeof initial === "number" ? roundCurrency(initial, decimals) : initial;
  }
  return values;
}

/** A value as messages show it: `"12" (a string)`, `true (a boolean)`, `an array`. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)} (a string)`;
    case "number":
      return Number.isFinite(value) ? `${value} (a number)` : String(value);
    case "boolean":
      return `${value} (a boolean)`;
    case "bigint":
      return `${value}n (a BigInt)`;
    case "undefined":
      return "undefined";
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return "an array";
      return value instanceof Date ? "a Date" : "an object";
    default:
      return `a ${typeof value}`;
  }
}

/** Each kind in words: "a currency field takes a number". */
const KINDS: Readonly<Record<FieldKind, { name: string; takes: string }>> = {
  integer: { name: "an integer", takes: "a whole number" },
  float: { name: "a float", takes: "a number" },
  currency: { name: "a currency", takes: "a number" },
  boolean: { name: "a boolean", takes: "true or false" },
  text: { name: "a text", takes: "a string" },
  longText: { name: "a longText", takes: "a string" },
  json: { name: "a json", takes: "what JSON can carry" },
  timestamp: { name: "a timestamp", takes: "whole milliseconds since 1970" },
  link: { name: "a link", takes: "a player or group" },
};

function toHeld(spec: FieldSpec, value: unknown, where: string, decimals: number): Value {
  switch (spec.kind) {
    case "integer":
    case "timestamp":
      if (Number.isSafeInteger(value)) return (value as number) + 0;
      break;
    case "float":
      if (Number.isFinite(value)) return (value as number) + 0;
      break;
    case "currency":
      if (Number.isFinite(value)) return roundCurrency(value as number, decimals);
      break;
    case "boolean":
      if (typeof value === "boolean") return value;
      break;
    case "text":
    case "longText":
      if (typeof value === "string") return checkedText(spec.kind, value, where);
      break;
    case "json":
      if (value !== undefined) return jsonText(value, where);
      break;
    case "link":
      break;
  }
  const { name, takes } = KINDS[spec.kind];
  throw new AuthorError(
    "wrong_type",
    `${where} was set to ${describe(value)}; it is ${name} field and takes ${takes}. ${cure(spec, value)}`,
  );
}

/** What the author may have meant to write. */
function cure(spec: FieldSpec, value: unknown): string {
  if (value === undefined) {
    return `Check that the value on the right exists${spec.blank ? "; null empties the field" : ""}.`;
  }
  switch (spec.kind) {
    case "integer":
    case "float":
    case "currency":
      if (typeof value === "string" || typeof value === "bigint") return "Use Number(...) first.";
      if (typeof value === "boolean") return "Use a boolean field, or write 1 or 0.";
      if (typeof value !== "number") return "Pick the number out of it first.";
      if (!Number.isFinite(value)) return "Check the input with Number.isFinite(...) first.";
      if (!Number.isInteger(value)) return "Use Math.round(...) first, or a float field.";
      return "It is too large to be exact: keep it in a text field with String(...).";
    case "timestamp":
      return value instanceof Date ? "Use .getTime() first." : "Use now() for the present.";
    case "boolean":
      return "Compare first, e.g. `answer === 1`.";
    case "text":
    case "longText":
      return typeof value === "object" ? "Use a json field for it." : "Use String(...) first.";
    default:
      return "Choose the field's kind to fit the value.";
  }
}

function checkedText(kind: "text" | "longText", value: string, where: string): string {
  if (kind === "text" && value.length > TEXT_LIMIT) {
    throw new AuthorError(
      "too_long",
      `${where} was set to a string of ${value.length} characters; a text field takes at most ${TEXT_LIMIT}. Use longText(), or cut it with .slice(0, ${TEXT_LIMIT}).`,
    );
  }
  if (!isStorableText(value)) {
    throw new AuthorError(
      "not_storable",
      `${where} was set to ${describe(value)} with a NUL character or half of a surrogate pair, which databases cannot keep. Take it out first, e.g. with .toWellFormed().replaceAll("\\0", "").`,
    );
  }
  return value;
}

function jsonText(value: unknown, where: string): string {
  try {
    return toJson(value, where);
  } catch (error) {
    throw new AuthorError("not_json", messageOf(error), { cause: error });
  }
}

function checkRange(spec: FieldSpec, held: number, where: string, decimals: number): void {
  const bound = (limit: number) => (spec.kind === "currency" ? roundCurrency(limit, decimals) : limit);
  const { min, max } = spec;
  const low = min !== undefined && held < bound(min);
  if (!low && !(max !== undefined && held > bound(max))) return;
  const range = low ? `less than its min ${min}` : `more than its max ${max}`;
  throw new AuthorError(
    "out_of_range",
    `${where} was set to ${held}, which is ${range}. Check the value first, or change the field's ${low ? "min" : "max"}.`,
  );
}

function checkChoice(spec: FieldSpec, held: Value, where: string, decimals: number): void {
  // Choices of a currency field are rounded like what is compared with them.
  const rounded = (value: Value) =>
    spec.kind === "currency" && typeof value === "number" ? roundCurrency(value, decimals) : value;
  const values = (spec.choices ?? []).map((choice) => choice.value);
  if (values.some((value) => rounded(value) === held)) return;
  const list = values.map((value) => JSON.stringify(value)).join(", ");
  throw new AuthorError(
    "not_a_choice",
    `${where} was set to ${describe(held)}, which is not one of its choices ${list}. Check the value first, or add it to the field's choices.`,
  );
}
