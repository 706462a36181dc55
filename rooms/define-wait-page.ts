import { AuthorError } from "../client-sdk/errors.ts";
import type { WaitSpec } from "../entities/app-spec.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import type { Messages, PageOptions, Silence } from "./author-types.ts";
import { LIVE_OPTIONS, type RawLiveOptions } from "./live-handlers.ts";

/** A page on which players wait for each other. */
export type WaitPageOptions<Pl, Gr, Sub> = WaitPageBasics<Pl> & (WaitForGroup<Gr> | WaitForAllGroups<Sub>);

/** What every wait page may have; its template, `<Name>.html`, is optional. */
export interface WaitPageBasics<Pl>
  extends Pick<PageOptions<Pl>, "history" | "presence" | "isDisplayed" | "varsForTemplate" | "jsVars"> {
  /** Default: "Please wait". */
  title?: string | ((player: Pl) => string);
  /** Default: "Waiting for the other participants." */
  body?: string | ((player: Pl) => string);
  /** Whether the page says who is still to come, by idInGroup. Default: true. */
  showMissing?: boolean;
}

/** The players of a group wait for each other. */
export interface WaitForGroup<Gr> {
  waitForAllGroups?: false;
  /** Runs once, when the last player has arrived; what it changes and everybody's going on are one. */
  afterAllPlayersArrive?: (group: Gr) => Messages | Silence;
}

/** All groups of the round wait for each other. */
export interface WaitForAllGroups<Sub> {
  waitForAllGroups: true;
  /** Runs once, when the last participant of the session has arrived. May form the groups of this round anew, and
   * set the session's fields. */
  afterAllPlayersArrive?: (subsession: Sub) => void;
}

/** Options as they may really come, from an author who does not run the type checker. */
interface RawOptions {
  title?: unknown;
  body?: unknown;
  showMissing?: unknown;
  waitForAllGroups?: unknown;
  afterAllPlayersArrive?: unknown;
}

const PAGE_KEYS = [...LIVE_OPTIONS, "history", "presence", "isDisplayed", "varsForTemplate", "jsVars"] as const;
const WAIT_KEYS = ["title", "body", "showMissing", "waitForAllGroups", "afterAllPlayersArrive"];

/**
 * What of a wait page's options is an ordinary page's, and the checked rest.
 *
 * @param where names app and page in errors
 * @throws AuthorError `unknown_option`, `wrong_option`, `must_be_sync`
 */
export function splitWaitOptions<Pl>(
  where: string,
  options: WaitPageOptions<Pl, never, never> & RawLiveOptions,
): { page: PageOptions<Pl> & RawLiveOptions; wait: WaitSpec } {
  if (typeof options !== "object" || options === null) {
    throw new AuthorError(
      "wrong_option",
      `${where}: its second argument is ${describe(options)}; give it an object, e.g. { afterAllPlayersArrive(group) { ... } }.`,
    );
  }
  checkKeys(options, [...WAIT_KEYS, ...PAGE_KEYS], where);
  const page: PageOptions<Pl> = {};
  for (const key of PAGE_KEYS) if (options[key] !== undefined) Object.assign(page, { [key]: options[key] });
  const { title, body, showMissing, waitForAllGroups, afterAllPlayersArrive }: RawOptions = options;
  checkTextOrFunction(title, `${where}: title`);
  checkTextOrFunction(body, `${where}: body`);
  checkBoolean(showMissing, `${where}: showMissing`);
  checkBoolean(waitForAllGroups, `${where}: waitForAllGroups`);
  checkSync(afterAllPlayersArrive, `${where}: afterAllPlayersArrive`);
  return {
    page,
    wait: {
      scope: waitForAllGroups === true ? "subsession" : "group",
      title: title as WaitSpec["title"],
      body: body as WaitSpec["body"],
      showMissing: showMissing !== false,
      afterAllPlayersArrive: afterAllPlayersArrive as WaitSpec["afterAllPlayersArrive"],
    },
  };
}

function checkTextOrFunction(value: unknown, where: string): void {
  if (typeof value === "function") checkSync(value, where);
  else if (value !== undefined && typeof value !== "string") {
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a string, or a function of player.`);
  }
}

function checkBoolean(value: unknown, where: string): void {
  if (value === undefined || typeof value === "boolean") return;
  throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it true or false.`);
}

function checkSync(value: unknown, where: string): void {
  if (value === undefined) return;
  if (typeof value !== "function") {
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a function.`);
  }
  if (value.constructor.name !== "Function") {
    throw new AuthorError(
      "must_be_sync",
      `${where} is async or a generator, but it happens whole or not at all, in one go. Make it a plain function.`,
    );
  }
}
