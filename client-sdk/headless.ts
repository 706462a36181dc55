import WebSocket from "ws";
import { Chat } from "./chat.ts";
import { type Env, makeClientId, systemEnv } from "./env.ts";
import { WalrasError } from "./errors.ts";
import { LiveClient, type LiveStatus, type LiveWatch, storagePrefix } from "./live-client.ts";
import type { GroupState, OnState } from "./live-state.ts";
import { MemoryStorage } from "./outbox.ts";
import { type ChatLine, OUTBOX_FIELD, type PageLive, type Seat, type SeatAnswer } from "./protocol.ts";
import { type Socket, type SocketEvents, socketUrl } from "./wire.ts";

export interface HeadlessOptions {
  env?: Env;
  /** False: `received` stays empty, for long load tests. */
  record?: boolean;
  /** Called with each delivery as it comes, before anybody waits for it. */
  onMessage?(data: unknown, seq: number): void;
  /** Called when a page with published state has come, and at each change of that. */
  onState?(state: GroupState): void;
  /** Called with each line of the page's chats as it comes. @param box which of them it is, from 0 */
  onChat?(line: ChatLine, box: number): void;
  /** The server asks the page to load again; a browser's page does so by itself. */
  onReload?(): void;
  /** In place of a `ws` socket, e.g. one that costs less. `headers`: cookies. */
  openSocket?(url: string, origin: string, headers: Record<string, string>, on: SocketEvents): Socket;
  /** In place of the global fetch. */
  fetch?: typeof fetch;
  /** Where the client's own reports go; default: nowhere. */
  report?(message: string, detail?: unknown): void;
  /** Called for each live page as it is loaded: whoever it gives looks on at the wire. */
  watch?(live: PageLive, clientId: string): LiveWatch;
}

/** One delivery as a participant's page got it. */
export interface Received {
  /** The group's seq of the unit that sent it. */
  seq: number;
  data: unknown;
  /** Address of the page that was open. */
  url: string;
}

/** What a page looks like to somebody without eyes. */
export interface HeadlessPage {
  url: string;
  status: number;
  title: string;
  html: string;
  /** It has the form `<form id="form">`. */
  hasForm: boolean;
  live: PageLive | null;
}

const NO_PAGE: HeadlessPage = { url: "", status: 0, title: "", html: "", hasForm: false, live: null };

/**
 * A participant without a browser, for tests, bots and load: walks pages by HTTP and speaks live with
 * the very modules that run in browsers. Light enough for thousands in one process.
 */
export class HeadlessParticipant {
  page: HeadlessPage = NO_PAGE;
  /** Every delivery so far, over all pages. */
  readonly received: Received[] = [];
  /** As sessionStorage: outlives pages and reloads. */
  readonly storage: MemoryStorage;
  /** How often the server has asked the page to load again. */
  reloadRequests = 0;
  /** The page's chats, in its order. */
  chats: Chat[] = [];
  private readonly options: HeadlessOptions;
  private readonly cookies: Map<string, string>;
  private client: LiveClient | null = null;
  private socket: WebSocket | null = null;
  /** Deliveries that {@link receive} has not given to anybody. */
  private inbox: unknown[] = [];
  private waiting: (() => void)[] = [];

  private constructor(options: HeadlessOptions, storage: MemoryStorage, cookies: Map<string, string>) {
    this.options = options;
    this.storage = storage;
    this.cookies = cookies;
  }

  /** Opens a page, such as a participant's link, and follows redirects. */
  static async open(url: string, options: HeadlessOptions = {}): Promise<HeadlessParticipant> {
    const participant = new HeadlessParticipant(options, new MemoryStorage(), new Map());
    await participant.load(url);
    return participant;
  }

  /** `open`: connected and welcomed. A page without a live method is `closed`. */
  get status(): LiveStatus {
    return this.client?.status ?? "closed";
  }

  /** As live.state in the page. */
  get state(): GroupState {
    if (this.client) return this.client.state.value;
    throw new WalrasError("not_live", `${this.page.url} is not connected.`);
  }

  /** As live.onChange in the page: ends with it. */
  onChange(callback: OnState): () => void {
    if (this.client) return this.client.state.onChange(callback);
    throw new WalrasError("not_live", `${this.page.url} is not connected.`);
  }

  /** Messages without an answer, those of earlier page loads included. */
  get unanswered(): number {
    return this.client?.outbox.size ?? 0;
  }

  /** As liveSend in the page. */
  send(data: unknown): Promise<unknown> {
    if (this.client) return this.client.send(data);
    return Promise.reject(new WalrasError("not_live", `${this.page.url} has no live method.`));
  }

  /** As live.now in the page: the server's time in milliseconds since 1970 (UTC). */
  now(): number {
    if (this.client) return this.client.clock.now();
    throw new WalrasError("not_live", `${this.page.url} has no live method.`);
  }

  /** As live.call in the page: {@link send} of `{ type, ...data }`. */
  call(type: string, data?: object): Promise<unknown> {
    return this.client ? this.client.call(type, data) : this.send(data);
  }

  /**
   * The next delivery that nobody has taken yet and that matches; it may have come already.
   *
   * @throws WalrasError `timeout`
   */
  async receive(matches: (data: unknown) => boolean = () => true, { timeoutMs = 5_000 } = {}): Promise<unknown> {
    let data: unknown;
    await this.until(() => {
      const at = this.inbox.findIndex(matches);
      if (at < 0) return false;
      [data] = this.inbox.splice(at, 1);
      return true;
    }, timeoutMs);
    return data;
  }

  /** Waits until something is so; looked at after each delivery, answer and change of status. @throws WalrasError `timeout` */
  until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        cancel();
        this.waiting = this.waiting.filter((other) => other !== look);
        done();
      };
      const look = () => {
        if (condition()) settle(resolve);
      };
      const cancel = this.env.after(timeoutMs, () =>
        settle(() =>
          reject(
            new WalrasError(
              "timeout",
              `Waited ${timeoutMs} ms in vain at ${this.page.url} (${this.status}, ${this.unanswered} unanswered, ` +
                `not taken: ${JSON.stringify(this.inbox).slice(0, 300)}).`,
            ),
          ),
        ),
      );
      this.waiting.push(look);
    });
  }

  /** Submits the page's form, with the outbox, and goes where the server says. */
  async submit(form: Record<string, string> | [name: string, value: string][] = {}): Promise<void> {
    const body = new URLSearchParams(form);
    if (this.client) body.set(OUTBOX_FIELD, this.client.outbox.toJson());
    await this.load(this.page.url, { method: "POST", body });
  }

  /** Loads the page again, or another one, as the address bar does. */
  async reload(url: string = this.page.url): Promise<void> {
    await this.load(url);
  }

  /** The network goes away without a word: no close frame in either direction. The page will come back by itself. */
  cut(): void {
    this.socket?.terminate();
  }

  /** A second tab, which starts with a copy of this one's storage. */
  async duplicate(options: HeadlessOptions = this.options): Promise<HeadlessParticipant> {
    const tab = new HeadlessParticipant(options, this.storage.copy(), new Map(this.cookies));
    await tab.load(this.page.url);
    return tab;
  }

  /** Closes the tab. */
  close(): void {
    this.client?.close();
    this.client = null;
    this.changed();
  }

  private get env(): Env {
    return this.options.env ?? systemEnv;
  }

  private async load(url: string, request: { method: "POST"; body: URLSearchParams } | { method?: "GET" } = {}) {
    // As in a browser: the old page lives until the new one begins to come.
    const response = await this.fetch(url, request);
    const html = await response.text();
    this.close();
    this.inbox = [];
    this.chats = [];
    const live = readLive(html);
    this.page = {
      url: response.url,
      status: response.status,
      title: decodeEntities(/<title[^>]*>([^<]*)<\/title>/i.exec(html)?.[1] ?? "").trim(),
      html,
      hasForm: /<form\b[^>]*\bid="form"/i.test(html),
      live,
    };
    if (live) this.connect(live, response.url);
  }

  private connect(live: PageLive, url: string): void {
    const { env } = this;
    const clientId = makeClientId(crypto.getRandomValues(new Uint8Array(16)));
    this.client = new LiveClient({
      live,
      env,
      clientId,
      watch: this.options.watch?.(live, clientId),
      storage: this.storage,
      prefix: storagePrefix(new URL(url).pathname),
      openSocket: (seat, on) => this.openSocket(seat, new URL(url).origin, on),
      fetchSeat: async (): Promise<SeatAnswer> => {
        const response = await this.fetch(new URL(live.seatUrl, url).href, { method: "POST" });
        if (!response.ok) throw new Error(`${live.seatUrl} answered ${response.status}`);
        return JSON.parse(await response.text());
      },
      onMessage: (data, seq) => {
        if (this.options.record !== false) {
          this.received.push({ seq, data, url });
          this.inbox.push(data);
        }
        this.options.onMessage?.(data, seq);
        this.changed();
      },
      onStatus: () => this.changed(),
      onReload: () => {
        this.reloadRequests += 1;
        this.options.onReload?.();
        this.changed();
      },
      report: this.options.report ?? (() => {}),
    });
    const { onState } = this.options;
    if (onState) this.client.state.onChange(onState);
    this.chats = chatTokens(this.page.html).map(
      (token, box) =>
        new Chat(this.client as LiveClient, token, {
          onLine: (line) => {
            this.options.onChat?.(line, box);
            this.changed();
          },
          onReady: () => this.changed(),
        }),
    );
    this.client.start();
  }

  private openSocket(seat: Seat, origin: string, on: SocketEvents): Socket {
    const url = socketUrl(seat, origin);
    if (this.options.openSocket) return this.options.openSocket(url, origin, this.headers(), on);
    const socket = new WebSocket(url, {
      origin,
      perMessageDeflate: false,
      headers: this.headers(),
    });
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) on.message(data);
      this.changed();
    });
    socket.on("close", (code) => on.close(code));
    // An error is always followed by close.
    socket.on("error", () => {});
    return { send: (bytes) => socket.send(bytes, () => {}), close: (code) => socket.close(code) };
  }

  private changed(): void {
    for (const look of [...this.waiting]) look();
  }

  /** fetch that follows redirects itself, since cookies may come with each of them. */
  private async fetch(url: string, request: { method?: string; body?: URLSearchParams }) {
    let next: RequestInit = { ...request };
    let at = url;
    for (let hops = 0; hops < 20; hops++) {
      const response = await (this.options.fetch ?? fetch)(at, {
        ...next,
        headers: { ...this.headers(), ...(next.method === "POST" ? { origin: new URL(at).origin } : {}) },
        redirect: "manual",
        signal: AbortSignal.timeout(30_000),
      });
      for (const cookie of response.headers.getSetCookie()) this.keepCookie(cookie);
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) {
        return { url: at, status: response.status, ok: response.ok, text: () => response.text() };
      }
      await response.body?.cancel();
      at = new URL(location, at).href;
      if (response.status < 307) next = {};
    }
    throw new WalrasError("redirects", `${url} redirects in a circle.`);
  }

  private headers(): Record<string, string> {
    return this.cookies.size === 0 ? {} : { cookie: [...this.cookies].map((pair) => pair.join("=")).join("; ") };
  }

  private keepCookie(cookie: string): void {
    const [pair = ""] = cookie.split(";");
    const at = pair.indexOf("=");
    if (at > 0) this.cookies.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
  }
}

function readLive(html: string): PageLive | null {
  const element = /<script\b[^>]*\bid="walras-live"[^>]*>([\s\S]*?)<\/script>/i.exec(html);
  return element ? JSON.parse(element[1] ?? "") : null;
}

/** The tokens of a page's chats, in its order. */
export function chatTokens(html: string): string[] {
  return [...html.matchAll(/<div\b[^>]*\bdata-chat="([^"]*)"/g)].map(([, token = ""]) => token);
}

function decodeEntities(text: string): string {
  return text
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#0?39;/g, "'")
    .replace(/&amp;/g, "&");
}
