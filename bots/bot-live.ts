import { callMessage } from "../client-sdk/call.ts";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { GroupState } from "../client-sdk/live-state.ts";
import { type LiveConnection, type LivePage, typedLive } from "../client-sdk/live-types.ts";
import type { BotLive, ReceiveOptions } from "./bot.ts";
import type { BotInbox } from "./bot-inbox.ts";
import type { Calls } from "./calls.ts";
import { Failure, show } from "./errors.ts";
import type { BotHooks, SendRecord } from "./hooks.ts";
import type { Tab } from "./tab.ts";

export interface BotLivePageOptions {
  readonly calls: Calls;
  readonly inbox: BotInbox;
  readonly hooks: BotHooks | undefined;
  /** The app that is played. */
  app(): string;
  /** The open page. @throws Failure before there is one */
  tab(): Tab;
  /** Undefined: the page has a live method; else why nothing can be sent there. */
  obstacle(): string | undefined;
  /** A wait page, which moves on by itself, whether it is live or not. */
  isWaiting(): boolean;
  /** The message that goes out now. */
  record(data: unknown): SendRecord;
  /** Until something is so; `now` says how it is if that is in vain. */
  until(condition: () => boolean, timeoutMs: number, now?: () => string): Promise<void>;
  /** Waits for pages to pass on which there is nothing to do. @param isEnough looked at with each page */
  pass(isEnough: () => boolean): Promise<void>;
  readonly receiveMs: number;
}

/** The live side of the page on which a bot is, as its script uses it: methods may be taken out of the object. */
export class BotLivePage implements BotLive<unknown> {
  readonly #options: BotLivePageOptions;

  constructor(options: BotLivePageOptions) {
    this.#options = options;
  }

  readonly send = (data: unknown): Promise<unknown> =>
    this.#options.calls.run("live.send", [data], () => this.#send(data));

  readonly call = (type: string, data?: Readonly<Record<string, unknown>>): Promise<unknown> =>
    this.#options.calls.run("live.call", data === undefined ? [type] : [type, data], async () =>
      this.#send(callMessage(type, data)),
    );

  readonly on = <P extends LivePage>(page: P): LiveConnection<P> => {
    const { calls, app } = this.#options;
    if (page.app === app()) return typedLive(this);
    throw calls.error("live.on", [page.name], `page ${page.name} is one of ${page.app}, and the bot plays ${app()}`);
  };

  readonly receiveAll = <T>(): T[] => this.#options.inbox.takeAll() as T[];

  readonly receive = <T>(matches?: (data: T) => boolean, options: ReceiveOptions = {}): Promise<T> =>
    this.#options.calls.run("live.receive", matches === undefined ? [] : [matches], () =>
      this.#receive(matches as ((data: unknown) => boolean) | undefined, options),
    ) as Promise<T>;

  get state(): GroupState {
    try {
      return this.#options.tab().state;
    } catch (error) {
      throw this.#options.calls.error("live.state", [], messageOf(error));
    }
  }

  readonly until = <S>(condition: (state: S) => boolean, options: ReceiveOptions = {}): Promise<S> =>
    this.#options.calls.run("live.until", [condition], () =>
      this.#untilState(condition as (state: unknown) => boolean, options),
    ) as Promise<S>;

  async #send(data: unknown): Promise<unknown> {
    const { isWaiting, tab, record, hooks } = this.#options;
    // Where nothing is waited for, the message goes out in the tick of the call.
    if (isWaiting()) await this.#pass();
    this.#requireLive();
    const open = tab();
    const sent = record(data);
    const answer = open.send(data);
    hooks?.onSend?.(sent);
    try {
      const value = await answer;
      hooks?.onAnswer?.(sent);
      return value;
    } catch (error) {
      hooks?.onAnswer?.(sent, error);
      throw error instanceof WalrasError ? new Failure(`refused (${error.code}): ${error.message}`, error.code) : error;
    }
  }

  async #receive(matches: ((data: unknown) => boolean) | undefined, options: ReceiveOptions): Promise<unknown> {
    const { inbox, tab, until, receiveMs } = this.#options;
    await this.#pass();
    this.#requireLive();
    tab();
    let found: [unknown] | undefined;
    await until(() => {
      found = inbox.take(matches);
      return found !== undefined;
    }, options.timeoutMs ?? receiveMs);
    return found?.[0];
  }

  async #untilState(condition: (state: GroupState) => boolean, options: ReceiveOptions): Promise<GroupState> {
    const { until, receiveMs } = this.#options;
    await this.#pass();
    const tab = this.#options.tab();
    const now = () => `the state is ${show(tab.state, 1_000)}`;
    await until(() => condition(tab.state), options.timeoutMs ?? receiveMs, now);
    return tab.state;
  }

  /** A live wait page is a page on which there is something to do. */
  #pass(): Promise<void> {
    return this.#options.pass(() => this.#options.obstacle() === undefined);
  }

  #requireLive(): void {
    const obstacle = this.#options.obstacle();
    if (obstacle !== undefined) throw new Failure(obstacle);
  }
}
