import type { VirtualClock } from "../helpers/virtual-clock.ts";

/**
 * Whatever can end or stand still at any moment: a server process, a page. Callbacks that are meant
 * for it go through it; after its end none arrives, and while it stands still they wait.
 */
export class Life {
  readonly #clock: VirtualClock;
  #ended = false;
  #waiting: (() => void)[] | null = null;
  readonly #onEnd: (() => void)[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Runs it now, when it goes on, or never. */
  enter(run: () => void): void {
    if (this.#ended) return;
    if (this.#waiting !== null) this.#waiting.push(run);
    else run();
  }

  readonly after = (ms: number, run: () => void): (() => void) => {
    let cancelled = false;
    const cancel = this.#clock.after(ms, () =>
      this.enter(() => {
        if (!cancelled) run();
      }),
    );
    return () => {
      cancelled = true;
      cancel();
    };
  };

  readonly sleep = (ms: number): Promise<void> => new Promise((resolve) => this.after(ms, resolve));

  onEnd(callback: () => void): void {
    this.#onEnd.push(callback);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = null;
    for (const callback of this.#onEnd) callback();
  }

  /** SIGSTOP. */
  pause(): void {
    this.#waiting ??= [];
  }

  /** SIGCONT: what has waited runs one after the other, as separate turns of the loop. */
  goOn(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const run of waiting) this.after(0, run);
  }
}
