import type { PageSpec } from "../entities/app-spec.ts";
import { BufferedView, StaleWrite } from "../entities/buffered-view.ts";
import type { Row } from "../entities/memory.ts";
import { Dice } from "../entities/random.ts";
import type { WrittenField } from "../entities/unit.ts";
import { type DirectView, runInAsync } from "../entities/view.ts";
import type { Actor } from "./actor.ts";
import type { RunningCall } from "./call-end.ts";
import { CallEnd } from "./call-end.ts";
import { CallRecord, type LiveCall } from "./live-call.ts";

/** The last argument of an async hook of a page. */
export type HookCall = Pick<LiveCall, "signal">;

/** The hooks of a page that may be async. */
export const ASYNC_HOOKS: readonly string[] = ["varsForTemplate", "jsVars", "errorMessage", "beforeNextPage"];

/** What a hook that does not wait gets as its last argument. */
export const NOTHING_TO_ABORT: HookCall = { signal: new AbortController().signal };

/** A hook whose writes were stale as often as this fails its request. */
const TRIES = 3;
/** Hooks that run for one request. */
const MOST_RUNS = 20;

/** Whether a hook of a page is declared `async`. */
export function isAsyncHook(hook: unknown): boolean {
  return typeof hook === "function" && hook.constructor.name === "AsyncFunction";
}

/** Whether leaving a page may have to wait for something. */
export function leavesSlowly({ beforeNextPage, errorMessage }: PageSpec): boolean {
  return isAsyncHook(beforeNextPage) || isAsyncHook(errorMessage);
}

/** One use of a hook within a turn. */
interface HookUse {
  readonly page: PageSpec;
  /** `app/round/Page` */
  readonly identity: string;
  readonly name: string;
  readonly hook: (...args: never[]) => unknown;
  readonly args: readonly unknown[];
  readonly participantId: number;
  readonly player: Row;
}

/** Thrown in a turn that needs a hook's result first. What the turn had done is dropped, and it runs again. */
export class HookNeeded extends Error {
  readonly use: HookUse;
  /** What the turn had written until then, which the hook sees: a form's fields, say. */
  readonly written: readonly WrittenField[];

  constructor(use: HookUse, written: readonly WrittenField[]) {
    super(`${use.identity} ${use.name} has not run yet`);
    this.use = use;
    this.written = written;
  }
}

/** What a hook has come to: its result or error, and the view that has what it wrote. */
interface Prepared {
  readonly view: BufferedView;
  readonly result: { readonly value: unknown } | { readonly error: unknown };
}

/** Players who are leaving a page, which they do once: who asks again meanwhile waits for that. */
const leaving = new WeakMap<Actor, Map<number, Promise<void>>>();

/**
 * The async hooks of one request for a page. The request is a turn, which cannot wait; so a hook runs between two
 * runs of the turn, while the group plays on. The first run finds that it needs the hook, and is dropped whole;
 * the hook runs on a view of its own; then the turn runs again from its beginning, and takes over what the hook
 * gave and wrote. All of it becomes one unit, the move to the next page included.
 */
export class PageHooks {
  readonly #prepared = new Map<string, Prepared>();
  #stale = 0;
  #runs = 0;
  #isLeaving = false;
  #left = (): void => {};

  /** Whether what a run has done depends on hooks, which nothing could run again. */
  get used(): boolean {
    return this.#prepared.size > 0;
  }

  /** The hook's result. @throws HookNeeded if it has to run first; what it threw; StaleWrite if it was stale too often */
  take(use: HookUse, { unit }: DirectView): unknown {
    const key = keyOf(use);
    const prepared = this.#prepared.get(key);
    if (prepared === undefined) {
      // Each run finds something else, say a hook that depends on what another one draws by lot.
      if (this.#runs > MOST_RUNS) throw new Error(`${use.identity}: its hooks never come to an end`);
      throw new HookNeeded(use, [...unit.written()]);
    }
    const written = [...unit.written()];
    try {
      if ("error" in prepared.result) throw prepared.result.error;
      prepared.view.apply(unit);
      return prepared.result.value;
    } catch (error) {
      this.#stale += 1;
      if (!(error instanceof StaleWrite) || this.#stale >= TRIES) throw error;
      this.#prepared.delete(key);
      prepared.view.end();
      throw new HookNeeded(use, written);
    }
  }

  /** Runs the hook that a turn needs; resolves when the turn can run again. Never throws. */
  async run(actor: Actor, { use, written }: HookNeeded): Promise<void> {
    // A second click, or another tab: it runs again when the first is through, and finds the player gone on.
    const others = LEAVING_HOOKS.has(use.name) ? this.#leave(actor, use.participantId) : undefined;
    if (others !== undefined) await others;
    else await this.#run(actor, use, written);
  }

  /** This request is the one by which the player leaves, from now until its end; or the one is given that is. */
  #leave(actor: Actor, participantId: number): Promise<void> | undefined {
    if (this.#isLeaving) return undefined;
    let requests = leaving.get(actor);
    if (requests === undefined) {
      requests = new Map();
      leaving.set(actor, requests);
    }
    const other = requests.get(participantId);
    if (other !== undefined) return other;
    const { promise, resolve } = Promise.withResolvers<void>();
    requests.set(participantId, promise);
    this.#isLeaving = true;
    this.#left = () => {
      requests.delete(participantId);
      resolve();
    };
    return undefined;
  }

  async #run(actor: Actor, use: HookUse, written: readonly WrittenField[]): Promise<void> {
    const { page, identity, name, hook, args, participantId, player } = use;
    const { world, memory } = actor;
    this.#runs += 1;
    const what = `${identity} ${name}`;
    const random = new Dice(world.newSeed).random;
    const view = new BufferedView(memory, { what, random, clock: world.now, written });
    const call = new CallRecord(what, true, undefined);
    const ending = new CallEnd(call, world);
    const running: RunningCall = {
      participantId,
      page: identity,
      abort: (reason) => call.abort(reason),
      end: (reason) => ending.end(reason),
    };
    const method = hook as (...given: unknown[]) => unknown;
    const handle: HookCall = {
      get signal() {
        return call.signal;
      },
    };
    actor.calls.add(running);
    ending.startLimit(what, page.timeLimit);
    let result: Prepared["result"];
    try {
      const work = world.watchdog.watch(what, () =>
        runInAsync(view, () => method(view.player(player), ...args, handle)),
      );
      result = { value: await ending.wait(work) };
    } catch (error) {
      result = { error: call.abortedBy ?? error };
    }
    ending.stop();
    call.end();
    actor.calls.delete(running);
    this.#prepared.set(keyOf(use), { view, result });
  }

  /** The request has its answer. */
  end(): void {
    for (const { view } of this.#prepared.values()) view.end();
    this.#left();
  }
}

const LEAVING_HOOKS: ReadonlySet<string> = new Set(["errorMessage", "beforeNextPage"]);

/** The same hook of the same page, told the same. */
function keyOf({ identity, name, args }: HookUse): string {
  return `${identity} ${name} ${JSON.stringify(args)}`;
}
