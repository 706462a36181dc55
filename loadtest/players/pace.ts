import { seededRandom } from "../../entities/random.ts";

/** When turns may begin. */
export interface PaceOptions {
  /** Turns a second and participant; undefined: closed loop. */
  rate: number | undefined;
  arrivals: "random" | "even";
}

/** The moments at which one participant's turns are due in an open loop, in milliseconds. */
export class Arrivals {
  readonly #gap: number;
  readonly #random: () => number;
  readonly #isEven: boolean;
  #next: number;

  /**
   * @param rate a second @param start the first moment from which turns may be due
   * @param seed of this participant: the arrivals of two are independent
   */
  constructor(rate: number, arrivals: PaceOptions["arrivals"], start: number, seed: number) {
    this.#gap = 1000 / rate;
    this.#isEven = arrivals === "even";
    this.#random = seededRandom(seed);
    // A random phase: even arrivals of many participants must not come in one instant.
    this.#next = start + (this.#isEven ? this.#random() * this.#gap : this.#interval());
  }

  /** The next moment. It does not wait for anybody: what the server is late with is due all the same. */
  next(): number {
    const due = this.#next;
    this.#next += this.#isEven ? this.#gap : this.#interval();
    return due;
  }

  /** Exponential: between the arrivals of a Poisson process. */
  #interval(): number {
    return -Math.log(1 - this.#random()) * this.#gap;
  }
}

/** A wait that can be ended for all who are in it. */
export class Sleepers {
  readonly #wake = new Set<() => void>();

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => wake(), ms);
      const wake = (): void => {
        clearTimeout(timer);
        this.#wake.delete(wake);
        resolve();
      };
      this.#wake.add(wake);
    });
  }

  wakeAll(): void {
    for (const wake of [...this.#wake]) wake();
  }
}
