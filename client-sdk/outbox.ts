import { backoff } from "./env.ts";
import { WalrasError } from "./errors.ts";
import { type Answer, Refusal, type Send } from "./protocol.ts";
import { byteLength } from "./wire.ts";

/**
 * Where unanswered messages survive a reload: sessionStorage in a browser. One item per message, and
 * never a list, so that no page can overwrite what another has written: a page out of the
 * back/forward cache or a second frame still holds its own old view.
 */
export interface OutboxStorage {
  keys(): string[];
  get(key: string): string | null;
  /** May throw: full or blocked. */
  set(key: string, value: string): void;
  remove(key: string): void;
}

export interface OutboxOptions {
  /** New at each page load; see {@link makeClientId}. */
  clientId: string;
  /** Identity of the page, `app/round/Page`. */
  page: string;
  storage: OutboxStorage;
  /** Begins the storage keys of this participant. */
  prefix: string;
  random(): number;
  /** Most bytes of unanswered messages, all frames together. */
  limitBytes?: number;
}

/** Bytes of unanswered messages that an outbox takes, unless told otherwise. */
export const OUTBOX_LIMIT = 1024 * 1024;

/** Most unanswered messages, however small: servers take no more with a form. */
export const OUTBOX_MESSAGES = 10_000;

/** Bursts after a refusal start with one message and double, with this pause in milliseconds between them. */
const BURST_PAUSE_MS = 200;

interface Entry {
  readonly c: string;
  readonly n: number;
  /** JSON text of the Send frame: on the wire, in the storage and in the form alike. */
  readonly text: string;
  readonly bytes: number;
  readonly storageKey: string;
  /** Null for messages of an earlier page load, but for those of chats: nobody waits for them any more. */
  readonly promise: { resolve(value: unknown): void; reject(error: WalrasError): void } | null;
}

/** A chat message that an earlier page load has sent. */
export interface Inherited {
  /** Of the chat; see {@link Send}. */
  readonly token: string;
  readonly text: string;
  /** As that of {@link Outbox.add}. */
  readonly answer: Promise<unknown>;
}

/** What became of an answer. */
export type Settled = "done" | "refused" | "again" | "unknown";

/**
 * The messages that have no answer yet, in the order in which they were sent, those of earlier page
 * loads first. Numbers, page and payload of a message never change, whatever happens to the page.
 *
 * A pure state machine: it has no timers and no connection. Its owner puts {@link take} on the wire,
 * gives it each {@link answer}, calls {@link rewind} for each new connection, and comes back at {@link dueAt}.
 */
export class Outbox {
  /** False once the storage has refused: messages sent since then do not survive a reload. */
  persistent = true;
  /** Chat messages of earlier page loads that are not answered: the page shows them as on their way. */
  readonly inherited: Inherited[] = [];
  private readonly options: OutboxOptions;
  private readonly limit: number;
  /** In order of sending; keys are `c.n`. */
  private readonly entries = new Map<string, Entry>();
  /** Those of `entries` that are to go out (again), in order. */
  private unsent: Entry[] = [];
  private readonly storagePrefix: string;
  private lastNumber = 0;
  private bytes = 0;
  private heldUntil = 0;
  private closed: WalrasError | null = null;
  private burst = Number.POSITIVE_INFINITY;
  private refusals = 0;

  constructor(options: OutboxOptions) {
    this.options = options;
    this.limit = options.limitBytes ?? OUTBOX_LIMIT;
    const load = this.inherit();
    this.storagePrefix = `${options.prefix}${load}.${options.clientId}.`;
    this.unsent = [...this.entries.values()];
  }

  /** How many messages have no answer. */
  get size(): number {
    return this.entries.size;
  }

  /** The number of the message that was added last, 0 if none. */
  get newest(): number {
    return this.lastNumber;
  }

  /** The unanswered messages as JSON text of `Send[]`, for the form that leaves the page. */
  toJson(): string {
    return `[${[...this.entries.values()].map((entry) => entry.text).join()}]`;
  }

  /**
   * Numbers a message and keeps it until it is answered.
   *
   * @param payload JSON text
   * @param token of the chat to which it goes; left out: it goes to the live method
   * @returns a promise of the answer's value; rejects with the refusal
   * @throws WalrasError `outbox_full`, without using up a number
   */
  add(payload: string, token?: string): Promise<unknown> {
    const { clientId, page } = this.options;
    const n = this.lastNumber + 1;
    const text = `{"k":"send","c":${JSON.stringify(clientId)},"n":${n},"p":${JSON.stringify(page)},${this.before(n)}${token === undefined ? "" : `"t":${JSON.stringify(token)},`}"d":${payload}}`;
    const bytes = byteLength(text);
    if (this.bytes + bytes > this.limit || this.size >= OUTBOX_MESSAGES) {
      throw new WalrasError(
        "outbox_full",
        `liveSend: ${this.size} messages wait for the server, and this one would be more than the ${this.limit} bytes or ${OUTBOX_MESSAGES} messages that are kept. ` +
          "Send fewer or smaller messages, or wait for the promise of an earlier one.",
        { retry: true },
      );
    }
    this.lastNumber = n;
    return new Promise((resolve, reject) => {
      const storageKey = this.storagePrefix + n;
      const entry: Entry = { c: clientId, n, text, bytes, storageKey, promise: { resolve, reject } };
      this.keep(entry);
      this.unsent.push(entry);
      this.store(entry);
      if (this.closed !== null) reject(this.closed);
    });
  }

  /** The frames to send now, in order; they count as in flight from here on. */
  take(now: number): string[] {
    if (now < this.heldUntil) return [];
    const batch = this.unsent.splice(0, this.burst);
    if (this.unsent.length === 0) {
      this.burst = Number.POSITIVE_INFINITY;
    } else {
      this.burst *= 2;
      this.heldUntil = now + BURST_PAUSE_MS;
    }
    return batch.map((entry) => entry.text);
  }

  /** When {@link take} has something to give; null: nothing is waiting to be sent. */
  dueAt(): number | null {
    return this.unsent.length > 0 ? this.heldUntil : null;
  }

  /**
   * Takes an answer in. A final one clears the message and settles its promise. After a retryable
   * refusal the server refuses all later numbers of that client too, so that from this message on
   * they go again, in order, after the pause that the server asked for: first one alone, then more
   * and more, since whatever made the server refuse one would make it refuse a thousand.
   */
  answer(answer: Answer, now: number): Settled {
    const entry = this.entries.get(`${answer.c}.${answer.n}`);
    if (!entry) return "unknown";
    const refusal = answer.e;
    if (refusal?.retry) {
      // Not in flight: this is only the echo of an earlier refusal.
      if (this.unsent.includes(entry)) return "again";
      // Out of order: the server does not have an earlier one that we believe to be on its way.
      const from = refusal.code === Refusal.OUT_OF_ORDER ? 0 : entry.n;
      const waiting = new Set(this.unsent);
      this.unsent = [...this.entries.values()].filter(
        (other) => waiting.has(other) || (other.c === entry.c && other.n >= from),
      );
      this.heldUntil = now + (refusal.after ?? backoff(this.refusals, this.options.random));
      this.refusals += 1;
      this.burst = 1;
      return "again";
    }
    this.forget(entry);
    this.refusals = 0;
    if (refusal) {
      entry.promise?.reject(new WalrasError(refusal.code, refusal.message));
      return "refused";
    }
    entry.promise?.resolve(answer.v);
    return "done";
  }

  /** A new connection: whatever was in flight goes again. */
  rewind(): void {
    this.unsent = [...this.entries.values()];
    this.burst = Number.POSITIVE_INFINITY;
    this.release();
  }

  /** The reason of the last refusal is gone: no need to wait longer. */
  release(): void {
    this.heldUntil = 0;
    this.refusals = 0;
  }

  /** Tells those who still wait that their answers go elsewhere. The messages stay. */
  abandon(error: WalrasError): void {
    for (const entry of this.entries.values()) entry.promise?.reject(error);
  }

  /** The page ends: as {@link abandon}, also for messages that are still added. The next page finds them in the storage. */
  close(error: WalrasError): void {
    this.closed = error;
    this.abandon(error);
  }

  /** For the first message of a page, the last of those that it took over: a refusal of that one must
   * not let this one pass it. Within a page load the numbers say it. */
  private before(n: number): string {
    const last = n === 1 ? [...this.entries.values()].at(-1) : undefined;
    return last === undefined ? "" : `"b":${JSON.stringify([last.c, last.n])},`;
  }

  private awaited(token: string, text: string): Entry["promise"] {
    let promise: Entry["promise"] = null;
    const answer = new Promise((resolve, reject) => {
      promise = { resolve, reject };
    });
    answer.catch(() => {});
    this.inherited.push({ token, text, answer });
    return promise;
  }

  private keep(entry: Entry): void {
    this.entries.set(`${entry.c}.${entry.n}`, entry);
    this.bytes += entry.bytes;
  }

  private forget(entry: Entry): void {
    this.entries.delete(`${entry.c}.${entry.n}`);
    this.bytes -= entry.bytes;
    const at = this.unsent.indexOf(entry);
    if (at >= 0) this.unsent.splice(at, 1);
    try {
      this.options.storage.remove(entry.storageKey);
    } catch {
      this.persistent = false;
    }
  }

  private store(entry: Entry): void {
    // After one failure nothing more of this page load is stored. Else the next page could find
    // number 6 without 5, and the server would wait for 5 forever.
    if (!this.persistent) return;
    try {
      this.options.storage.set(entry.storageKey, entry.text);
    } catch {
      this.persistent = false;
    }
  }

  /** Takes over what earlier page loads left. @returns the ordinal of this page load */
  private inherit(): number {
    const { storage, prefix } = this.options;
    const found: { load: number; entry: Entry }[] = [];
    try {
      for (const storageKey of storage.keys()) {
        const parts = storageKey.startsWith(prefix) ? storageKey.slice(prefix.length).split(".") : [];
        const text = parts.length === 3 ? storage.get(storageKey) : null;
        const send = text === null ? null : readSend(text);
        if (text === null || !send) continue;
        const promise = send.t === undefined ? null : this.awaited(send.t, String(send.d));
        const entry: Entry = { c: send.c, n: send.n, text, bytes: byteLength(text), storageKey, promise };
        found.push({ load: Number(parts[0]), entry });
      }
    } catch {
      this.persistent = false;
    }
    // Two frames of one tab can have the same ordinal; then any order between them will do.
    found.sort((a, b) => a.load - b.load || order(a.entry.c, b.entry.c) || a.entry.n - b.entry.n);
    for (const { entry } of found) this.keep(entry);
    return (found.at(-1)?.load ?? 0) + 1;
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A stored frame; null if something else got under our keys, which must not spoil the form's JSON. */
function readSend(text: string): Send | null {
  try {
    const send: Partial<Send> | null = JSON.parse(text);
    return send?.k === "send" && typeof send.c === "string" && typeof send.n === "number" ? (send as Send) : null;
  } catch {
    return null;
  }
}

/** A storage in memory: for Node, and where a browser blocks its own. */
export class MemoryStorage implements OutboxStorage {
  private readonly items: Map<string, string>;

  constructor(items: Iterable<readonly [string, string]> = []) {
    this.items = new Map(items);
  }

  keys(): string[] {
    return [...this.items.keys()];
  }
  get(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  set(key: string, value: string): void {
    this.items.set(key, value);
  }
  remove(key: string): void {
    this.items.delete(key);
  }
  /** What a duplicated tab starts with. */
  copy(): MemoryStorage {
    return new MemoryStorage(this.items);
  }
}
