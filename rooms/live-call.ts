import { AuthorError, messageOf, type WalrasError } from "../client-sdk/errors.ts";
import type { Json } from "../client-sdk/json.ts";
import { payloadToJson } from "./addresses.ts";
import { isStandardSchema, parseOwn } from "./standard-schema.ts";

/** The third argument of a live method: `live(player, data, call)`. */
export interface LiveCall<Reply = unknown> {
  /**
   * Gives the sender's promise its value, once: `const quote = await live.call("offer", { price: 4 })`. It goes out
   * when the whole call has been stored, and is the same however often the message is sent. Without it the promise
   * resolves to `undefined`.
   *
   * @throws AuthorError `not_json`, `does_not_fit`, `already_replied`, `call_ended`
   */
  reply(value: Reply): void;
  /**
   * Of an async method: aborted when the player leaves the page for good, the server stops, or the time limit of the
   * call has passed. Give it to whatever the method waits for: `fetch(url, { signal: call.signal })`. Its reason is an
   * error with the code `left`, `interrupted` or `time_limit`.
   */
  readonly signal: AbortSignal;
  /**
   * Does what depends on the world outside, such as a web request, and journals the result with the unit that it
   * becomes part of, so that the group can be run again without it:
   * `const quote = await call.outside("quote", (signal) => fetchQuote(signal))`.
   *
   * Gives what the journal keeps: the result as plain JSON (or `undefined`). Also in a sync method, for what needs no
   * waiting.
   *
   * @param name says what it is, in the journal
   * @throws what `run` throws, which is journaled too; AuthorError `not_json`, `call_ended`, `must_be_async`
   */
  outside<T>(name: string, run: (signal: AbortSignal) => T): T;
}

/** What became of one use of {@link LiveCall.outside}: `v` its result, or `e` the message of what it threw. */
export interface OutsideResult {
  readonly name: string;
  readonly v?: Json;
  readonly e?: string;
}

/** What the journal keeps of a call beside its deliveries. */
export interface CallOutput {
  /** The reply, if the method has given one. */
  v?: Json;
  /** What came from outside since the unit before. */
  o?: OutsideResult[];
}

/** Of a call without reply and results, as nearly all are: shared, so that it costs nothing. */
export const NOTHING: CallOutput = Object.freeze({});

/** Results of the run that is being repeated, which come again in place of the world's. */
let recorded: OutsideResult[] | undefined;

/** Runs a synchronous live method again: what it asked of the world outside it is told as the first time. */
export function replayOutside<T>(results: readonly OutsideResult[], run: () => T): T {
  recorded = [...results];
  try {
    return run();
  } finally {
    recorded = undefined;
  }
}

/** One run of a live method: what its author has done with the `call` argument. */
export class CallRecord {
  /** What the author gets. Its functions work without it: `live(player, data, { reply })`. */
  readonly handle: LiveCall;
  readonly #what: string;
  readonly #mayWait: boolean;
  readonly #schema: unknown;
  #controller: AbortController | undefined;
  #reply: string | undefined;
  #results: OutsideResult[] = [];
  #ended = false;
  #abortedBy: WalrasError | undefined;

  /**
   * @param what names the call in errors, e.g. `auction/1/Bidding live`
   * @param mayWait it is an async method
   * @param schema what the reply must look like; undefined: anything, or nothing
   */
  constructor(what: string, mayWait: boolean, schema: unknown) {
    this.#what = what;
    this.#mayWait = mayWait;
    this.#schema = schema;
    this.handle = new Handle(this);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Why the signal was aborted; undefined: it was not. */
  get abortedBy(): WalrasError | undefined {
    return this.#abortedBy;
  }

  abort(reason: WalrasError): void {
    if (this.#abortedBy !== undefined) return;
    this.#abortedBy = reason;
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }

  /** What the author keeps of the call has no effect any more. */
  end(): void {
    this.#ended = true;
  }

  /** Both {@link reply} and {@link results}. @throws AuthorError as {@link reply} */
  output(): CallOutput {
    const isBare = this.#reply === undefined && this.#results.length === 0 && this.#schema === undefined;
    return isBare ? NOTHING : { ...this.reply(), ...this.results() };
  }

  /** The reply for the sender and the journal, or nothing. @throws AuthorError `no_reply` if there should be one */
  reply(): { v?: Json } {
    if (this.#reply === undefined && this.#schema !== undefined) {
      throw new AuthorError(
        "no_reply",
        `${this.#what}: it has a schema for its reply, but ended without call.reply(value). Reply in every case, or take the schema out.`,
      );
    }
    return this.#reply === undefined ? {} : { v: JSON.parse(this.#reply) as Json };
  }

  /** What came from outside and is not in the journal yet. */
  results(): { o?: OutsideResult[] } {
    return this.#results.length === 0 ? {} : { o: [...this.#results] };
  }

  /** The journal has these of the {@link results}. */
  journaled({ o }: { o?: OutsideResult[] }): void {
    if (o !== undefined) this.#results = this.#results.filter((result) => !o.includes(result));
  }

  /** As {@link LiveCall.reply}. */
  setReply(value: unknown): void {
    this.#requireOpen("reply(value)");
    if (this.#reply !== undefined) {
      throw new AuthorError(
        "already_replied",
        `${this.#what}: call.reply(value) was called a second time. A message has one reply; send more by deliveries.`,
      );
    }
    const what = `${this.#what}: the reply`;
    const text = payloadToJson(value, what);
    this.#reply = isStandardSchema(this.#schema)
      ? payloadToJson(parseOwn(this.#schema, JSON.parse(text), what), what)
      : text;
  }

  /** As {@link LiveCall.outside}. */
  outside<T>(name: string, run: (signal: AbortSignal) => T): T {
    this.#requireOpen("outside(name, run)");
    if (typeof name !== "string" || name === "" || typeof run !== "function") {
      throw new AuthorError(
        "wrong_call",
        `${this.#what}: call.outside takes a name and a function, e.g. call.outside("quote", () => fetchQuote()).`,
      );
    }
    const known = recorded?.shift();
    if (known !== undefined) return this.#again(name, known) as T;
    let result: T;
    try {
      result = run(this.signal);
    } catch (error) {
      throw this.#failed(name, error);
    }
    if (!(result instanceof Promise)) return this.#succeeded(name, result);
    if (this.#mayWait) return this.#later(name, result) as T;
    result.catch(() => {});
    throw new AuthorError(
      "must_be_async",
      `${this.#what}: call.outside("${name}", ...) waits for something, but the method is not async. Write async live(player, data, call) { ... await call.outside(...) }.`,
    );
  }

  /** What it was the first time. */
  #again(name: string, known: OutsideResult): unknown {
    if (known.e !== undefined) throw this.#failed(name, new Error(known.e));
    return this.#succeeded(name, known.v);
  }

  async #later<T>(name: string, result: Promise<T>): Promise<T> {
    let value: T;
    try {
      value = await result;
    } catch (error) {
      throw this.#failed(name, error);
    }
    this.#requireOpen("outside(name, run)");
    return this.#succeeded(name, value);
  }

  #succeeded<T>(name: string, value: T): T {
    if (value === undefined) {
      this.#results.push({ name });
      return value;
    }
    const v = JSON.parse(payloadToJson(value, `${this.#what}: the result of outside "${name}"`));
    this.#results.push({ name, v });
    // A copy: what the author does to the one must not change the other.
    return structuredClone(v);
  }

  #failed(name: string, error: unknown): unknown {
    this.#results.push({ name, e: messageOf(error) });
    return error;
  }

  #requireOpen(what: string): void {
    if (!this.#ended) return;
    throw new AuthorError("call_ended", `${this.#what}: call.${what} was used after the call had ended.`);
  }
}

/** Makes the author's functions when they are asked for: most methods never do, and each call has a handle. */
class Handle implements LiveCall {
  readonly #record: CallRecord;

  constructor(record: CallRecord) {
    this.#record = record;
  }

  get reply() {
    return (value: unknown): void => this.#record.setReply(value);
  }

  get signal(): AbortSignal {
    return this.#record.signal;
  }

  get outside() {
    return <T>(name: string, run: (signal: AbortSignal) => T): T => this.#record.outside(name, run);
  }
}
