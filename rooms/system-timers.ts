import { WalrasError } from "../client-sdk/errors.ts";
import type { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import { payloadOf } from "../entities/timers.ts";
import type { View } from "../entities/view.ts";
import type { Actor } from "./actor.ts";
import type { Hooks } from "./hooks.ts";

/**
 * Walras' own deadlines (page timeouts, wait-page timeouts, presence grace ...): rows of the same table, fired
 * by the same index, one unit each, exactly once, whether or not the group is loaded or anybody is connected.
 *
 * A file that needs one registers a handler when it is imported, and sets deadlines in any turn that has a view:
 *
 * ```ts
 * const TIMEOUT = "_page_timeout";
 *
 * onSystemTimer(TIMEOUT, ({ actor, view, payload, at }) => {
 *   const { participantId, page } = payload as { participantId: number; page: string };
 *   if (actor.pageOf(participantId) !== page) return;     // Moved on meanwhile: nothing to do.
 *   view.unit.set(row, "pageIndex", ...);                 // Whatever is to happen, through the view and its unit.
 *   return { deliveries, where, player, participantId, page, release: () => tellTabs() };
 * });
 *
 * // When the page is first shown, in the Visit's view. Part of its unit: taken back with it.
 * setSystemTimer(view, TIMEOUT, { dueAt: at + 60_000, payload: { participantId, page }, page });
 * // When it is left. It may also simply be left to fire and find that there is nothing to do.
 * cancelSystemTimers(view, TIMEOUT, (payload) => payload.participantId === participantId);
 * ```
 *
 * A deadline is gone when it has fired, also when its handler threw: what is to be tried again, the handler
 * sets anew. `dueAt` in the past fires at once. Several deadlines may stand side by side.
 */
export type SystemTimerName = `_${string}`;

/** What a handler gets. It runs in the group's turn, synchronously. */
export interface SystemTimerCall {
  readonly actor: Actor;
  /** Its unit is what is stored. Do not end it. */
  readonly view: DirectView;
  /** Run authors' functions through it. */
  readonly hooks: Hooks;
  readonly payload: unknown;
  readonly dueAt: number;
  /** The unit's time. */
  readonly at: number;
}

/** What is to go out and into the journal when a handler has done something. */
export interface SystemTimerResult {
  /** What a hook of the author returned, to be sent to everybody where they are; see post() in deliveries.ts. */
  readonly deliveries?: unknown;
  /** Names that hook in errors. */
  readonly where?: string;
  /** idInGroup of the player for whom it ran. */
  readonly player?: number;
  /** For the journal entry. */
  readonly participantId?: number;
  readonly page?: string;
  /** Called when the unit has committed, after its deliveries have gone out. */
  release?(): void;
}

// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement has the type void
export type SystemTimerHandler = (call: SystemTimerCall) => SystemTimerResult | undefined | void;

const handlers = new Map<string, SystemTimerHandler>();

/** Says what happens when deadlines of this name are due. Once for each name, when the file is imported. */
export function onSystemTimer(name: SystemTimerName, handler: SystemTimerHandler): void {
  if (handlers.has(name)) throw new Error(`${name} has a handler already`);
  handlers.set(name, handler);
}

/** @throws WalrasError `unknown_timer`: the row was set by another version of Walras */
export function systemTimerHandler(name: string): SystemTimerHandler {
  const handler = handlers.get(name);
  if (handler === undefined) throw new WalrasError("unknown_timer", `This version of Walras has no timer ${name}.`);
  return handler;
}

/** Sets a deadline in the unit of a view. @returns its number */
export function setSystemTimer(
  view: View,
  name: SystemTimerName,
  timer: { dueAt: number; payload: unknown; page?: string },
): number {
  const { dueAt, payload, page } = timer;
  return view.addTimer({
    name,
    dueAt: Math.ceil(dueAt),
    everySeconds: null,
    payload: JSON.stringify(payload),
    ...(page === undefined ? {} : { page }),
  });
}

/** The pending deadlines of a name whose payload matches, the next one first: `values.dueAt`, `values.n`. */
export function pendingSystemTimers<D>(view: View, name: SystemTimerName, matches: (payload: D) => boolean): Row[] {
  return view
    .pendingTimers()
    .filter(({ values }) => values.name === name && matches(payloadOf(values.payload as string) as D));
}

/** Takes them back. @returns how many there were */
export function cancelSystemTimers<D>(view: View, name: SystemTimerName, matches: (payload: D) => boolean): number {
  const found = pendingSystemTimers(view, name, matches);
  for (const row of found) view.removeTimer(row);
  return found.length;
}
