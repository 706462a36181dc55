import type { Env } from "./env.ts";

/** How often to look again for a function that does not exist yet, in milliseconds. */
const LOOK_AGAIN_MS = 50;
/** A page that never defines liveRecv must not fill its memory. */
const LIMIT = 10_000;

export interface InboxOptions {
  env: Env;
  /** The page's liveRecv as it is now; undefined while it does not exist. */
  find(): ((data: unknown) => unknown) | undefined;
  report(message: string, detail?: unknown): void;
}

/**
 * Keeps messages until the page has a liveRecv, which may be defined by a later script, and hands them
 * over in order.
 */
export class Inbox {
  private readonly options: InboxOptions;
  private waiting: unknown[] = [];
  private draining = false;
  private looking = false;

  constructor(options: InboxOptions) {
    this.options = options;
  }

  push(data: unknown): void {
    if (this.waiting.length >= LIMIT) return;
    this.waiting.push(data);
    if (this.waiting.length === LIMIT) {
      this.options.report(
        `${LIMIT} messages wait for a function liveRecv(data), which this page does not define; later ones are dropped.`,
      );
    }
    this.drain();
  }

  /** Hands over what is waiting, if liveRecv exists by now. Call it whenever a script may have defined it. */
  drain(): void {
    // A liveRecv that leads here again must not hand over the next message before it has ended.
    if (this.draining) return;
    this.draining = true;
    while (this.waiting.length > 0) {
      // Looked up each time: a page may replace its liveRecv.
      const receive = this.options.find();
      if (!receive) break;
      const data = this.waiting.shift();
      try {
        receive(data);
      } catch (error) {
        this.options.report("liveRecv threw an error on this message:", { data, error });
      }
    }
    this.draining = false;
    if (this.waiting.length > 0 && !this.looking) {
      this.looking = true;
      this.options.env.after(LOOK_AGAIN_MS, () => {
        this.looking = false;
        this.drain();
      });
    }
  }
}
