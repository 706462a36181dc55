import { type Client, Room } from "@colyseus/core";
import { CloseCode } from "../client-sdk/protocol.ts";

/** Longest interval that setTimeout takes, in milliseconds: 24 days. */
const NEVER = 2 ** 31 - 1;

/**
 * What every room of Walras needs so that Colyseus 0.18 cannot break a promise. Each line answers a
 * fact in tests/colyseus-facts.test.ts, which fails if Colyseus changes underneath:
 *
 * - An exception in a handler shuts the process down unless `onUncaughtException` exists when the room
 *   is constructed, so it is a method here and not a field.
 * - A message type without a handler gets its sender kicked in production, so `*` is handled.
 * - `autoDispose` would remove a room between two page loads of its players.
 * - The clock ticks every 16 to 50 ms even in an idle room, so it is stretched; its timers fire in the
 *   wrong order and are not used.
 * - At shutdown, clients would be closed with a code after which they do not come back.
 */
export abstract class GameRoom extends Room {
  override autoDispose = false;
  override patchRate = NEVER;
  override seatReservationTimeout = 30;

  override onCreate(options: unknown): void {
    this.onMessage("*", (client: Client) => this.onUnknown(client));
    this.open(options);
  }

  override onUncaughtException(error: Error, method: string): void {
    this.onError(error, method);
  }

  override onBeforeShutdown(): void {
    void this.disconnect(CloseCode.RETRY);
  }

  /** Sets the room id and the handlers. */
  protected abstract open(options: unknown): void;
  /** A message that is not in our protocol. */
  protected abstract onUnknown(client: Client): void;
  protected abstract onError(error: Error, method: string): void;
}
