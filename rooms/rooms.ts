import { type IRoomCache, matchMaker } from "@colyseus/core";
import type { Seat } from "../client-sdk/protocol.ts";
import type { Actors } from "./actors.ts";
import { groupRoomId } from "./group-room.ts";
import type { SeatHolder } from "./reception.ts";

/** The Colyseus rooms of this process's groups, and the seats in them. */
export class Rooms {
  readonly #actors: Actors;
  /** Made, or being made: once, however many ask at the same time (Colyseus alone would make several). */
  readonly #open = new Map<number, Promise<IRoomCache>>();
  /** Being taken down: Colyseus forgets a room's id only at the end of that, and with it a new room's of the same id. */
  readonly #closing = new Map<number, Promise<unknown>>();

  constructor(actors: Actors) {
    this.#actors = actors;
  }

  /** Reserves a seat: single use, for this participant on this page. @param inspects it is a designer's */
  async seat(actorId: number, participantId: number, pageIndex: number, inspects = false): Promise<Seat> {
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
