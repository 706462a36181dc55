import { AuthorError } from "../client-sdk/errors.ts";
import type { Row } from "../entities/memory.ts";
import { payloadOf } from "../entities/timers.ts";
import { describe } from "../entities/values.ts";
import { type Posted, takeComputed, takeForm, takeUnfinished } from "./form-turn.ts";
import type { FormErrors } from "./page-form.ts";
import { isTimed, PageWalk } from "./page-walk.ts";
import {
  cancelSystemTimers,
  onSystemTimer,
  pendingSystemTimers,
  type SystemTimerCall,
  type SystemTimerResult,
  setSystemTimer,
} from "./system-timers.ts";

const TIMEOUT = "_page_timeout";
const UNSEEN = "_page_unseen";

/** Times in milliseconds. */
export const PAGE_TIMES = {
  /** So long after the deadline the server moves on by itself: time for the page's own script to send what is filled in. */
  grace: 800,
  /** So long before it a page may say that its time is over; clocks differ. */
  early: 2_000,
  /** Who has come to a page and not opened it: their time begins after this. */
  unseen: 10_000,
} as const;

/** The field by which a page's script says that it submits because time is over; oTree's name. */
const TIMEOUT_FIELD = "timeout_happened";

interface PageDeadline {
  readonly participantId: number;
  /** `app/round/Page`. */
  readonly page: string;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  /** Kept in the journal with the firing. */
  readonly timeoutHappened: true;
}

/**
 * The participant sees their page: its time begins now, unless it has begun before.
 *
 * @param at the unit's time
 * @param isAway nobody sees it, and nobody will send what is filled in
 * @returns the deadline; undefined: the page has none
 */
export function openDeadline(walk: PageWalk, at: number, isAway = false): number | undefined {
  if (!isTimed(walk.page)) return undefined;
  const { view, participantId, identity: page } = walk;
  const row = timerOf(walk);
  const known = deadlineOf(walk);
  cancelSystemTimers<PageDeadline>(view, UNSEEN, (one) => one.participantId === participantId);
  const deadline = known ?? earlier(ownDeadline(walk, at), groupDeadline(walk, at));
  if (deadline === undefined) return undefined;
  const dueAt = deadline + (isAway ? 0 : PAGE_TIMES.grace);
  // Who was thought to be away is there after all: their page gets the time to send what is filled in.
  if (row !== undefined && (row.values.dueAt as number) < dueAt) view.removeTimer(row);
  else if (row !== undefined) return deadline;
  const payload: PageDeadline = { participantId, page, deadline, timeoutHappened: true };
  setSystemTimer(view, TIMEOUT, { dueAt, payload, page });
  return deadline;
}

/** The participant was sent to a page, and may never open it: then its time begins by itself a little later. */
export function expectOpening(walk: PageWalk, at: number): void {
  const { view, participantId } = walk;
  if (!walk.isHere || walk.index === 0 || !isTimed(walk.page) || deadlineOf(walk) !== undefined) return;
  const { identity: page } = walk;
  if (pendingSystemTimers<PageDeadline>(view, UNSEEN, (one) => one.participantId === participantId).length > 0) return;
  setSystemTimer(view, UNSEEN, { dueAt: at + PAGE_TIMES.unseen, payload: { participantId, page }, page });
}

/** Their time is over: what is filled in and valid is taken, and the page is left. */
export function timeOut(walk: PageWalk, posted: Posted): void {
  walk.beginLeaving();
  takeUnfinished(walk.scene, posted);
  leave(walk, true);
}

/** The computer is on the page in a player's place: it answers what the page's `computer` says, and leaves. */
export function playPage(walk: PageWalk): { timeoutHappened: boolean } {
  walk.beginLeaving();
  const answers = walk.call("computer", walk.page.computer);
  const timeoutHappened = answers === undefined || answers === null;
  if (timeoutHappened) takeUnfinished(walk.scene, {});
  else takeComputed(walk.scene, answers);
  leave(walk, timeoutHappened);
  return { timeoutHappened };
}

/**
 * Takes a posted page, in time or not.
 *
 * @returns what was wrong; undefined: the page was left
 */
export function takePage(
  walk: PageWalk,
  at: number,
  posted: Posted,
): { errors?: FormErrors; timeoutHappened: boolean } {
  walk.beginLeaving();
  const deadline = deadlineOf(walk);
  const isClaimed = /^(1|true)$/i.test(posted[TIMEOUT_FIELD] ?? "");
  if (deadline !== undefined && isClaimed && at >= deadline - PAGE_TIMES.early) {
    timeOut(walk, posted);
    return { timeoutHappened: true };
  }
  const errors = takeForm(walk.scene, posted);
  if (errors === undefined) {
    leave(walk, false);
    return { timeoutHappened: false };
  }
  // There is no time to mend it.
  if (deadline === undefined || at < deadline) return { errors, timeoutHappened: false };
  timeOut(walk, posted);
  return { timeoutHappened: true };
}

function leave(walk: PageWalk, timeoutHappened: boolean): void {
  const { view, participantId } = walk;
  for (const name of isTimed(walk.page) ? ([TIMEOUT, UNSEEN] as const) : []) {
    cancelSystemTimers<PageDeadline>(view, name, (one) => one.participantId === participantId);
  }
  walk.leave({ timeoutHappened });
}

function timerOf({ view, participantId, identity }: PageWalk): Row | undefined {
  const isIt = (one: PageDeadline) => one.participantId === participantId && one.page === identity;
  return pendingSystemTimers<PageDeadline>(view, TIMEOUT, isIt)[0];
}

function deadlineOf(walk: PageWalk): number | undefined {
  const row = isTimed(walk.page) ? timerOf(walk) : undefined;
  return row === undefined ? undefined : (payloadOf(row.values.payload as string) as PageDeadline).deadline;
}

function ownDeadline(walk: PageWalk, at: number): number | undefined {
  const { page } = walk;
  const given = page.timeout?.seconds;
  const value = typeof given === "function" ? walk.call("timeoutSeconds", given) : given;
  return secondsFrom(walk, "timeoutSeconds", value, at);
}

/** The group's common deadline of a page: set by who comes first, kept in the group's row. */
function groupDeadline(walk: PageWalk, at: number): number | undefined {
  const { page, view } = walk;
  const given = page.timeout?.groupSeconds;
  if (given === undefined) return undefined;
  const { group } = view.memory;
  const kept = JSON.parse(String(group.values.pageDeadlines ?? "{}")) as Record<string, number>;
  const known = Object.hasOwn(kept, page.name) ? kept[page.name] : undefined;
  if (known !== undefined) return known;
  const value = typeof given === "function" ? walk.call("groupTimeoutSeconds", given) : given;
  const deadline = secondsFrom(walk, "groupTimeoutSeconds", value, at);
  if (deadline === undefined) return undefined;
  view.unit.set(group, "pageDeadlines", JSON.stringify({ ...kept, [page.name]: deadline }));
  return deadline;
}

/** Longest time on a page, in seconds: a year. Longer is a mistake, mostly milliseconds. */
const LONGEST = 366 * 24 * 60 * 60;

function secondsFrom(walk: PageWalk, option: string, value: unknown, at: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && !Number.isNaN(value) && value <= LONGEST) return at + Math.max(0, value * 1000);
  throw new AuthorError(
    "wrong_time",
    `${walk.actor.app.name}/${walk.page.name}: ${option} gave ${describe(value)}; give seconds, at most a year, or nothing for no limit.`,
  );
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

/** Their time is over, and nobody has posted anything. */
function expire(walk: PageWalk, at: number): void {
  timeOut(walk, {});
  // Their browser has not sent anything, so it will hardly open the next page.
  if (walk.isHere && !walk.isReplaced) openDeadline(walk, at, true);
}

onSystemTimer(TIMEOUT, (call) => onPage(call, (walk) => expire(walk, call.at)));

onSystemTimer(UNSEEN, (call) => onPage(call, (walk) => openDeadline(walk, call.at, true)));

/** Does something for the participant of a deadline who is still on its page. */
function onPage(
  { actor, view, payload, hooks }: SystemTimerCall,
  act: (walk: PageWalk) => void,
): SystemTimerResult | undefined {
  const { participantId, page } = payload as Pick<PageDeadline, "participantId" | "page">;
  const participant = actor.here(participantId);
  if (participant === undefined || actor.pageOf(participantId) !== page) return undefined;
  const walk = new PageWalk(actor, participant, view, hooks);
  act(walk);
  const left = !walk.isHere;
  return { ...walk.sent, participantId, page, release: () => walk.settle(left) };
}
