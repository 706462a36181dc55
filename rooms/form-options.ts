import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldRules, FieldSpec, FormSpec, ModelSpec, OrLater } from "../entities/app-spec.ts";
import type { Choice, Fields, LinkTo } from "../entities/fields.ts";
import { choicesOf } from "../entities/fields.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import { checkWidget, type Widget } from "../entities/widgets.ts";
import type { HookCall } from "./hook-run.ts";
import { checkFormFields } from "./page-form.ts";

export type FormModel = "player" | "group";

/** The fields that a form can set: all but links. */
export type FormFieldName<F extends Fields> = {
  [K in keyof F]: NonNullable<F[K]["type"]> extends LinkTo<"player" | "group"> ? never : K;
}[keyof F] &
  string;

/** What a form's fields were answered with: null where a blank field was left empty. */
export type FormValues<F extends Fields> = { [K in FormFieldName<F>]: F[K]["type"] };

/** What a page says about one of its fields, as a value or for each player. It comes before the field's definition. */
export interface FieldOptions<Pl, V> {
  /** The least value allowed, where the field's own `min` does not ask for more. */
  min?: number | ((player: Pl, call: HookCall) => OrLater<number | undefined>);
  /** The greatest value allowed, where the field's own `max` does not ask for less. */
  max?: number | ((player: Pl, call: HookCall) => OrLater<number | undefined>);
  /** The only values allowed, as values or `[value, label]` pairs. */
  choices?: readonly Choice<V>[] | ((player: Pl, call: HookCall) => OrLater<readonly Choice<V>[]>);
  label?: string | ((player: Pl, call: HookCall) => OrLater<string>);
  helpText?: string | ((player: Pl, call: HookCall) => OrLater<string>);
  widget?: Widget;
  /** A text refuses the value and is shown beside the field. Runs when the value fits kind, limits and choices. */
  errorMessage?: (player: Pl, value: V, call: HookCall) => OrLater<string | undefined>;
}

/** The options of a page that make its form. */
export interface FormOptions<Pl, F extends Fields> {
  /** Whose fields the form sets. Default: the player's. */
  formModel?: FormModel;
  /** Which fields, in the order of `{{ formfields }}`. Nothing else can be set from outside. */
  formFields?: readonly FormFieldName<F>[] | ((player: Pl, call: HookCall) => OrLater<readonly FormFieldName<F>[]>);
  /** More about single fields, also for each player: `{ offer: { max: (player) => player.endowment } }`. */
  fields?: { [K in FormFieldName<F>]?: FieldOptions<Pl, Exclude<F[K]["type"], null>> };
  /**
   * Runs when all fields are valid by themselves, before they are set. A text keeps the player on the page
   * and is shown there; `{ field: text }` shows texts beside fields.
   */
  errorMessage?: (
    player: Pl,
    values: FormValues<F>,
    call: HookCall,
  ) => OrLater<string | { readonly [K in FormFieldName<F>]?: string } | undefined>;
  /**
   * What the form is answered with where the computer plays in the player's place (`player.isReplaced`), checked as
   * a person's answers are. Left out, or nothing: what the fields hold when time runs out.
   */
  computer?: (player: Pl, call: HookCall) => OrLater<{ readonly [K in FormFieldName<F>]?: F[K]["type"] } | undefined>;
}

export const FORM_OPTIONS = ["formModel", "formFields", "fields"];
const RULES: readonly (keyof FieldRules)[] = ["min", "max", "choices", "label", "helpText", "widget", "errorMessage"];

interface RawFormOptions {
  computer?: unknown;
  formModel?: unknown;
  formFields?: unknown;
  fields?: unknown;
}

/**
 * The checked form of a page; undefined if it has none.
 *
 * @param where names the page, e.g. "survey: page Questions"
 * @throws AuthorError that names page, field and cure
 */
export function formSpec(
  options: RawFormOptions,
  models: Readonly<Record<FormModel, ModelSpec>>,
  where: string,
): FormSpec | undefined {
  const { formModel, formFields, fields: rules, computer } = options;
  if (formModel !== undefined && formModel !== "player" && formModel !== "group") {
    throw new AuthorError(
      "wrong_option",
      `${where}: formModel is ${describe(formModel)}; give it "player" or "group".`,
    );
  }
  if (formFields === undefined) {
    const idle = Object.entries({ formModel, fields: rules, computer }).find(([, value]) => value !== undefined)?.[0];
    if (idle === undefined) return undefined;
    throw new AuthorError(
      "no_form_fields",
      `${where} has ${idle} but no formFields. Name them, e.g. formFields: ["age"], or take ${idle} out.`,
    );
  }
  const model = models[formModel ?? "player"];
  const names =
    typeof formFields === "function" ? undefined : checkFormFields(formFields, model, `${where}: formFields`);
  return {
    model: formModel ?? "player",
    fields: names ?? (formFields as (player: never) => readonly string[]),
    rules: checkRules(rules, model, names, where),
  };
}

function checkRules(
  given: unknown,
  model: ModelSpec,
  names: readonly string[] | undefined,
  where: string,
): Readonly<Record<string, FieldRules>> {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new AuthorError(
      "wrong_option",
      `${where}: fields is ${describe(given)}; give it an object, e.g. { age: { max: 99 } }.`,
    );
  }
  const known = names ?? Object.keys(model.fields);
  checkKeys(given, known, `${where}: fields`);
  for (const [field, rules] of Object.entries(given)) {
    checkFieldRules(rules, model.fields[field] as FieldSpec, `${where}: fields.${field}`);
  }
  return given as Record<string, FieldRules>;
}

function checkFieldRules(rules: unknown, spec: FieldSpec, at: string): void {
  if (typeof rules !== "object" || rules === null) {
    throw new AuthorError("wrong_option", `${at} is ${describe(rules)}; give it an object, e.g. { max: 99 }.`);
  }
  checkKeys(rules, RULES, at);
  const { min, max, choices, label, helpText, widget, errorMessage } = rules as Record<keyof FieldRules, unknown>;
  const isNumber =
    spec.kind === "integer" || spec.kind === "float" || spec.kind === "currency" || spec.kind === "timestamp";
  for (const [name, value] of Object.entries({ min, max })) {
    if (value === undefined || typeof value === "function") continue;
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new AuthorError(
        "wrong_option",
        `${at}.${name} is ${describe(value)}; give it a number or a function of player.`,
      );
    }
    if (!isNumber) throw new AuthorError("wrong_option", `${at}.${name}: a ${spec.kind} field has no ${name}.`);
  }
  for (const [name, value] of Object.entries({ label, helpText })) {
    if (value === undefined || typeof value === "function" || typeof value === "string") continue;
    throw new AuthorError(
      "wrong_option",
      `${at}.${name} is ${describe(value)}; give it a string or a function of player.`,
    );
  }
  if (errorMessage !== undefined && typeof errorMessage !== "function") {
    throw new AuthorError(
      "wrong_option",
      `${at}.errorMessage is ${describe(errorMessage)}; give it a function of player and value.`,
    );
  }
  if (choices !== undefined && typeof choices !== "function") choicesOf(spec, choices, at);
  if (widget !== undefined) checkWidget(widget, spec.kind, `${at}.widget`);
}
