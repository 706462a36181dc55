import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { Turn } from "./turn.ts";

/** Whose turns a mailbox keeps. */
export interface TurnRunner {
  /** Turns may run now: the group is loaded, and not too many of its units wait for the database. */
  readonly canRun: boolean;
  /** Nothing that has run waits for the database. */
  readonly isQuiet: boolean;
  /** Reads what a turn needs; undefined: it needs nothing. */
  prepare(turn: Turn): Promise<void> | undefined;
  run(turn: Turn): void;
}

/**
 * What waits for its turn in one group, in order. One thing happens at a time: a turn runs to its end, and while
 * it reads what it needs from the database, everybody waits.
 */
export class Mailbox {
  readonly #runner: TurnRunner;
  readonly #limit: number;
  readonly #waiting: Turn[] = [];
  /** Who has the group to themselves, and their turns; see {@link hold}. */
  #holder: object | undefined;
  readonly #held: Turn[] = [];
  #busy = false;
  #preparing = false;
  /** Has read what it needs: it is not asked again, since there may be nothing to find. */
  #prepared: Turn | undefined;
  #frozen = false;
  #onFrozen: (() => void) | undefined;
  #closed = false;

  /** @param limit how many turns may wait */
  constructor(limit: number, runner: TurnRunner) {
    this.#limit = limit;
    this.#runner = runner;
  }

  get isEmpty(): boolean {
    return this.#waiting.length + this.#held.length === 0 && !this.#preparing;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#limit;
  }

  /** @param call it goes before everybody else, if it {@link hold}s the group */
  add(turn: Turn, call?: object): void {
    (call !== undefined && call === this.#holder ? this.#held : this.#waiting).push(turn);
    this.pump();
  }

  /** Puts a turn in front. */
  addFirst(turn: Turn): void {
    this.#waiting.unshift(turn);
    this.pump();
  }

  /** Turns that have run before come in front of all others. */
  again(turns: readonly Turn[]): void {
    // Who holds the group holds it since before all of these.
    this.#lane.unshift(...turns);
  }

  /** From now on only what this call adds runs; everything else waits until {@link unhold}. */
  hold(call: object): void {
    this.#holder = call;
  }

  unhold(call: object): void {
    if (this.#holder !== call) return;
    this.#holder = undefined;
    this.pump();
  }

  /** Takes no more turns until {@link thaw}; resolves when what has run is settled, or the mailbox is closed. */
  freeze(): Promise<void> {
    this.#frozen = true;
    if (this.#closed || (this.#runner.isQuiet && !this.#preparing)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onFrozen = resolve;
    });
  }

  thaw(): void {
    this.#frozen = false;
    this.pump();
  }

  /** Runs what can be run. */
  pump(): void {
    if (this.#frozen && this.#runner.isQuiet && !this.#preparing) this.#onFrozen?.();
    if (this.#busy || this.#preparing) return;
    this.#busy = true;
    for (;;) {
      const lane = this.#lane;
      const turn = lane[0];
      if (turn === undefined || this.#closed || this.#frozen || !this.#runner.canRun) break;
      const preparation = turn === this.#prepared ? undefined : this.#runner.prepare(turn);
      if (preparation !== undefined) {
        void this.#prepare(turn, preparation);
        break;
      }
      this.#prepared = undefined;
      lane.shift();
      this.#runner.run(turn);
    }
    this.#busy = false;
  }

  /** No turn runs any more. @returns those that were waiting */
  close(): Turn[] {
    this.#closed = true;
    this.#onFrozen?.();
    return [...this.#held.splice(0), ...this.#waiting.splice(0)];
  }

  get #lane(): Turn[] {
    return this.#holder === undefined ? this.#waiting : this.#held;
  }

  async #prepare(turn: Turn, preparation: Promise<void>): Promise<void> {
    this.#preparing = true;
    try {
      await preparation;
      this.#prepared = turn;
    } catch (error) {
      // Turns that run again may have come in front of it meanwhile; if the mailbox was closed, it was told.
      const at = this.#waiting.indexOf(turn);
      if (at >= 0) {
        this.#waiting.splice(at, 1);
        const message = `The database cannot be read: ${messageOf(error)}`;
        turn.fail(new WalrasError(Refusal.HALTED, message, { retry: true, cause: error }));
      }
    }
    this.#preparing = false;
    this.pump();
  }
}
