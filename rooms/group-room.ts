import type { Client } from "@colyseus/core";
import { messageOf } from "../client-sdk/errors.ts";
import { FRAME_TYPE, PROTOCOL_VERSION, Refusal, type RefusalBody } from "../client-sdk/protocol.ts";
import type { Actor } from "./actor.ts";
import type { Actors } from "./actors.ts";
import { decodeFrame } from "./frames.ts";
import { GameRoom } from "./game-room.ts";
import type { Connection } from "./gate.ts";
import { type IncomingMessage, MessageTurn } from "./message-turn.ts";
import { TokenBucket } from "./token-bucket.ts";

/** The seat says who sits on it; nothing in a message can (P9). */
export interface SeatHolder {
  readonly sessionId: string;
  readonly participantId: number;
  readonly pageIndex: number;
  /** `app/round/Page`. */
  readonly page: string;
}

/** The room of a group, always the same for the same group. */
export function groupRoomId(actorId: number): string {
  return `g${actorId}`;
}

interface Seated {
  readonly connection: Connection;
  readonly actor: Actor;
}

/**
 * The Colyseus shell of a group's actor: connections and seats, nothing else. Made by a function
 * because Colyseus constructs rooms itself and copies their options.
 */
export function makeGroupRoom(actors: Actors) {
  const { log, limits, monotonic } = actors.world;

  return class GroupRoom extends GameRoom {
    #actorId = 0;
    readonly #seated = new Map<Client, Seated>();
    readonly #buckets = new Map<number, TokenBucket>();

    protected override open({ actorId }: { actorId: number }): void {
      this.#actorId = actorId;
      this.roomId = groupRoomId(actorId);
      this.onMessageBytes(FRAME_TYPE, (client: Client, bytes: Uint8Array) => this.#receive(client, bytes));
    }

    override async onJoin(client: Client): Promise<void> {
      const holder = client.auth as SeatHolder;
      const actor = actors.get(this.#actorId);
      await actor.load();
      const player = actor.memory.playerOf(holder.participantId);
      if (player === undefined) throw new Error("the seat's participant is not in this group");
      const connection = new SocketConnection(client, holder);
      this.#seated.set(client, { connection, actor });
      actor.gate.attach(connection, player.values.idInGroup as number);
    }

    override onLeave(client: Client): void {
      const seated = this.#seated.get(client);
      if (seated === undefined) return;
      this.#seated.delete(client);
      if (seated.actor.loaded) seated.actor.gate.detach(seated.connection);
      seated.actor.lastActive = monotonic();
    }

    protected override onUnknown(client: Client): void {
      this.#malformed(client, "unknown message type");
    }

    protected override onError(error: Error, method: string): void {
      log.error("a room failed", { actor: this.#actorId, method, error: messageOf(error) });
    }

    #receive(client: Client, bytes: Uint8Array): void {
      const seated = this.#seated.get(client);
      if (seated === undefined) return;
      const { connection, actor } = seated;
      const frame = decodeFrame(bytes, limits.messageBytes);
      if (frame.kind === "malformed") {
        this.#malformed(client, frame.why);
      } else if (frame.kind === "hello") {
        const { v, s, h } = frame.hello;
        if (v !== PROTOCOL_VERSION) actor.gate.reload(connection, "protocol");
        else if (actor.pageOf(connection.participantId) !== connection.page && actor.here(connection.participantId)) {
          actor.gate.reload(connection, "moved_on");
        } else {
          actor.gate.hello(connection, s, h === true).catch((error: unknown) => {
            log.warn("a page could not be caught up", { actor: this.#actorId, error: messageOf(error) });
            actor.gate.drop(connection);
          });
        }
      } else {
        this.#send(seated, frame.message);
      }
    }

    #send({ connection, actor }: Seated, message: IncomingMessage): void {
      const { participantId } = connection;
      const { c, n } = message;
      const refuse = (body: RefusalBody): void => actor.gate.refuse(connection, c, n, body);
      const after = this.#wait(participantId);
      if (after > 0) {
        const text = `Too many messages; at most ${limits.rate} a second.`;
        refuse({ code: Refusal.TOO_FAST, message: text, retry: true, after });
        return;
      }
      if (actors.world.committer.halted !== null) {
        const text = "The server cannot save at the moment. Your message is kept and sent again.";
        refuse({ code: Refusal.HALTED, message: text, retry: true, after: 1000 });
        return;
      }
      const turn = new MessageTurn(participantId, message, connection);
      actor.post(turn.onFail((error) => refuse({ code: error.code, message: error.message, retry: error.retry })));
    }

    /** Milliseconds until this participant may send again; 0: now. All of their tabs count together. */
    #wait(participantId: number): number {
      let bucket = this.#buckets.get(participantId);
      if (bucket === undefined) {
        bucket = new TokenBucket(limits.rate, limits.burst, monotonic());
        this.#buckets.set(participantId, bucket);
      }
      return bucket.take(monotonic());
    }

    /** Not in our protocol: said to the sender and, within the rate limit, to the log. Nobody is kicked. */
    #malformed(client: Client, why: string): void {
      const seated = this.#seated.get(client);
      if (seated === undefined) return;
      const { connection, actor } = seated;
      if (this.#wait(connection.participantId) > 0) return;
      log.warn("a malformed frame was refused", { actor: this.#actorId, why });
      const body = { code: "malformed", message: `The message is not in the protocol: ${why}.`, retry: false };
      actor.gate.refuse(connection, "", 0, body);
    }
  };
}

/** A socket as the gate sees it. */
class SocketConnection implements Connection {
  readonly participantId: number;
  readonly pageIndex: number;
  readonly page: string;
  readonly #client: Client;

  constructor(client: Client, holder: SeatHolder) {
    this.#client = client;
    this.participantId = holder.participantId;
    this.pageIndex = holder.pageIndex;
    this.page = holder.page;
  }

  send(frame: Uint8Array): void {
    // Held back by Colyseus until the client has acknowledged its join.
    this.#client.enqueueRaw(frame);
  }

  get buffered(): number {
    return (this.#client.ref as { bufferedAmount?: number }).bufferedAmount ?? 0;
  }

  close(code: number): void {
    this.#client.leave(code);
  }
}
