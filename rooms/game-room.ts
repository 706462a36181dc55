import { type Client, ClientState, Room } from "@colyseus/core";
import { CloseCode } from "../client-sdk/protocol.ts";
import { FRAME_HEADER, JOIN_ACK, PING } from "../client-sdk/wire.ts";

/** Longest interval that setTimeout takes, in milliseconds: 24 days. */
const NEVER = 2 ** 31 - 1;

/** Bytes waiting in a socket beyond which its pings get no answer. */
const PING_LIMIT = 64 * 1024;

/** By which Colyseus' own SDK says that it leaves. */
const LEAVE: Uint8Array = Uint8Array.of(12);

/** Room's own reading of a message. */
type Read = (client: Client, bytes: Buffer) => void;

/**
 * What every room of Walras needs so that Colyseus 0.18 cannot break a promise. Each line answers a
 * fact in tests/colyseus-facts.test.ts, which fails if Colyseus changes underneath:
 *
 * - An exception in a handler shuts the process down unless `onUncaughtException` exists when the room
 *   is constructed, so it is a method here and not a field.
 * - `autoDispose` would remove a room between two page loads of its players.
 * - The clock ticks every 16 to 50 ms even in an idle room, so it is stretched; its timers fire in the
 *   wrong order and are not used.
 * - At shutdown, clients would be closed with a code after which they do not come back, and a seat that
 *   nobody has taken would keep the room, and with it the server, from ending for up to 30 s.
 */
export abstract class GameRoom extends Room {
  override autoDispose = false;
  override patchRate = NEVER;
  override seatReservationTimeout = 30;

  override onCreate(options: unknown): void {
    // Private in Colyseus, which binds it to each socket that joins.
    const read = Reflect.get(this, "_onMessage").bind(this) as Read;
    Reflect.set(this, "_onMessage", (client: Client, bytes: Buffer) => this.#sift(client, bytes, read));
    this.open(options);
  }

  override onUncaughtException(error: Error, method: string): void {
    // Colyseus logs those that it hands on to the client.
    if (method !== "onJoin") this.onError(error, method);
  }

  override onBeforeShutdown(): void {
    void this.disconnect(CloseCode.RETRY);
  }

  override disconnect(closeCode?: number): Promise<unknown> {
    // Private in Colyseus, which would wait with the end of the room until the last of them has expired.
    const seats = Reflect.get(this, "_reservedSeats") as Record<string, unknown>;
    const timers = Reflect.get(this, "_reservedSeatTimeouts") as Record<string, NodeJS.Timeout>;
    for (const sessionId of Object.keys(seats)) delete seats[sessionId];
    for (const timer of Object.values(timers)) clearTimeout(timer);
    return super.disconnect(closeCode);
  }

  /**
   * Lets Colyseus read what a page has a use for and nothing else. Left to itself it kicks for a type
   * without a handler and for broken msgpack, prints a line for each type that is not UTF-8, and holds
   * back what goes to a client that never acknowledges its join, without bound.
   */
  #sift(client: Client, bytes: Buffer, read: Read): void {
    if (is(bytes, JOIN_ACK)) read(client, bytes);
    else if (client.state !== ClientState.JOINED) return;
    else if (is(bytes, PING)) {
      if (bufferedOf(client) < PING_LIMIT) read(client, bytes);
    } else if (is(bytes, LEAVE) || FRAME_HEADER.every((byte, i) => bytes[i] === byte)) read(client, bytes);
    else this.onUnknown(client);
  }

  /** Sets the room id and the handlers. */
  protected abstract open(options: unknown): void;
  /** A message that is not in our protocol. */
  protected abstract onUnknown(client: Client): void;
  protected abstract onError(error: Error, method: string): void;
}

/** Bytes that wait in a client's socket. */
function bufferedOf(client: Client): number {
  return (client.ref as { bufferedAmount?: number }).bufferedAmount ?? 0;
}

function is(bytes: Uint8Array, message: Uint8Array): boolean {
  return bytes.length === message.length && bytes[0] === message[0];
}
