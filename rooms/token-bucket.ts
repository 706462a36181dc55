/** Limits how often something may happen: `rate` a second in the long run, `burst` at once. */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  /** @param now monotonic milliseconds */
  constructor(rate: number, burst: number, now: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes a token, or several: 0 if they were there, else the milliseconds until they will be. */
  take(now: number, count = 1): number {
    const wanted = Math.min(count, this.#burst);
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
    if (this.#tokens >= wanted) {
      this.#tokens -= wanted;
      return 0;
    }
    return Math.max(1, Math.ceil(((wanted - this.#tokens) / this.#rate) * 1000));
  }
}
