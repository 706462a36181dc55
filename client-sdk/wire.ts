import { FRAME_TYPE, type Seat } from "./protocol.ts";

/**
 * The small part of Colyseus 0.18's framing that Walras needs, so that a page need not load the
 * 53 KB of @colyseus/sdk, whose own reconnection and ten-message buffer would stand in our way.
 *
 * A message is one binary WebSocket message: a code byte (its upper three bits are modifiers), then
 * the code's own content. tests/client-wire.test.ts holds this against a real Colyseus room.
 */
const Code = { JOIN_ROOM: 10, ERROR: 11, ROOM_DATA_BYTES: 17, PING: 18 } as const;
const CODE_MASK = 0x1f;

/** Tells the room that this side has joined; only then does it send what it held back. */
export const JOIN_ACK: Uint8Array<ArrayBuffer> = Uint8Array.of(Code.JOIN_ROOM);

/** The room answers it with the same byte at once, whatever else it does. */
export const PING: Uint8Array<ArrayBuffer> = Uint8Array.of(Code.PING);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// Strings below 32 bytes are one byte 0xa0 + length, then UTF-8 (as in msgpack).
const type = encoder.encode(FRAME_TYPE);
/** What stands before the JSON of every frame. */
export const FRAME_HEADER: Uint8Array<ArrayBuffer> = Uint8Array.of(Code.ROOM_DATA_BYTES, 0xa0 | type.length, ...type);

/** Length of a text in UTF-8 bytes. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** Wraps the JSON text of one frame. */
export function encodeFrame(text: string): Uint8Array<ArrayBuffer> {
  const body = encoder.encode(text);
  const bytes = new Uint8Array(FRAME_HEADER.length + body.length);
  bytes.set(FRAME_HEADER);
  bytes.set(body, FRAME_HEADER.length);
  return bytes;
}

/** What one WebSocket message means to us; `other` is to be ignored. */
export type WireMessage =
  | { kind: "joined" }
  | { kind: "frame"; text: string }
  | { kind: "pong" }
  | { kind: "refused"; code: number; message: string }
  | { kind: "other" };

/** Reads one WebSocket message; never throws, whatever the bytes. */
export function decodeMessage(bytes: Uint8Array): WireMessage {
  switch ((bytes[0] ?? 0) & CODE_MASK) {
    case Code.JOIN_ROOM:
      return { kind: "joined" };
    case Code.PING:
      return { kind: "pong" };
    case Code.ROOM_DATA_BYTES:
      if (FRAME_HEADER.some((byte, i) => i > 0 && bytes[i] !== byte)) return { kind: "other" };
      return { kind: "frame", text: decoder.decode(bytes.subarray(FRAME_HEADER.length)) };
    case Code.ERROR:
      return { kind: "refused", ...readError(bytes) };
    default:
      return { kind: "other" };
  }
}

/** A number (little endian behind a marker byte), then a string. */
function readError(bytes: Uint8Array): { code: number; message: string } {
  const size = { 204: 1, 205: 2, 206: 4 }[bytes[1] ?? 0] ?? 0;
  let code = size === 0 ? (bytes[1] ?? 0) : 0;
  for (let i = size; i > 0; i--) code = code * 256 + (bytes[1 + i] ?? 0);
  const at = 2 + size;
  const marker = bytes[at] ?? 0xa0;
  const start = at + (marker === 0xd9 ? 2 : marker === 0xda ? 3 : marker === 0xdb ? 5 : 1);
  return { code, message: decoder.decode(bytes.subarray(start)) };
}

/** Where a seat's socket is. @param origin of the page, e.g. `https://lab.example.org` */
export function socketUrl(seat: Seat, origin: string): string {
  const page = new URL(origin);
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  const host = seat.publicAddress ?? page.host;
  return `${scheme}//${host}/${seat.processId}/${seat.roomId}?sessionId=${encodeURIComponent(seat.sessionId)}`;
}

/** The least that a connection must do: a WebSocket, a `ws` socket, or one end of a simulated network. */
export interface Socket {
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(code: number): void;
}

/** What a connection tells. Never called before the function that opened it has returned. */
export interface SocketEvents {
  message(bytes: Uint8Array): void;
  /** The last event; `code` is the WebSocket close code. */
  close(code: number): void;
}

/** A {@link Socket} on the WebSocket of a browser or of Node 22 and later. @throws where the URL is refused */
export function openWebSocket(WebSocketClass: typeof WebSocket, url: string, on: SocketEvents): Socket {
  const socket = new WebSocketClass(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") on.message(new Uint8Array(data));
  };
  socket.onclose = ({ code }) => on.close(code);
  return { send: (bytes) => socket.send(bytes), close: (code) => socket.close(code) };
}

/** What a {@link Wire} tells its owner. */
export interface WireEvents {
  /** The seat is taken; frames may be sent. */
  joined(): void;
  frame(text: string): void;
  /** Anything came, a ping's answer included: the other side lives. */
  heard(): void;
  /** The last event. `reason` is what the room said if it refused the seat. */
  closed(code: number, reason: string): void;
}

/** One connection to one seat. */
export class Wire {
  private readonly socket: Socket;
  private silent = false;
  private reason = "";

  constructor(open: (on: SocketEvents) => Socket, on: WireEvents) {
    this.socket = open({
      message: (bytes) => {
        if (this.silent) return;
        on.heard();
        const message = decodeMessage(bytes);
        if (message.kind === "joined") {
          this.socket.send(JOIN_ACK);
          on.joined();
        } else if (message.kind === "frame") {
          on.frame(message.text);
        } else if (message.kind === "refused") {
          this.reason = `${message.code} ${message.message}`;
        }
      },
      close: (code) => {
        if (!this.silent) on.closed(code, this.reason);
      },
    });
  }

  /** Sends the JSON text of one frame; only after `joined`. */
  send(text: string): void {
    this.socket.send(encodeFrame(text));
  }

  ping(): void {
    this.socket.send(PING);
  }

  /** Closes, and tells nothing more: a dead link can take minutes to report its own end. */
  close(code: number): void {
    this.silent = true;
    this.socket.close(code);
  }
}
