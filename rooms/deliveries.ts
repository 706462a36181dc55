import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";

/** One payload and who gets it. */
export interface Outgoing {
  /** idInGroup of each recipient, ascending. */
  readonly to: readonly number[];
  /** JSON text of the payload. */
  readonly text: string;
}

/**
 * What a live method returned, as payloads with their recipients.
 *
 * `{ 2: a, 0: b }`: player 2 gets a, everybody else on the page b; an id whose value is `undefined`
 * gets nothing; nothing returned is silence.
 *
 * @param onPage which players are on the page now: others get nothing
 * @param where names app and page in errors
 * @throws AuthorError `bad_deliveries`, `unknown_recipient`, `not_json`
 */
export function route(
  returned: unknown,
  groupSize: number,
  onPage: (idInGroup: number) => boolean,
  where: string,
): Outgoing[] {
  if (returned === undefined) return [];
  if (!isPlainObject(returned)) {
    // A promise is refused here; its own outcome is of no use, and must not end the process as an unhandled rejection.
    if (returned instanceof Promise) returned.catch(() => {});
    throw new AuthorError(
      "bad_deliveries",
      `${where}: the live method returned ${describe(returned)}. It returns nothing, or an object of messages by idInGroup such as \`{ [player.idInGroup]: "thanks" }\` or \`{ 0: "to everybody" }\`.`,
    );
  }
  let everybody: string | undefined;
  const taken = new Set<number>();
  const outgoing: Outgoing[] = [];
  for (const key of Object.keys(returned)) {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id > groupSize || String(id) !== key) {
      throw new AuthorError(
        "unknown_recipient",
        `${where}: the live method sends to "${key}", but the group has players 1 to ${groupSize} (0 means all of them).`,
      );
    }
    const payload = returned[key];
    const text =
      payload === undefined
        ? undefined
        : payloadToJson(payload, `${where}: the message to ${id === 0 ? "the group" : `player ${id}`}`);
    if (id === 0) {
      everybody = text;
    } else {
      taken.add(id);
      if (text !== undefined && onPage(id)) outgoing.push({ to: [id], text });
    }
  }
  if (everybody !== undefined) {
    const to: number[] = [];
    for (let id = 1; id <= groupSize; id++) if (!taken.has(id) && onPage(id)) to.push(id);
    if (to.length > 0) outgoing.push({ to, text: everybody });
  }
  return outgoing;
}

/** What cannot be sent is the author's mistake, not the sender's. */
function payloadToJson(payload: unknown, what: string): string {
  try {
    return toJson(payload, what);
  } catch (error) {
    throw error instanceof AuthorError ? error : new AuthorError("not_json", messageOf(error), { cause: error });
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // From another realm too: a plain object's prototype has no prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") {
    const name = (value as object).constructor?.name;
    if (name === "Promise") return "a promise (declare the method `async`)";
    return `an object of class ${name ?? "unknown"}`;
  }
  return `${typeof value === "string" ? `the text ${JSON.stringify(value)}` : `the ${typeof value} ${String(value)}`}`;
}

/** What the journal keeps of a unit's output, and catch-up reads again. */
export interface RecordedOutput {
  d?: { to: number[]; m: unknown }[];
  /** Set: the message was refused with this. */
  e?: { code: string; message: string };
}

/** JSON text of {@link RecordedOutput}, made of payload texts that exist already. */
export function outputToJson(outgoing: readonly Outgoing[]): string | null {
  if (outgoing.length === 0) return null;
  let text = '{"d":[';
  for (let i = 0; i < outgoing.length; i++) {
    const { to, text: payload } = outgoing[i] as Outgoing;
    text += `${i > 0 ? "," : ""}{"to":[${to.join(",")}],"m":${payload}}`;
  }
  return `${text}]}`;
}
