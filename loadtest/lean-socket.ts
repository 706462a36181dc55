import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const FIN_BINARY = 0x82;
const FIN_PONG = 0x8a;
const CLOSE = 0x8;
const PING = 0x9;
// Any mask but zero: a server may skip the work for that one.
const MASK = Buffer.from([0x5a, 0x13, 0xc7, 0x2e]);

/** All sockets read into one buffer: what is in it is handled before the next read. */
const shared = Buffer.allocUnsafe(256 * 1024);

export interface LeanEvents {
  /** One message: the bytes from `start` to `end`, valid during the call only. */
  message(bytes: Buffer, start: number, end: number): void;
  closed(): void;
}

/**
 * The least WebSocket client that works, for load: it costs a fraction of what a full one does, so that
 * the generator is not what is measured. It trusts the server, and sends messages below 64 KiB only.
 */
export class LeanSocket {
  readonly #socket: Socket;
  readonly #events: LeanEvents;
  /** The beginning of a message whose end has not come. */
  #rest: Buffer | null = null;
  #open = false;

  /** Resolves when the server has accepted the upgrade. */
  static open(port: number, path: string, events: LeanEvents): Promise<LeanSocket> {
    return new Promise((resolve, reject) => {
      const socket = new LeanSocket(port, path, events, () => resolve(socket));
      socket.#socket.once("error", reject);
    });
  }

  private constructor(port: number, path: string, events: LeanEvents, opened: () => void) {
    this.#events = events;
    this.#socket = connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (size, buffer) => {
          this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, size), opened);
          return true;
        },
      },
    });
    this.#socket.on("close", () => events.closed());
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
  }

  /** Sends one binary message: a header of raw bytes, then ASCII text. */
  send(header: Uint8Array, text: string): void {
    const size = header.length + text.length;
    const at = size < 126 ? 6 : 8;
    const frame = Buffer.allocUnsafe(at + size);
    writeHead(frame, FIN_BINARY, size);
    frame.set(header, at);
    frame.write(text, at + header.length, "latin1");
    for (let i = 0; i < size; i++) frame[at + i] = (frame[at + i] as number) ^ (MASK[i & 3] as number);
    this.#socket.write(frame);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer, opened: () => void): void {
    let bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    if (!this.#open) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) {
        this.#rest = Buffer.from(bytes);
        return;
      }
      const status = bytes.toString("latin1", 0, 12);
      if (status !== "HTTP/1.1 101") {
        this.#socket.destroy(new Error(`The server answered ${status.slice(9)} to a WebSocket handshake.`));
        return;
      }
      this.#open = true;
      opened();
      bytes = bytes.subarray(end + 4);
    }
    let at = 0;
    while (at + 2 <= bytes.length) {
      let size = (bytes[at + 1] as number) & 0x7f;
      let start = at + 2;
      if (size === 126) {
        if (start + 2 > bytes.length) break;
        size = bytes.readUInt16BE(start);
        start += 2;
      } else if (size === 127) {
        throw new Error("A message of more than 64 KiB came, which this client does not take.");
      }
      if (start + size > bytes.length) break;
      const opcode = (bytes[at] as number) & 0xf;
      if (opcode === PING) this.#pong();
      else if (opcode === CLOSE) this.#socket.end();
      else this.#events.message(bytes, start, start + size);
      at = start + size;
    }
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  #pong(): void {
    const frame = Buffer.alloc(6);
    writeHead(frame, FIN_PONG, 0);
    this.#socket.write(frame);
  }
}

function writeHead(frame: Buffer, first: number, size: number): void {
  frame[0] = first;
  if (size < 126) {
    frame[1] = 0x80 | size;
    frame.set(MASK, 2);
  } else {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(size, 2);
    frame.set(MASK, 4);
  }
}
