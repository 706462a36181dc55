import { AuthorError, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import { BufferedView, StaleWrite } from "../entities/buffered-view.ts";
import { runIn, runInAsync } from "../entities/current-view.ts";
import type { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import { Dice } from "../entities/random.ts";
import type { WrittenField } from "../entities/unit.ts";
import type { View } from "../entities/view.ts";
import type { Actor } from "./actor.ts";
import { interrupted, type RunningCall } from "./call-end.ts";
import { HookRun, NOTHING_TO_ABORT } from "./hook-run.ts";

/** What the journal's input says of a unit that async hooks were a part of: it is not run again in a replay. */
export const ASYNC_HOOKS = JSON.stringify({ asyncHooks: true });

/** A hook whose writes were stale as often as this fails its turn. */
const TRIES = 3;
/** Hooks that run for one turn. */
const MOST_RUNS = 100;

/** Whether a function is declared `async`. */
export function isAsyncHook(hook: unknown): boolean {
  return typeof hook === "function" && hook.constructor.name === "AsyncFunction";
}

/** Whether any of a page's options, or of what it says about its fields, is an async function. */
export function hasAsyncHook(options: unknown): boolean {
  const { fields, ...others }: { fields?: unknown } = options ?? {};
  const isAnyAsync = (of: unknown): boolean => Object.values(of ?? {}).some(isAsyncHook);
  return isAnyAsync(others) || Object.values(fields ?? {}).some(isAnyAsync);
}

/** One use of a hook within a turn. */
export interface HookUse<T = unknown> {
  /** Names it in errors and in the log: `auction/1/Offer beforeNextPage`. */
  readonly what: string;
  readonly hook: (...args: never[]) => T;
  /** Its arguments but for the last, as this view sees the models. */
  readonly args: (view: View) => readonly unknown[];
  /** What it is told beside the models, as JSON; the same use of a hook is told the same. */
  readonly told?: unknown;
  /** Whether what an async hook gave is of use still, when it has waited; if not, it runs again as if it had written what
   * others have changed. Default: yes. */
  readonly holds?: (given: unknown) => boolean;
  /** Seconds that it may take if it is async; undefined: as long as any. */
  readonly timeLimit?: number | undefined;
  /** For whom it runs: should they go on to another page meanwhile, nobody waits for it any more. */
  readonly participantId?: number | undefined;
  /** From when it begins to the end of the turn, no other turn of the group does what has this name: that waits, and
   * then runs again. */
  readonly alone?: string | undefined;
}

/** Thrown in a turn that needs an async hook's result first. What the turn had done is dropped, and it runs again. */
export class HookNeeded extends Error {
  readonly use: HookUse;
  /** What the turn had written until then, which the hook sees: a form's fields, say. */
  readonly written: readonly WrittenField[];
  /** Rows that the turn had deleted until then. */
  readonly deleted: readonly Row[];

  constructor(use: HookUse, written: readonly WrittenField[], deleted: readonly Row[]) {
    super(`${use.what} has not run yet`);
    this.use = use;
    this.written = written;
    this.deleted = deleted;
  }
}

/** What an async hook gave is of no use any more. */
class Outdated extends Error {}

/** What a hook has come to: its result or error, and the view that has what it wrote. */
interface Prepared {
  readonly view: BufferedView;
  readonly result: { readonly value: unknown } | { readonly error: unknown };
}

/** A turn that does at the moment what only one turn of a group does at a time. */
interface Alone {
  readonly ended: Promise<void>;
  /** Its hook has to end soon, and is of no use. */
  interrupt(): void;
}

const alone = new WeakMap<Actor, Map<string, Alone>>();

/**
 * The hooks of one turn. A turn cannot wait; so an async hook runs between two runs of the turn, while the group
 * plays on. The first run finds that it needs the hook, and is dropped whole; the hook runs on a view of its own;
 * then the turn runs again from its beginning, and takes over what the hook gave and wrote. All of it becomes one
 * unit, with whatever else the turn does.
 *
 * Nothing of a hook is stored before that. Who dies in it leaves the turn undone, and whoever does the turn later
 * runs the hook again.
 */
export class Hooks {
  readonly #prepared = new Map<string, Prepared>();
  /** Those whose writes this run of the turn has taken over. */
  readonly #taken = new Set<Prepared>();
  /** What this turn does alone, and how it says that it is done. */
  readonly #alone = new Map<string, () => void>();
  #running: HookRun | undefined;
  #seed: number | undefined;
  #stale = 0;
  #runs = 0;

  /** Whether what a run has done depends on async hooks, which nothing could run again. */
  get used(): boolean {
    return this.#prepared.size > 0;
  }

  /** The turn runs from its beginning. */
  begin(): void {
    this.#taken.clear();
  }

  /** The turn's dice: they fall the same in each of its runs, since a hook has seen what they said in the first. */
  dice({ world }: Actor): Dice {
    return new Dice(() => {
      this.#seed ??= world.newSeed();
      return this.#seed;
    });
  }

  /**
   * Runs a hook as part of the turn.
   *
   * @throws HookNeeded if it is async and has to run first; what it threw; StaleWrite if it was stale too often;
   * AuthorError `must_be_sync` if it waits without being declared async
   */
  call<T>(actor: Actor, view: DirectView, use: HookUse<T>): Awaited<T> {
    if (isAsyncHook(use.hook)) return this.#take(use, view) as Awaited<T>;
    const { what } = use;
    const hook = use.hook as (...args: unknown[]) => T;
    const given = actor.world.watchdog.watch(what, () => runIn(view, () => hook(...use.args(view), NOTHING_TO_ABORT)));
    if (!(given instanceof Promise)) return given as Awaited<T>;
    given.catch(() => {});
    throw new AuthorError(
      "must_be_sync",
      `${what} returned a promise without being async. Write async in front of the function, so that it is waited for.`,
    );
  }

  /**
   * Something is about to be done that only one turn of the group does at a time.
   *
   * @param isUrgent whoever does it now is not waited for longer than it takes to end its hook
   * @throws HookNeeded if another does it now
   */
  waitFor(actor: Actor, name: string, isUrgent = false): void {
    const other = this.#alone.has(name) ? undefined : alone.get(actor)?.get(name);
    if (other === undefined) return;
    if (isUrgent) other.interrupt();
    throw new HookNeeded({ what: name, hook: async () => {}, args: () => [], alone: name }, [], []);
  }

  #take(use: HookUse, { unit }: DirectView): unknown {
    const key = keyOf(use);
    const prepared = this.#prepared.get(key);
    const needed = new HookNeeded(use, [...unit.written()], [...unit.deleted()]);
    if (prepared === undefined) {
      // Each run finds something else, say a hook that depends on the time.
      if (this.#runs > MOST_RUNS) throw new Error(`${use.what}: its hooks never come to an end`);
      throw needed;
    }
    try {
      if ("error" in prepared.result) throw prepared.result.error;
      const { value } = prepared.result;
      if (use.holds?.(value) === false)
        throw new Outdated(`${use.what} gave what did not hold any more, ${TRIES} times`);
      // Asked for a second time, as a form's fields are: once to read it, and once to show what was wrong with it.
      if (!this.#taken.has(prepared)) prepared.view.apply(unit);
      this.#taken.add(prepared);
      return value;
    } catch (error) {
      this.#stale += 1;
      if (!(error instanceof StaleWrite || error instanceof Outdated) || this.#stale >= TRIES) throw error;
      this.#prepared.delete(key);
      prepared.view.end();
      throw needed;
    }
  }

  /**
   * Runs the hook that a turn needs. Never throws.
   *
   * @returns why the turn cannot run again: the server stops, or loses the group
   */
  async run(actor: Actor, needed: HookNeeded): Promise<WalrasError | undefined> {
    const { use } = needed;
    // A second click, or another tab: it runs again when the first is through, and finds the player gone on.
    const others = use.alone === undefined ? undefined : this.#claim(actor, use.alone);
    if (others === undefined) return this.#run(actor, needed);
    await others;
    return undefined;
  }

  /** This turn is the one that does it, from now until its end; or the end is given of the one that is. */
  #claim(actor: Actor, name: string): Promise<void> | undefined {
    if (this.#alone.has(name)) return undefined;
    let others = alone.get(actor);
    if (others === undefined) {
      others = new Map();
      alone.set(actor, others);
    }
    const other = others.get(name);
    if (other !== undefined) return other.ended;
    const { promise, resolve } = Promise.withResolvers<void>();
    others.set(name, { ended: promise, interrupt: () => this.#running?.end(interrupted()) });
    this.#alone.set(name, () => {
      others.delete(name);
      resolve();
    });
    return undefined;
  }

  async #run(actor: Actor, { use, written, deleted }: HookNeeded): Promise<WalrasError | undefined> {
    const { what, participantId } = use;
    const { world, memory } = actor;
    this.#runs += 1;
    const random = new Dice(world.newSeed).random;
    const view = new BufferedView(memory, { what, random, clock: world.now, written, deleted });
    const run = new HookRun(world, what);
    this.#running = run;
    const running: RunningCall = {
      participantId,
      page: (participantId === undefined ? undefined : actor.pageOf(participantId)) ?? "",
      abort: (reason) => run.abort(reason),
      end: (reason) => run.end(reason),
    };
    const hook = use.hook as (...given: unknown[]) => unknown;
    let result: Prepared["result"];
    try {
      refuseTooMany(actor, participantId);
      actor.calls.add(running);
      const value = await run.carryOut(use.timeLimit, (call) => runInAsync(view, () => hook(...use.args(view), call)));
      result = { value };
    } catch (error) {
      if (error instanceof WalrasError && error.code === Refusal.INTERRUPTED) return error;
      result = { error };
    } finally {
      this.#running = undefined;
      actor.calls.delete(running);
    }
    this.#prepared.set(keyOf(use), { view, result });
    return undefined;
  }

  /** The turn is over. */
  end(): void {
    for (const { view } of this.#prepared.values()) view.end();
    for (const release of this.#alone.values()) release();
    this.#alone.clear();
  }
}

/** Somebody who reloads a page again and again must not set off as many requests to the world. @throws WalrasError `busy` */
function refuseTooMany({ calls, world }: Actor, participantId: number | undefined): void {
  if (participantId === undefined) return;
  const own = [...calls].filter((call) => call.participantId === participantId);
  if (own.length < world.limits.asyncCalls) return;
  throw new WalrasError(Refusal.BUSY, "Too many of your requests are under way. Try again in a moment.", {
    retry: true,
  });
}

/** The same hook, told the same. */
function keyOf({ what, told }: HookUse): string {
  return told === undefined ? what : `${what} ${JSON.stringify(told)}`;
}
