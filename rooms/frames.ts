import { isUtf8 } from "node:buffer";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { checkText, isStorableText, type Json } from "../client-sdk/json.ts";
import { type Hello, type Listen, Refusal } from "../client-sdk/protocol.ts";
import { FRAME_HEADER } from "../client-sdk/wire.ts";
import type { IncomingMessage } from "./message-turn.ts";

/** The bytes of one frame on the wire, from its JSON text. */
export function encodeFrame(json: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER.length + Buffer.byteLength(json));
  bytes.set(FRAME_HEADER);
  bytes.write(json, FRAME_HEADER.length);
  return bytes;
}

/** What a page may send, checked for form. `malformed` cannot even be answered by number. */
export type Incoming =
  | { kind: "hello"; hello: Hello }
  | { kind: "send"; message: IncomingMessage }
  | { kind: "away"; away: boolean }
  | { kind: "listen"; listen: Listen }
  | { kind: "malformed"; why: string };

const CLIENT_ID = /^[\w-]{8,64}$/;
/** Of a chat: signed, so that only its form is looked at here. */
const TOKEN = /^[\w-]{1,2000}\.[\w-]{1,100}$/;

/** Reads the JSON bytes of a frame; never throws, whatever the bytes. @param messageBytes limit of one message's data */
export function decodeFrame(bytes: Uint8Array, messageBytes: number): Incoming {
  if (!isUtf8(bytes)) return malformed("not UTF-8");
  let frame: unknown;
  try {
    frame = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    return malformed("not JSON");
  }
  if (typeof frame !== "object" || frame === null) return malformed("not an object");
  const { k, c, a } = frame as Record<string, unknown>;
  if (typeof c !== "string" || !CLIENT_ID.test(c)) return malformed("no client id");
  if (k === "hello") return hello(frame as Record<string, unknown>, c);
  if (k === "send") return send(frame as Record<string, unknown>, c, messageBytes);
  if (k === "away") return typeof a === "boolean" ? { kind: "away", away: a } : malformed("neither here nor away");
  if (k === "listen") return listen(frame as Record<string, unknown>, c);
  return malformed("unknown kind");
}

function hello({ v, s, h, x = 0, i }: Record<string, unknown>, c: string): Incoming {
  if (!Number.isSafeInteger(v)) return malformed("no version");
  if (!isSeq(s) || !isSeq(x)) return malformed("no seq");
  return {
    kind: "hello",
    hello: { k: "hello", v: v as number, c, s, x, ...(h === true ? { h } : {}), ...(i === 1 ? { i } : {}) },
  };
}

function listen({ b, t, s }: Record<string, unknown>, c: string): Incoming {
  if (!isSeq(b)) return malformed("no chat");
  if (typeof t !== "string" || !TOKEN.test(t)) return malformed("no chat token");
  if (typeof s !== "object" || s === null || !Object.values(s).every(isSeq)) return malformed("no chat numbers");
  return { kind: "listen", listen: { k: "listen", c, b, t, s: s as Listen["s"] } };
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function send(frame: Record<string, unknown>, c: string, messageBytes: number): Incoming {
  const { n, p, b, t } = frame;
  if (!Number.isSafeInteger(n) || (n as number) < 1) return malformed("no number");
  if (typeof p !== "string" || p.length > 300 || !isStorableText(p)) return malformed("no page");
  if (b !== undefined && !isNumber(b)) return malformed("no number before");
  if (t !== undefined && (typeof t !== "string" || !TOKEN.test(t))) return malformed("no chat token");
  if (!Object.hasOwn(frame, "d")) return malformed("no data");
  const d = frame.d as Json;
  const head = {
    k: "send" as const,
    c,
    n: n as number,
    p,
    ...(b === undefined ? {} : { b }),
    ...(t === undefined ? {} : { t }),
  };
  try {
    checkText(d, "liveSend(data)");
    const text = JSON.stringify(d);
    const size = Buffer.byteLength(text);
    if (size > messageBytes) {
      throw new WalrasError(Refusal.TOO_LARGE, `The message has ${size} bytes; at most ${messageBytes} are allowed.`);
    }
    return { kind: "send", message: { ...head, d, text } };
  } catch (error) {
    const refusal =
      error instanceof WalrasError
        ? error
        : new WalrasError(Refusal.NOT_JSON, `liveSend(data) cannot be read: ${messageOf(error)}`);
    return { kind: "send", message: { ...head, d: null, text: null, refusal } };
  }
}

/** Client and number of a message. */
function isNumber(value: unknown): value is [string, number] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [c, n] = value;
  return typeof c === "string" && CLIENT_ID.test(c) && Number.isSafeInteger(n) && n >= 1;
}

function malformed(why: string): Incoming {
  return { kind: "malformed", why };
}

/** One message of an outbox, checked like a frame. @throws WalrasError `malformed_outbox` */
export function checkOutgoing(frame: unknown, messageBytes: number): IncomingMessage {
  const decoded = decodeFrame(Buffer.from(JSON.stringify(frame) ?? "null"), messageBytes);
  if (decoded.kind === "send") return decoded.message;
  throw new WalrasError(
    "malformed_outbox",
    `One of the form's unsent messages is not a live message${decoded.kind === "malformed" ? ` (${decoded.why})` : ""}.`,
  );
}
