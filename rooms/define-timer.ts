import { AuthorError } from "../client-sdk/errors.ts";
import type { TimerMethod } from "../entities/app-spec.ts";
import { describe } from "../entities/values.ts";
import { checkFunction } from "./option-checks.ts";

/** Checks a timer. @throws AuthorError naming app, timer and cure */
export function checkTimer(
  app: string,
  name: unknown,
  handler: unknown,
  before: ReadonlyMap<string, TimerMethod>,
): void {
  if (typeof name !== "string" || !/^[A-Za-z][A-Za-z0-9_]{0,99}$/.test(name)) {
    throw new AuthorError(
      "wrong_name",
      `${app}: a timer's name is ${describe(name)}; give it a letter, then letters, digits and underscores, e.g. "close".`,
    );
  }
  const where = `${app}: timer ${name}`;
  if (before.has(name)) {
    throw new AuthorError(
      "name_taken",
      `${where} exists already. Give each timer one handler; it can tell by the payload.`,
    );
  }
  if (handler === undefined) {
    throw new AuthorError(
      "wrong_option",
      `${where} has no handler. Give it one: app.timer("${name}", (group) => { ... }).`,
    );
  }
  checkFunction(handler, where, "group");
}
