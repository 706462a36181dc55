import { callMessage } from "../client-sdk/call.ts";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { GroupState } from "../client-sdk/live-state.ts";
import { typedLive } from "../client-sdk/live-types.ts";
import { seededRandom } from "../entities/random.ts";
import { nearestName } from "../entities/suggest.ts";
import type { Bot, BotForm, BotLive, ReceiveOptions, SubmitOptions } from "./bot.ts";
import { same } from "./compare.ts";
import { BotError, type BotStep, scriptLine, show } from "./errors.ts";
import type { BotHooks, SendRecord } from "./hooks.ts";
import type { OpenTab, Tab } from "./tab.ts";
import { readErrors, readJsVars, readText, readView, type View } from "./view.ts";

/** Defaults, in milliseconds, and bounds. */
export const BOT_LIMITS = {
  receiveMs: 10_000,
  waitForMs: 60_000,
  /** How often a page that nobody moves on is loaded again while its bot waits for another. */
  refreshMs: 1_000,
  /** Messages that nobody has received; the oldest go first. */
  inbox: 1_000,
} as const;

export interface BotPlayerOptions {
  /** Position among the session's participants, from 1; until the first page tells. */
  participant: number;
  seed: number;
  /** Name of the case to be played of an app; empty if it has none. */
  caseOf(app: string): string;
  hooks?: BotHooks | undefined;
  /** Turns a place of a stack into one of the project; see {@link scriptLine}. */
  locate(place: string): string | undefined;
  /** How many times longer than usual it waits. Default: 1. */
  patience?: number | undefined;
  /** Awaited before each send and submit: for who wants to see what happens. */
  before?: ((bot: BotPlayer) => Promise<void>) | undefined;
  /** Pages of an app, in order; empty if it has no bots. */
  pagesOf(app: string): readonly string[];
}

/** A call of the script that has not returned. */
interface Call {
  readonly step: number;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly since: number;
}

/** One bot: what a script sees of its participant, over all pages of a session. */
export class BotPlayer implements Bot<unknown> {
  readonly live: BotLive<unknown>;
  /** Names of the pages that it has seen, `app/round/Page`; a reload does not count. */
  readonly visited: string[] = [];
  /** Messages sent and received so far. */
  sent = 0;
  received = 0;
  readonly #options: BotPlayerOptions;
  readonly #random: () => number;
  #tab: Tab | undefined;
  #view: View = readView("http://none/", undefined, "");
  #app = "";
  #round = 1;
  #idInGroup: number | null = null;
  #inbox: unknown[] = [];
  #dropped = 0;
  #steps = 0;
  #calls = new Set<Call>();
  /** Looks again, by what takes away its timers. */
  #waiting = new Map<() => void, () => void>();
  #intendedAt: number | undefined;
  #frozen = false;
  /** The page that the script knows to be on: since its last call, or since it has looked. */
  #known: View["place"] = this.#view.place;

  constructor(options: BotPlayerOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const read = () => this.#state();
    this.live = {
      receiveAll: <T>() => this.#inbox.splice(0) as T[],
      send: (data) => this.#call("live.send", [data], () => this.#send(data)),
      call: (type, data) =>
        this.#call("live.call", data === undefined ? [type] : [type, data], async () =>
          this.#send(callMessage(type, data)),
        ),
      on: (page) => {
        if (page.app === this.app) return typedLive(this.live);
        throw this.#error(
          "live.on",
          [page.name],
          `page ${page.name} is one of ${page.app}, and the bot plays ${this.app}`,
        );
      },
      receive: <T>(matches?: (data: T) => boolean, options: ReceiveOptions = {}) =>
        this.#call("live.receive", matches === undefined ? [] : [matches], () =>
          this.#receive(matches as ((data: unknown) => boolean) | undefined, options),
        ) as Promise<T>,
      get state() {
        return read();
      },
      until: <S>(condition: (state: S) => boolean, options: ReceiveOptions = {}) =>
        this.#call("live.until", [condition], () =>
          this.#untilState(condition as (state: unknown) => boolean, options),
        ) as Promise<S>,
    };
  }

  get page(): string {
    this.#known = this.#view.place;
    return this.#page;
  }

  get app(): string {
    return this.#app;
  }

  get case(): string {
    return this.#options.caseOf(this.#app);
  }

  get round(): number {
    return this.#round;
  }

  get participant(): number {
    const { place } = this.#view;
    return place.kind === "page" ? place.facts.participant : this.#options.participant;
  }

  get idInGroup(): number {
    if (this.#idInGroup === null) throw this.#error("idInGroup", [], "the participant has no group yet");
    return this.#idInGroup;
  }

  /** Id of the group's actor; null while there is none. */
  get group(): number | null {
    const { place } = this.#view;
    return place.kind === "page" ? place.facts.group : null;
  }

  get finished(): boolean {
    return this.#view.place.kind === "finished";
  }

  get html(): string {
    this.#known = this.#view.place;
    return this.#view.html;
  }

  get text(): string {
    return readText(this.html);
  }

  get jsVars(): Readonly<Record<string, unknown>> {
    return readJsVars(this.#view.html);
  }

  /** How many pages the session has after this one; 0 when finished. */
  get pagesLeft(): number {
    const { place } = this.#view;
    return place.kind === "page" ? place.facts.pages - place.facts.index : 0;
  }

  /** Whether this is a wait page, which moves on by itself. */
  get isWaiting(): boolean {
    const { place } = this.#view;
    return place.kind === "page" && place.facts.wait === true;
  }

  /** Where it is and what it is doing, for reports. */
  get at(): BotStep {
    const call = [...this.#calls].at(-1);
    return this.#stepOf(call?.step ?? this.#steps, call?.name ?? "", call?.args ?? []);
  }

  /** Milliseconds since when the newest call that has not returned is under way; undefined if none is. */
  get waitsSince(): number | undefined {
    return [...this.#calls].at(-1)?.since;
  }

  /** Opens the participant's link. @throws BotError */
  open(open: OpenTab): Promise<void> {
    return this.#call("open", [], async () => {
      this.#tab = await open({
        page: (view) => this.#arrived(view),
        delivery: (data, seq) => this.#delivery(data, seq),
        state: () => this.#look(),
      });
      this.#checkPage();
    });
  }

  submit(form: BotForm = {}, options: SubmitOptions = {}): Promise<void> {
    return this.#call("submit", Object.keys(form).length === 0 ? [] : [form], async () => {
      const errors = await this.#submit(form, options);
      if (errors !== undefined) throw new Failure(`the form came back: ${errors === "" ? "no reason shown" : errors}`);
    });
  }

  submitMustFail(form: BotForm = {}, options: SubmitOptions = {}): Promise<string> {
    return this.#call("submitMustFail", Object.keys(form).length === 0 ? [] : [form], async () => {
      const page = this.#page;
      const errors = await this.#submit(form, options);
      if (errors !== undefined) return errors;
      throw new Failure(
        `expected: page ${page} refuses the form\n  got: it was taken, and the next page is ${this.#pageName()}`,
      );
    });
  }

  waitFor(page: string | readonly string[], options: ReceiveOptions = {}): Promise<string> {
    const wanted = typeof page === "string" ? [page] : page;
    return this.#call("waitFor", [page], async () => {
      const { app, round } = this;
      const known = this.#options.pagesOf(app);
      for (const name of wanted) {
        if (known.includes(name)) continue;
        const meant = nearestName(name, known);
        throw new Failure(`${app} has no page ${name}.${meant === undefined ? "" : ` Did you mean ${meant}?`}`);
      }
      const last = Math.max(...wanted.map((name) => known.indexOf(name)));
      await this.#until(() => {
        if (this.#isIn(app, round) && wanted.includes(this.#page)) return true;
        const isPast = !this.#isIn(app, round) || known.indexOf(this.#page) > last;
        if (isPast) throw new Failure(`the participant is past it already, at ${this.#pageName()}`);
        return false;
      }, options.timeoutMs ?? BOT_LIMITS.waitForMs);
      return this.#page;
    });
  }

  expect(actual: unknown, ...rest: unknown[]): void {
    this.#steps += 1;
    const isCondition =
      rest.length === 0 || (rest.length === 1 && typeof actual === "boolean" && typeof rest[0] === "string");
    const expected = isCondition ? true : rest[0];
    const what = rest[isCondition ? 0 : 1];
    if (same(actual, expected)) return;
    const name = what === undefined ? "" : `${String(what)}\n  `;
    throw this.#error(
      "expect",
      [],
      `${name}expected: ${show(expected)}${name === "" ? "\n " : "\n "} got: ${show(actual)}`,
    );
  }

  random(): number {
    return this.#random();
  }

  randomInteger(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  async *turns(count: number): AsyncGenerator<number> {
    const { hooks } = this.#options;
    for (let turn = 0; ; turn++) {
      const at = await this.#call("turns", [count], async () =>
        hooks?.pace === undefined ? (turn < count ? performance.now() : undefined) : hooks.pace(this, turn, count),
      );
      if (at === undefined) return;
      this.#intendedAt = at;
      yield turn;
    }
  }

  /** Waits until wait pages are behind, or until the participant has left this app and round. @throws BotError */
  passWaitPages(): Promise<void> {
    return this.#call("wait page", [], () => this.#passWaitPages());
  }

  /** An error of this bot, at where it is now. */
  failed(what: string, cause?: unknown): BotError {
    const stack = cause instanceof Error ? cause.stack : undefined;
    return new BotError(this.#stepOf(this.#steps, "", []), what, {
      cause,
      line: scriptLine(stack, this.#options.locate),
    });
  }

  /** The script goes on, and knows where it is. */
  resume(): void {
    this.#known = this.#view.place;
    this.#options.hooks?.onResume?.(this);
  }

  /** From now on no call of the script returns: whatever it waits for, it goes no further. */
  freeze(): void {
    this.#frozen = true;
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  close(): void {
    this.freeze();
    this.#tab?.close();
  }

  async #send(data: unknown): Promise<unknown> {
    // Where nothing is waited for, the message goes out in the tick of the call.
    if (this.isWaiting) await this.#passWaitPages(true);
    const tab = this.#liveTab();
    const { hooks } = this.#options;
    const sentAt = performance.now();
    const record: SendRecord = { bot: this, data, sentAt, intendedAt: this.#intendedAt ?? sentAt };
    this.#intendedAt = undefined;
    this.sent += 1;
    const answer = tab.send(data);
    hooks?.onSend?.(record);
    try {
      const value = await answer;
      hooks?.onAnswer?.(record);
      return value;
    } catch (error) {
      hooks?.onAnswer?.(record, error);
      throw error instanceof WalrasError ? new Failure(`refused (${error.code}): ${error.message}`, error.code) : error;
    }
  }

  async #receive(matches: ((data: unknown) => boolean) | undefined, options: ReceiveOptions): Promise<unknown> {
    await this.#passWaitPages(true);
    this.#liveTab();
    let found: unknown;
    await this.#until(() => {
      const at = matches === undefined ? 0 : this.#inbox.findIndex(matches);
      if (at < 0 || at >= this.#inbox.length) return false;
      [found] = this.#inbox.splice(at, 1);
      return true;
    }, options.timeoutMs ?? BOT_LIMITS.receiveMs);
    return found;
  }

  #state(): GroupState {
    try {
      return this.#theTab().state;
    } catch (error) {
      throw this.#error("live.state", [], messageOf(error));
    }
  }

  async #untilState(condition: (state: GroupState) => boolean, options: ReceiveOptions): Promise<GroupState> {
    await this.#passWaitPages(true);
    const tab = this.#theTab();
    await this.#until(
      () => condition(tab.state),
      options.timeoutMs ?? BOT_LIMITS.receiveMs,
      () => `the state is ${show(tab.state, 1_000)}`,
    );
    return tab.state;
  }

  /** @returns what the page says if it came back, undefined if the participant went on */
  async #submit(form: BotForm, { checkHtml = true }: SubmitOptions): Promise<string | undefined> {
    const known = this.#known;
    await this.#passWaitPages();
    const before = this.#view.place;
    if (known.kind === "page" && known.facts.wait !== true && !isSamePage(known, before)) {
      // In a browser the page's script may have submitted it; a timer may have ended it anywhere.
      if (Object.keys(form).length === 0) return undefined;
      throw new Failure(`page ${known.page} has ended by itself meanwhile; now it is ${this.#pageName()}`);
    }
    if (before.kind !== "page") throw new Failure(`there is no page to submit: ${this.#pageName()}`);
    await this.#theTab().submit(form, checkHtml);
    this.#checkPage();
    const after = this.#view.place;
    return isSamePage(before, after) ? readErrors(this.#view.html) : undefined;
  }

  async #passWaitPages(orLive = false): Promise<void> {
    const isPassed = (): boolean => !this.isWaiting || (orLive && this.#hasLive);
    if (!isPassed()) await this.#until(isPassed, undefined);
  }

  /** Waits until something is so; looked at after each message and page. No time: as long as the run lasts. */
  #until(condition: () => boolean, timeoutMs: number | undefined, now?: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const { url } = this.#view;
      const cancel = (): void => {
        clearTimeout(timeout);
        clearInterval(refresh);
      };
      const end = (settle: () => void): void => {
        cancel();
        this.#waiting.delete(look);
        settle();
      };
      const look = (): void => {
        try {
          if (condition()) end(resolve);
        } catch (error) {
          end(() => reject(error));
        }
      };
      const limitMs = timeoutMs === undefined ? undefined : timeoutMs * (this.#options.patience ?? 1);
      const giveUp = (): void => end(() => reject(new Failure(this.#inVain(limitMs ?? 0, url, now))));
      const timeout = limitMs === undefined ? undefined : setTimeout(giveUp, limitMs);
      // Where no connection says that the participant has moved on.
      const refresh = setInterval(() => {
        if (!this.#view.connected) this.#tab?.refresh?.().catch((error) => end(() => reject(error)));
      }, BOT_LIMITS.refreshMs);
      this.#waiting.set(look, cancel);
      look();
    });
  }

  #inVain(timeoutMs: number, url: string, now?: () => string): string {
    const lines = [`waited ${timeoutMs / 1000} s in vain`];
    if (this.#view.url !== url) lines.push(`the page has changed meanwhile, to ${this.#pageName()}`);
    if (now !== undefined) return [...lines, now()].join("\n  ");
    lines.push(this.#inbox.length === 0 ? "no message is left to take" : `messages not taken: ${show(this.#inbox)}`);
    if (this.#dropped > 0) {
      lines.push(`${this.#dropped} older messages were dropped: more than ${BOT_LIMITS.inbox} were waiting`);
    }
    return lines.join("\n  ");
  }

  /** Runs one call of the script; what goes wrong becomes a BotError that says where. */
  async #call<T>(name: string, args: readonly unknown[], run: () => Promise<T>): Promise<T> {
    if (this.#frozen) await never();
    if (!OWN_CALLS.includes(name)) this.#steps += 1;
    const call: Call = { step: this.#steps, name, args, since: performance.now() };
    this.#calls.add(call);
    const { before } = this.#options;
    try {
      if (before !== undefined && ACTS.includes(name)) await before(this);
      if (this.#frozen) await never();
      const value = await run();
      if (this.#frozen) await never();
      this.#calls.delete(call);
      this.resume();
      return value;
    } catch (error) {
      if (this.#frozen) await never();
      this.#calls.delete(call);
      this.resume();
      throw this.#error(name, args, describe(error), call.step, error);
    }
  }

  #error(name: string, args: readonly unknown[], what: string, step = this.#steps, cause?: unknown): BotError {
    // Made here, below the awaits, the stack leads back into the script.
    const line = scriptLine(new Error().stack, this.#options.locate);
    const code = cause instanceof WalrasError ? cause.code : "bot_failed";
    return new BotError(this.#stepOf(step, name, args), what, { line, cause, code });
  }

  #stepOf(step: number, name: string, args: readonly unknown[]): BotStep {
    const action =
      name === "" || /^(open|expect|idInGroup|wait page)$/.test(name)
        ? name
        : `${name}(${args.map((arg) => show(arg, 100)).join(", ")})`;
    const { app, round, participant } = this;
    return { participant, idInGroup: this.#idInGroup, app, round, page: this.#page, step, action };
  }

  #isIn(app: string, round: number): boolean {
    return this.#view.place.kind === "page" && this.#app === app && this.#round === round;
  }

  get #page(): string {
    const { place } = this.#view;
    return place.kind === "page" ? place.page : "";
  }

  get #hasLive(): boolean {
    const { place } = this.#view;
    return place.kind === "page" && place.facts.live === true;
  }

  #theTab(): Tab {
    if (this.#tab === undefined) throw new Failure("the page is not open yet");
    return this.#tab;
  }

  #liveTab(): Tab {
    if (!this.#hasLive) throw new Failure(`${this.#pageName()} has no live method`);
    return this.#theTab();
  }

  #pageName(): string {
    const { place, status } = this.#view;
    if (place.kind === "page") return `page ${place.page} of ${place.app}`;
    if (place.kind === "finished") return "the end of the session";
    return `a page that is none of the app's (status ${status ?? "unknown"}): ${readText(this.#view.html).slice(0, 500)}`;
  }

  /** The server did not answer with a page of the session. */
  #checkPage(): void {
    const { place, status } = this.#view;
    if (place.kind !== "other") return;
    if (status === 200) {
      throw new Failure(
        "the page does not say which one it is. Bots play demo sessions only; see npm run walras -- bots",
      );
    }
    throw new Failure(`the server answered with ${this.#pageName()}`);
  }

  #arrived(view: View): void {
    const before = this.#view.place;
    this.#view = view;
    this.#inbox = [];
    this.#dropped = 0;
    const { place } = view;
    if (place.kind === "page") {
      this.#app = place.app;
      this.#round = place.round;
      this.#idInGroup = place.facts.idInGroup;
      if (before.kind !== "page" || before.facts.index !== place.facts.index) this.visited.push(place.facts.page);
    }
    this.#options.hooks?.onPage?.(this);
    this.#look();
  }

  #delivery(data: unknown, seq: number): void {
    this.received += 1;
    this.#inbox.push(data);
    // In bulk, so that a bot that never receives costs nothing for each message.
    if (this.#inbox.length >= 2 * BOT_LIMITS.inbox) {
      this.#dropped += BOT_LIMITS.inbox;
      this.#inbox = this.#inbox.slice(BOT_LIMITS.inbox);
    }
    this.#options.hooks?.onDelivery?.(this, data, seq);
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting.keys()]) look();
  }
}

/** Something went wrong in a call; it becomes a {@link BotError} with the place. */
class Failure extends WalrasError {
  constructor(what: string, code = "bot_failed") {
    super(code, what);
  }
}

function isSamePage(a: View["place"], b: View["place"]): boolean {
  return a.kind === "page" && b.kind === "page" && a.facts.index === b.facts.index;
}

/** Awaited by whoever must go no further. A new one each time, so that nothing refers to them then. */
function never(): Promise<never> {
  return new Promise(() => {});
}

/** Calls that change something. */
const ACTS = ["live.send", "live.call", "submit", "submitMustFail"];

/** Calls that are the runner's, not the script's. */
const OWN_CALLS = ["open", "wait page"];

function describe(error: unknown): string {
  return error instanceof BotError ? error.what : messageOf(error);
}
