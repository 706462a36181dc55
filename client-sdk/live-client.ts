import { callMessage } from "./call.ts";
import type { Env } from "./env.ts";
import { codeOf, WalrasError } from "./errors.ts";
import { toJson } from "./json.ts";
import { Link, type LinkStatus } from "./link.ts";
import { LiveState } from "./live-state.ts";
import { Outbox, type OutboxStorage } from "./outbox.ts";
import {
  type Answer,
  type Away,
  type ChatFrame,
  type Delivery,
  type Listen,
  type PageLive,
  PROTOCOL_VERSION,
  Refusal,
  type Reload,
  type Seat,
  type SeatAnswer,
  type ServerFrame,
} from "./protocol.ts";
import { ServerClock } from "./server-clock.ts";
import { byteLength, type Socket, type SocketEvents } from "./wire.ts";

/** The connection as a participant should see it. `halted`: the server is there, but cannot save at the moment. */
export type LiveStatus = LinkStatus | "halted";

/**
 * Somebody who looks on, at the wire: what comes is shown before the client has judged it, repetitions
 * and what the client would refuse included. For load tests, which check the server and its promises.
 */
export interface LiveWatch {
  /** Asks the server for what it shows to designers in development; see inspection.ts. */
  readonly inspects?: true;
  /** A message has got its number; told within {@link LiveClient.send}. @param payload its JSON text */
  queued(n: number, payload: string): void;
  /** A message was refused before it was sent. @param data its JSON text, or what cannot be written as JSON */
  unsent?(data: unknown, error: unknown): void;
  /** A connection begins; the page says up to which seq it has handled all deliveries. */
  hello(seen: number, clientId: string): void;
  /** The server has said that from here on everything flows. What came since the hello was catch-up. */
  welcomed(): void;
  frame(frame: ServerFrame): void;
  /** The page is gone. */
  closed(): void;
}

/** What a chat of the page has to do with the connection; see chat.ts. */
export interface ChatEnd {
  /** Says which chat it is, and what it has. */
  listen(): Pick<Listen, "t" | "s">;
  take(frame: ChatFrame): void;
}

export interface LiveClientOptions {
  /** What the server put into the page. */
  live: PageLive;
  env: Env;
  /** See {@link makeClientId}. */
  clientId: string;
  storage: OutboxStorage;
  /** Begins this participant's keys in the storage; see {@link storagePrefix}. */
  prefix: string;
  openSocket(seat: Seat, on: SocketEvents): Socket;
  /** Rejects with the server's refusal, or with anything if the server was not reached. */
  fetchSeat(): Promise<SeatAnswer>;
  /** liveRecv: each delivery to this player on this page, once, in the group's order. */
  onMessage(data: unknown, seq: number): void;
  onStatus?(status: LiveStatus): void;
  /** A wait page: who is still to come, in words. */
  onWaiting?(text: string): void;
  /** The page should load again. May come more than once. */
  onReload(why: Reload["why"]): void;
  /** Something that an author or operator may want to know; console.error in a browser. */
  report(message: string, detail?: unknown): void;
  watch?: LiveWatch | undefined;
}

/**
 * One page's live connection: sends that arrive exactly once, deliveries without gaps.
 *
 * It has no globals: clock, chance, storage and network are parameters, so that the same code runs in
 * a browser, in Node and in a simulation.
 */
export class LiveClient {
  readonly outbox: Outbox;
  /** What the group publishes. */
  readonly state: LiveState;
  /** The server's time. */
  readonly clock: ServerClock;
  private readonly options: LiveClientOptions;
  private readonly link: Link;
  /** The newest delivery that was handed over; older ones are repetitions. */
  private seen: number;
  private welcomed = false;
  private isAway = false;
  private halted = false;
  private toldStatus: LiveStatus = "connecting";
  private cancelFlush = () => {};
  /** By their number in the frames. */
  private readonly chats: ChatEnd[] = [];

  constructor(options: LiveClientOptions) {
    const { live, env, clientId, storage, prefix } = options;
    this.options = options;
    // A page with history begins before its own rendering: at the page's first delivery.
    this.seen = live.history ? 0 : live.seq;
    this.clock = new ServerClock(env, live.now);
    this.state = new LiveState(live.state, live.seq, options.report);
    this.outbox = new Outbox({ clientId, page: live.page, storage, prefix, random: env.random });
    this.link = new Link({
      env,
      seat: live.seat,
      fetchSeat: () => this.fetchSeat(),
      openSocket: options.openSocket,
      hello: () => {
        options.watch?.hello(this.seen, clientId);
        this.clock.asked();
        return {
          k: "hello",
          v: PROTOCOL_VERSION,
          c: clientId,
          s: this.seen,
          ...(live.history && !this.welcomed ? { h: true as const } : {}),
          ...(live.state === undefined ? {} : { x: this.state.seq }),
          ...(options.watch?.inspects ? { i: 1 as const } : {}),
        };
      },
      onOpen: (welcome) => {
        this.welcomed = true;
        this.clock.told(welcome.t);
        options.watch?.welcomed();
        if (this.isAway) this.sayAway();
        this.outbox.rewind();
        this.flush();
        this.chats.forEach((chat, box) => {
          this.listen(chat, box);
        });
      },
      onFrame: (frame) => this.receive(frame),
      onStatus: () => {
        // The next connection's server says by itself whether it is halted.
        this.halted = false;
        this.statusChanged();
      },
      onReload: options.onReload,
      report: options.report,
    });
  }

  /** Connects, and from then on stays connected. */
  start(): void {
    this.link.start();
  }

  get status(): LiveStatus {
    const { status } = this.link;
    return status !== "closed" && this.halted ? "halted" : status;
  }

  /**
   * Sends a value to the page's live method. It may be ignored: a rejection that nobody handles is no
   * unhandled rejection.
   *
   * @returns a promise of the answer's value. It rejects with a WalrasError: the server's refusal, or at
   *   once `not_json`, `too_large` or `outbox_full`
   */
  send(data: unknown): Promise<unknown> {
    try {
      return this.sendJson(toJson(data, "liveSend(data)"));
    } catch (error) {
      return handled(Promise.reject(error));
    }
  }

  /**
   * {@link send} of `{ type, ...data }`, for a page with a live method for each type of message.
   *
   * @returns a promise of what the method replied. It rejects as that of {@link send}, and with `wrong_call`
   */
  call(type: string, data?: object): Promise<unknown> {
    try {
      return this.send(callMessage(type, data));
    } catch (error) {
      return handled(Promise.reject(error));
    }
  }

  /** {@link send} for a value that is JSON text already. @param token of the chat to which it goes, if to one */
  sendJson(payload: string, token?: string): Promise<unknown> {
    const { messageLimit } = this.options.live;
    try {
      const size = byteLength(payload);
      if (size > messageLimit) {
        throw new WalrasError(
          Refusal.TOO_LARGE,
          `liveSend(data): ${size} bytes as JSON, and at most ${messageLimit} are allowed. Send less at a time.`,
        );
      }
      const answer = handled(this.outbox.add(payload, token));
      this.options.watch?.queued(this.outbox.newest, payload);
      this.flush();
      return answer;
    } catch (error) {
      this.options.watch?.unsent?.(payload, error);
      return handled(Promise.reject(error));
    }
  }

  /** Opens one of the page's chats. */
  addChat(chat: ChatEnd): void {
    this.listen(chat, this.chats.push(chat) - 1);
  }

  /** Not connected, it is asked again with the next welcome. */
  private listen(chat: ChatEnd, b: number): void {
    this.link.send(JSON.stringify({ k: "listen", c: this.options.clientId, b, ...chat.listen() } satisfies Listen));
  }

  /** A hint that network or computer are back. */
  wake(): void {
    this.link.wake();
  }

  /** A hint that the network may be gone; only silence proves it (a server on this computer stays reachable). */
  doubt(): void {
    this.link.probe();
  }

  /** Nobody looks at the page, or somebody does again: on a page where groups form, see attention.ts. */
  away(isAway: boolean): void {
    this.isAway = isAway;
    if (this.link.status === "open") this.sayAway();
  }

  private sayAway(): void {
    this.link.send(JSON.stringify({ k: "away", c: this.options.clientId, a: this.isAway } satisfies Away));
  }

  /** Leaves. Unanswered messages stay in the storage; their promises reject with `left`. */
  close(): void {
    this.cancelFlush();
    this.link.close();
    this.options.watch?.closed();
    this.outbox.close(left());
  }

  /** A server that is halted gives no seats, and says why. */
  private async fetchSeat(): Promise<SeatAnswer> {
    let halted = false;
    try {
      return await this.options.fetchSeat();
    } catch (error) {
      halted = codeOf(error) === Refusal.HALTED;
      throw error;
    } finally {
      // It may come late, when a newer attempt has succeeded.
      if (this.link.status !== "open") {
        this.halted = halted;
        this.statusChanged();
      }
    }
  }

  private flush(): void {
    this.cancelFlush();
    if (this.link.status !== "open") return;
    const { env } = this.options;
    for (const text of this.outbox.take(env.now())) this.link.send(text);
    const due = this.outbox.dueAt();
    if (due !== null) this.cancelFlush = env.after(Math.max(0, due - env.now()), () => this.flush());
  }

  private receive(frame: ServerFrame): void {
    this.options.watch?.frame(frame);
    switch (frame.k) {
      case "recv":
        this.deliver(frame);
        break;
      case "answer":
        this.settle(frame.a);
        break;
      case "state":
        this.state.apply(frame);
        break;
      case "notice":
        this.halted = frame.halted;
        this.statusChanged();
        if (!frame.halted) {
          this.outbox.release();
          this.flush();
        }
        break;
      case "chat":
        this.chats[frame.b]?.take(frame);
        break;
      case "wait":
        this.options.onWaiting?.(frame.text);
        break;
      case "reload":
        // Their answers go to the page that comes next, which does not know who waits for them here.
        this.outbox.abandon(left());
        this.options.onReload(frame.why);
        break;
    }
  }

  private deliver(frame: Delivery): void {
    if (frame.p > this.seen && frame.s > this.seen) {
      // Handing this one over would make the gap permanent; a new connection brings both.
      this.options.report(`A delivery is missing between ${this.seen} and ${frame.s}; connecting again.`);
      this.link.reconnect();
      return;
    }
    const isNew = frame.s > this.seen;
    if (isNew) this.seen = frame.s;
    // The outbox first, so that a liveRecv which submits the page does not send along what is answered;
    // what waits for the promise still runs after liveRecv.
    if (frame.a) this.settle(frame.a);
    if (!isNew) return;
    for (const data of frame.m) {
      try {
        this.options.onMessage(data, frame.s);
      } catch (error) {
        this.options.report("liveRecv threw an error on this message:", { data, error });
      }
    }
  }

  private settle(answer: Answer): void {
    const settled = this.outbox.answer(answer, this.options.env.now());
    if (settled === "again" && answer.e?.code === Refusal.MOVED) {
      this.link.reconnect();
      return;
    }
    this.flush();
  }

  private statusChanged(): void {
    const { status } = this;
    if (status === this.toldStatus) return;
    this.toldStatus = status;
    this.options.onStatus?.(status);
  }
}

/** The message is not lost: it was carried out already, or the next page sends it. */
function left(): WalrasError {
  return new WalrasError(Refusal.LEFT, "The page was left before the server answered.", { retry: true });
}

/** Begins the storage keys of a participant: from the address of a page, `/p/CODE/app/Page/index`. */
export function storagePrefix(pathname: string): string {
  return `walras.${pathname.split("/")[2] ?? ""}.`;
}

/** Most pages ignore the promise of liveSend; its rejection must not end a Node process or fill a console. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
