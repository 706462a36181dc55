import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { type HeadlessOptions, HeadlessParticipant } from "../client-sdk/headless.ts";
import type { GroupState } from "../client-sdk/live-state.ts";
import type { BotForm } from "./bot.ts";
import { fillForm } from "./form.ts";
import { botLink, type OpenTab, type Tab, type TabChat, type TabEvents } from "./tab.ts";
import { readView } from "./view.ts";

/** Status of "not now": the server is busy, or its database is away. */
const LATER = 503;
const LATER_PAUSE_MS = 1_000;
const LATER_TRIES = 30;
/** Least time between two reloads that the server asks for, so that a disagreement does not spin. */
const RELOAD_PAUSE_MS = 250;

/** How to open a participant's link without a browser. @param options of the HeadlessParticipant, e.g. another socket */
export function headlessTab(
  link: string,
  options: Omit<HeadlessOptions, "onMessage" | "onState" | "onChat" | "onReload"> = {},
): OpenTab {
  return async (events) => {
    const tab = new HeadlessTab(events);
    await tab.open(link, options);
    return tab;
  };
}

class HeadlessTab implements Tab {
  readonly #events: TabEvents;
  #participant: HeadlessParticipant | undefined;
  /** Requests for pages go one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #loads = 0;
  /** Requests that are under way or in the queue. */
  #loading = 0;
  #reloadedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(events: TabEvents) {
    this.#events = events;
  }

  async open(link: string, options: HeadlessOptions): Promise<void> {
    await this.#load(async () => {
      this.#participant = await HeadlessParticipant.open(botLink(link), {
        ...options,
        record: false,
        onMessage: (data, seq) => this.#events.delivery(data, seq),
        onState: () => this.#events.state(),
        onChat: () => this.#events.chat(),
        onReload: () => this.#reloadSoon(),
      });
    });
  }

  send(data: unknown): Promise<unknown> {
    return this.#there.send(data);
  }

  get state(): GroupState {
    return this.#there.state;
  }

  get chats(): readonly TabChat[] {
    return this.#participant?.chats ?? [];
  }

  submit(form: BotForm, checkHtml: boolean): Promise<void> {
    return this.#load(() => this.#there.submit(fillForm(this.#there.page.html, form, checkHtml)));
  }

  refresh(): Promise<void> {
    return this.#load(() => this.#there.reload());
  }

  close(): void {
    this.#closed = true;
    this.#participant?.close();
  }

  get #there(): HeadlessParticipant {
    if (this.#participant === undefined) throw new WalrasError("not_open", "The participant's link is not open yet.");
    return this.#participant;
  }

  /**
   * As the page's own script does. Not while the page is being left: the server tells all tabs of who has
   * moved on, the one that did it included. Nor if another page has come meanwhile.
   */
  #reloadSoon(): void {
    if (this.#loading > 0) return;
    const { reloadedAt, loads } = { reloadedAt: this.#reloadedAt, loads: this.#loads };
    const pause = Math.max(0, reloadedAt + RELOAD_PAUSE_MS - performance.now());
    setTimeout(() => {
      if (this.#closed || this.#loading > 0 || this.#loads !== loads) return;
      this.#reloadedAt = performance.now();
      // A page that cannot be had now will be asked for again by whoever waits for it.
      this.refresh().catch(() => {});
    }, pause);
  }

  #load(request: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(async () => {
      if (this.#closed) return;
      for (let attempt = 1; ; attempt++) {
        await reach(request);
        if (this.#there.page.status !== LATER || attempt >= LATER_TRIES) break;
        await new Promise((resolve) => setTimeout(resolve, LATER_PAUSE_MS));
      }
      this.#loads += 1;
      const { url, status, html } = this.#there.page;
      this.#events.page(readView(url, status, html));
    });
    this.#loading += 1;
    const done = (): void => {
      this.#loading -= 1;
    };
    this.#queue = turn.then(done, done);
    return turn;
  }
}

/** fetch says only "fetch failed". */
async function reach(request: () => Promise<void>): Promise<void> {
  try {
    await request();
  } catch (error) {
    if (error instanceof WalrasError) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : messageOf(cause);
    throw new WalrasError("unreachable", `the server could not be reached (${code})`, { retry: true, cause: error });
  }
}
