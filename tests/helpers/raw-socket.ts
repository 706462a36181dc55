import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import {
  type Answer,
  type ClientFrame,
  PROTOCOL_VERSION,
  type Seat,
  type ServerFrame,
} from "../../client-sdk/protocol.ts";
import { decodeMessage, encodeFrame, JOIN_ACK, PING } from "../../client-sdk/wire.ts";

export interface RawSocketOptions {
  /** Page that messages claim to come from. */
  page?: string;
  origin?: string;
  /** False: the join is not acknowledged. */
  acknowledge?: boolean;
  headers?: Record<string, string>;
}

/** A page's socket in the hands of somebody who may send anything. */
export class RawSocket {
  readonly ws: WebSocket;
  readonly clientId = randomBytes(16).toString("base64url");
  readonly frames: ServerFrame[] = [];
  /** What Colyseus said on refusing the seat. */
  refusal: string | undefined;
  joined = false;
  pongs = 0;
  closed: number | undefined;
  /** HTTP status of a refused handshake. */
  status: number | undefined;
  /** Joined or closed. */
  readonly settled: Promise<void>;
  readonly #page: string;
  #n = 0;
  #waiting = new Set<() => void>();

  constructor(base: string, seat: Pick<Seat, "processId" | "roomId" | "sessionId">, options: RawSocketOptions = {}) {
    this.#page = options.page ?? "auction/1/Bidding";
    const { processId, roomId, sessionId } = seat;
    this.ws = new WebSocket(`${base}/${processId}/${roomId}?sessionId=${sessionId}`, {
      perMessageDeflate: false,
      ...(options.origin === undefined ? {} : { origin: options.origin }),
      headers: options.headers ?? {},
    });
    this.ws.on("message", (data: Buffer) => {
      const message = decodeMessage(data);
      if (message.kind === "joined") {
        if (options.acknowledge !== false) this.ws.send(JOIN_ACK);
        this.joined = true;
      } else if (message.kind === "frame") {
        this.frames.push(JSON.parse(message.text) as ServerFrame);
      } else if (message.kind === "pong") {
        this.pongs += 1;
      } else if (message.kind === "refused") {
        this.refusal = `${message.code} ${message.message}`;
      }
      this.#changed();
    });
    this.ws.on("unexpected-response", (request, response) => {
      this.status = response.statusCode;
      this.closed = 1006;
      request.destroy();
      this.#changed();
    });
    this.ws.on("close", (code) => {
      this.closed ??= code;
      this.#changed();
    });
    this.ws.on("error", () => {});
    this.settled = this.until(() => this.joined || this.closed !== undefined);
  }

  /** Waits until something is so; looked at after everything that comes. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array | string): void {
    this.ws.send(bytes);
  }

  /** The JSON text of a frame, well-formed or not. */
  text(text: string): void {
    this.ws.send(encodeFrame(text));
  }

  frame(frame: Partial<ClientFrame> | Record<string, unknown>): void {
    this.text(JSON.stringify(frame));
  }

  async hello(seen = 0): Promise<void> {
    this.frame({ k: "hello", v: PROTOCOL_VERSION, c: this.clientId, s: seen });
    await this.until(() => this.frames.some((frame) => frame.k === "welcome") || this.closed !== undefined);
  }

  /** A liveSend; returns its number. */
  post(data: unknown, as: Record<string, unknown> = {}): number {
    const n = (as.n as number | undefined) ?? ++this.#n;
    if (as.c === undefined) this.#n = n;
    this.frame({ k: "send", c: this.clientId, n, p: this.#page, d: data, ...as });
    return n;
  }

  /** A liveSend, and its answer. */
  async ask(data: unknown, as: Record<string, unknown> = {}): Promise<Answer> {
    const n = this.post(data, as);
    const before = this.answers(n).length;
    await this.until(() => this.answers(n).length > before || this.closed !== undefined);
    const answer = this.answers(n).at(-1);
    if (answer === undefined) throw new Error(`closed with ${this.closed} before the answer`);
    return answer;
  }

  /** All answers to a number, in the order in which they came. Number 0: to what was not in the protocol. */
  answers(n: number): Answer[] {
    return this.frames
      .map((frame) => (frame.k === "answer" || frame.k === "recv" ? frame.a : undefined))
      .filter((answer) => answer !== undefined && answer.n === n) as Answer[];
  }

  /** What liveRecv would have been called with. */
  get received(): unknown[] {
    return this.frames.flatMap((frame) => (frame.k === "recv" ? frame.m : []));
  }

  /** Resolves when the room has taken everything that was sent before. */
  async pong(): Promise<void> {
    const before = this.pongs;
    this.ws.send(PING);
    await this.until(() => this.pongs > before || this.closed !== undefined);
  }

  close(code = 4000): Promise<void> {
    this.ws.close(code);
    return this.until(() => this.closed !== undefined);
  }

  destroy(): void {
    this.ws.terminate();
  }

  #changed(): void {
    for (const look of [...this.#waiting]) look();
  }
}
