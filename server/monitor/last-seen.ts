/** Open pages ask every ten seconds, those that nobody looks at every half minute, if the browser lets them. */
const AWAY = 90_000;
/** Participants who are kept in mind. */
const MOST = 100_000;

/**
 * When participants' browsers were last heard of by this process. It tells who is there on pages that have no
 * connection; nothing is stored, since it says nothing about a game.
 */
export class LastSeen {
  /** By code, who was heard of last at the end. */
  readonly #at = new Map<string, number>();
  readonly #now: () => number;
  readonly #begun: number;

  /** @param now milliseconds of a clock that never jumps */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#begun = now();
  }

  seen(code: string): void {
    this.#at.delete(code);
    this.#at.set(code, this.#now());
    const [oldest] = this.#at.keys();
    if (this.#at.size > MOST && oldest !== undefined) this.#at.delete(oldest);
  }

  /** Whether somebody's page is open; null: not known, since this process has not been there for long enough. */
  isThere(code: string): boolean | null {
    const at = this.#at.get(code);
    const now = this.#now();
    if (at !== undefined && now - at <= AWAY) return true;
    return now - this.#begun > AWAY ? false : null;
  }
}
