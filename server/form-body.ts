import express, { type Request, type RequestHandler } from "express";
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

/** More fields than any page has. */
const MOST_FIELDS = 10_000;

/**
 * Takes the body of a posted page in: as a form sends it, or as a script does, `fetch(url, { body: new FormData(form) })`.
 * Any other kind is refused, instead of being taken for an empty form.
 *
 * @param limit in bytes
 */
export function formBody(limit: number): RequestHandler[] {
  const multipart: RequestHandler = async (request, _response, next) => {
    if (Buffer.isBuffer(request.body)) request.body = await readMultipart(request, request.body);
    else if (request.body === undefined && hasBody(request)) {
      throw new WalrasError("unknown_form", `A page was posted as ${request.get("content-type") ?? "nothing"}.`);
    }
    next();
  };
  return [
    express.urlencoded({ extended: false, limit, parameterLimit: MOST_FIELDS }),
    express.raw({ type: "multipart/form-data", limit }),
    multipart,
  ];
}

function hasBody({ headers }: Request): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** The texts of a multipart form; files are left out, as nothing could keep them. */
async function readMultipart(request: Request, body: Buffer): Promise<Record<string, string[]>> {
  const headers = { "content-type": request.get("content-type") ?? "" };
  const parts = await new Response(new Uint8Array(body), { headers }).formData().catch(() => {
    throw bad("is cut off, or not what it says");
  });
  const fields = new Map<string, string[]>();
  for (const [name, value] of parts) {
    if (typeof value !== "string") continue;
    const known = fields.get(name);
    if (known === undefined) fields.set(name, [value]);
    else known.push(value);
  }
  return Object.fromEntries(fields);
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
