import type { Client } from "@colyseus/core";
import { messageOf } from "../client-sdk/errors.ts";
import { CloseCode, FRAME_TYPE } from "../client-sdk/protocol.ts";
import type { Actors } from "./actors.ts";
import { GameRoom } from "./game-room.ts";
import { type Carrier, Reception, type Seated, type SeatHolder } from "./reception.ts";
import { sendFrame } from "./wire-frames.ts";

/** The room of a group, always the same for the same group. */
export function groupRoomId(actorId: number): string {
  return `g${actorId}`;
}

/**
 * The Colyseus shell of a group's actor: it carries bytes between sockets and the {@link Reception},
 * nothing else. Made by a function because Colyseus constructs rooms itself and copies their options.
 */
export function makeGroupRoom(actors: Actors) {
  return class GroupRoom extends GameRoom {
    #actorId = 0;
    #reception!: Reception;
    readonly #seated = new Map<Client, Seated>();

    protected override open({ actorId }: { actorId: number }): void {
      this.#actorId = actorId;
      this.#reception = new Reception(actors, actorId);
      this.roomId = groupRoomId(actorId);
      this.onMessageBytes(FRAME_TYPE, (client: Client, bytes: Uint8Array) => {
        const seated = this.#seated.get(client);
        if (seated !== undefined) this.#reception.receive(seated, bytes);
      });
    }

    override async onJoin(client: Client): Promise<void> {
      this.#seated.set(client, await this.#reception.seat(client.auth as SeatHolder, carrierOf(client)));
    }

    override onLeave(client: Client): void {
      const seated = this.#seated.get(client);
      if (seated === undefined) return;
      this.#seated.delete(client);
      this.#reception.leave(seated);
    }

    protected override onUnknown(client: Client): void {
      const seated = this.#seated.get(client);
      if (seated !== undefined) this.#reception.malformed(seated, "unknown message type");
    }

    protected override onError(error: Error, method: string): void {
      actors.world.log.error("a room failed", { actor: this.#actorId, method, error: messageOf(error) });
    }
  };
}

function carrierOf(client: Client): Carrier {
  const socket = client.ref as { bufferedAmount?: number };
  return {
    send: (frame) => sendFrame(client, frame),
    get buffered() {
      return socket.bufferedAmount ?? 0;
    },
    close: (code) => client.leave(code, code === CloseCode.TOO_MANY ? "too many pages of one participant" : undefined),
  };
}
