import { AuthorError } from "../client-sdk/errors.ts";
import type { TimerSpec } from "../entities/app-spec.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import type { TimerOptions } from "./author-types.ts";
import { checkTimeLimit } from "./live-handlers.ts";
import { checkHook, checkObject } from "./option-checks.ts";

/** Checks a timer. @throws AuthorError naming app, timer and cure */
export function makeTimer(
  app: string,
  name: unknown,
  { handle, options }: { handle: TimerSpec["handle"]; options: TimerOptions },
  before: ReadonlyMap<string, TimerSpec>,
): TimerSpec {
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
  if (handle === undefined) {
    throw new AuthorError(
      "wrong_option",
      `${where} has no handler. Give it one: app.timer("${name}", (group) => { ... }).`,
    );
  }
  checkHook(handle, where, "group");
  checkObject(options, "wrong_option", `${where}: its third argument`, "{ timeLimit: 10 }");
  checkKeys(options, ["timeLimit"], where);
  return { handle, timeLimit: checkTimeLimit(options.timeLimit, where) };
}
