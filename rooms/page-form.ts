import { formatCurrency } from "../client-sdk/currency.ts";
import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import type { FieldRules, FieldSpec, FormSpec, ModelSpec, OrLater, PerPlayer } from "../entities/app-spec.ts";
import { choicesOf } from "../entities/fields.ts";
import { nearestName } from "../entities/suggest.ts";
import { snakeCase, type Value } from "../entities/tables.ts";
import { checkValue, describe } from "../entities/values.ts";
import type { Widget } from "../entities/widgets.ts";
import { type FieldLimits, type FormLanguage, limitsProblem, readAnswer, showValue } from "./form-values.ts";
import { isAsyncHook } from "./hooks.ts";

/** A page's form as the templates get it. */
export interface FormContext {
  /** In the order of the page. */
  readonly fields: readonly FieldContext[];
}

/** One field of a form, ready to be shown. */
export interface FieldContext {
  /** As in inputs and templates: `highest_bid`. */
  readonly name: string;
  readonly spec: FieldSpec;
  readonly label: string;
  readonly helpText: string | undefined;
  readonly widget: Widget;
  readonly required: boolean;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Values as the form posts them. */
  readonly choices: readonly { readonly value: string; readonly label: string }[] | undefined;
  /** As posted if the submit failed, else what is stored. `plain` is the same for programs: no decimal comma. */
  readonly value: string;
  readonly plainValue: string;
  readonly error: string | undefined;
}

/** What was wrong with a post: for the whole page, and by field name. */
export interface FormErrors {
  readonly page: string | undefined;
  readonly fields: ReadonlyMap<string, string>;
}

export const NO_ERRORS: FormErrors = { page: undefined, fields: new Map() };

/** Of a slider where neither it nor its field says more. */
const SLIDER_ENDS = { min: 0, max: 100 } as const;

/** Runs one of the author's functions on the player. `name` names it in errors and to the watchdog. */
export type CallHook = <T>(
  name: string,
  hook: (player: never, ...more: never[]) => T,
  ...more: unknown[]
) => Awaited<T>;

interface OpenField extends FieldLimits {
  readonly field: string;
  readonly rules: FieldRules;
}

/** The form of a page for one player at one moment: what the functions of the page say now. */
export class PageForm {
  readonly model: ModelSpec;
  readonly #fields: readonly OpenField[];
  readonly #call: CallHook;
  readonly #where: string;
  readonly #language: FormLanguage;

  /**
   * @param where names the page in errors, e.g. "survey/Questions"
   * @throws AuthorError for what a function of the page gave that is no field, limit or choice
   */
  constructor(form: FormSpec, model: ModelSpec, where: string, language: FormLanguage, call: CallHook) {
    this.model = model;
    this.#where = where;
    this.#language = language;
    this.#call = call;
    const names = typeof form.fields === "function" ? call("formFields", form.fields) : form.fields;
    const checked = typeof form.fields === "function" ? checkFormFields(names, model, `${where}: formFields`) : names;
    this.#fields = checked.map((field) => this.#open(field, form.rules[field] ?? {}));
  }

  /** The fields in the order of the page, with the limits that hold now. */
  get limits(): readonly (FieldLimits & { readonly field: string })[] {
    return this.#fields;
  }

  /**
   * Reads and checks what was posted, field by field: kind, limits, choices, then the author's checks.
   *
   * @returns valid values by field name, and what was wrong with the others
   */
  read(posted: Readonly<Record<string, string>>): { values: Record<string, unknown>; errors: Map<string, string> } {
    const values: Record<string, unknown> = {};
    const errors = new Map<string, string>();
    for (const open of this.#fields) {
      const { field, spec, rules } = open;
      const answered = readAnswer(open, postedOf(posted, field), this.#language);
      const error = "error" in answered ? answered.error : this.#check(field, spec, rules, answered.value);
      if (error !== undefined) errors.set(field, error);
      else if ("value" in answered) values[field] = answered.value;
    }
    return { values, errors };
  }

  /**
   * Checks values as {@link read} checks what was posted. A field that is left out counts as left empty.
   *
   * @param at names where they come from
   * @throws AuthorError `unknown_field`
   */
  check(given: Readonly<Record<string, unknown>>, at: string): ReturnType<PageForm["read"]> {
    const values: Record<string, unknown> = {};
    const errors = new Map<string, string>();
    const extra = Object.keys(given).find((name) => !this.#fields.some(({ field }) => field === name));
    if (extra !== undefined) {
      const known = this.#fields.map(({ field }) => field).join(", ");
      throw new AuthorError("unknown_field", `${at}: the page's form has no field "${extra}". It has ${known}.`);
    }
    for (const open of this.#fields) {
      const { field, spec, rules } = open;
      const value = given[field] ?? null;
      const error = this.#problem(open, value) ?? (value === null ? undefined : this.#check(field, spec, rules, value));
      if (error === undefined) values[field] = value;
      else errors.set(field, error);
    }
    return { values, errors };
  }

  #problem(open: OpenField, value: unknown): string | undefined {
    const { spec } = open;
    if (value === null) return spec.blank ? undefined : this.#language.texts.required;
    try {
      checkValue(spec, value, "it", this.#language.currency.decimals);
    } catch (error) {
      return messageOf(error);
    }
    return limitsProblem(open, value, this.#language);
  }

  /**
   * What the form shows.
   *
   * @param stored the field's value in memory
   * @param posted of a failed submit, to be shown again as it was typed
   */
  show(
    stored: (field: string) => Value,
    posted: Readonly<Record<string, string>> | undefined,
    errors: FormErrors,
  ): FormContext {
    const { currency } = this.#language;
    return {
      fields: this.#fields.map((open) => {
        const { field, spec, rules, widget, min, max } = open;
        const value = stored(field);
        const again = posted === undefined ? undefined : (postedOf(posted, field) ?? "");
        const plainValue = again ?? showValue(spec, value, currency, true);
        return {
          name: snakeCase(field),
          spec,
          label: this.#text(rules.label, `${field} label`) ?? spec.label ?? sentence(field),
          helpText: this.#text(rules.helpText, `${field} helpText`) ?? spec.form?.helpText,
          widget,
          required: !spec.blank && widget.type !== "checkbox",
          min,
          max,
          choices: this.#choices(open),
          value: again ?? showValue(spec, value, currency, open.choices !== undefined),
          plainValue,
          error: errors.fields.get(field),
        };
      }),
    };
  }

  /** Values by name for inputs that the author wrote: those that the form's own widgets do not show by themselves. */
  answers(stored: (field: string) => Value): Record<string, string> {
    const answers: Record<string, string> = {};
    for (const { field, spec } of this.#fields) {
      const value = stored(field);
      // What is as in a new row was never answered; the author's own preset stays.
      if (value !== (spec.initial ?? null))
        answers[snakeCase(field)] = showValue(spec, value, this.#language.currency, true);
    }
    return answers;
  }

  #open(field: string, rules: FieldRules): OpenField {
    const spec = this.model.fields[field] as FieldSpec;
    const at = `${this.#where}: ${field}`;
    const widget = rules.widget ?? spec.form?.widget;
    // A slider's ends are limits too: its line goes no further, so whoever posts more did not use it.
    const ends: { min?: number; max?: number } = widget?.type === "slider" ? widget : {};
    let min = tighter(Math.max, tighter(Math.max, spec.min, this.#limit(rules.min, `${at}: min`)), ends.min);
    let max = tighter(Math.min, tighter(Math.min, spec.max, this.#limit(rules.max, `${at}: max`)), ends.max);
    if (widget?.type === "slider") {
      min ??= SLIDER_ENDS.min;
      max ??= SLIDER_ENDS.max;
    }
    if (min !== undefined && max !== undefined && min > max) {
      throw new AuthorError("wrong_option", `${at}: min ${min} is more than max ${max}, so that no answer fits.`);
    }
    const given = rules.choices === undefined ? undefined : this.#value(rules.choices, `${field} choices`);
    const choices = given === undefined ? spec.choices : choicesOf(spec, given, at);
    return { field, spec, rules, min, max, choices, widget: widget ?? defaultWidget(spec, choices) };
  }

  #choices({ spec, choices, widget }: OpenField): FieldContext["choices"] {
    if (choices !== undefined) {
      return choices.map((choice) => ({ value: String(choice.value), label: this.#choiceLabel(spec, choice) }));
    }
    if (spec.kind !== "boolean" || widget.type === "checkbox") return undefined;
    const { texts } = this.#language;
    return [
      { value: "true", label: texts.yes },
      { value: "false", label: texts.no },
    ];
  }

  /** Of an amount without a label of its own, what everything else calls it: `5 points`. */
  #choiceLabel({ kind }: FieldSpec, { value, label }: { value: Value; label: string }): string {
    if (kind !== "currency" || typeof value !== "number" || label !== String(value)) return label;
    return formatCurrency(value, this.#language.currency);
  }

  #check(field: string, spec: FieldSpec, rules: FieldRules, value: unknown): string | undefined {
    const at = `${field} errorMessage`;
    // Nothing was answered, and nothing had to be.
    if (value === null) return undefined;
    const own = spec.form?.errorMessage;
    const first = own && this.#call(`${field} own errorMessage`, ofPlayer(own), value);
    const second = first ?? (rules.errorMessage && this.#call(at, rules.errorMessage, value));
    return checkText(second, `${this.#where}: ${at}`);
  }

  #text(rule: PerPlayer<string | undefined> | undefined, at: string): string | undefined {
    return rule === undefined ? undefined : checkText(this.#value(rule, at), `${this.#where}: ${at}`);
  }

  #value<T>(rule: PerPlayer<T>, at: string): T {
    return typeof rule === "function" ? (this.#call(at, rule as (player: never) => T) as T) : rule;
  }

  #limit(rule: PerPlayer<number | undefined> | undefined, at: string): number | undefined {
    const value = rule === undefined ? undefined : this.#value(rule, at);
    if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
    throw new AuthorError("wrong_option", `${at} gave ${describe(value)}; return a number, or nothing for no limit.`);
  }
}

/** A field's own check, as a page's checks are called. */
function ofPlayer<T>(check: (value: never) => OrLater<T>): (player: never, value: never) => OrLater<T> {
  return isAsyncHook(check) ? async (_player, value) => check(value) : (_player, value) => check(value);
}

/** What was posted under a field's name, as inputs write it or as TypeScript does. */
function postedOf(posted: Readonly<Record<string, string>>, field: string): string | undefined {
  const name = snakeCase(field);
  if (Object.hasOwn(posted, name)) return posted[name];
  return Object.hasOwn(posted, field) ? posted[field] : undefined;
}

function tighter(pick: (a: number, b: number) => number, a: number | undefined, b: number | undefined) {
  return a === undefined ? b : b === undefined ? a : pick(a, b);
}

function defaultWidget(spec: FieldSpec, choices: FieldSpec["choices"]): Widget {
  switch (spec.kind) {
    case "boolean":
      return { type: "radio" };
    case "longText":
      return { type: "textarea" };
    case "json":
    case "timestamp":
      return { type: "hidden" };
    default:
      return { type: choices === undefined ? "input" : "dropdown" };
  }
}

/** `highestBid` → `Highest bid`. */
function sentence(field: string): string {
  const words = snakeCase(field).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function checkText(value: unknown, at: string): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  throw new AuthorError("wrong_option", `${at} gave ${describe(value)}; return a text, or nothing.`);
}

/**
 * What a page-level errorMessage gave: a text for the page, or texts by field.
 *
 * @param at names the function in errors
 * @throws AuthorError `wrong_option`
 */
export function formErrors(given: unknown, model: ModelSpec | undefined, at: string): FormErrors {
  if (given === undefined || given === null || given === "") return NO_ERRORS;
  if (typeof given === "string") return { page: given, fields: new Map() };
  if (typeof given !== "object" || Array.isArray(given)) {
    throw new AuthorError("wrong_option", `${at} gave ${describe(given)}; return a text, { field: text }, or nothing.`);
  }
  const fields = new Map<string, string>();
  for (const [name, text] of Object.entries(given)) {
    const field = Object.keys(model?.fields ?? {}).find((one) => one === name || snakeCase(one) === name);
    if (field === undefined) throw unknownField(name, model, at);
    const checked = checkText(text, `${at}: ${name}`);
    if (checked !== undefined) fields.set(field, checked);
  }
  return { page: undefined, fields };
}

/**
 * Names of a model's fields that a form may set.
 *
 * @throws AuthorError `wrong_option`, `unknown_field`
 */
export function checkFormFields(names: unknown, model: ModelSpec, at: string): readonly string[] {
  if (!Array.isArray(names)) {
    throw new AuthorError(
      "wrong_option",
      `${at} is ${describe(names)}; give it an array of field names, e.g. ["age"].`,
    );
  }
  for (const [i, name] of names.entries()) {
    const spec = typeof name === "string" && Object.hasOwn(model.fields, name) ? model.fields[name] : undefined;
    if (spec === undefined) throw unknownField(String(name), model, at);
    if (spec.kind === "link") {
      throw new AuthorError(
        "wrong_option",
        `${at}: ${name} is a link, which a form cannot set. Set it in beforeNextPage.`,
      );
    }
    if (names.indexOf(name) !== i) throw new AuthorError("wrong_option", `${at} names ${name} twice.`);
  }
  return names;
}

function unknownField(name: string, model: ModelSpec | undefined, at: string): AuthorError {
  const known = Object.keys(model?.fields ?? {});
  const meant = nearestName(name, known);
  const hint = meant === undefined ? "" : ` Did you mean "${meant}"?`;
  const list = known.length === 0 ? "It has none." : `Its fields are ${known.join(", ")}.`;
  return new AuthorError(
    "unknown_field",
    model === undefined
      ? `${at}: the page has no form, so there is no field "${name}". Return a text, or give the page formFields.`
      : `${at}: ${model.name} has no field "${name}".${hint} ${list}`,
  );
}

/** Whether a field takes this value, with the limits of its definition. */
export function fits(spec: FieldSpec, value: unknown, decimals: number): boolean {
  try {
    checkValue(spec, value, "", decimals);
    return true;
  } catch {
    return false;
  }
}
