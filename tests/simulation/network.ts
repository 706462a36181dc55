import { decodeMessage, type Socket, type SocketEvents } from "../../client-sdk/wire.ts";
import type { Chance } from "../chaos/chance.ts";
import type { VirtualClock } from "../helpers/virtual-clock.ts";
import type { Consequence, Faults } from "./faults.ts";
import type { Life } from "./life.ts";

/** How long a page waits for an answer to a request, in milliseconds. */
const REQUEST_TIMEOUT = 30_000;

export interface NetworkOptions {
  readonly clock: VirtualClock;
  readonly chance: Chance;
  readonly faults: Faults;
}

/** The server's half of a connection. */
export interface ServerEnd {
  message(bytes: Uint8Array): void;
  /** The last event. */
  closed(): void;
}

/** Requests and connections between pages and processes. */
export class Network {
  readonly #options: NetworkOptions;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  latency(): number {
    const { chance } = this.#options;
    return chance.next() < 0.9 ? chance.between(1, 20) : chance.between(20, 200);
  }

  /** One request of a page. Rejects for whatever reason a browser's fetch does, and if `handle` does. */
  request<T>(page: Life, server: Life, handle: () => Promise<T>): Promise<T> {
    const { clock, chance, faults } = this.#options;
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (ms: number, run: () => void): (() => void) =>
        clock.after(ms, () =>
          page.enter(() => {
            if (settled) return;
            settled = true;
            cancel();
            run();
          }),
        );
      const fail = (why: string, ms = this.latency()) => settle(ms, () => reject(new Error(why)));
      const cancel = fail("no answer in time", REQUEST_TIMEOUT);
      if (faults.strike("requestLost")) {
        fail("the request was lost", chance.between(10, 3_000));
        return;
      }
      clock.after(this.latency(), () => {
        if (server.ended) {
          fail("connection refused");
          return;
        }
        server.onEnd(() => fail("connection reset"));
        server.enter(() => {
          handle().then(
            (answer) => {
              if (faults.strike("answerLost")) fail("the answer was lost", chance.between(10, 3_000));
              else settle(this.latency(), () => resolve(answer));
            },
            (error: unknown) => fail(String(error)),
          );
        });
      });
    });
  }

  /** Opens a WebSocket. @param accept makes the server's half when the connection has come there */
  connect(page: Life, server: Life, on: SocketEvents, accept: (line: Line) => ServerEnd): Socket {
    const line = new Line(this, this.#options, page, server, on, accept);
    return { send: (bytes) => line.sendUp(bytes), close: () => line.closeFromPage() };
  }
}

/** One way of a connection: bytes arrive in order, some time later, or from some point on not at all. */
class Pipe {
  /** Bytes that a stalled receiver does not take. */
  buffered = 0;
  #broken = false;
  #closed = false;
  #last = 0;
  readonly #onTheWay: (() => void)[] = [];
  #stalledUntil = 0;
  readonly #network: Network;
  readonly #clock: VirtualClock;

  constructor(network: Network, clock: VirtualClock) {
    this.#network = network;
    this.#clock = clock;
  }

  get isHealthy(): boolean {
    return !this.#closed;
  }

  send(size: number, run: () => void): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    const held = now < this.#stalledUntil ? size : 0;
    this.buffered += held;
    this.#last = Math.max(this.#last, now + this.#network.latency());
    this.#onTheWay.push(() => {
      this.buffered -= held;
      if (!this.#broken) run();
    });
    // The oldest, whichever it is: of what is held until the same moment, rounding may let the younger's time come first.
    this.#clock.after(this.#last - now, () => this.#onTheWay.shift()?.());
  }

  /** Nothing more can be sent. @param lost also what is on its way is gone */
  end(lost: boolean): void {
    this.#closed = true;
    this.#broken ||= lost;
  }

  /** Runs something behind all that is on its way. */
  behind(run: () => void): void {
    const now = this.#clock.now();
    this.#clock.after(Math.max(this.#last - now, this.#network.latency()), run);
  }

  delay(ms: number): void {
    this.#last = Math.max(this.#last, this.#clock.now() + ms);
  }

  stall(ms: number): void {
    this.delay(ms);
    this.#stalledUntil = this.#clock.now() + ms;
  }
}

/** One WebSocket between a page and a process. */
export class Line {
  readonly #options: NetworkOptions;
  readonly #page: Life;
  readonly #server: Life;
  readonly #on: SocketEvents;
  readonly #up: Pipe;
  readonly #down: Pipe;
  #pageOpen = true;
  #serverOpen = true;
  #serverEnd: ServerEnd | undefined;

  constructor(
    network: Network,
    options: NetworkOptions,
    page: Life,
    server: Life,
    on: SocketEvents,
    accept: (line: Line) => ServerEnd,
  ) {
    this.#options = options;
    this.#page = page;
    this.#server = server;
    this.#on = on;
    this.#up = new Pipe(network, options.clock);
    this.#down = new Pipe(network, options.clock);
    page.onEnd(() => this.#pageEnded());
    this.#up.send(0, () => {
      if (server.ended) {
        this.#down.behind(() => this.#endPage(1006));
        return;
      }
      server.onEnd(() => this.#serverEnded());
      server.enter(() => {
        this.#serverEnd = accept(this);
      });
    });
  }

  get isOpen(): boolean {
    return this.#serverOpen;
  }

  /** Bytes that wait in the server's socket. */
  get buffered(): number {
    return this.#down.buffered;
  }

  sendUp(bytes: Uint8Array): void {
    if (!this.#pageOpen) return;
    this.#disturb();
    this.#up.send(bytes.length, () => this.#server.enter(() => this.#serverOpen && this.#serverEnd?.message(bytes)));
  }

  sendDown(bytes: Uint8Array): void {
    if (!this.#serverOpen) return;
    this.#disturb();
    this.#note(bytes);
    this.#down.send(bytes.length, () => this.#page.enter(() => this.#pageOpen && this.#on.message(bytes)));
  }

  closeFromPage(): void {
    if (!this.#pageOpen) return;
    this.#pageOpen = false;
    this.#up.send(0, () => this.#endServer());
    // Nobody tells a server of a line that is dead; its own pings do.
    if (!this.#up.isHealthy) this.#options.clock.after(this.#untilPinged(), () => this.#endServer());
  }

  closeFromServer(code: number): void {
    if (!this.#serverOpen) return;
    if (this.#down.buffered > 0) this.#options.faults.count("droppedByBackPressure");
    this.#down.send(0, () => this.#endPage(code));
    this.#down.end(false);
    // The closing handshake; what the page had sent until then may still come.
    this.#options.clock.after(this.#up.isHealthy ? 50 : 30_000, () => this.#endServer());
  }

  /** The line breaks; both sides are told, one sooner than the other. */
  cut(): void {
    const { chance, clock } = this.#options;
    this.#up.end(chance.next() < 0.5);
    this.#down.end(chance.next() < 0.5);
    this.#down.behind(() => this.#endPage(1006));
    clock.after(chance.between(0, 500), () => this.#endServer());
  }

  #endPage(code: number): void {
    this.#page.enter(() => {
      if (!this.#pageOpen) return;
      this.#pageOpen = false;
      this.#on.close(code);
    });
  }

  #endServer(): void {
    this.#server.enter(() => {
      if (!this.#serverOpen) return;
      this.#serverOpen = false;
      this.#serverEnd?.closed();
    });
  }

  /** The page is gone without a word of its script: the browser says so, or does not. */
  #pageEnded(): void {
    if (!this.#pageOpen) return;
    this.#pageOpen = false;
    if (this.#options.chance.next() < 0.8) this.#up.send(0, () => this.#endServer());
    else this.#options.clock.after(this.#untilPinged(), () => this.#endServer());
  }

  #serverEnded(): void {
    this.#serverOpen = false;
    this.#up.end(true);
    this.#down.end(this.#options.chance.next() < 0.5);
    this.#down.behind(() => this.#endPage(1006));
  }

  #disturb(): void {
    const { faults, chance, clock } = this.#options;
    const lost = chance.next() < 0.5;
    if (faults.strike("cut")) {
      this.cut();
    } else if (faults.strike("halfOpen")) {
      const both = chance.next();
      if (both < 0.6) this.#up.end(lost);
      if (both > 0.4) this.#down.end(lost);
      clock.after(this.#untilPinged(), () => {
        this.#endServer();
        if (this.#down.isHealthy) this.#down.behind(() => this.#endPage(1006));
      });
    } else if (faults.strike("stall")) {
      this.#down.stall(chance.between(500, 8_000));
    } else if (faults.strike("slowFrame")) {
      this.#up.delay(chance.between(50, 1_500));
    }
  }

  /** Two missed pings, one every 3 s. */
  #untilPinged(): number {
    return this.#options.chance.between(6_000, 9_000);
  }

  #note(bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (message.kind === "refused") this.#options.faults.count("seatRefused");
    if (message.kind !== "frame") return;
    const word = /"why":"(\w+)"/.exec(message.text)?.[1] ?? /"code":"(\w+)",.*"retry":true/.exec(message.text)?.[1];
    const consequence = word === undefined ? undefined : CONSEQUENCES[word];
    if (consequence !== undefined) this.#options.faults.count(consequence);
  }
}

/** What is counted by the reasons that frames give. */
const CONSEQUENCES: Readonly<Record<string, Consequence>> = {
  too_far_behind: "reloadTooFarBehind",
  moved_on: "reloadMovedOn",
  too_fast: "tooFastRefused",
  busy: "busyRefused",
  halted: "haltedRefused",
  out_of_order: "outOfOrderRefused",
  moved: "movedRefused",
};
