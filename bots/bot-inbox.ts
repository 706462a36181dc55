import { show } from "./errors.ts";

/** Messages that nobody has received; beyond these, the oldest go. */
const LIMIT = 1_000;

/** The messages to a bot's page that its script has not taken. */
export class BotInbox {
  #messages: unknown[] = [];
  #dropped = 0;

  push(data: unknown): void {
    this.#messages.push(data);
    if (this.#messages.length < 2 * LIMIT) return;
    // In bulk, so that a bot that never receives costs nothing for each message.
    this.#dropped += LIMIT;
    this.#messages = this.#messages.slice(LIMIT);
  }

  /** The oldest that matches, in an array of its own; undefined: there is none. */
  take(matches: ((data: unknown) => boolean) | undefined): [unknown] | undefined {
    const at = matches === undefined ? 0 : this.#messages.findIndex(matches);
    if (at < 0 || at >= this.#messages.length) return undefined;
    const [found] = this.#messages.splice(at, 1);
    return [found];
  }

  takeAll(): unknown[] {
    return this.#messages.splice(0);
  }

  /** A new page begins with none. */
  clear(): void {
    this.#messages = [];
    this.#dropped = 0;
  }

  /** What is there, for an error. */
  describe(): string {
    const there =
      this.#messages.length === 0 ? "no message is left to take" : `messages not taken: ${show(this.#messages)}`;
    return this.#dropped === 0
      ? there
      : `${there}\n  ${this.#dropped} older messages were dropped: more than ${LIMIT} were waiting`;
  }
}
