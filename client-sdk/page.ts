/**
 * The script of live pages: bundled by the server, first script of the page's <head>, so that liveSend
 * exists before any script of the author runs. The one module that touches the browser's globals.
 */
import { callMessage } from "./call.ts";
import { formatCurrency, toAmount } from "./currency.ts";
import { makeClientId, systemEnv } from "./env.ts";
import { codeOf, messageOf, WalrasError } from "./errors.ts";
import { Inbox } from "./inbox.ts";
import { toJson } from "./json.ts";
import { LiveClient, type LiveStatus, type LiveWatch, storagePrefix } from "./live-client.ts";
import type { GroupState, LiveState, OnState, OnValue } from "./live-state.ts";
import { MemoryStorage, type OutboxStorage } from "./outbox.ts";
import { watchPageForm } from "./page-form.ts";
import { type PageLive, Refusal, type SeatAnswer } from "./protocol.ts";
import { makeSign, SIGN_TEXTS, signBar } from "./sign.ts";
import { openWebSocket, socketUrl } from "./wire.ts";

/** What authors find in the browser beside liveSend and liveRecv. */
export interface LiveGlobal {
  /** The same as liveSend. */
  send(data: unknown): Promise<unknown>;
  /** liveSend of `{ type, ...data }`: the promise of what the live method of that type replies. */
  call(type: string, data?: object): Promise<unknown>;
  /**
   * The server's time in milliseconds since 1970 (UTC), whatever the participant's clock says: the same time
   * as `now()` in the app, to count down to a timer's `dueAt`. It never jumps while the page is connected.
   */
  now(): number;
  /** An amount in the session's currency: `10 points`, `€3.50`. */
  cu(amount: number): string;
  /** What the group publishes, in step with what is stored: see `publish` of the app's fields. */
  readonly state: GroupState;
  /** Calls back now and whenever the published state has changed, or that part of it which a path such as
   * `"group.price"` names. @returns a function that stops it */
  readonly onChange: LiveState["onChange"];
  /** For the form script: nobody looks at a page on which groups form, or somebody does again. */
  away(isAway: boolean): void;
  readonly status: LiveStatus;
  /** Calls back now and at each change. @returns a function that stops it */
  onStatus(callback: (status: LiveStatus) => void): () => void;
}

declare global {
  interface Window {
    /** In a page that lets bots play frames of participants (bots/frame-tab.ts): who looks on at one's messages. */
    walrasOnlooker?(frame: Window): ((data: unknown, seq: number) => void) | undefined;
    /** Development: the designer's panel (panel/main.ts) looks on at the page's messages. */
    walrasPanel?: PagePanel;
    liveSend: LiveGlobal["send"];
    live: LiveGlobal;
    /** For the script of chats (chat-widget.ts), which only pages with a chat load. null: the page has no connection. */
    walrasClient(): LiveClient | null;
  }
}

/** What the designer's panel is told by the page's script. */
export interface PagePanel extends LiveWatch {
  report(message: string, detail?: unknown): void;
}

// What the server's bundler puts here; elsewhere it is not there at all.
declare const WALRAS_DEVELOPMENT: boolean;

// The author's function. A bare identifier also finds `let` and `const`, which are no properties of window.
declare const liveRecv: unknown;

/** Reloads are at least this far apart, so that a page and a server that disagree do not spin. */
const RELOAD_PAUSE_MS = 3_000;
/** Of this page alone: in a split screen all participants share one sessionStorage, and none shall wait for another. */
const RELOADED_KEY = `walras-reloaded.${location.pathname}`;
/** A navigation counts as under way for this long; then it has probably failed. */
const LEAVING_MS = 10_000;

const report = (message: string, detail?: unknown) => {
  console.error(`Walras: ${message}`, detail ?? "");
  panel()?.report(message, detail);
};

const onlooker = findOnlooker();
const storage = openStorage();
const inbox = new Inbox({ env: systemEnv, find: findLiveRecv, report });
const listeners = new Set<(status: LiveStatus) => void>();
let client: LiveClient | null = null;
let page: PageLive | null = null;
/** False once the whole document has been read and holds no data of a live page. */
let isLive = true;
/** What was sent before the page's data was there. */
const early: { payload: string; resolve(answer: Promise<unknown>): void }[] = [];
/** When the page's form or a reload last set out for another page, by `systemEnv.now`. */
let leftAt = Number.NEGATIVE_INFINITY;
let cancelReload = () => {};

window.liveSend = liveSend;
window.live = {
  send: liveSend,
  call: (type, data) => noted(call(type, data)),
  now: () => {
    begin();
    if (!client) throw new WalrasError(Refusal.NOT_LIVE, "live.now: the page has no live method, or is still loading.");
    return client.clock.now();
  },
  cu: (amount) => {
    begin();
    if (!page) throw new WalrasError(Refusal.NOT_LIVE, "live.cu: the page's data has not been loaded yet.");
    return formatCurrency(toAmount(amount, "live.cu"), page.currency);
  },
  get state() {
    return published("live.state").value;
  },
  onChange: (...on: [OnState] | [string, OnValue]) => {
    const state = published("live.onChange");
    return on.length === 1 ? state.onChange(on[0]) : state.onChange(...on);
  },
  away: (isAway) => client?.away(isAway),
  get status() {
    return client?.status ?? "connecting";
  },
  onStatus: (callback) => {
    listeners.add(callback);
    callback(window.live.status);
    return () => listeners.delete(callback);
  },
};

window.walrasClient = () => {
  begin();
  return client;
};

watchPageForm({
  document,
  now: systemEnv.now,
  outbox: () => {
    begin();
    return client?.outbox.toJson() ?? "[]";
  },
  onLeave: leave,
});

// Every script that has run may have defined liveRecv: `load` does not bubble, but can be captured.
document.addEventListener("load", () => inbox.drain(), true);
document.addEventListener("DOMContentLoaded", () => {
  begin();
  inbox.drain();
  if (client) return;
  isLive = false;
  for (const { resolve } of early.splice(0)) resolve(notLive());
});

// No beacon on pagehide: unanswered messages are in the storage, and the next page sends them first.
// Whoever awaits an answer is told that it will not come here.
addEventListener("pagehide", () => client?.close());
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  // Out of the back/forward cache: what is shown is old, and the participant may be elsewhere by now.
  leftAt = Number.NEGATIVE_INFINITY;
  reload();
});
addEventListener("online", () => client?.wake());
addEventListener("offline", () => client?.doubt());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") client?.wake();
});

/** It comes after this script in the document, before whatever may send. */
function panel(): PagePanel | undefined {
  return typeof WALRAS_DEVELOPMENT !== "undefined" && WALRAS_DEVELOPMENT ? window.walrasPanel : undefined;
}

function published(what: string): LiveState {
  begin();
  if (client) return client.state;
  throw new WalrasError(Refusal.NOT_LIVE, `${what}: the page's data has not been loaded yet.`);
}

function liveSend(data: unknown): Promise<unknown> {
  return noted(send(data));
}

function noted(answer: Promise<unknown>): Promise<unknown> {
  // Most pages ignore the promise: a refusal must then show in the console, once, and not as an
  // "unhandled rejection" of a place that the author has never seen.
  answer.catch((error) => {
    const code = codeOf(error);
    // What was under way when the page was left is not lost.
    if (code === "left") return;
    const isMistake = [Refusal.NOT_JSON, Refusal.TOO_LARGE, "outbox_full", "wrong_call"].includes(code);
    console[isMistake ? "error" : "warn"](`liveSend was refused (${code}): ${messageOf(error)}`);
  });
  return answer;
}

function send(data: unknown): Promise<unknown> {
  let payload: string;
  try {
    // Now, and not when it is sent: the page may change the object meanwhile.
    payload = toJson(data, "liveSend(data): data");
  } catch (error) {
    panel()?.unsent?.(data, error);
    return Promise.reject(error);
  }
  begin();
  if (client) return client.sendJson(payload);
  if (!isLive) return notLive();
  return new Promise((resolve) => early.push({ payload, resolve }));
}

async function call(type: string, data?: object): Promise<unknown> {
  return send(callMessage(type, data));
}

function notLive(): Promise<never> {
  const why = "This page has no live method; liveSend has nobody to send to.";
  return Promise.reject(new WalrasError(Refusal.NOT_LIVE, why));
}

/** Connects as soon as the page's data can be read: it comes after this script in the document. */
function begin(): void {
  if (client) return;
  const element = document.getElementById("walras-live");
  if (!element) return;
  let live: PageLive;
  try {
    live = JSON.parse(element.textContent ?? "");
  } catch (error) {
    if (document.readyState !== "loading") report("The page's data cannot be read.", error);
    return;
  }
  page = live;
  const sign = makeSign(systemEnv, { ...SIGN_TEXTS, ...element.dataset }, signBar(document));
  client = new LiveClient({
    live,
    env: systemEnv,
    clientId: makeClientId(crypto.getRandomValues(new Uint8Array(16))),
    storage,
    prefix: storagePrefix(location.pathname),
    openSocket: (seat, on) => openWebSocket(WebSocket, socketUrl(seat, location.origin), on),
    fetchSeat: () => fetchSeat(live.seatUrl),
    onMessage: (data, seq) => {
      inbox.push(data);
      onlooker?.(data, seq);
    },
    onStatus: (status) => {
      sign(status);
      for (const listener of listeners) listener(status);
    },
    onWaiting: (text) => {
      const line = document.getElementById("walras-waiting");
      if (line) line.textContent = text;
    },
    onReload: reload,
    report,
    watch: panel(),
  });
  sign(client.status);
  for (const { payload, resolve } of early.splice(0)) resolve(client.sendJson(payload));
  client.start();
}

async function fetchSeat(url: string): Promise<SeatAnswer> {
  const response = await fetch(url, { method: "POST", headers: { accept: "application/json" }, cache: "no-store" });
  if (response.ok) return response.json();
  const { code = "no_seat" } = await response.json().catch(() => ({}));
  throw new WalrasError(code, `${url} answered ${response.status}`, { retry: true });
}

function findLiveRecv(): ((data: unknown) => unknown) | undefined {
  try {
    return typeof liveRecv === "function" ? (liveRecv as (data: unknown) => unknown) : undefined;
  } catch {
    // A `let` or `const` whose script is still running.
    return undefined;
  }
}

function findOnlooker(): ((data: unknown, seq: number) => void) | undefined {
  try {
    return window.parent === window ? undefined : window.parent?.walrasOnlooker?.(window);
  } catch {
    // A frame in a page of another site, which keeps us out.
    return undefined;
  }
}

function leave(): void {
  leftAt = systemEnv.now();
}

/**
 * Loads the page again by GET: location.reload() would repeat the POST of a form that came back with errors.
 *
 * Not while the page is being left already: the server tells all tabs of who has moved on, and the one that
 * did it would drop the page that is on its way for a second request.
 */
function reload(): void {
  cancelReload();
  const leaving = leftAt + LEAVING_MS - systemEnv.now();
  const since = Date.now() - Number(storage.get(RELOADED_KEY) ?? 0);
  const pause = since >= 0 ? RELOAD_PAUSE_MS - since : 0;
  const wait = Math.max(leaving, pause);
  if (wait > 0) {
    cancelReload = systemEnv.after(wait, reload);
    return;
  }
  leave();
  try {
    storage.set(RELOADED_KEY, String(Date.now()));
  } catch {
    // Full: then only the server's own pace limits reloads.
  }
  location.replace(location.pathname + location.search);
}

/** sessionStorage, or memory where the browser blocks it; then unanswered messages do not survive a reload. */
function openStorage(): OutboxStorage {
  try {
    const items = sessionStorage;
    items.getItem(RELOADED_KEY);
    return {
      keys: () => Object.keys(items),
      get: (key) => items.getItem(key),
      set: (key, value) => items.setItem(key, value),
      remove: (key) => items.removeItem(key),
    };
  } catch {
    return new MemoryStorage();
  }
}
