import { Failure } from "./errors.ts";

/** How one waits for something. */
export interface WaitOptions {
  /** undefined: as long as the run lasts. */
  timeoutMs: number | undefined;
  /** What to say when it was in vain. */
  inVain(ms: number): string;
  /** Called each {@link WaitOptions.refreshMs}, where nobody else would tell what is new. */
  refresh(): Promise<void> | undefined;
  refreshMs: number;
}

/** Everything that a bot waits for at the moment. */
export class Waiting {
  /** Looks again, by what takes away its timers. */
  readonly #all = new Map<() => void, () => void>();

  /** Waits until something is so; asked now, and at each {@link look}. @throws what the condition throws, or that it was in vain */
  async until(condition: () => boolean, { timeoutMs, inVain, refresh, refreshMs }: WaitOptions): Promise<void> {
    // Mostly it is so already: no timers then.
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const cancel = (): void => {
        clearTimeout(timeout);
        clearInterval(interval);
      };
      const end = (settle: () => void): void => {
        cancel();
        this.#all.delete(look);
        settle();
      };
      const fail = (error: unknown): void => end(() => reject(error));
      const look = (): void => {
        try {
          if (condition()) end(resolve);
        } catch (error) {
          fail(error);
        }
      };
      const timeout =
        timeoutMs === undefined ? undefined : setTimeout(() => fail(new Failure(inVain(timeoutMs))), timeoutMs);
      const interval = setInterval(() => refresh()?.catch(fail), refreshMs);
      this.#all.set(look, cancel);
    });
  }

  /** Something has changed. */
  look(): void {
    for (const look of [...this.#all.keys()]) look();
  }

  /** Nobody is told anything any more. */
  drop(): void {
    for (const cancel of this.#all.values()) cancel();
    this.#all.clear();
  }
}

/** Awaited by whoever must go no further. A new one each time, so that nothing refers to them then. */
export function never(): Promise<never> {
  return new Promise(() => {});
}
