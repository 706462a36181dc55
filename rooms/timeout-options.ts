import { AuthorError } from "../client-sdk/errors.ts";
import type { OrLater, PageSpec } from "../entities/app-spec.ts";
import { describe } from "../entities/values.ts";
import type { HookCall } from "./hook-run.ts";

/** The options of a page that limit the time on it. */
export interface TimeoutOptions<Pl> {
  /**
   * Seconds that the player may stay, from when they first open the page; undefined or nothing: no limit. When they are
   * over, what is filled in and valid is taken, fields that are not become 0, false, "" or null, and the
   * player moves on, with or without an open browser.
   */
  timeoutSeconds?: number | ((player: Pl, call: HookCall) => OrLater<number | undefined>);
  /** The same for the whole group: from when the first of its players opens the page. */
  groupTimeoutSeconds?: number | ((player: Pl, call: HookCall) => OrLater<number | undefined>);
  /** Beside the clock. Default: "Time left to complete this page:". */
  timerText?: string | ((player: Pl, call: HookCall) => OrLater<string>);
}

export const TIMEOUT_OPTIONS = ["timeoutSeconds", "groupTimeoutSeconds", "timerText"] as const;

/** The checked options; undefined: the page has none. @throws AuthorError `wrong_option` */
export function timeoutOf(
  options: Partial<Record<(typeof TIMEOUT_OPTIONS)[number], unknown>>,
  where: string,
): PageSpec["timeout"] {
  const { timeoutSeconds: seconds, groupTimeoutSeconds: groupSeconds, timerText: text } = options;
  for (const [name, value] of Object.entries({ timeoutSeconds: seconds, groupTimeoutSeconds: groupSeconds })) {
    if (value === undefined || typeof value === "function" || (Number.isFinite(value) && (value as number) >= 0))
      continue;
    throw new AuthorError(
      "wrong_option",
      `${where}: ${name} is ${describe(value)}; give it a number of seconds, or a function of player.`,
    );
  }
  if (text !== undefined && typeof text !== "function" && typeof text !== "string") {
    throw new AuthorError(
      "wrong_option",
      `${where}: timerText is ${describe(text)}; give it a string or a function of player.`,
    );
  }
  if (seconds === undefined && groupSeconds === undefined) {
    if (text === undefined) return undefined;
    throw new AuthorError(
      "wrong_option",
      `${where} has timerText but no timeoutSeconds. Add it, or take timerText out.`,
    );
  }
  return { seconds, groupSeconds, text } as PageSpec["timeout"];
}
