import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, OrLater, WaitSpec, WaitTimeoutSpec } from "../entities/app-spec.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import type { Arrivals } from "./arrivals.ts";
import type { Messages, PageOptions, Silence } from "./author-types.ts";
import type { HookCall } from "./hook-run.ts";
import { LIVE_OPTIONS, type RawLiveOptions } from "./live-handlers.ts";
import { checkHook, checkSyncHook } from "./option-checks.ts";
import type { WaitDecision } from "./wait-timeouts.ts";

/** A page on which players wait for each other. */
export type WaitPageOptions<Pl, Gr, Sub> = WaitPageBasics<Pl> & (WaitForGroup<Pl, Gr> | WaitForAllGroups<Pl, Sub>);

/** What every wait page may have; its template, `<Name>.html`, is optional. */
export interface WaitPageBasics<Pl>
  extends Pick<PageOptions<Pl>, "history" | "presence" | "onChat" | "isDisplayed" | "varsForTemplate" | "jsVars"> {
  /** Default: "Please wait". */
  title?: string | ((player: Pl, call: HookCall) => OrLater<string>);
  /** Default: "Waiting for the other participants." */
  body?: string | ((player: Pl, call: HookCall) => OrLater<string>);
  /** Whether the page says who is still to come, by idInGroup. Default: true. */
  showMissing?: boolean;
  /**
   * How long the players wait at most, from the moment when the first of them came (where groups form by arrival:
   * each from when they came), and the way out. "proceed": those who are there go on without the missing, and who
   * comes later goes past the page. "replace": the computer plays in the places of the missing from now on, to the end
   * of the study, and all go on as a full group; see `computer` of pages and `player.isReplaced`. "end": they are at
   * the end of the study. A function decides for each player who waits, after it has set what they are to get;
   * returning nothing, they wait for the same time again. If one says "replace", nobody proceeds without.
   */
  timeout?: {
    seconds: number | ((player: Pl) => number);
    outcome: "proceed" | "replace" | "end" | ((player: Pl) => WaitDecision | Silence);
  };
}

/** What afterAllPlayersArrive is told beside the group or subsession. */
export interface ArrivedInfo<Pl> {
  /** Players who are not there, when the time was up; else empty. */
  readonly missing: readonly Pl[];
}

/** The players of a group wait for each other. */
export interface WaitForGroup<Pl, Gr> {
  waitForAllGroups?: false;
  /**
   * On the first page of an app: groups form out of those who are there, instead of when the session is created.
   * true: as soon as playersPerGroup are connected, the first who came. A function chooses: it gets the players
   * who wait, in order of arrival, whenever somebody comes and every few seconds, and returns those of the next
   * group, or nothing to wait on. It may be async: one call at a time, which is asked anew if somebody whom it has
   * chosen has gone by then.
   */
  groupByArrivalTime?: true | ((waiting: Pl[], arrivals: Arrivals<Pl>, call: HookCall) => OrLater<Pl[] | Silence>);
  /** With groupByArrivalTime, whether groups stay together in later rounds. Default: true; false: they form anew in each. */
  keepGroups?: boolean;
  /** Runs once, when the last player has arrived; what it changes and everybody's going on are one. It may be async:
   * they wait for it on the page. */
  afterAllPlayersArrive?: (group: Gr, arrived: ArrivedInfo<Pl>, call: HookCall) => OrLater<Messages | Silence>;
}

/** All groups of the round wait for each other. */
export interface WaitForAllGroups<Pl, Sub> {
  waitForAllGroups: true;
  groupByArrivalTime?: never;
  /** Runs once, when the last participant of the session has arrived. May form the groups of this round anew, and
   * set the session's fields. It may be async: they wait for it on the page. */
  afterAllPlayersArrive?: (subsession: Sub, arrived: ArrivedInfo<Pl>, call: HookCall) => OrLater<void>;
}

/** Options as they may really come, from an author who does not run the type checker. */
interface RawOptions {
  title?: unknown;
  body?: unknown;
  showMissing?: unknown;
  timeout?: unknown;
  waitForAllGroups?: unknown;
  groupByArrivalTime?: unknown;
  keepGroups?: unknown;
  afterAllPlayersArrive?: unknown;
}

const PAGE_KEYS = [
  ...LIVE_OPTIONS,
  "history",
  "presence",
  "onChat",
  "isDisplayed",
  "varsForTemplate",
  "jsVars",
] as const;
const WAIT_KEYS = [
  "title",
  "body",
  "showMissing",
  "timeout",
  "waitForAllGroups",
  "groupByArrivalTime",
  "keepGroups",
  "afterAllPlayersArrive",
];

/** Why some functions of a wait page may not be async, and what may instead. */
const TIME_IS_SHORT = "it is asked at the moment when a time runs out or begins. Fetch what it needs before.";

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
  const { groupByArrivalTime, keepGroups, timeout }: RawOptions = options;
  checkTextOrFunction(title, `${where}: title`);
  checkTextOrFunction(body, `${where}: body`);
  checkBoolean(showMissing, `${where}: showMissing`);
  checkBoolean(waitForAllGroups, `${where}: waitForAllGroups`);
  const of = waitForAllGroups === true ? "subsession" : "group";
  checkHook(afterAllPlayersArrive, `${where}: afterAllPlayersArrive`, of);
  checkBoolean(keepGroups, `${where}: keepGroups`);
  if (typeof groupByArrivalTime === "function") {
    checkHook(groupByArrivalTime, `${where}: groupByArrivalTime`, "players");
  } else checkBoolean(groupByArrivalTime, `${where}: groupByArrivalTime`);
  const byArrival = groupByArrivalTime !== undefined && groupByArrivalTime !== false;
  if (byArrival && waitForAllGroups === true) {
    throw new AuthorError(
      "wrong_option",
      `${where}: groupByArrivalTime forms groups, and waitForAllGroups waits for all of them. Put the latter on a wait page of its own.`,
    );
  }
  if (keepGroups !== undefined && !byArrival) {
    throw new AuthorError("wrong_option", `${where}: keepGroups belongs to groupByArrivalTime. Take it out.`);
  }
  const wayOut = timeoutSpec(timeout, `${where}: timeout`);
  if (byArrival && wayOut?.outcome === "replace") {
    throw new AuthorError(
      "wrong_option",
      `${where}: timeout.outcome is "replace", but where groups form by arrival there is nobody to replace. Give it "proceed" or "end"; or a function, if it is for later rounds: (player) => (player.roundNumber > 1 ? "replace" : "proceed").`,
    );
  }
  return {
    page,
    wait: {
      scope: byArrival ? "arrival" : waitForAllGroups === true ? "subsession" : "group",
      title: title as WaitSpec["title"],
      body: body as WaitSpec["body"],
      showMissing: showMissing !== false,
      formGroup: typeof groupByArrivalTime === "function" ? (groupByArrivalTime as WaitSpec["formGroup"]) : undefined,
      keepGroups: keepGroups !== false,
      timeout: wayOut,
      afterAllPlayersArrive: afterAllPlayersArrive as WaitSpec["afterAllPlayersArrive"],
    },
  };
}

function timeoutSpec(timeout: unknown, where: string): WaitTimeoutSpec | undefined {
  if (timeout === undefined) return undefined;
  if (typeof timeout !== "object" || timeout === null) {
    throw new AuthorError(
      "wrong_option",
      `${where} is ${describe(timeout)}; give it an object, e.g. { seconds: 300, outcome: "proceed" }.`,
    );
  }
  checkKeys(timeout, ["seconds", "outcome"], where);
  const { seconds, outcome }: { seconds?: unknown; outcome?: unknown } = timeout;
  if (typeof seconds === "function") checkSyncHook(seconds, `${where}.seconds`, TIME_IS_SHORT);
  else if (typeof seconds !== "number" || !Number.isFinite(seconds) || seconds < 0) {
    throw new AuthorError("wrong_option", `${where}.seconds is ${describe(seconds)}; give it a number of seconds.`);
  }
  if (typeof outcome === "function") checkSyncHook(outcome, `${where}.outcome`, TIME_IS_SHORT);
  else if (outcome !== "proceed" && outcome !== "replace" && outcome !== "end") {
    throw new AuthorError(
      "wrong_option",
      `${where}.outcome is ${describe(outcome)}; give it "proceed", "replace", "end", or a function of player that returns one of them.`,
    );
  }
  // Checked above.
  return { seconds, outcome } as WaitTimeoutSpec;
}

/**
 * Whether groups can form by arrival on this page.
 *
 * @throws AuthorError `wrong_option`
 */
export function checkArrival(app: AppSpec, where: string, { scope, formGroup }: WaitSpec): void {
  if (scope !== "arrival") return;
  if (app.pages.length > 0) {
    throw new AuthorError(
      "wrong_option",
      `${where}: groupByArrivalTime forms the app's groups, so it must be the app's first page. Put what comes before it into an app of its own.`,
    );
  }
  if (formGroup === undefined && !(typeof app.playersPerGroup === "number" && app.playersPerGroup > 1)) {
    throw new AuthorError(
      "wrong_option",
      `${where}: groupByArrivalTime needs to know how many make a group. Give the app playersPerGroup: 4, or give groupByArrivalTime a function that chooses.`,
    );
  }
}

function checkTextOrFunction(value: unknown, where: string): void {
  if (typeof value === "function") checkHook(value, where);
  else if (value !== undefined && typeof value !== "string") {
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a string, or a function of player.`);
  }
}

function checkBoolean(value: unknown, where: string): void {
  if (value === undefined || typeof value === "boolean") return;
  throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it true or false.`);
}
