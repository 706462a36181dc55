import type { LiveWatch } from "../../client-sdk/live-client.ts";
import type { Answer, Delivery, ServerFrame } from "../../client-sdk/protocol.ts";
import type { GroupWatch } from "./group-watch.ts";
import { LOST_AFTER_MS, type Tally } from "./tally.ts";

export interface PageWatchOptions {
  tally: Tally;
  /** null: the page came without a seat, so that nobody knows which group it is. */
  group: GroupWatch | null;
  clientId: string;
  /** Milliseconds that never run backwards. */
  now(): number;
  /** The page has its connection, for the first time or again. */
  onOpen?(): void;
}

/**
 * Looks on at the wire of one live page, and checks by itself what the server promises: every message
 * answered once (by its number), every delivery there once (by the chain of `s` and `p`). What is counted,
 * and when, stands at {@link Counts}.
 */
export class PageWatch implements LiveWatch {
  closedAt: number | undefined;
  readonly group: GroupWatch | null;
  readonly #options: PageWatchOptions;
  /** When the messages that wait for their answer were due, by number. */
  readonly #waiting = new Map<number, number>();
  #newest = 0;
  #isFresh = false;
  #seen = 0;
  /** The predecessor that a delivery named and that has not come. */
  #hole: number | undefined;
  #connections = 0;
  #isOpen = false;
  #auditMark = 0;
  /** During the last check: what came up to this seq before the new connection should have come already. */
  #auditUpTo: number | undefined;

  constructor(options: PageWatchOptions) {
    this.#options = options;
    this.group = options.group;
    if (this.group !== null) this.group.members += 1;
  }

  /** Welcomed, and not lost since as far as this side knows. */
  get isOpen(): boolean {
    return this.#isOpen && this.closedAt === undefined;
  }

  /** Messages that wait for their final answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  queued(n: number): void {
    this.#newest = n;
    this.#isFresh = true;
    this.#waiting.set(n, this.#options.now());
  }

  /**
   * The message that was queued just now counts from another moment: it was due earlier.
   *
   * @returns false if none was queued since this was called last
   */
  due(at: number): boolean {
    const isQueued = this.#isFresh;
    this.#isFresh = false;
    if (isQueued) this.#waiting.set(this.#newest, at);
    return isQueued;
  }

  hello(seen: number): void {
    this.#isOpen = false;
    this.#seen = seen;
  }

  welcomed(): void {
    this.#isOpen = true;
    this.#connections += 1;
    const { counts } = this.#options.tally;
    if (this.#auditUpTo !== undefined) {
      this.#auditUpTo = undefined;
      counts.audited += 1;
    } else if (this.#connections > 1) {
      counts.reconnects += 1;
    }
    this.#options.onOpen?.();
  }

  frame(frame: ServerFrame): void {
    if (frame.k === "recv") {
      this.#delivery(frame);
      if (frame.a) this.#answer(frame.a, frame.s);
    } else if (frame.k === "answer") {
      this.#answer(frame.a, frame.s);
    } else if (frame.k === "reload" && frame.why === "too_far_behind" && this.#auditUpTo !== undefined) {
      // It has missed more than is caught up: how much, nobody will ever know.
      this.#auditUpTo = undefined;
      this.#options.tally.counts.deliveriesLost += 1;
      this.#options.tally.counts.audited += 1;
    }
  }

  closed(): void {
    if (this.closedAt !== undefined) return;
    const now = this.#options.now();
    this.closedAt = now;
    if (this.group !== null) this.group.members -= 1;
    const { counts } = this.#options.tally;
    if (this.#hole !== undefined) counts.deliveriesLost += 1;
    for (const due of this.#waiting.values()) {
      if (now - due >= LOST_AFTER_MS) counts.messagesLost += 1;
      else counts.leftWithForm += 1;
    }
    this.#waiting.clear();
  }

  /** The group is quiet: what it has sent so far will be here soon, or never. */
  prepareAudit(): void {
    this.#auditMark = this.group?.newest ?? this.#seen;
  }

  /** Enough time has passed: a new connection must bring nothing that was sent before {@link prepareAudit}. */
  beginAudit(): void {
    this.#auditUpTo = this.#auditMark;
  }

  #delivery({ s, p, m }: Delivery): void {
    const { counts } = this.#options.tally;
    if (s <= this.#seen) {
      counts.deliveriesDuplicated += 1;
      return;
    }
    if (p > this.#seen) {
      // The client does not hand it over either: it takes a new connection, which brings both.
      if (this.#hole === undefined) counts.gaps += 1;
      this.#hole ??= p;
      return;
    }
    this.#seen = s;
    if (this.#hole !== undefined && s >= this.#hole) this.#hole = undefined;
    if (this.#auditUpTo !== undefined && s <= this.#auditUpTo) counts.deliveriesLost += 1;
    counts.deliveries += m.length;
    this.group?.delivered(s, this.#options.now());
  }

  #answer({ c, n, e }: Answer, seq: number | undefined): void {
    // Of an earlier load of the page, which left it in the storage.
    if (c !== this.#options.clientId) return;
    const { tally, now } = this.#options;
    if (e?.retry === true) {
      tally.counts.putOff += 1;
      tally.error("put off", e.code, e.message);
      return;
    }
    const due = this.#waiting.get(n);
    if (due === undefined) {
      if (n <= this.#newest) tally.counts.messagesDuplicated += 1;
      return;
    }
    this.#waiting.delete(n);
    const at = now();
    tally.counts.messages += 1;
    tally.acknowledged.add(at - due);
    if (e !== undefined) {
      tally.counts.refused += 1;
      tally.error("refused", e.code, e.message);
    }
    if (seq !== undefined) this.group?.answered(seq, due, at);
  }
}
