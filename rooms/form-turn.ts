import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, PageSpec } from "../entities/app-spec.ts";
import type { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import type { Value } from "../entities/tables.ts";
import { describe } from "../entities/values.ts";
import type { PageContext } from "./calls.ts";
import { emptyValue, type FormLanguage } from "./form-values.ts";
import { type CallHook, type FormErrors, fits, formErrors, NO_ERRORS, PageForm } from "./page-form.ts";

/** What a page's form works on within one turn. */
export interface FormScene {
  readonly app: AppSpec;
  readonly page: PageSpec;
  readonly view: DirectView;
  /** The participant's player. */
  readonly player: Row;
  readonly language: FormLanguage;
  /** Runs the author's functions on the player. */
  readonly call: CallHook;
}

/** Posted inputs by name. */
export type Posted = Readonly<Record<string, string>>;

/**
 * Takes a posted page: checks its form and sets the fields, as part of the turn's unit. Nothing is set
 * unless everything is valid.
 *
 * @returns what was wrong; undefined: the page can be left
 */
export function takeForm(scene: FormScene, posted: Posted): FormErrors | undefined {
  const form = openForm(scene);
  const { values, errors } = form?.read(posted) ?? { values: {}, errors: new Map<string, string>() };
  if (errors.size > 0) return { page: undefined, fields: errors };
  const problem = pageErrors(scene, form, values);
  if (problem !== undefined) return problem;
  for (const [field, value] of Object.entries(values)) set(scene, form, field, value);
  return undefined;
}

/**
 * Takes what a page held when its time ran out: each field that is valid is set, and the others get their
 * kind's empty value where the field allows it. If the page's own check refuses the whole, all are emptied.
 */
export function takeUnfinished(scene: FormScene, posted: Posted): void {
  const form = openForm(scene);
  if (form === undefined) return;
  const { values } = form.read(posted);
  const refused = Object.keys(values).length === form.limits.length && pageErrors(scene, form, values) !== undefined;
  for (const { field, spec, choices } of form.limits) {
    const value = refused || !(field in values) ? emptyValue(spec, choices) : values[field];
    if (value !== undefined && fits(spec, value, scene.view.memory.decimals)) set(scene, form, field, value);
  }
}

/**
 * Takes what a page's `computer` has given in the place of a player, checked as a person's answers are.
 *
 * @throws AuthorError `computer_refused`, naming page, field and what is wrong
 */
export function takeComputed(scene: FormScene, given: unknown): void {
  const at = `${scene.app.name}/${scene.page.name} computer`;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new AuthorError(
      "computer_refused",
      `${at} gave ${describe(given)}; give the form's values, e.g. { age: 30 }.`,
    );
  }
  const form = openForm(scene);
  const { values, errors } = form?.check({ ...given }, at) ?? { values: {}, errors: new Map<string, string>() };
  const problem = errors.size > 0 ? { page: undefined, fields: errors } : pageErrors(scene, form, values);
  if (problem !== undefined) {
    const all = [problem.page ?? [], [...problem.fields].map(([field, text]) => `${field}: ${text}`)].flat(2);
    throw new AuthorError("computer_refused", `${at} gave values that the page refuses: ${all.join("; ")}`);
  }
  for (const [field, value] of Object.entries(values)) set(scene, form, field, value);
}

/** The form as the page shows it, with what was posted and what was wrong with it. */
export function showForm(
  scene: FormScene,
  posted: Posted | undefined,
  errors: FormErrors = NO_ERRORS,
): Pick<PageContext, "form" | "answers" | "error"> {
  const form = openForm(scene);
  const { texts } = scene.language;
  const error = errors.page ?? (errors.fields.size > 0 ? texts.fixErrors : undefined);
  if (form === undefined) return { form: undefined, answers: posted ?? {}, error };
  const row = rowOf(scene, form);
  const stored = (field: string): Value => scene.view.builtIn(row, field);
  return { form: form.show(stored, posted, errors), answers: posted ?? form.answers(stored), error };
}

function openForm({ app, page, language, call }: FormScene): PageForm | undefined {
  if (page.form === undefined) return undefined;
  return new PageForm(page.form, app[page.form.model], `${app.name}/${page.name}`, language, call);
}

function pageErrors(scene: FormScene, form: PageForm | undefined, values: object): FormErrors | undefined {
  const { app, page, call } = scene;
  if (page.errorMessage === undefined) return undefined;
  const given = call("errorMessage", page.errorMessage, values);
  const errors = formErrors(given, form?.model, `${app.name}/${page.name} errorMessage`);
  return errors.page === undefined && errors.fields.size === 0 ? undefined : errors;
}

function rowOf({ view, player }: FormScene, form: PageForm): Row {
  return form.model.kind === "group" ? view.memory.group : player;
}

function set(scene: FormScene, form: PageForm | undefined, field: string, value: unknown): void {
  const spec = form?.model.fields[field];
  if (form !== undefined && spec !== undefined) scene.view.writeField(rowOf(scene, form), field, spec, value);
}
