import { AuthorError, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { LiveHandlerSpec, LiveMethod, PageSpec } from "../entities/app-spec.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import { requireSchema } from "./standard-schema.ts";

/** What a page says of its messages, as it may really come from an author who does not run the type checker. */
export interface RawLiveOptions {
  live?: unknown;
  message?: unknown;
  sends?: unknown;
  concurrency?: unknown;
  timeLimit?: unknown;
}

/** The options that {@link checkLiveOptions} reads. */
export const LIVE_OPTIONS = ["live", "message", "sends", "concurrency", "timeLimit"] as const;
/** Seconds: a day. */
const LONGEST = 86_400;
const HANDLER_OPTIONS = ["message", "reply", "handle"];

/**
 * The part of a page that has to do with messages.
 *
 * @param where names app and page in errors
 * @throws AuthorError `wrong_option`, `not_live`, `must_be_async`, `async_schema`, `unknown_option`
 */
export function checkLiveOptions(
  { live, message, sends, concurrency, timeLimit }: RawLiveOptions,
  hasHistory: boolean,
  hasAsyncHooks: boolean,
  where: string,
): Pick<PageSpec, (typeof LIVE_OPTIONS)[number]> {
  requireSchema(message, `${where}: message`);
  requireSchema(sends, `${where}: sends`);
  if (concurrency !== undefined && concurrency !== "serial") {
    throw new AuthorError(
      "wrong_option",
      `${where}: concurrency is ${describe(concurrency)}; give it "serial", or leave it out for calls side by side.`,
    );
  }
  const limit = checkTimeLimit(timeLimit, where);
  const idle =
    message !== undefined ? "message" : hasHistory ? "history" : concurrency !== undefined ? "concurrency" : undefined;
  if (live === undefined && idle !== undefined) {
    throw new AuthorError(
      "not_live",
      `${where} has ${idle} but no live method. Add live(player, data) { ... }, or take ${idle} out.`,
    );
  }
  if (live === undefined && limit !== undefined && !hasAsyncHooks) {
    throw new AuthorError(
      "not_live",
      `${where} has timeLimit, the time that an async function may take, but no live method and nothing else that is async. To limit the time on the page, write timeoutSeconds.`,
    );
  }
  return { live: live === undefined ? undefined : liveOf(live, where), message, sends, concurrency, timeLimit: limit };
}

/** How many seconds something async may take. @throws AuthorError `wrong_option` */
export function checkTimeLimit(value: unknown, where: string): number | undefined {
  if (value === undefined || (typeof value === "number" && value > 0 && value <= LONGEST)) return value;
  throw new AuthorError(
    "wrong_option",
    `${where}: timeLimit is ${describe(value)}; give it seconds, more than 0 and at most ${LONGEST}.`,
  );
}

function liveOf(live: unknown, where: string): PageSpec["live"] {
  if (typeof live === "object" && live !== null) return byType(live, where);
  const handler: LiveHandlerSpec = {
    handle: checkMethod(live, `${where}: live`),
    message: undefined,
    reply: undefined,
  };
  return () => handler;
}

/** One live method out of several by `type`. */
function byType(handlers: object, where: string): PageSpec["live"] {
  const known = new Map<unknown, LiveHandlerSpec>();
  for (const [type, handler] of Object.entries(handlers)) {
    if (handler !== undefined) known.set(type, checkHandler(handler, `${where}: live.${type}`));
  }
  if (known.size === 0) {
    throw new AuthorError(
      "wrong_option",
      `${where}: live is an empty object; give it a function for each type of message.`,
    );
  }
  return (data) => {
    const type = typeof data === "object" && data !== null ? Reflect.get(data, "type") : undefined;
    const handler = known.get(type);
    if (handler === undefined) {
      throw new WalrasError(
        Refusal.INVALID,
        `${where}: a message of type ${describe(type)} has no live method; the types are ${[...known.keys()].join(", ")}.`,
      );
    }
    return handler;
  };
}

function checkHandler(handler: unknown, where: string): LiveHandlerSpec {
  if (typeof handler !== "object" || handler === null) {
    return { handle: checkMethod(handler, where), message: undefined, reply: undefined };
  }
  checkKeys(handler, HANDLER_OPTIONS, where);
  const { message, reply, handle }: { message?: unknown; reply?: unknown; handle?: unknown } = handler;
  requireSchema(message, `${where}.message`);
  requireSchema(reply, `${where}.reply`);
  return { handle: checkMethod(handle, `${where}.handle`), message, reply };
}

function checkMethod(method: unknown, where: string): LiveMethod {
  if (typeof method !== "function") {
    throw new AuthorError(
      "wrong_option",
      `${where} is ${describe(method)}; give it a function (player, data), or an object of them by message type.`,
    );
  }
  if (method.constructor.name === "GeneratorFunction") {
    throw new AuthorError(
      "must_be_async",
      `${where} is a generator that is not async. Write async *live(player, data) { ... }.`,
    );
  }
  return method as LiveMethod;
}

/** What a schema gets of a message that was chosen by its type: all the rest. */
export function withoutType(data: unknown): unknown {
  const { type: _type, ...rest } = data as { type: unknown };
  return rest;
}
