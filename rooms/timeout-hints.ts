import type { AppSpec, FieldSpec, PageSpec } from "../entities/app-spec.ts";
import { emptyValue } from "./form-values.ts";

/**
 * Pages whose time is limited and whose fields may be left unset by that, for the log at start: an app that reads them
 * later fails there and then, with people in the lab, and nobody who only clicks through it sees that before.
 */
export function timeoutHints(apps: Iterable<AppSpec>): string[] {
  return [...apps].flatMap((app) => app.pages.flatMap((page) => hintFor(app, page)));
}

function hintFor(app: AppSpec, { name, timeout, form, beforeNextPage }: PageSpec): string[] {
  // Who has a beforeNextPage is taken to know what to do in it.
  if (timeout === undefined || beforeNextPage !== undefined) return [];
  if (form === undefined || typeof form.fields === "function") return [];
  const { fields } = app[form.model];
  const unset = form.fields.filter((field) => staysUnset(fields[field] as FieldSpec));
  if (unset.length === 0) return [];
  const several = unset.length > 1;
  return [
    `${app.name}/${name}: where time runs out before ${unset.join(", ")} ${several ? "are" : "is"} answered, ${several ? "they stay" : "it stays"} unset, because 0, false and "" are no answers there. If the app reads ${several ? "them" : "it"} later, set a value in beforeNextPage when timeoutHappened, or make the ${several ? "fields" : "field"} blank.`,
  ];
}

function staysUnset(spec: FieldSpec): boolean {
  return (spec.initial ?? null) === null && emptyValue(spec, undefined) === undefined;
}
