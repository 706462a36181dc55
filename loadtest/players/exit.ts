/** A group that takes longer than this does not hold up the next, in milliseconds: it may even wait for it. */
const PATIENCE_MS = 1_000;

/**
 * Lets groups go on after the load, some at a time, as they came in: thousands of forms in one instant
 * would be another load than the one that was asked for.
 */
export class Exit {
  readonly #width: number;
  #leaving = 0;
  #waiting: (() => void)[] = [];
  readonly #groups = new Map<number, { go: Promise<void>; left(): void }>();

  /** @param width groups at a time */
  constructor(width: number) {
    this.#width = width;
  }

  /** Resolves when this group's members may go on; all at once. */
  leave(group: number): Promise<void> {
    let known = this.#groups.get(group);
    if (known === undefined) {
      let isDone = false;
      const left = (): void => {
        if (isDone) return;
        isDone = true;
        this.#leaving -= 1;
        this.#next();
      };
      const go = new Promise<void>((resolve) => {
        this.#waiting.push(() => {
          setTimeout(left, PATIENCE_MS).unref();
          resolve();
        });
      });
      known = { go, left };
      this.#groups.set(group, known);
      this.#next();
    }
    return known.go;
  }

  /** The group has come to its end. */
  left(group: number): void {
    this.#groups.get(group)?.left();
  }

  /** Lets everybody go. */
  open(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  #next(): void {
    while (this.#leaving < this.#width && this.#waiting.length > 0) {
      this.#leaving += 1;
      this.#waiting.shift()?.();
    }
  }
}
