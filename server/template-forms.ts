import type { FormLanguage } from "../rooms/form-values.ts";
import type { FormContext } from "../rooms/page-form.ts";
import { FieldHtml, safe, scaleEnd } from "./field-html.ts";
import { escapeHtml } from "./template-filters.ts";

/** What the form tags of templates give. */
export interface FormTags {
  /** `{{ formfields }}`: all fields; `{{ formfields "a" "b" }}`: these. */
  formfields(...names: unknown[]): unknown;
  /** `{{ formfield "a" }}`: label, help, input and error of one field; `label="…"` replaces its label. */
  formfield(name: unknown, options?: { label?: unknown }): unknown;
  /** `{{ formfield_errors "a" }}`: the error beside an input that the author wrote. */
  formfield_errors(name: unknown): unknown;
  /** `{{ form.a }}`: the input alone. */
  form: Readonly<Record<string, unknown>>;
}

/**
 * The form tags of one page. A field that is invalid after a failed submit is marked for screen readers,
 * and the first of them gets the focus.
 */
export function formTags(form: FormContext | undefined, page: string, language: FormLanguage): FormTags {
  const fields = form?.fields ?? [];
  const first = fields.find(({ error }) => error !== undefined);
  const widgets = new Map(fields.map((field) => [field.name, new FieldHtml(field, language, field === first)]));
  const find = (given: unknown, tag: string): FieldHtml => {
    const name = typeof given === "object" && given !== null ? String(Reflect.get(given, "name")) : String(given);
    const found = widgets.get(name) ?? widgets.get(name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    if (found !== undefined) return found;
    const known = [...widgets.keys()].join(", ");
    throw new Error(
      `{{ ${tag} "${name}" }}: ${known === "" ? `page ${page} has no formFields` : `the formFields of page ${page} are ${known}`}.`,
    );
  };
  return {
    formfields(...names) {
      // nunjucks puts keyword arguments behind the others.
      const asked = names.filter((name) => typeof name !== "object" || name === null || "name" in name);
      const chosen = asked.length === 0 ? [...widgets.values()] : asked.map((name) => find(name, "formfields"));
      return safe(runs(chosen).map(runHtml).join(""));
    },
    formfield: (name, options) => safe(find(name, "formfield").whole(options?.label)),
    formfield_errors: (name) => safe(find(name, "formfield_errors").errors()),
    form: formObject([...widgets.values()]),
  };
}

/** `form.x`, `for field in form`, and `form.errors` by field. */
function formObject(fields: readonly FieldHtml[]): Readonly<Record<string, unknown>> {
  const shown = fields.map((html) => html.forTemplate());
  const wrong = fields.flatMap(({ field: { name, error } }) => (error === undefined ? [] : [[name, [error]]]));
  const entries = fields.map((html, i) => [html.field.name, shown[i]]);
  const form = Object.fromEntries([["errors", Object.fromEntries(wrong)], ...entries]);
  return Object.defineProperty(form, Symbol.iterator, { value: () => shown.values() });
}

/** The list of what is wrong, above the page: each entry leads to its field. */
export function errorSummary(form: FormContext | undefined, error: string | undefined): unknown {
  if (error === undefined) return "";
  const wrong = (form?.fields ?? []).filter((field) => field.error !== undefined);
  const items = wrong.map(({ name, label, error }) => {
    // Questions and statements have their own mark at the end.
    const colon = /[.?!:;\u2026\u3002\uff1a\uff1f\uff01\u061f]\s*$/.test(label) ? "" : ":";
    return `<li><a href="#id_${escapeHtml(name)}">${escapeHtml(label)}</a>${colon} ${escapeHtml(error ?? "")}</li>`;
  });
  const list = items.length === 0 ? "" : `<ul>${items.join("")}</ul>`;
  // Without a field at fault, the message itself gets the focus.
  const focus = wrong.length === 0 ? " autofocus" : "";
  return safe(
    `<div class="otree-form-errors alert alert-danger" role="alert" tabindex="-1"${focus}>${escapeHtml(error)}${list}</div>`,
  );
}

/** Fields one after the other, where neighbours on the same Likert scale make one run. */
function runs(fields: readonly FieldHtml[]): FieldHtml[][] {
  const all: FieldHtml[][] = [];
  for (const field of fields) {
    const last = all.at(-1);
    if (field.scale !== undefined && last?.[0]?.scale === field.scale) last.push(field);
    else all.push([field]);
  }
  return all;
}

function runHtml(run: readonly FieldHtml[]): string {
  const [first] = run;
  if (first === undefined) return "";
  if (run.length === 1) return first.whole();
  const { widget } = first.field;
  const { low, high } = widget.type === "likert" ? widget : { low: undefined, high: undefined };
  const points = first.choices().map(({ text }) => `<span class="likert-point">${escapeHtml(text)}</span>`);
  // Each row names its points for itself; the head is for the eye, on screens that are wide enough.
  const head = `<div class="likert-head" aria-hidden="true"><div class="form-label"></div><div class="likert">${scaleEnd(low, "low")}${points.join("")}${scaleEnd(high, "high")}</div></div>`;
  return `<div class="likert-table">${head}${run.map((field) => field.whole()).join("")}</div>\n`;
}
