import type { Env } from "../../client-sdk/env.ts";
import { seededRandom } from "../../entities/random.ts";

interface Timer {
  readonly due: number;
  /** Of those that are due at the same time the first made is the first to run. */
  readonly order: number;
  /** Null: cancelled. */
  run: (() => void) | null;
}

/** Time that passes only when told to. */
export class VirtualClock implements Env {
  readonly random: () => number;
  #time = 0;
  #made = 0;
  /** A binary heap: the next one is the first. */
  readonly #timers: Timer[] = [];

  constructor(seed = 1) {
    this.random = seededRandom(seed);
  }

  now(): number {
    return this.#time;
  }

  after(ms: number, run: () => void): () => void {
    const timer: Timer = { due: this.#time + ms, order: this.#made++, run };
    this.#push(timer);
    return () => {
      timer.run = null;
    };
  }

  /** Lets so much time pass, with everything that falls due and the promises that it settles. */
  async run(ms: number): Promise<void> {
    const end = this.#time + ms;
    await this.runUntil(() => false, end);
    this.#time = end;
  }

  /** Lets time pass until something is so, or until `end`. @returns whether it is so */
  async runUntil(isSo: () => boolean, end: number): Promise<boolean> {
    for (;;) {
      // Promises settle before the next timer, as they do between the tasks of a real event loop.
      await new Promise((resolve) => setImmediate(resolve));
      if (isSo()) return true;
      const next = this.#next(end);
      if (next === undefined) return false;
      this.#time = Math.max(this.#time, next.due);
      next.run?.();
    }
  }

  #next(end: number): Timer | undefined {
    for (;;) {
      const first = this.#timers[0];
      if (first === undefined || (first.run !== null && first.due > end)) return undefined;
      this.#pop();
      if (first.run !== null) return first;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!isBefore(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop() as Timer;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && isBefore(heap[right] as Timer, heap[left] as Timer) ? right : left;
      const below = heap[child] as Timer;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
