import { WalrasError } from "./errors.ts";

/** What JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

// Under the u flag a whole pair is one character, so that only halves match. (A lookbehind would say
// the same and break the whole page script on iPhones before iOS 16.4.)
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Deeper values are refused: reading them takes a stack that a hostile sender could exhaust. */
const DEPTH_LIMIT = 500;

/**
 * The JSON text of a value, or a refusal that names the place and the reason.
 *
 * JSON.stringify alone turns NaN into null, drops functions and writes text that PostgreSQL cannot
 * keep; each of these would lose a participant's data silently, so each is refused. `undefined`
 * inside objects is left out and inside arrays becomes null, as JSON.stringify does.
 *
 * @param what names the value in the message, e.g. "liveSend(data)"
 * @throws WalrasError `not_json`
 */
export function toJson(value: unknown, what: string): string {
  check(value, what, []);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw refuse(what, `cannot be written as JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (text === undefined) throw refuse(what, "is undefined; send null, or an object such as {}");
  return text;
}

/** Refuses text with NUL or lone surrogates anywhere in a parsed JSON value. @throws WalrasError `not_json` */
export function checkText(value: Json, what: string): void {
  check(value, what, []);
}

/** Whether a string can be kept by every database: no NUL, no lone surrogates. */
export function isStorableText(text: string): boolean {
  return !text.includes("\0") && !LONE_SURROGATE.test(text);
}

function check(value: unknown, path: string, above: object[]): void {
  switch (typeof value) {
    case "string":
      if (!isStorableText(value)) {
        throw refuse(path, "holds text with a NUL character or half of a surrogate pair, which databases cannot keep");
      }
      return;
    case "number":
      if (!Number.isFinite(value)) throw refuse(path, `is ${value}, which JSON cannot carry; check the input first`);
      return;
    case "bigint":
      throw refuse(path, "is a BigInt, which JSON cannot carry; send String(value)");
    case "function":
    case "symbol":
      throw refuse(path, `is a ${typeof value}, which JSON cannot carry`);
    case "object": {
      if (value === null) return;
      if (above.includes(value)) throw refuse(path, "contains itself");
      if (above.length >= DEPTH_LIMIT) throw refuse(start(path), `is nested more than ${DEPTH_LIMIT} deep`);
      if (value instanceof Promise) throw refuse(path, "is a promise, which JSON would empty; await it first");
      if (value instanceof Map || value instanceof Set) {
        throw refuse(path, `is a ${value.constructor.name}, which JSON would empty; use an object or an array`);
      }
      if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
        check((value as { toJSON(): unknown }).toJSON(), path, [...above, value]);
        return;
      }
      above.push(value);
      if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++) check(value[i], `${path}[${i}]`, above);
      } else {
        for (const key of Object.keys(value)) {
          if (key === "__proto__") {
            throw refuse(path, "has a key `__proto__`, which could change an object's prototype; choose another name");
          }
          if (!isStorableText(key)) throw refuse(path, "has a key with a NUL character or half of a surrogate pair");
          check((value as Record<string, unknown>)[key], `${path}.${key}`, above);
        }
      }
      above.pop();
      return;
    }
  }
}

/** The beginning of a path: the whole of a deep one would be a very long message. */
function start(path: string): string {
  return path.length > 100 ? `${path.slice(0, 100)}…` : path;
}

function refuse(path: string, why: string): WalrasError {
  return new WalrasError("not_json", `${path} ${why}.`);
}
