import { formatCurrency } from "../client-sdk/currency.ts";
import { isStorableText, toJson } from "../client-sdk/json.ts";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { FieldSpec } from "../entities/app-spec.ts";
import { roundCurrency, TEXT_LIMIT } from "../entities/values.ts";
import type { Widget } from "../entities/widgets.ts";
import { type FormTexts, fill } from "./form-texts.ts";
import { decimalMark, readNumber } from "./number-input.ts";

/** What holds for one field of a form, for one player, at this moment. */
export interface FieldLimits {
  readonly spec: FieldSpec;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly choices: FieldSpec["choices"];
  readonly widget: Widget;
}

export interface FormLanguage {
  readonly texts: FormTexts;
  readonly currency: CurrencyFormat;
}

/** A posted answer as an author's code gets it (JSON parsed), or what to tell the participant. */
export type Answered = { readonly value: unknown } | { readonly error: string };

/** Longer texts are no numbers. */
const NUMBER_LENGTH = 60;

/**
 * Reads and checks one posted answer by the field's kind, limits and choices.
 *
 * @param posted undefined: the form held nothing under the field's name
 */
export function readAnswer(limits: FieldLimits, posted: string | undefined, language: FormLanguage): Answered {
  const { spec, choices, widget } = limits;
  const { texts } = language;
  if (spec.kind === "boolean" && widget.type === "checkbox" && (posted ?? "") === "") return { value: false };
  const isText = spec.kind === "text" || spec.kind === "longText";
  const text = spec.kind === "longText" ? (posted ?? "").replace(/\r\n?/g, "\n") : (posted ?? "").trim();
  if (text.trim() === "" && !choices?.some(({ value }) => value === posted)) {
    return spec.blank ? { value: null } : { error: texts.required };
  }
  // A choice is what the form offered, to the letter.
  const read = isText && choices !== undefined ? { value: posted ?? "" } : readKind(spec, text, language);
  if ("error" in read) return choices === undefined ? read : { error: texts.notAChoice };
  const problem = limitsProblem(limits, read.value, language);
  return problem === undefined ? read : { error: problem };
}

/** What is wrong with a value of the right kind: no choice, too small, too large, too long. */
export function limitsProblem(limits: FieldLimits, answer: unknown, language: FormLanguage): string | undefined {
  const { spec, choices } = limits;
  const { texts } = language;
  if (choices !== undefined) {
    const { decimals } = language.currency;
    const same = (value: unknown) =>
      spec.kind === "currency" ? roundCurrency(value as number, decimals) === answer : value === answer;
    if (!choices.some(({ value }) => same(value))) return texts.notAChoice;
  }
  return rangeProblem(limits, answer, language) ?? lengthProblem(spec, answer, texts);
}

function readKind(spec: FieldSpec, text: string, language: FormLanguage): Answered {
  const { texts, currency } = language;
  switch (spec.kind) {
    case "integer":
    case "float":
    case "currency":
      return readTypedNumber(spec.kind, withoutOwnUnit(text, spec.form?.unit), language);
    case "boolean":
      if (/^(true|1|on|yes)$/i.test(text)) return { value: true };
      if (/^(false|0|off|no)$/i.test(text)) return { value: false };
      return { error: texts.notReadable };
    case "text":
    case "longText":
      return isStorableText(text) ? { value: text } : { error: texts.notReadable };
    case "timestamp": {
      const read = readNumber(text.slice(0, NUMBER_LENGTH), currency.locale, "integer");
      return "value" in read && Number.isSafeInteger(read.value) ? read : { error: texts.notReadable };
    }
    case "json":
      try {
        const value: unknown = JSON.parse(text);
        if (value === null) return spec.blank ? { value } : { error: texts.required };
        // Whether it can be stored shows here, where the participant can still be told.
        toJson(value, "");
        return { value };
      } catch {
        return { error: texts.notReadable };
      }
    case "link":
      return { error: texts.notReadable };
  }
}

function readTypedNumber(kind: "integer" | "float" | "currency", text: string, language: FormLanguage): Answered {
  const { texts, currency } = language;
  const bare = text.length > NUMBER_LENGTH ? text : withoutUnit(text, currency);
  const read =
    bare.length > NUMBER_LENGTH ? ({ problem: "not_a_number" } as const) : readNumber(bare, currency.locale, kind);
  const mark = decimalMark(currency.locale);
  const whole = kind === "integer" || (kind === "currency" && currency.decimals === 0);
  if ("problem" in read) {
    if (read.problem === "ambiguous") {
      return {
        error: fill(texts.ambiguous, {
          plain: bare.replace(/[.,]/g, ""),
          fraction: bare.replace(/[.,]/g, mark).replace(/0+$/, "").replace(/[.,]$/, ""),
        }),
      };
    }
    return { error: whole ? fill(texts.wholeNumber, { example: 12 }) : fill(texts.number, { example: `12${mark}5` }) };
  }
  const { value } = read;
  if (kind === "integer") {
    if (!Number.isInteger(value)) return { error: fill(texts.wholeNumber, { example: Math.round(value) }) };
    if (!Number.isSafeInteger(value)) return { error: texts.tooLarge };
  }
  if (kind === "currency") {
    // Beyond, the decimals that are asked for do not exist.
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return { error: texts.tooLarge };
    return { value: roundCurrency(value, currency.decimals) };
  }
  return { value };
}

/** `5 €`, `$5` and `10 points` are amounts too. */
function withoutUnit(text: string, currency: CurrencyFormat): string {
  const { before, after } = unitOf(currency);
  let bare = text;
  for (const unit of [before, after, currency.code ?? "", ...(currency.code === null ? currency.points : [])]) {
    if (unit === "") continue;
    const plain = bare.toLowerCase();
    if (plain.startsWith(unit.toLowerCase())) bare = bare.slice(unit.length).trim();
    else if (plain.endsWith(unit.toLowerCase())) bare = bare.slice(0, -unit.length).trim();
  }
  return bare;
}

/** `12 kg` of a field whose unit is kg. */
function withoutOwnUnit(text: string, unit: string | undefined): string {
  const carries = unit !== undefined && unit !== "" && text.toLowerCase().endsWith(unit.toLowerCase());
  return carries ? text.slice(0, -unit.length).trim() : text;
}

/** What stands before and after the number of an amount: `$` and nothing, nothing and `points`. */
export function unitOf(currency: CurrencyFormat): { before: string; after: string } {
  if (currency.code === null) return { before: "", after: currency.points[1] };
  const parts = new Intl.NumberFormat(currency.locale, { style: "currency", currency: currency.code }).formatToParts(1);
  const unit = parts.findIndex(({ type }) => type === "currency");
  const symbol = parts[unit]?.value ?? currency.code;
  return unit < parts.findIndex(({ type }) => type === "integer")
    ? { before: symbol, after: "" }
    : { before: "", after: symbol };
}

function rangeProblem(limits: FieldLimits, value: unknown, language: FormLanguage): string | undefined {
  if (typeof value !== "number") return undefined;
  const { spec, min, max } = limits;
  const bound = (limit: number) =>
    spec.kind === "currency" ? roundCurrency(limit, language.currency.decimals) : limit;
  const low = min !== undefined && value < bound(min);
  const high = max !== undefined && value > bound(max);
  if (!low && !high) return undefined;
  const shown = (limit: number | undefined) => (limit === undefined ? "" : showNumber(spec, limit, language.currency));
  const values = { min: shown(min), max: shown(max) };
  const { texts } = language;
  if (min !== undefined && max !== undefined) return fill(texts.between, values);
  return fill(low ? texts.atLeast : texts.atMost, values);
}

function lengthProblem(spec: FieldSpec, value: unknown, texts: FormTexts): string | undefined {
  if (typeof value !== "string") return undefined;
  const limit = Math.min(
    spec.form?.maxLength ?? Number.POSITIVE_INFINITY,
    spec.kind === "text" ? TEXT_LIMIT : Number.POSITIVE_INFINITY,
  );
  return value.length > limit ? fill(texts.tooLong, { max: limit, length: value.length }) : undefined;
}

/** A number as the participant's language writes it. */
function showNumber(spec: FieldSpec, value: number, currency: CurrencyFormat): string {
  if (spec.kind === "currency") return formatCurrency(value, currency);
  return new Intl.NumberFormat(currency.locale, { maximumFractionDigits: 20, useGrouping: false }).format(value);
}

/**
 * A stored value as an input shows it: numbers with the language's decimal mark and no groups. `plain`
 * for what programs read: number inputs, sliders, choices.
 */
export function showValue(spec: FieldSpec, value: unknown, currency: CurrencyFormat, plain: boolean): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "object") return JSON.stringify(value);
  if (typeof value !== "number" || plain) return String(value);
  const decimals = spec.kind === "currency" && !Number.isInteger(value) ? currency.decimals : 0;
  return new Intl.NumberFormat(currency.locale, {
    minimumFractionDigits: decimals,
    maximumFractionDigits: 20,
    useGrouping: false,
  }).format(value);
}

/** What a field holds when time ran out before there was a valid answer: oTree's zero, false and empty text. */
export function emptyValue(spec: FieldSpec, choices: FieldSpec["choices"]): unknown {
  if (spec.blank) return null;
  const empty =
    spec.kind === "boolean"
      ? false
      : spec.kind === "text" || spec.kind === "longText"
        ? ""
        : spec.kind === "json"
          ? undefined
          : 0;
  const allowed = choices ?? spec.choices;
  if (allowed !== undefined && !allowed.some(({ value }) => value === empty)) return undefined;
  const outside = typeof empty === "number" && ((spec.min ?? empty) > empty || (spec.max ?? empty) < empty);
  return outside ? undefined : empty;
}
