import { messageOf } from "../client-sdk/errors.ts";
import { type Hello, type Listen, PROTOCOL_VERSION, Refusal, type RefusalBody } from "../client-sdk/protocol.ts";
import type { Actor } from "./actor.ts";
import type { Actors } from "./actors.ts";
import { decodeFrame } from "./frames.ts";
import type { Connection } from "./gate.ts";
import { Inspection, mayInspect } from "./inspection.ts";
import { type IncomingMessage, MessageTurn } from "./message-turn.ts";
import { isReplaced } from "./replacement.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Why a seat is refused that was given before groups were formed anew: its page asks for one in the new group. */
export const NOT_HERE = "the seat's participant is not in this group";

/** The seat says who sits on it; nothing in a message can (P9). */
export interface SeatHolder {
  readonly sessionId: string;
  readonly participantId: number;
  readonly pageIndex: number;
  /** `app/round/Page`. */
  readonly page: string;
  /** A designer sits here, who may see what no participant may; see inspection.ts. */
  readonly inspects?: boolean;
}

/** The socket of a seat, in the words of whatever carries it. */
export type Carrier = Pick<Connection, "send" | "buffered" | "close">;

/** Somebody on a seat: their connection, and the actor that they sat down with. */
export interface Seated {
  readonly connection: Connection;
  readonly actor: Actor;
  /** The seat is a designer's. */
  readonly inspects: boolean;
}

/**
 * Where a group's sockets meet its actor: who sits down, what they send, who leaves. It does not know
 * what carries the bytes; GroupRoom brings Colyseus, the simulation a network of its own.
 */
export class Reception {
  readonly #actors: Actors;
  readonly #actorId: number;
  readonly #buckets = new Map<number, TokenBucket>();
  readonly #greeted = new WeakSet<Connection>();

  constructor(actors: Actors, actorId: number) {
    this.#actors = actors;
    this.#actorId = actorId;
  }

  /** Takes a seat's holder in, when the group has been loaded. @throws if it cannot be, or is not theirs */
  async seat(holder: SeatHolder, carrier: Carrier): Promise<Seated> {
    const actor = this.#actors.get(this.#actorId);
    await actor.load();
    const player = actor.memory.playerOf(holder.participantId);
    if (player === undefined) throw new Error(NOT_HERE);
    const connection = new SeatConnection(holder, carrier);
    actor.gate.attach(connection, player.values.idInGroup as number);
    return { connection, actor, inspects: holder.inspects === true };
  }

  leave({ connection, actor }: Seated): void {
    actor.gate.detach(connection);
    this.#actors.world.chats?.leave(connection);
    actor.inspection?.leave(connection);
    actor.presence.leave(connection);
    actor.lastActive = this.#actors.world.monotonic();
  }

  /** One frame: the bytes behind Colyseus' own header. */
  receive(seated: Seated, bytes: Uint8Array): void {
    const frame = decodeFrame(bytes, this.#actors.world.limits.messageBytes);
    if (frame.kind === "malformed") {
      this.malformed(seated, frame.why);
    } else if (frame.kind === "hello") {
      this.#greet(seated, frame.hello);
    } else if (frame.kind === "away") {
      const { connection, actor } = seated;
      connection.away = frame.away;
      if (actor.loaded && !actor.dead) actor.waits.seen();
    } else if (frame.kind === "listen") {
      this.#listen(seated, frame.listen);
    } else {
      this.#send(seated, frame.message);
    }
  }

  /** Once on a connection: each hello may make the server read the journal. */
  #greet(seated: Seated, { v, s, h, x, i }: Hello): void {
    const { connection, actor } = seated;
    if (this.#greeted.has(connection)) {
      this.malformed(seated, "a second hello");
      return;
    }
    this.#greeted.add(connection);
    if (v !== PROTOCOL_VERSION) actor.gate.reload(connection, "protocol");
    else if (
      actor.pageOf(connection.participantId) !== connection.page ||
      isReplaced(actor.here(connection.participantId))
    ) {
      actor.gate.reload(connection, "moved_on");
    } else {
      const { committer, log } = this.#actors.world;
      actor.presence.arrive(connection);
      if (i === 1 && seated.inspects && mayInspect(actor)) {
        actor.inspection ??= new Inspection(actor);
        actor.inspection.join(connection);
      }
      actor.gate
        .hello(connection, s, h === true, x)
        .then(() => {
          // It was announced to those who were there.
          if (committer.halted !== null) actor.gate.notice(connection, true);
          actor.waits.greet(connection);
        })
        .catch((error: unknown) => {
          log.warn("a page could not be caught up", { actor: this.#actorId, error: messageOf(error) });
          actor.gate.drop(connection);
        });
    }
  }

  /** A chat of the page wants to be told what is said. */
  #listen(seated: Seated, { b, t, s }: Listen): void {
    const { connection, actor } = seated;
    const { chats } = this.#actors.world;
    const place = chats?.seal.open(t);
    const isOwn = place?.participantId === connection.participantId && place.page === connection.page;
    if (place === undefined || !isOwn || !this.#greeted.has(connection)) {
      this.malformed(seated, "a chat that is not this page's");
    } else if (this.#wait(connection.participantId) > 0) {
      // Each may make the server read the whole chat.
      actor.gate.drop(connection);
    } else {
      chats?.listen({ connection, actor, box: b, place, seen: s });
    }
  }

  /** Not in our protocol: said to the sender and, within the rate limit, to the log. Nobody is kicked. */
  malformed({ connection, actor }: Seated, why: string): void {
    if (this.#wait(connection.participantId) > 0) return;
    this.#actors.world.log.warn("a malformed frame was refused", { actor: this.#actorId, why });
    const body = { code: "malformed", message: `The message is not in the protocol: ${why}.`, retry: false };
    actor.gate.refuse(connection, "", 0, body);
  }

  #send({ connection, actor }: Seated, message: IncomingMessage): void {
    const { participantId } = connection;
    const { c, n } = message;
    const { limits, committer } = this.#actors.world;
    const cost = message.t === undefined ? 1 : limits.chatCost;
    const refuse = (body: RefusalBody): void => actor.gate.refuse(connection, c, n, body);
    const after = this.#wait(participantId, cost);
    if (after > 0) {
      const text = `Too many messages; at most ${limits.rate / cost} a second.`;
      refuse({ code: Refusal.TOO_FAST, message: text, retry: true, after });
      return;
    }
    if (this.#actors.stopping) {
      // Mailboxes that went on filling would never be empty, and the server would wait for its deadline.
      refuse({ code: Refusal.MOVED, message: "The server is restarting. Your message is kept.", retry: true });
      return;
    }
    if (committer.halted !== null) {
      const text = "The server cannot save at the moment. Your message is kept and sent again.";
      refuse({ code: Refusal.HALTED, message: text, retry: true, after: 1000 });
      return;
    }
    const turn = new MessageTurn(participantId, message, connection);
    actor.post(turn.onFail((error) => refuse({ code: error.code, message: error.message, retry: error.retry })));
  }

  /** Milliseconds until this participant may send again; 0: now. All of their tabs count together. */
  #wait(participantId: number, cost = 1): number {
    const { limits, monotonic } = this.#actors.world;
    let bucket = this.#buckets.get(participantId);
    if (bucket === undefined) {
      bucket = new TokenBucket(limits.rate, limits.burst, monotonic());
      this.#buckets.set(participantId, bucket);
    }
    return bucket.take(monotonic(), cost);
  }
}

/** A seat's socket as the gate sees it. */
class SeatConnection implements Connection {
  readonly participantId: number;
  readonly pageIndex: number;
  readonly page: string;
  away = false;
  readonly #carrier: Carrier;

  constructor(holder: SeatHolder, carrier: Carrier) {
    this.#carrier = carrier;
    this.participantId = holder.participantId;
    this.pageIndex = holder.pageIndex;
    this.page = holder.page;
  }

  send(frame: Uint8Array): void {
    this.#carrier.send(frame);
  }

  get buffered(): number {
    return this.#carrier.buffered;
  }

  close(code: number): void {
    this.#carrier.close(code);
  }
}
