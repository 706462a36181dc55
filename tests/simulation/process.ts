import { WalrasError } from "../../client-sdk/errors.ts";
import type { PageLive, Seat, SeatAnswer, Send } from "../../client-sdk/protocol.ts";
import { decodeMessage, FRAME_HEADER, JOIN_ACK } from "../../client-sdk/wire.ts";
import type { AppSpec } from "../../entities/app-spec.ts";
import { Committer } from "../../entities/committer.ts";
import { NO_OWN_FIELDS } from "../../entities/own-fields.ts";
import type { ActorLimits, ActorWorld } from "../../rooms/actor-world.ts";
import { Actors } from "../../rooms/actors.ts";
import type { Reply } from "../../rooms/calls.ts";
import { encodeFrame } from "../../rooms/frames.ts";
import { Languages, PLAIN_POINTS } from "../../rooms/languages.ts";
import { type Carrier, Reception, type Seated, type SeatHolder } from "../../rooms/reception.ts";
import { NO_WATCHDOG } from "../../rooms/watchdog.ts";
import { type Found, Participants } from "../../server/participants.ts";
import type { Chance } from "../chaos/chance.ts";
import type { VirtualClock } from "../helpers/virtual-clock.ts";
import type { Database } from "./database.ts";
import type { Faults } from "./faults.ts";
import { Life } from "./life.ts";
import type { Line, ServerEnd } from "./network.ts";
import { SimStore } from "./sim-store.ts";

/** 11: an error in Colyseus' framing, with number 524 and a text. */
const SEAT_REFUSED = Uint8Array.of(11, 0xcd, 524 & 255, 524 >> 8, 0xa3, 0x6e, 0x6f, 0x21);
/** How long a seat is kept for who was given it, in milliseconds. */
/** Of all processes of all runs. */
const LANGUAGES = new Languages({ currency: PLAIN_POINTS });
const SEAT_TIMEOUT = 30_000;

export interface ProcessOptions {
  readonly id: string;
  readonly clock: VirtualClock;
  readonly chance: Chance;
  readonly faults: Faults;
  readonly database: Database;
  readonly apps: ReadonlyMap<string, AppSpec>;
  readonly shared: boolean;
  readonly limits: ActorLimits;
  /** It looks after the timers of groups that are not loaded. */
  readonly timers: boolean;
  /** How often the database is asked whether a group was taken over, in milliseconds. */
  readonly ownership: number;
  log(message: string, fields?: Record<string, unknown>): void;
}

/** What a browser gets for a request of a page. */
export type Response =
  | { kind: "redirect"; index: number }
  /** `transfers`: what the page shows. */
  | { kind: "page"; live: PageLive | null; transfers: number }
  | { kind: "finished" };

/**
 * One server process: the actors as production assembles them (rooms/game.ts), with a stand-in for
 * Colyseus before them and one for Express.
 */
export class Process {
  readonly id: string;
  readonly life: Life;
  readonly actors: Actors;
  readonly #options: ProcessOptions;
  readonly #committer: Committer;
  readonly #store: SimStore;
  readonly #participants: Participants;
  readonly #receptions = new Map<number, Reception>();
  readonly #seats = new Map<string, { actorId: number; holder: SeatHolder }>();
  readonly #lines = new Set<Line>();
  #secrets = 0;

  constructor(options: ProcessOptions) {
    const { id, clock, chance, apps } = options;
    this.id = id;
    this.#options = options;
    this.life = new Life(clock);
    const { after, sleep } = this.life;
    this.#store = new SimStore({ ...options, life: this.life });
    this.#committer = new Committer(this.#store, {
      name: id,
      soon: (callback) => void after(0, callback),
      sleep,
      onHalt: (reason) => this.actors.announce(reason !== null),
    });
    // Clocks of computers differ.
    const skew = chance.whole(-5_000, 5_000);
    const world: ActorWorld = {
      store: this.#store,
      committer: this.#committer,
      apps,
      ownFields: NO_OWN_FIELDS,
      renderer: {
        render: ({ variables }) => ({ html: String((variables.group as { transfers: number }).transfers), nonce: "" }),
      },
      currency: PLAIN_POINTS,
      languages: LANGUAGES,
      version: null,
      development: true,
      log: { info: () => {}, warn: options.log, error: options.log },
      watchdog: NO_WATCHDOG,
      now: () => 1_700_000_000_000 + Math.floor(clock.now()) + skew,
      monotonic: () => clock.now(),
      sleep,
      after,
      newSeed: () => chance.whole(0, 2 ** 32 - 1),
      newSecret: () => `${id}-${++this.#secrets}`,
      encodeFrame,
      limits: options.limits,
    };
    this.actors = new Actors(world);
    this.#participants = new Participants(
      { store: this.#store, call: (actorId, command) => this.actors.call(actorId, command) },
      sleep,
    );
    if (options.timers) this.actors.timers.start();
    if (options.shared) this.#watchOwnership();
  }

  // ---- what browsers ask, as in server/pages.ts ----

  async open(code: string): Promise<Response> {
    const found = await this.#find(code);
    const answer = await this.#participants.ask(found, (participantId) => ({ kind: "start", participantId }));
    return this.#respond(answer.found, answer.reply, 0);
  }

  async view(code: string, pageIndex: number): Promise<Response> {
    const found = await this.#find(code);
    const answer = await this.#participants.ask(found, (participantId) => ({ kind: "view", participantId, pageIndex }));
    return this.#respond(answer.found, answer.reply, pageIndex);
  }

  async submit(code: string, pageIndex: number, outbox: Send[]): Promise<Response> {
    const found = await this.#find(code);
    const answer = await this.#participants.ask(found, (participantId) => ({
      kind: "submit",
      participantId,
      pageIndex,
      outbox,
      form: {},
    }));
    return this.#respond(answer.found, answer.reply, pageIndex);
  }

  async seat(code: string, pageIndex: number): Promise<SeatAnswer> {
    const asked = await this.#find(code);
    const { found, reply } = await this.#participants.ask(asked, (participantId) => ({
      kind: "whereabouts",
      participantId,
    }));
    if (reply !== "finished" && reply.kind === "refused") {
      throw new WalrasError(reply.code, reply.message, { retry: reply.retry });
    }
    const isThere = reply !== "finished" && reply.kind === "at" && reply.pageIndex === pageIndex;
    if (!isThere || found.actorId === null) return { seat: null, reload: true };
    return { seat: await this.#reserve(found.actorId, found.id, pageIndex) };
  }

  async #find(code: string): Promise<Found> {
    const found = await this.#participants.find(code);
    if (found === undefined) throw new Error(`nobody has the code ${code}`);
    return found;
  }

  async #respond(found: Found, reply: Reply | "finished", pageIndex: number): Promise<Response> {
    if (reply === "finished") return { kind: "finished" };
    switch (reply.kind) {
      case "goto":
      case "at":
        return { kind: "redirect", index: reply.pageIndex };
      case "page": {
        const transfers = Number(reply.html);
        if (reply.live === null) return { kind: "page", live: null, transfers };
        let seat: Seat | null = null;
        try {
          if (found.actorId !== null) seat = await this.#reserve(found.actorId, found.id, pageIndex);
        } catch {
          // The page's script asks for one itself.
        }
        return { kind: "page", live: { ...reply.live, seat }, transfers };
      }
      default:
        throw new Error(`refused: ${JSON.stringify(reply)}`);
    }
  }

  // ---- what Colyseus does, as rooms/rooms.ts and rooms/group-room.ts use it ----

  async #reserve(actorId: number, participantId: number, pageIndex: number): Promise<Seat> {
    const actor = this.actors.get(actorId);
    await actor.load();
    const sessionId = this.actors.world.newSecret();
    const page = actor.itinerary.identity(pageIndex, undefined) ?? "";
    this.#seats.set(sessionId, { actorId, holder: { sessionId, participantId, pageIndex, page } });
    this.life.after(SEAT_TIMEOUT, () => this.#seats.delete(sessionId));
    return { processId: this.id, roomId: `g${actorId}`, sessionId };
  }

  /** Somebody has opened a connection for a seat. */
  accept(line: Line, sessionId: string): ServerEnd {
    const seat = this.#seats.get(sessionId);
    this.#seats.delete(sessionId);
    const refuse = () => {
      line.sendDown(SEAT_REFUSED);
      line.closeFromServer(4002);
    };
    if (seat === undefined) {
      refuse();
      return { message: () => {}, closed: () => {} };
    }
    this.#lines.add(line);
    const reception = this.#reception(seat.actorId);
    let seated: Seated | undefined;
    let held: Uint8Array[] | null = [];
    const carrier: Carrier = {
      send: (frame) => (held === null ? line.sendDown(frame) : void held.push(frame)),
      get buffered() {
        return line.buffered;
      },
      close: (code) => line.closeFromServer(code),
    };
    reception.seat(seat.holder, carrier).then((guest) => {
      seated = guest;
      if (line.isOpen) line.sendDown(JOIN_ACK);
      else reception.leave(guest);
    }, refuse);
    return {
      message: (bytes) => {
        if (seated === undefined) return;
        const message = decodeMessage(bytes);
        if (message.kind === "joined") {
          for (const frame of held ?? []) line.sendDown(frame);
          held = null;
        } else if (message.kind === "pong") {
          line.sendDown(bytes);
        } else if (message.kind === "frame") {
          reception.receive(seated, bytes.subarray(FRAME_HEADER.length));
        }
      },
      closed: () => {
        this.#lines.delete(line);
        if (seated !== undefined) reception.leave(seated);
      },
    };
  }

  #reception(actorId: number): Reception {
    let reception = this.#receptions.get(actorId);
    if (reception === undefined) {
      reception = new Reception(this.actors, actorId);
      this.#receptions.set(actorId, reception);
    }
    return reception;
  }

  // ---- what happens to processes ----

  /** The network between it and everybody breaks for a moment. */
  cutAll(): void {
    for (const line of this.#lines) line.cut();
  }

  /** Puts idle groups aside. @returns how many */
  evict(): number {
    const before = this.actors.size;
    this.actors.evict(0);
    return before - this.actors.size;
  }

  /** A graceful stop, as in rooms/game.ts. */
  async stop(deadlineMs: number): Promise<void> {
    await this.actors.finish(deadlineMs);
    this.#committer.stop();
    await Promise.race([this.#committer.drained(), this.life.sleep(deadlineMs)]);
    this.actors.end();
    for (const line of this.#lines) line.closeFromServer(4010);
    await this.life.sleep(20);
    this.life.end();
  }

  #watchOwnership(): void {
    this.life.after(this.#options.ownership, () => {
      this.actors.checkOwnership().catch(() => {});
      this.#watchOwnership();
    });
  }
}
