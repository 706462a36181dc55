import { backoff, type Env } from "./env.ts";
import {
  CloseCode,
  type Hello,
  type Reload,
  type Seat,
  type SeatAnswer,
  type ServerFrame,
  type Welcome,
} from "./protocol.ts";
import { type Socket, type SocketEvents, Wire } from "./wire.ts";

/** Times in milliseconds. */
export const linkDefaults = {
  /** Silence after which an attempt to connect is given up. */
  attempt: 10_000,
  /** Silence after a send, and silence without one, after which the link is asked whether it lives. */
  answer: 4_000,
  idle: 15_000,
  /** How long it may take to say so. */
  probe: 4_000,
  /** A connection that lived this long was a good one: the next attempts start at no delay again. */
  stable: 3_000,
  /** Most that a page waits when the server says "come back at once", so that not all come in one instant. */
  comeBack: 500,
};

/** `resting`: the participant has too many other pages open; this one comes back when it is woken. */
export type LinkStatus = "connecting" | "open" | "lost" | "resting" | "closed";

export interface LinkOptions {
  env: Env;
  /** A seat reserved beforehand; used for the first attempt only. */
  seat: Seat | null;
  /** A fresh seat. A rejection counts as a failed attempt. */
  fetchSeat(): Promise<SeatAnswer>;
  openSocket(seat: Seat, on: SocketEvents): Socket;
  /** What to say first on each connection. */
  hello(): Hello;
  /** Everything but Welcome; what comes before {@link onOpen} is catch-up. */
  onFrame(frame: ServerFrame): void;
  /** The room has welcomed us: sends may go. */
  onOpen(welcome: Welcome): void;
  onStatus(status: LinkStatus): void;
  /** The page is out of date; the link goes on trying meanwhile. */
  onReload(why: Reload["why"]): void;
  report(message: string, detail?: unknown): void;
}

/**
 * Keeps a page connected to its room, however long that takes: after any close but its own it asks
 * for a fresh seat and comes back, first at once, then with growing pauses.
 */
export class Link {
  status: LinkStatus = "connecting";
  private readonly options: LinkOptions;
  private readonly env: Env;
  private seat: Seat | null;
  private wire: Wire | null = null;
  /** Number of the current attempt: events of older ones are void. */
  private attempt = 0;
  private failures = 0;
  private openedAt = 0;
  private retrying = false;

  private heardAt = 0;
  /** Time of the first send since anything was heard. */
  private askedAt: number | null = null;
  private probedAt: number | null = null;
  /** The one timer: of the pause before the next attempt, or of the watch over silence. */
  private cancelTimer = () => {};
  private timerDue = 0;

  constructor(options: LinkOptions) {
    this.options = options;
    this.env = options.env;
    this.seat = options.seat;
  }

  start(): void {
    this.connect();
  }

  /** Sends the JSON text of a frame; only while open. */
  send(text: string): void {
    if (this.status !== "open") return;
    this.wire?.send(text);
    this.askedAt ??= this.env.now();
    this.watch();
  }

  /** A hint that the network or the computer is back: tries at once, or asks whether the link lives. */
  wake(): void {
    if (this.status === "closed") return;
    if (this.retrying) this.connect();
    else this.probe();
  }

  /** Asks the other side for a sign of life, where there is one to ask. */
  probe(): void {
    if (this.status !== "open" || this.probedAt !== null) return;
    this.probedAt = this.env.now();
    this.wire?.ping();
    this.watch();
  }

  /** Leaves this connection for a fresh one. */
  reconnect(): void {
    if (this.status === "closed" || this.retrying) return;
    this.wire?.close(CloseCode.RETRY);
    this.fail(0);
  }

  /** The page goes away on purpose. */
  close(): void {
    if (this.status === "closed") return;
    this.attempt += 1;
    this.cancelTimer();
    this.wire?.close(CloseCode.LEFT);
    this.wire = null;
    this.setStatus("closed");
  }

  private connect(): void {
    const attempt = ++this.attempt;
    const isCurrent = () => attempt === this.attempt;
    this.cancelTimer();
    this.retrying = false;
    this.heardAt = this.env.now();
    this.askedAt = null;
    this.probedAt = null;
    this.timerDue = Number.POSITIVE_INFINITY;
    this.watch();

    const { seat } = this;
    this.seat = null;
    if (seat) {
      this.open(seat, isCurrent);
      return;
    }
    Promise.resolve()
      .then(() => this.options.fetchSeat())
      .then(
        (answer) => {
          if (!isCurrent()) return;
          if (answer.seat) {
            this.open(answer.seat, isCurrent);
          } else {
            this.fail(0);
            this.options.onReload("moved_on");
          }
        },
        () => {
          if (isCurrent()) this.fail(0);
        },
      );
  }

  private open(seat: Seat, isCurrent: () => boolean): void {
    try {
      this.wire = new Wire((on) => this.options.openSocket(seat, on), {
        heard: () => {
          this.heardAt = this.env.now();
          this.askedAt = null;
          this.probedAt = null;
        },
        joined: () => this.wire?.send(JSON.stringify(this.options.hello())),
        frame: (text) => {
          if (isCurrent()) this.receive(text);
        },
        closed: (code, reason) => {
          if (!isCurrent()) return;
          if (reason) this.options.report(`The server refused the seat (${reason}); asking for another.`);
          this.fail(code);
        },
      });
    } catch (error) {
      this.options.report("The WebSocket could not be opened.", error);
      this.fail(0);
    }
  }

  private receive(text: string): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(text);
    } catch (error) {
      this.options.report("The server sent a frame that is not JSON; connecting again.", error);
      this.reconnect();
      return;
    }
    if (frame.k !== "welcome") {
      this.options.onFrame(frame);
    } else if (this.status !== "open") {
      this.openedAt = this.env.now();
      this.setStatus("open");
      this.options.onOpen(frame);
    }
  }

  /** The attempt or the connection is over; plans the next. @param code WebSocket close code, 0: none */
  private fail(code: number): void {
    this.attempt += 1;
    this.wire = null;
    this.cancelTimer();
    if (this.status === "open" && this.env.now() - this.openedAt >= linkDefaults.stable) this.failures = 0;
    const pause = pauseBefore(this.failures, code, this.env.random);
    this.failures += 1;
    this.retrying = true;
    if (code === CloseCode.TOO_MANY) {
      // Each that came back by itself would drive out another, for ever.
      this.setStatus("resting");
      return;
    }
    this.cancelTimer = this.env.after(pause, () => this.connect());
    // A first connection that takes a second seat is still connecting as far as anybody can see.
    if (this.status === "open" || this.status === "resting") this.setStatus("lost");
  }

  /** Sets the timer to when silence has lasted too long; acts if that is now. */
  private watch(): void {
    const due = this.silenceDue();
    if (due >= this.timerDue) return;
    this.cancelTimer();
    this.timerDue = due;
    this.cancelTimer = this.env.after(Math.max(0, due - this.env.now()), () => {
      this.timerDue = Number.POSITIVE_INFINITY;
      if (this.env.now() >= this.silenceDue()) this.silent();
      else this.watch();
    });
  }

  private silenceDue(): number {
    if (this.status !== "open") return this.heardAt + linkDefaults.attempt;
    if (this.probedAt !== null) return this.probedAt + linkDefaults.probe;
    const idle = this.heardAt + linkDefaults.idle;
    return this.askedAt === null ? idle : Math.min(idle, this.askedAt + linkDefaults.answer);
  }

  private silent(): void {
    if (this.status === "open" && this.probedAt === null) this.probe();
    else this.reconnect();
  }

  private setStatus(status: LinkStatus): void {
    this.status = status;
    this.options.onStatus(status);
  }
}

/** Milliseconds before the next attempt, after so many failed ones and this close code. */
export function pauseBefore(failures: number, code: number, random: () => number): number {
  if (failures > 0) return backoff(failures - 1, random);
  return code === CloseCode.RETRY ? random() * linkDefaults.comeBack : 0;
}
