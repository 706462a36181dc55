import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";
import type { GroupMemory, Row } from "./memory.ts";
import { nearestName } from "./suggest.ts";
import { describe } from "./values.ts";
import type { View } from "./view.ts";

/** Timers that a group may have pending at a time: an author who sets one more at each firing shall hear of it. */
export const TIMER_LIMIT = 1_000;
/** Longest time ahead, in seconds: a year. Longer is a mistake, mostly milliseconds. */
const LONGEST = 366 * 24 * 60 * 60;
/** Shortest interval of `every`, in seconds. */
const SHORTEST = 0.05;
/** 2000-01-01: an earlier time is a mistake, mostly seconds. */
const EARLIEST = 946_684_800_000;

/** A pending timer as authors see it. */
export interface PendingTimer {
  readonly id: number;
  readonly name: string;
  /** Milliseconds since 1970 (UTC). */
  readonly dueAt: number;
  readonly payload: unknown;
}

/** Names of Walras' own deadlines begin so; authors neither see nor cancel them. */
export const isSystemTimer = (name: string): boolean => name.startsWith("_");

/** `group.after(seconds, name, payload)`: once, so many seconds from now. @returns the timer's number */
export function after(view: View, seconds: unknown, timer: unknown, payload: unknown): number {
  const call = "group.after";
  const ms = milliseconds(view, call, seconds, 0);
  return set(view, call, timer, { dueAt: view.now() + ms, everySeconds: null }, payload);
}

/** `group.every(seconds, name, payload)`: again and again, the first time so many seconds from now. */
export function every(view: View, seconds: unknown, timer: unknown, payload: unknown): number {
  const call = "group.every";
  const ms = milliseconds(view, call, seconds, SHORTEST);
  return set(view, call, timer, { dueAt: view.now() + ms, everySeconds: ms / 1000 }, payload);
}

/** `group.at(timeMs, name, payload)`: once, at a time; one that is past is at once. */
export function atTime(view: View, timeMs: unknown, timer: unknown, payload: unknown): number {
  const call = "group.at";
  const isTime = typeof timeMs === "number" && timeMs >= EARLIEST && timeMs <= view.now() + LONGEST * 1000;
  if (!isTime) {
    throw new AuthorError(
      "wrong_time",
      `${view.what}: ${call}: the time is ${describe(timeMs)}; give it in milliseconds since 1970, at most a year ahead, e.g. now() + 60_000 or Date.parse("2030-01-31T12:00Z").`,
    );
  }
  return set(view, call, timer, { dueAt: Math.ceil(timeMs), everySeconds: null }, payload);
}

/** `group.cancel(idOrName)`: one timer, or all of a name. @returns whether there was one */
export function cancel(view: View, which: unknown): boolean {
  const name = typeof which === "number" ? undefined : checkName(view, "group.cancel", which);
  const found = view
    .pendingTimers()
    .filter(({ values }) =>
      name === undefined ? values.n === which && !isSystemTimer(values.name as string) : values.name === name,
    );
  for (const row of found) view.removeTimer(row);
  return found.length > 0;
}

/** `group.timers(name)`: those that are pending, the next one first. */
export function timers(view: View, which: unknown): PendingTimer[] {
  const name = which === undefined ? undefined : checkName(view, "group.timers", which);
  return view
    .pendingTimers()
    .filter(({ values }) => (name === undefined ? !isSystemTimer(values.name as string) : values.name === name))
    .map(({ values }) => ({
      id: values.n as number,
      name: values.name as string,
      dueAt: values.dueAt as number,
      payload: payloadOf(values.payload as string | null),
    }));
}

/** A timer's payload as its handler gets it. */
export function payloadOf(text: string | null): unknown {
  return text === null ? undefined : JSON.parse(text);
}

/** The order in which timers fire: by deadline; of the same moment the first that was set. */
export function byDeadline(a: Row, b: Row): number {
  const due = (a.values.dueAt as number) - (b.values.dueAt as number);
  // Those of async calls have negative numbers of the same count.
  return due !== 0 ? due : Math.abs(a.values.n as number) - Math.abs(b.values.n as number);
}

/** The timer of a group that fires next; undefined: none is pending. */
export function nextTimer(memory: GroupMemory): Row | undefined {
  let next: Row | undefined;
  for (const row of memory.timers.values()) {
    if (!row.deleted && !memory.firing.has(row) && (next === undefined || byDeadline(row, next) < 0)) next = row;
  }
  return next;
}

function set(
  view: View,
  call: string,
  timer: unknown,
  when: { dueAt: number; everySeconds: number | null },
  payload: unknown,
): number {
  const name = checkName(view, call, timer);
  const pending = view.pendingTimers().filter((row) => !isSystemTimer(row.values.name as string)).length;
  if (pending >= TIMER_LIMIT) {
    throw new AuthorError(
      "too_many_timers",
      `${view.what}: ${call}: the group has ${pending} timers pending already; more are not taken. Cancel those that are not needed: group.cancel("${name}").`,
    );
  }
  return view.addTimer({ ...when, name, payload: payload === undefined ? null : json(view, call, payload) });
}

function json(view: View, call: string, payload: unknown): string {
  try {
    return toJson(payload, `${view.what}: ${call}: the payload`);
  } catch (error) {
    throw error instanceof AuthorError ? error : new AuthorError("not_json", messageOf(error), { cause: error });
  }
}

/** @throws AuthorError `unknown_timer` */
function checkName(view: View, call: string, timer: unknown): string {
  const name = typeof timer === "object" && timer !== null ? Reflect.get(timer, "name") : timer;
  const { app } = view.memory;
  if (typeof name === "string" && app.timers.has(name)) return name;
  const known = [...app.timers.keys()];
  const nearest = typeof name === "string" ? nearestName(name, known) : undefined;
  const cure =
    known.length === 0
      ? `Define it: app.timer("close", (group) => { ... }).`
      : `${nearest === undefined ? "" : `Did you mean "${nearest}"? `}Its timers are ${known.join(", ")}.`;
  throw new AuthorError(
    "unknown_timer",
    `${view.what}: ${call}: app ${app.name} has no timer ${describe(name)}. ${cure}`,
  );
}

function milliseconds(view: View, call: string, seconds: unknown, least: number): number {
  if (typeof seconds === "number" && seconds >= least && seconds <= LONGEST) return Math.round(seconds * 1000);
  const range = least === 0 ? "0 or more" : `${least} or more`;
  throw new AuthorError(
    "wrong_time",
    `${view.what}: ${call}: the time is ${describe(seconds)}; give it in seconds, ${range} and at most a year, e.g. 60 for a minute.`,
  );
}
