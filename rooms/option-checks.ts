import { AuthorError } from "../client-sdk/errors.ts";
import { describe } from "../entities/values.ts";

/** @throws AuthorError `wrong_option` */
export function checkText(value: unknown, where: string): void {
  if (value === undefined || typeof value === "string") return;
  throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a string.`);
}

/** @throws AuthorError with this code */
export function checkObject(value: unknown, code: string, where: string, example: string): void {
  if (value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value))) return;
  throw new AuthorError(code, `${where} is ${describe(value)}; give it an object, e.g. ${example}.`);
}

/**
 * A hook as its author gave it: a plain or an async function, or nothing.
 *
 * @param of what it gets first
 * @throws AuthorError `wrong_option`, `must_be_sync`
 */
export function checkHook(value: unknown, where: string, of = "player"): void {
  if (value === undefined) return;
  if (typeof value !== "function") {
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a function of ${of}.`);
  }
  if (!/Generator/.test(value.constructor.name)) return;
  throw new AuthorError(
    "must_be_sync",
    `${where} is a generator, which only live may be: what it does happens whole or not at all. Make it a function, async if it waits for something.`,
  );
}

/**
 * As {@link checkHook}, of what may not wait.
 *
 * @param why it may not, and what may instead
 */
export function checkSyncHook(value: unknown, where: string, why: string, of = "player"): void {
  if (value === undefined) return;
  if (typeof value !== "function") {
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a function of ${of}.`);
  }
  if (value.constructor.name === "Function") return;
  throw new AuthorError("must_be_sync", `${where} is async or a generator, but ${why} Make it a plain function.`);
}
