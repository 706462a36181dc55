import { AuthorError } from "../client-sdk/errors.ts";
import type { BotScript } from "./bot.ts";

/** The part of an app that its bots need. */
export interface BotsApp {
  readonly name: string;
  readonly spec: { readonly pages: readonly { readonly name: string }[] };
}

export interface BotsOptions {
  /** Names of several ways to play, e.g. `["all bid", "nobody bids"]`: a session is played for each, `bot.case` says which. */
  cases?: readonly string[];
  /** true: a script may end before its participant has seen all pages of the round; the participant then stays there. */
  mayEndEarly?: boolean;
}

/** What `apps/<app>/bots.ts` exports as default. */
export interface Bots {
  readonly app: string;
  /** The app's pages, in order. */
  readonly pages: readonly string[];
  // A method, so that scripts for narrower messages are scripts too.
  script(...args: Parameters<BotScript<never>>): void | Promise<void>;
  readonly cases: readonly string[];
  readonly mayEndEarly: boolean;
}

const OPTIONS = ["cases", "mayEndEarly"];

/**
 * Says how bots play an app. `apps/<app>/bots.ts` exports the result as default:
 *
 * ```ts
 * import { defineBots } from "walras";
 * import app from "./index.ts";
 *
 * export default defineBots(app, async (bot) => {
 *   await bot.live.send(10 + bot.idInGroup);
 *   await bot.submit();
 * });
 * ```
 *
 * The script plays one participant; all participants of a session run side by side. It is called once for
 * each round, when its participant reaches the app's first page, and must take them past the last one
 * (wait pages at the end are waited for). The same script runs in `npm run walras -- bots`, in
 * `npm run loadtest`, and in the browser, where a demo session is played by bots; so it may import
 * `"walras"`, the app, and files that need neither Node nor the server.
 *
 * @throws AuthorError for a mistake in its arguments
 */
export function defineBots<Message = unknown>(
  app: BotsApp,
  script: BotScript<Message>,
  options: BotsOptions = {},
): Bots {
  const spec = typeof app === "object" && app !== null ? app.spec : undefined;
  if (spec === undefined || !Array.isArray(spec.pages)) {
    throw wrong('its first argument is not an app. Begin bots.ts with: import app from "./index.ts";');
  }
  if (typeof script !== "function") {
    throw wrong(`${app.name}: its second argument is not a function. Give it async (bot) => { ... }.`);
  }
  for (const key of Object.keys(options)) {
    if (!OPTIONS.includes(key)) {
      throw wrong(`${app.name}: there is no option "${key}". Its options are ${OPTIONS.join(", ")}.`);
    }
  }
  const { cases = [], mayEndEarly = false } = options;
  if (!Array.isArray(cases) || !cases.every((one) => typeof one === "string" && one !== "")) {
    throw wrong(`${app.name}: cases is not an array of names. Give it e.g. ["all bid", "nobody bids"].`);
  }
  if (new Set(cases).size < cases.length) throw wrong(`${app.name}: two of its cases have the same name.`);
  return { app: app.name, pages: spec.pages.map((page) => page.name), script, cases, mayEndEarly };
}

/** Whether a value is what {@link defineBots} returns. */
export function isBots(value: unknown): value is Bots {
  return (
    typeof value === "object" &&
    value !== null &&
    "script" in value &&
    typeof value.script === "function" &&
    "cases" in value &&
    Array.isArray(value.cases)
  );
}

function wrong(what: string): AuthorError {
  return new AuthorError("wrong_bots", `defineBots: ${what}`);
}
