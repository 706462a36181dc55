import type { GroupState } from "../client-sdk/live-state.ts";
import type { LiveConnection, LivePage } from "../client-sdk/live-types.ts";

/** What a bot posts with a page: field → value. `true` and `false` tick and clear a checkbox or choose Yes or No. */
export type BotForm = Readonly<
  Record<string, string | number | boolean | null | undefined | readonly (string | number)[]>
>;

export interface ReceiveOptions {
  /** How long to wait, in milliseconds. Default: 10,000. */
  timeoutMs?: number;
}

export interface SubmitOptions {
  /** false: also fields that the page's HTML does not have are posted. Default: true. */
  checkHtml?: boolean;
}

/** The page's live method, as a bot uses it. */
export interface BotLive<Message = unknown> {
  /**
   * As `liveSend(data)` in the page. Wait pages are waited for first.
   *
   * @returns the live method's answer, once what it did is stored
   * @throws BotError with the server's reason, if the message was refused
   */
  send(data: Message): Promise<unknown>;
  /** Sends `{ type, ...data }` to the page's live method of that type. @returns its answer */
  call(type: string, data?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /**
   * The next message to this player that no earlier `receive` has taken and that matches, oldest first;
   * it may have come already. Messages that do not match stay for a later `receive`. A new page begins
   * with none.
   *
   * @throws BotError if none comes in time
   */
  receive<T = unknown>(matches?: (data: T) => boolean, options?: ReceiveOptions): Promise<T>;
  /**
   * All messages that have come and that nobody has taken, oldest first, without waiting. After
   * `await bot.live.send(...)`, everything is there that the group was sent up to this message, its own
   * effect included.
   */
  receiveAll<T = unknown>(): T[];
  /**
   * What the group publishes, as `live.state` in the page. After `await bot.live.send(...)` the message's own
   * effect is in it. @throws BotError on a page that is not connected
   */
  readonly state: GroupState;
  /**
   * Waits until the published state is so: `await bot.live.until((state) => state.group.turn === me)`. A type
   * for the state: `until<StateOf<typeof app>>(...)`. @returns the state @throws BotError if it is not in time
   */
  until<S = GroupState>(condition: (state: S) => boolean, options?: ReceiveOptions): Promise<S>;
  /**
   * The same with the types of a page, as `app.page(...)` gave it:
   * `const quote = await bot.live.on(bidding).call("offer", { price: 4 })`.
   *
   * @throws BotError if it is a page of another app
   */
  on<P extends LivePage>(page: P): LiveConnection<P>;
}

/** A message of a chat, as a bot sees it. */
export interface BotChatMessage {
  readonly nickname: string;
  readonly text: string;
  /** The bot wrote it itself. */
  readonly isOwn: boolean;
}

export interface ChatReceiveOptions extends ReceiveOptions {
  /** Which of the page's chats: 1, 2, 3 ... Default: the first. */
  box?: number;
}

/** The chats of a page (`{{ chat }}`), as a bot uses them. */
export interface BotChat {
  /**
   * Writes into the page's chat; afterwards the message is among {@link messages}. Wait pages without a chat are
   * waited for first.
   *
   * @param options `box`: which of the page's chats, from 1
   * @throws BotError with the server's reason, if the message was refused
   */
  send(text: string, options?: { box?: number }): Promise<void>;
  /**
   * The next message of somebody else that no earlier `receive` has given and that matches; it may have been there
   * when the page came.
   *
   * @throws BotError if none comes in time
   */
  receive(matches?: (message: BotChatMessage) => boolean, options?: ChatReceiveOptions): Promise<BotChatMessage>;
  /** All that has been said in the page's first chat, in order. */
  readonly messages: readonly BotChatMessage[];
}

/**
 * One participant, as `apps/<app>/bots.ts` plays it. All that a bot does goes over HTTP and WebSocket as
 * from a browser.
 *
 * `Message` is what the app's live methods take: `async (bot: Bot<number>) => { await bot.live.send(5) }`.
 */
export interface Bot<Message = unknown> {
  readonly live: BotLive<Message>;
  readonly chat: BotChat;
  /** Name of the page on which the participant is now; empty when they have finished. */
  readonly page: string;
  /** Name of the app, and the round from 1, of that page. */
  readonly app: string;
  readonly round: number;
  /** 1, 2, 3 ... in the session: P1, P2, P3. */
  readonly participant: number;
  /** 1 to the size of the group. @throws BotError on a wait page where the groups are still to be formed */
  readonly idInGroup: number;
  /** The participant is past the last page of the session. */
  readonly finished: boolean;
  /** Which of the `cases` is played; empty if there are none. */
  readonly case: string;
  /** The page as the server sent it (in a browser: as it is now). */
  readonly html: string;
  /** What a person reads on it: the HTML without tags, scripts and styles, blanks made one. */
  readonly text: string;
  /** The page's `js_vars`; an empty object if it has none. */
  readonly jsVars: Readonly<Record<string, unknown>>;

  /**
   * Fills in the page's form and submits it, like a click on Next; what is already filled in goes along.
   * Wait pages are waited for first. Where the page has ended by itself since the script's last call, by its
   * own script or by a timer, there is nothing left to do. Afterwards `page` is where the server has sent the participant, which
   * can be a wait page: see {@link waitFor}.
   *
   * @throws BotError with what the page says, if the form came back with errors
   */
  submit(form?: BotForm, options?: SubmitOptions): Promise<void>;
  /** Submits a form that must come back with errors. @returns what the page says @throws BotError if it was taken */
  submitMustFail(form?: BotForm, options?: SubmitOptions): Promise<string>;
  /**
   * Waits until the participant is on this page, or one of these, of the app in this round: wait pages
   * and timers move them on.
   *
   * @returns the page's name
   * @throws BotError if that takes longer than `timeoutMs` (default: 60,000), or they have gone past it
   */
  waitFor(page: string | readonly string[], options?: ReceiveOptions): Promise<string>;
  /** Fails the bot unless the condition holds. @param what says what should be so */
  expect(condition: boolean, what: string): void;
  /** Fails the bot unless both are the same, compared as JSON values are. */
  expect<T>(actual: T, expected: T, what?: string): void;
  /** 0 ≤ x < 1, the same in every run with the same seed. */
  random(): number;
  /** A whole number from `least` to `most`, by {@link random}. */
  randomInteger(least: number, most: number): number;
  /**
   * 0, 1, 2 ...: `for await (const turn of bot.turns(10)) { ... }` plays ten times in a check, and in a
   * load test as long as the load lasts, at its pace. Let the script be able to go on after any turn.
   */
  turns(count: number): AsyncIterable<number>;
}

/** Plays one participant through one app in one round. */
export type BotScript<Message = unknown> = (bot: Bot<Message>) => void | Promise<void>;
