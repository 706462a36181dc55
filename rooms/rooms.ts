import { type IRoomCache, matchMaker } from "@colyseus/core";
import { WalrasError } from "../client-sdk/errors.ts";
import { Refusal, type Seat } from "../client-sdk/protocol.ts";
import type { Actors } from "./actors.ts";
import { groupRoomId } from "./group-room.ts";
import type { SeatHolder } from "./reception.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Seats of one participant: a page takes one, and one more each time its connection breaks. */
const SEATS_AT_ONCE = 200;
const SEATS_A_SECOND = 5;
/** Participants whose requests are counted. */
const ALLOWANCES = 20_000;

/** The Colyseus rooms of this process's groups, and the seats in them. */
export class Rooms {
  readonly #actors: Actors;
  /** Made, or being made: once, however many ask at the same time (Colyseus alone would make several). */
  readonly #open = new Map<number, Promise<IRoomCache>>();
  /** How often each participant may ask for a seat, of those who asked last. */
  readonly #allowances = new Map<number, TokenBucket>();
  /** Being taken down: Colyseus forgets a room's id only at the end of that, and with it a new room's of the same id. */
  readonly #closing = new Map<number, Promise<unknown>>();

  constructor(actors: Actors) {
    this.#actors = actors;
  }

  /**
   * Reserves a seat: single use, for this participant on this page.
   *
   * @param inspects it is a designer's
   * @throws WalrasError `too_fast`, to be tried again: each seat is kept for half a minute, taken or not
   */
  async seat(actorId: number, participantId: number, pageIndex: number, inspects = false): Promise<Seat> {
    this.#allow(participantId);
    const actor = this.#actors.get(actorId);
    await actor.load();
    const holder: SeatHolder = {
      sessionId: this.#actors.world.newSecret(),
      participantId,
      pageIndex,
      page: actor.itinerary.identity(pageIndex, actor.here(participantId)?.values.pageOrder) ?? "",
      ...(inspects ? { inspects } : {}),
    };
    const seat = await matchMaker.reserveSeatFor(await this.#room(actorId), {}, holder);
    const { processId, roomId, sessionId, publicAddress } = seat;
    if (processId === undefined) throw new Error("Colyseus gave a seat without a process");
    return { processId, roomId, sessionId, ...(publicAddress === undefined ? {} : { publicAddress }) };
  }

  #allow(participantId: number): void {
    const now = this.#actors.world.monotonic();
    const bucket = this.#allowances.get(participantId) ?? new TokenBucket(SEATS_A_SECOND, SEATS_AT_ONCE, now);
    // Who asked last stands last.
    this.#allowances.delete(participantId);
    this.#allowances.set(participantId, bucket);
    const [oldest] = this.#allowances.keys();
    if (this.#allowances.size > ALLOWANCES && oldest !== undefined) this.#allowances.delete(oldest);
    if (bucket.take(now) === 0) return;
    throw new WalrasError(Refusal.TOO_FAST, "Too many connections were asked for. Try again in a moment.", {
      retry: true,
    });
  }

  /** Takes down the rooms of groups that have left memory. */
  evict(): void {
    for (const actorId of this.#open.keys()) {
      const room = matchMaker.getLocalRoomById(groupRoomId(actorId));
      if (room === undefined || room.clients.length > 0 || this.#actors.has(actorId)) continue;
      this.#open.delete(actorId);
      const closed = room.disconnect().finally(() => this.#closing.delete(actorId));
      this.#closing.set(actorId, closed);
    }
  }

  #room(actorId: number): Promise<IRoomCache> {
    let open = this.#open.get(actorId);
    if (open === undefined) {
      open = this.#make(actorId);
      this.#open.set(actorId, open);
      open.catch(() => this.#open.delete(actorId));
    }
    return open;
  }

  async #make(actorId: number): Promise<IRoomCache> {
    await this.#closing.get(actorId);
    return matchMaker.createRoom("group", { actorId });
  }
}
