import { WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { ActorWorld } from "./actor-world.ts";
import type { CallRecord } from "./live-call.ts";

/** An async call under way. */
export interface RunningCall {
  /** undefined: nobody waits for it by themselves. */
  readonly participantId: number | undefined;
  /** `app/round/Page` */
  readonly page: string;
  /** Tells the author's code that nobody waits for it any more. */
  abort(reason: WalrasError): void;
  /** As {@link abort}, and it has to end soon. */
  end(reason: WalrasError): void;
}

/** A call that did not end by itself in time; whatever its author's code does from here on has no effect. */
export class CallCut extends Error {}

/**
 * How a call that waits is brought to its end from outside: by its time limit, or because the server stops.
 *
 * First its signal is aborted, so that it can end by itself; a generator is ended at its next `yield`. Who
 * does neither within the grace time is cut off.
 */
export class CallEnd {
  /** Set: the call has to end. */
  reason: WalrasError | undefined;
  readonly #call: CallRecord;
  readonly #world: ActorWorld;
  /** Ends what is being waited for. */
  #cut: (() => void) | undefined;
  #cancelLimit = (): void => {};
  #cancelGrace = (): void => {};
  #graceIsOver = false;

  constructor(call: CallRecord, world: ActorWorld) {
    this.#call = call;
    this.#world = world;
  }

  /** @param seconds how long the call may take; undefined: as long as any */
  startLimit(what: string, seconds: number | undefined): void {
    const ms = seconds === undefined ? this.#world.limits.callTime : seconds * 1000;
    this.#cancelLimit = this.#world.after(ms, () => this.end(timeLimit(what, ms / 1000)));
  }

  end(reason: WalrasError): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#call.abort(reason);
    this.#grace();
  }

  /**
   * Waits for what the author's code does next.
   *
   * @throws CallCut if that takes longer than the call may
   */
  wait<T>(work: T | PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#cut = () => reject(new CallCut());
      // Late already: it has come to a yield meanwhile, and its `finally` blocks get a grace time of their own.
      if (this.#graceIsOver) this.#grace();
      Promise.resolve(work).then(resolve, reject);
    });
  }

  /** The call has ended. */
  stop(): void {
    this.#cancelLimit();
    this.#cancelGrace();
  }

  #grace(): void {
    this.#cancelGrace();
    this.#cancelGrace = this.#world.after(this.#world.limits.callGrace, () => {
      this.#graceIsOver = true;
      this.#cut?.();
    });
  }
}

function timeLimit(what: string, seconds: number): WalrasError {
  return new WalrasError(
    Refusal.TIME_LIMIT,
    `${what} took longer than ${seconds} seconds and was ended. What it had yielded until then is kept.`,
  );
}

/** For a call that a stopping server, or one that loses the group, cannot carry to its end. */
export function interrupted(): WalrasError {
  return new WalrasError(
    Refusal.INTERRUPTED,
    "The server stopped while it worked on this message. What it had done until then is kept.",
  );
}

/** The player is on another page now. */
export function playerLeft(): WalrasError {
  return new WalrasError(Refusal.LEFT, "The player has left the page from which the message came.");
}
