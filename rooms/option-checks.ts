import { AuthorError } from "../client-sdk/errors.ts";
import { describe } from "../entities/values.ts";
import { ASYNC_HOOKS } from "./page-hooks.ts";

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

/** A plain function, or nothing. @param of what it is a function of @throws AuthorError `wrong_option`, `must_be_sync` */
export function checkFunction(value: unknown, where: string, of: "player" | "group" = "player"): void {
  if (value === undefined) return;
  if (typeof value !== "function") {
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a function of ${of}.`);
  }
  if (value.constructor.name !== "Function") {
    throw new AuthorError(
      "must_be_sync",
      `${where} is async or a generator, but ${of === "group" ? "a timer's work" : "this"} is done in one go. Make it a plain function; only ${of === "group" ? "live" : `live, ${ASYNC_HOOKS.join(", ")}`} may wait.`,
    );
  }
}
