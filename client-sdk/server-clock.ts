import type { Env } from "./env.ts";

/** The page's clock and the server's may drift apart by so much of the time that passes: no quartz is worse. */
const DRIFT = 0.0001;
/** A better estimate is approached at this part of the time that passes, so that a countdown does not jump. */
const SLEW = 0.1;
/** Farther away than this, in milliseconds, it is taken at once: the computer has slept. */
const JUMP = 1_000;

/**
 * The server's time, as a page knows it: from the page's rendering at first, then from each connection's
 * welcome, which is as exact as half of the time that it was on its way. The computer's own clock plays no
 * part: a participant's may be wrong by hours.
 */
export class ServerClock {
  private readonly env: Env;
  /** Best estimate of server time minus page time, how wrong it may be, and when it was made. */
  private offset: number;
  private error = Number.POSITIVE_INFINITY;
  private madeAt: number;
  /** What {@link now} goes by; on its way to `offset`. */
  private shown: number;
  private shownAt: number;
  private isShown = false;
  private askedAt: number;

  /** @param renderedAt the server's time when it rendered the page */
  constructor(env: Env, renderedAt: number) {
    this.env = env;
    this.madeAt = this.shownAt = this.askedAt = env.now();
    this.offset = this.shown = renderedAt - this.madeAt;
  }

  /** The server is asked now for what it will answer with its time. */
  asked(): void {
    this.askedAt = this.env.now();
  }

  /** Its answer has come. @param time the server's time when it was sent */
  told(time: number): void {
    const now = this.env.now();
    const error = (now - this.askedAt) / 2;
    const offset = time - (now + this.askedAt) / 2;
    const before = this.error + (now - this.madeAt) * DRIFT;
    // Farther from the old estimate than both may be wrong: the server has changed, or this computer has slept.
    if (error > before && Math.abs(offset - this.offset) <= error + before) return;
    this.offset = offset;
    this.error = error;
    this.madeAt = now;
  }

  /** Milliseconds since 1970 (UTC). */
  now(): number {
    const now = this.env.now();
    const way = this.offset - this.shown;
    const step = (now - this.shownAt) * SLEW;
    const isFree = !this.isShown || Math.abs(way) > JUMP || Math.abs(way) <= step;
    this.shown += isFree ? way : Math.sign(way) * step;
    this.shownAt = now;
    this.isShown = true;
    return Math.floor(now + this.shown);
  }
}
