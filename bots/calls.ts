import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { BotError, type BotStep, scriptLine, show } from "./errors.ts";
import { never } from "./waiting.ts";

/** A call of the script that has not returned. */
interface Call {
  readonly step: number;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly since: number;
}

/** What {@link Calls} asks its bot. */
export interface CallsOptions {
  /** Where the bot is. */
  place(): Omit<BotStep, "step" | "action">;
  /** Awaited before each call that changes something. */
  before: (() => Promise<void>) | undefined;
  /** The script goes on. */
  resumed(): void;
  /** See {@link scriptLine}. */
  locate(place: string): string | undefined;
}

/** Calls that change something. */
const ACTS = ["live.send", "live.call", "chat.send", "submit", "submitMustFail"];
/** Calls that are the runner's, not the script's. */
const OWN_CALLS = ["open", "wait page"];
/** Shown without arguments. */
const BARE = [...OWN_CALLS, "", "expect", "idInGroup", "live.state"];

/** The calls of a bot's script: counted, for errors that say where; ended from outside, all at once. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #open = new Set<Call>();
  #steps = 0;
  #frozen = false;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Runs one call; what goes wrong becomes a BotError. */
  async run<T>(name: string, args: readonly unknown[], run: () => Promise<T>): Promise<T> {
    if (this.#frozen) await never();
    if (!OWN_CALLS.includes(name)) this.#steps += 1;
    const call: Call = { step: this.#steps, name, args, since: performance.now() };
    this.#open.add(call);
    const { before, resumed } = this.#options;
    try {
      if (before !== undefined && ACTS.includes(name)) await before();
      if (this.#frozen) await never();
      const value = await run();
      if (this.#frozen) await never();
      this.#open.delete(call);
      resumed();
      return value;
    } catch (error) {
      if (this.#frozen) await never();
      this.#open.delete(call);
      resumed();
      throw this.error(name, args, error instanceof BotError ? error.what : messageOf(error), call.step, error);
    }
  }

  /** Counts a call that is over at once. */
  count(): void {
    this.#steps += 1;
  }

  /** From now on no call returns. */
  freeze(): void {
    this.#frozen = true;
  }

  /** What is under way. */
  get now(): BotStep {
    const call = [...this.#open].at(-1);
    return this.#stepOf(call?.step ?? this.#steps, call?.name ?? "", call?.args ?? []);
  }

  /** performance.now() at which what is under way began. */
  get since(): number | undefined {
    return [...this.#open].at(-1)?.since;
  }

  error(name: string, args: readonly unknown[], what: string, step = this.#steps, cause?: unknown): BotError {
    // Made here, below the awaits, the stack leads back into the script.
    const line = scriptLine(new Error().stack, this.#options.locate);
    const code = cause instanceof WalrasError ? cause.code : "bot_failed";
    return new BotError(this.#stepOf(step, name, args), what, { line, cause, code });
  }

  /** An error outside of calls: something that the script has thrown. */
  thrown(what: string, cause: unknown): BotError {
    const stack = cause instanceof Error ? cause.stack : undefined;
    const line = scriptLine(stack, this.#options.locate);
    return new BotError(this.#stepOf(this.#steps, "", []), what, { cause, line });
  }

  #stepOf(step: number, name: string, args: readonly unknown[]): BotStep {
    const action = BARE.includes(name) ? name : `${name}(${args.map((arg) => show(arg, 100)).join(", ")})`;
    return { ...this.#options.place(), step, action };
  }
}
