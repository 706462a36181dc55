import { seededRandom } from "../entities/random.ts";
import { nearestName } from "../entities/suggest.ts";
import type { Bot, BotForm, BotLive, ReceiveOptions, SubmitOptions } from "./bot.ts";
import { BotChats } from "./bot-chat.ts";
import { BotInbox } from "./bot-inbox.ts";
import { BotLivePage } from "./bot-live.ts";
import { Calls } from "./calls.ts";
import { same } from "./compare.ts";
import { type BotError, type BotStep, Failure, scriptLine, show } from "./errors.ts";
import type { BotHooks, SendRecord } from "./hooks.ts";
import type { OpenTab, Tab } from "./tab.ts";
import { checkPage, isSamePage, nameOf, readErrors, readJsVars, readText, readView, type View } from "./view.ts";
import { Waiting } from "./waiting.ts";

/** Defaults, in milliseconds, and bounds. */
const BOT_LIMITS = {
  receiveMs: 10_000,
  waitForMs: 60_000,
  /** How often a page that nobody moves on is loaded again while its bot waits for another. */
  refreshMs: 1_000,
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

/** One bot: what a script sees of its participant, over all pages of a session. */
export class BotPlayer implements Bot<unknown> {
  readonly live: BotLive<unknown>;
  readonly chat: BotChats;
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
  readonly #inbox = new BotInbox();
  readonly #waiting = new Waiting();
  readonly #calls: Calls;
  #intendedAt: number | undefined;
  /** The page that the script knows to be on: since its last call, or since it has looked. */
  #known: View["place"] = this.#view.place;

  constructor(options: BotPlayerOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const { before } = options;
    this.#calls = new Calls({
      place: () => this.#step,
      before: before === undefined ? undefined : () => before(this),
      resumed: () => this.resume(),
      locate: options.locate,
    });
    this.chat = new BotChats({
      calls: this.#calls,
      tab: () => this.#theTab(),
      page: () => nameOf(this.#view),
      until: (condition, timeoutMs, now) => this.#until(condition, timeoutMs, now),
      pass: (isEnough) => this.#passWaitPages(isEnough),
      receiveMs: BOT_LIMITS.receiveMs,
    });
    this.live = new BotLivePage({
      calls: this.#calls,
      inbox: this.#inbox,
      hooks: options.hooks,
      app: () => this.app,
      tab: () => this.#theTab(),
      obstacle: () => (this.#hasLive ? undefined : `${nameOf(this.#view)} has no live method`),
      isWaiting: () => this.isWaiting,
      record: (data) => this.#record(data),
      until: (condition, timeoutMs, now) => this.#until(condition, timeoutMs, now),
      pass: (isEnough) => this.#passWaitPages(isEnough),
      receiveMs: BOT_LIMITS.receiveMs,
    });
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
    if (this.#idInGroup === null) throw this.#calls.error("idInGroup", [], "the participant has no group yet");
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
    return this.#calls.now;
  }

  /** performance.now() at which the newest call that has not returned began; undefined if none is under way. */
  get waitsSince(): number | undefined {
    return this.#calls.since;
  }

  /** Opens the participant's link. @throws BotError */
  open(open: OpenTab): Promise<void> {
    return this.#calls.run("open", [], async () => {
      this.#tab = await open({
        page: (view) => this.#arrived(view),
        delivery: (data, seq) => this.#delivery(data, seq),
        state: () => this.#waiting.look(),
        chat: () => this.#waiting.look(),
      });
      checkPage(this.#view);
    });
  }

  submit(form: BotForm = {}, options: SubmitOptions = {}): Promise<void> {
    return this.#calls.run("submit", Object.keys(form).length === 0 ? [] : [form], async () => {
      const errors = await this.#submit(form, options);
      if (errors !== undefined) throw new Failure(`the form came back: ${errors === "" ? "no reason shown" : errors}`);
    });
  }

  submitMustFail(form: BotForm = {}, options: SubmitOptions = {}): Promise<string> {
    return this.#calls.run("submitMustFail", Object.keys(form).length === 0 ? [] : [form], async () => {
      const page = this.#page;
      const errors = await this.#submit(form, options);
      if (errors !== undefined) return errors;
      throw new Failure(
        `expected: page ${page} refuses the form\n  got: it was taken, and the next page is ${nameOf(this.#view)}`,
      );
    });
  }

  waitFor(page: string | readonly string[], options: ReceiveOptions = {}): Promise<string> {
    const wanted = typeof page === "string" ? [page] : page;
    return this.#calls.run("waitFor", [page], async () => {
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
        if (isPast) throw new Failure(`the participant is past it already, at ${nameOf(this.#view)}`);
        return false;
      }, options.timeoutMs ?? BOT_LIMITS.waitForMs);
      return this.#page;
    });
  }

  expect(actual: unknown, ...rest: unknown[]): void {
    this.#calls.count();
    const isCondition =
      rest.length === 0 || (rest.length === 1 && typeof actual === "boolean" && typeof rest[0] === "string");
    const expected = isCondition ? true : rest[0];
    const what = rest[isCondition ? 0 : 1];
    if (same(actual, expected)) return;
    const name = what === undefined ? "" : `${String(what)}\n  `;
    throw this.#calls.error(
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
      const at = await this.#calls.run("turns", [count], async () =>
        hooks?.pace === undefined ? (turn < count ? performance.now() : undefined) : hooks.pace(this, turn, count),
      );
      if (at === undefined) return;
      this.#intendedAt = at;
      yield turn;
    }
  }

  /** Waits until wait pages are behind, or until the participant has left this app and round. @throws BotError */
  passWaitPages(): Promise<void> {
    return this.#calls.run("wait page", [], () => this.#passWaitPages());
  }

  /** An error of this bot, at where it is now. */
  failed(what: string, cause?: unknown): BotError {
    return this.#calls.thrown(what, cause);
  }

  /** The script goes on, and knows where it is. */
  resume(): void {
    this.#known = this.#view.place;
    this.#options.hooks?.onResume?.(this);
  }

  /** From now on no call of the script returns: whatever it waits for, it goes no further. */
  freeze(): void {
    this.#calls.freeze();
    this.#waiting.drop();
  }

  close(): void {
    this.freeze();
    this.#tab?.close();
  }

  /** A message goes out. */
  #record(data: unknown): SendRecord {
    const sentAt = performance.now();
    const record = { bot: this, data, sentAt, intendedAt: this.#intendedAt ?? sentAt };
    this.#intendedAt = undefined;
    this.sent += 1;
    return record;
  }

  /** @returns what the page says if it came back, undefined if the participant went on */
  async #submit(form: BotForm, { checkHtml = true }: SubmitOptions): Promise<string | undefined> {
    const known = this.#known;
    await this.#passWaitPages();
    const before = this.#view.place;
    if (known.kind === "page" && known.facts.wait !== true && !isSamePage(known, before)) {
      // In a browser the page's script may have submitted it; a timer may have ended it anywhere.
      if (Object.keys(form).length === 0) return undefined;
      throw new Failure(`page ${known.page} has ended by itself meanwhile; now it is ${nameOf(this.#view)}`);
    }
    if (before.kind !== "page") throw new Failure(`there is no page to submit: ${nameOf(this.#view)}`);
    await this.#theTab().submit(form, checkHtml);
    checkPage(this.#view);
    const after = this.#view.place;
    return isSamePage(before, after) ? readErrors(this.#view.html) : undefined;
  }

  /** @param isEnough whether there is something to do on a wait page */
  async #passWaitPages(isEnough = () => false): Promise<void> {
    const isPassed = (): boolean => !this.isWaiting || isEnough();
    if (!isPassed()) await this.#until(isPassed, undefined);
  }

  /** Waits until something is so; looked at after each message and page. No time: as long as the run lasts. */
  #until(condition: () => boolean, timeoutMs: number | undefined, now = () => this.#inbox.describe()): Promise<void> {
    const { url } = this.#view;
    return this.#waiting.until(condition, {
      timeoutMs: timeoutMs === undefined ? undefined : timeoutMs * (this.#options.patience ?? 1),
      inVain: (ms) => {
        const change = this.#view.url === url ? "" : `\n  the page has changed meanwhile, to ${nameOf(this.#view)}`;
        return `waited ${ms / 1000} s in vain${change}\n  ${now()}`;
      },
      // Where no connection says that the participant has moved on.
      refresh: () => (this.#view.connected ? undefined : this.#tab?.refresh?.()),
      refreshMs: BOT_LIMITS.refreshMs,
    });
  }

  get #step(): Omit<BotStep, "step" | "action"> {
    const { app, round, participant } = this;
    return { participant, idInGroup: this.#idInGroup, app, round, page: this.#page };
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

  #arrived(view: View): void {
    const before = this.#view.place;
    this.#view = view;
    this.#inbox.clear();
    const { place } = view;
    if (place.kind === "page") {
      this.#app = place.app;
      this.#round = place.round;
      this.#idInGroup = place.facts.idInGroup;
      if (before.kind !== "page" || before.facts.index !== place.facts.index) this.visited.push(place.facts.page);
    }
    this.#options.hooks?.onPage?.(this);
    this.#waiting.look();
  }

  #delivery(data: unknown, seq: number): void {
    this.received += 1;
    this.#inbox.push(data);
    this.#options.hooks?.onDelivery?.(this, data, seq);
    this.#waiting.look();
  }
}
