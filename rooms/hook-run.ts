import type { WalrasError } from "../client-sdk/errors.ts";
import type { ActorWorld } from "./actor-world.ts";
import { CallEnd } from "./call-end.ts";
import { CallRecord, type LiveCall } from "./live-call.ts";

/** The last argument of a hook: a function of the author that Walras runs, other than a live method. */
export type HookCall = Pick<LiveCall, "signal">;

/** What a hook that does not wait gets as its last argument. */
export const NOTHING_TO_ABORT: HookCall = { signal: new AbortController().signal };

/** One run of an async hook: its time is limited, and it can be told to end. */
export class HookRun {
  readonly #world: ActorWorld;
  readonly #what: string;
  readonly #call: CallRecord;
  readonly #ending: CallEnd;

  /** @param what names it in errors and in the log */
  constructor(world: ActorWorld, what: string) {
    this.#world = world;
    this.#what = what;
    this.#call = new CallRecord(what, true, undefined);
    this.#ending = new CallEnd(this.#call, world);
  }

  /** Nobody waits for it any more. */
  abort(reason: WalrasError): void {
    this.#call.abort(reason);
  }

  /** As {@link abort}, and it has to end soon. */
  end(reason: WalrasError): void {
    this.#ending.end(reason);
  }

  /**
   * Runs it.
   *
   * @param timeLimit seconds; undefined: as long as any
   * @throws what it throws; WalrasError with the reason why it had to end
   */
  async carryOut<T>(timeLimit: number | undefined, hook: (call: HookCall) => T): Promise<Awaited<T>> {
    const call = this.#call;
    const handle: HookCall = {
      get signal() {
        return call.signal;
      },
    };
    this.#ending.startLimit(this.#what, timeLimit);
    try {
      return await this.#ending.wait<Awaited<T>>(
        this.#world.watchdog.watch(this.#what, () => hook(handle)) as Awaited<T>,
      );
    } catch (error) {
      throw call.abortedBy ?? error;
    } finally {
      this.#ending.stop();
      call.end();
    }
  }
}

/** Hooks under way that are part of no group's turn: those that make a session, or see all groups of a round. */
export class HookRuns {
  readonly #world: ActorWorld;
  readonly #runs = new Set<HookRun>();

  constructor(world: ActorWorld) {
    this.#world = world;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** As {@link HookRun.carryOut}. */
  async carryOut<T>(what: string, timeLimit: number | undefined, hook: (call: HookCall) => T): Promise<Awaited<T>> {
    const run = new HookRun(this.#world, what);
    this.#runs.add(run);
    try {
      return await run.carryOut(timeLimit, hook);
    } finally {
      this.#runs.delete(run);
    }
  }

  /** All have to end soon. */
  end(reason: WalrasError): void {
    for (const run of this.#runs) run.end(reason);
  }
}
