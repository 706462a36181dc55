import type { Writable } from "node:stream";
import { type Client, ClientState } from "@colyseus/core";
import { writeTogether } from "./write-together.ts";

/** What is used of a `ws` socket. */
interface Socket {
  readonly readyState?: number;
  /** Extensions that were agreed on. */
  readonly _extensions?: object;
  readonly _socket?: Writable;
}

const OPEN = 1;
/** FIN and the opcode of a binary message. */
const BINARY = 0x82;

/** Frames come several times in a row, once for each member. */
let last: Uint8Array | undefined;
let lastFramed: Uint8Array | undefined;

/** A message of the server with its WebSocket header in front, unmasked, as one piece. */
export function framed(message: Uint8Array): Uint8Array {
  if (message === last && lastFramed !== undefined) return lastFramed;
  const size = message.length;
  const at = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(at + size);
  bytes[0] = BINARY;
  if (at === 2) {
    bytes[1] = size;
  } else if (at === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(size, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(size), 2);
  }
  bytes.set(message, at);
  last = message;
  lastFramed = bytes;
  return bytes;
}

/**
 * Sends a message to a client, together with what else goes to it in this turn of the loop.
 *
 * A header, two objects of options and a piece of the system call for each member of a group is what `ws` takes
 * to send the same bytes to all of them, so they are framed here once. Who has not acknowledged the join yet,
 * or has agreed on an extension that changes frames, is served by Colyseus and `ws`.
 */
export function sendFrame(client: Client, message: Uint8Array): void {
  const { readyState, _socket, _extensions } = client.ref as Socket;
  if (_socket === undefined) {
    client.enqueueRaw(message);
    return;
  }
  writeTogether(_socket);
  if (client.state === ClientState.JOINED && readyState === OPEN && isEmpty(_extensions))
    _socket.write(framed(message));
  else client.enqueueRaw(message);
}

function isEmpty(object: object | undefined): boolean {
  for (const _ in object) return false;
  return object !== undefined;
}
