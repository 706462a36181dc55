import { WalrasError } from "../client-sdk/errors.ts";
import { isStorableText } from "../client-sdk/json.ts";
import { OUTBOX_FIELD, type Send } from "../client-sdk/protocol.ts";

/** More than a page's script ever keeps. */
const MOST_MESSAGES = 10_000;

/** A posted page: its form, and the live messages that had no answer when it was left. */
export interface PageForm {
  outbox: Send[];
  form: Record<string, string>;
}

/**
 * Reads a parsed form body.
 *
 * @throws WalrasError `bad_form`
 */
export function readForm(body: unknown): PageForm {
  const form: Record<string, string> = {};
  let outbox: Send[] = [];
  for (const [name, given] of Object.entries(typeof body === "object" && body !== null ? body : {})) {
    // A field that comes twice counts as it was last.
    const value: unknown = Array.isArray(given) ? given.at(-1) : given;
    if (typeof value !== "string" || !isStorableText(value) || !isStorableText(name)) {
      throw bad("holds characters that cannot be stored");
    }
    if (name === OUTBOX_FIELD) outbox = readOutbox(value);
    // Not by assignment, which would take a field named __proto__ for something else.
    else Object.defineProperty(form, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return { outbox, form };
}

function readOutbox(text: string): Send[] {
  if (text === "") return [];
  let sends: unknown;
  try {
    sends = JSON.parse(text);
  } catch {
    throw bad(`has a field ${OUTBOX_FIELD} that is not JSON`);
  }
  if (!Array.isArray(sends) || sends.length > MOST_MESSAGES || !sends.every(isSend)) {
    throw bad(`has a field ${OUTBOX_FIELD} that is not a list of messages`);
  }
  return sends;
}

function isSend(value: unknown): value is Send {
  if (typeof value !== "object" || value === null) return false;
  const { k, c, n, p, d } = value as Partial<Record<keyof Send, unknown>>;
  return (
    k === "send" &&
    typeof c === "string" &&
    /^[\w-]{1,64}$/.test(c) &&
    Number.isSafeInteger(n) &&
    (n as number) >= 1 &&
    typeof p === "string" &&
    p.length <= 300 &&
    d !== undefined
  );
}

function bad(why: string): WalrasError {
  return new WalrasError("bad_form", `The form ${why}. Go back, load the page again and retry.`);
}
