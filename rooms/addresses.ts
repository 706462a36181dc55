import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { nearestName } from "../entities/suggest.ts";
import { connects } from "./connects.ts";

/** One payload as a hook addressed it, before it is known who is on which page. */
export interface Addressed {
  /** idInGroup of each recipient, ascending. */
  readonly to: readonly number[];
  /** JSON text of the payload. */
  readonly text: string;
  /** Name of the page that `toPage` named; undefined: the default of whoever sends. */
  readonly page: string | undefined;
}

/** Who may be addressed, and how errors name the sender. */
export interface Addressing {
  readonly app: AppSpec;
  readonly groupSize: number;
  /** idInGroup of the player for whom the hook ran; undefined: nobody's, as in a timer. */
  readonly sender: number | undefined;
  /** Names the hook in errors, e.g. `auction/Bidding live`. */
  readonly where: string;
}

/** Deliveries for those who are on another page; made by {@link toPage}. */
export class PageDeliveries {
  readonly page: string;
  readonly deliveries: unknown;

  constructor(page: string, deliveries: unknown) {
    this.page = page;
    this.deliveries = deliveries;
  }
}

/**
 * What a hook returned, as payloads with their recipients.
 *
 * `{ 2: a, others: b, 0: c }`: player 2 gets a, everybody else but the sender b, the sender c: the closer
 * address wins. An id whose value is `undefined` gets nothing; nothing returned is silence. Of an array,
 * each element is a message of its own, in this order.
 *
 * @throws AuthorError `bad_deliveries`, `unknown_recipient`, `no_sender`, `unknown_page`, `not_live`, `not_json`
 */
export function address(returned: unknown, addressing: Addressing): Addressed[] {
  const addressed: Addressed[] = [];
  collect(returned, undefined, addressing, addressed);
  return addressed;
}

function collect(returned: unknown, page: string | undefined, addressing: Addressing, into: Addressed[]): void {
  if (returned === undefined) return;
  if (returned instanceof PageDeliveries) {
    if (page !== undefined) {
      throw new AuthorError(
        "bad_deliveries",
        `${addressing.where}: toPage("${page}", ...) has toPage("${returned.page}", ...) in it. Return them side by side: [toPage("${page}", ...), toPage("${returned.page}", ...)].`,
      );
    }
    requirePage(returned.page, addressing);
    collect(returned.deliveries, returned.page, addressing, into);
  } else if (Array.isArray(returned)) {
    for (const one of returned) {
      if (Array.isArray(one)) throw badDeliveries(one, addressing, "an array in an array");
      collect(one, page, addressing, into);
    }
  } else if (isPlainObject(returned)) {
    addressOne(returned, page, addressing, into);
  } else {
    throw badDeliveries(returned, addressing);
  }
}

/** One object of deliveries: at most one message for each player. */
function addressOne(
  deliveries: Record<string, unknown>,
  page: string | undefined,
  { groupSize, sender, where }: Addressing,
  into: Addressed[],
): void {
  let everybody: string | undefined;
  let others: { text: string | undefined } | undefined;
  const named = new Set<number>();
  for (const key of Object.keys(deliveries)) {
    const payload = deliveries[key];
    const textFor = (whom: string): string | undefined =>
      payload === undefined ? undefined : payloadToJson(payload, `${where}: the message to ${whom}`);
    if (key === "others") {
      if (sender === undefined) {
        throw new AuthorError(
          "no_sender",
          `${where} sends to "others", but nobody sent anything here, so there are no others. Send to 0 for everybody, or name players by their idInGroup.`,
        );
      }
      others = { text: textFor("the others") };
      continue;
    }
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id > groupSize || String(id) !== key) {
      throw new AuthorError(
        "unknown_recipient",
        `${where} sends to "${key}", but the group has players 1 to ${groupSize} (0 means all of them, others all but the sender).`,
      );
    }
    if (id === 0) {
      everybody = textFor("the group");
      continue;
    }
    named.add(id);
    const text = textFor(`player ${id}`);
    if (text !== undefined) into.push({ to: [id], text, page });
  }
  const rest: number[] = [];
  for (let id = 1; id <= groupSize; id++) if (!named.has(id)) rest.push(id);
  if (others === undefined) {
    send(rest, everybody);
    return;
  }
  send(
    rest.filter((id) => id !== sender),
    others.text,
  );
  send(
    rest.filter((id) => id === sender),
    everybody,
  );

  function send(to: readonly number[], text: string | undefined): void {
    if (text !== undefined && to.length > 0) into.push({ to, text, page });
  }
}

/** A page of the app that can receive anything. */
function requirePage(name: unknown, { app, where }: Addressing): void {
  const page = app.pages.find((other) => other.name === name);
  if (page === undefined) {
    const names = app.pages.map((other) => other.name);
    const nearest = typeof name === "string" ? nearestName(name, names) : undefined;
    throw new AuthorError(
      "unknown_page",
      `${where}: toPage(${JSON.stringify(name) ?? String(name)}, ...): app ${app.name} has no such page.${nearest === undefined ? "" : ` Did you mean "${nearest}"?`} Its pages are ${names.join(", ")}.`,
    );
  }
  if (!connects(app, page)) {
    throw new AuthorError(
      "not_live",
      `${where}: toPage("${page.name}", ...): ${page.name} has no live method, so it is not connected and gets no messages. Give it one, if only an empty one: live() {}.`,
    );
  }
}

function badDeliveries(returned: unknown, { where }: Addressing, what = describe(returned)): AuthorError {
  // A promise is refused here; its own outcome is of no use, and must not end the process as an unhandled rejection.
  if (returned instanceof Promise) returned.catch(() => {});
  return new AuthorError(
    "bad_deliveries",
    `${where} returned ${what}. It returns nothing, an object of messages by idInGroup such as \`{ [player.idInGroup]: "thanks" }\` or \`{ 0: "to everybody" }\`, or an array of such objects.`,
  );
}

/** What cannot be sent is the author's mistake, not the sender's. */
export function payloadToJson(payload: unknown, what: string): string {
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
  if (typeof value === "object") {
    const name = (value as object).constructor?.name;
    if (name === "Promise") return "a promise (declare the method `async`)";
    return `an object of class ${name ?? "unknown"}`;
  }
  return `${typeof value === "string" ? `the text ${JSON.stringify(value)}` : `the ${typeof value} ${String(value)}`}`;
}
