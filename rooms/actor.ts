import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import type { GroupMemory, Row } from "../entities/memory.ts";
import type { Values } from "../entities/tables.ts";
import type { ActorWorld } from "./actor-world.ts";
import type { Barriers } from "./barriers.ts";
import { interrupted, type RunningCall } from "./call-end.ts";
import { ClientNumbers } from "./client-numbers.ts";
import { Computers } from "./computers.ts";
import { Gate } from "./gate.ts";
import { type Group, readGroup, readNewcomer, takeIn } from "./group-reads.ts";
import type { Inspection } from "./inspection.ts";
import type { Itinerary } from "./itinerary.ts";
import type { Language } from "./languages.ts";
import { Presence } from "./presence.ts";
import { PublishedState } from "./published-state.ts";
import type { Absence } from "./replacement.ts";
import type { Turn } from "./turn.ts";
import { Turns } from "./turns.ts";
import { WaitPages } from "./wait-pages.ts";

/**
 * The one object that owns a group's memory and mailbox. Everything that concerns the group comes in
 * through {@link post}, one thing at a time; what becomes of it there is in turns.ts.
 *
 * It knows neither Colyseus nor HTTP.
 */
export class Actor {
  readonly actorId: number;
  readonly world: ActorWorld;
  readonly writer: string;
  readonly clients = new ClientNumbers();
  #group: Group | undefined;
  #gate: Gate | undefined;
  #presence: Presence | undefined;
  #published: PublishedState | undefined;
  #waits: WaitPages | undefined;
  readonly #turns: Turns;
  #dead = false;
  #loading: Promise<void> | undefined;
  #onDead: (() => void)[] = [];
  /** Told of a participant whose last unit here has committed. */
  onDeparture: ((participant: Values) => void) | undefined;
  /** Called when the group's timers may have changed: it was loaded, or a turn set, fired or took back some. */
  onTimers: () => void = () => {};
  /** Players in whose place the computer plays. */
  readonly computers = new Computers(this);
  /** Has the computer play for a participant wherever they are; resolves to whether that is seen to. See replacement.ts. */
  replaceAnywhere: ((participantId: number, absence: Absence) => Promise<boolean>) | undefined;
  /** Where the process keeps the wait pages of all groups. */
  barriers: Barriers | undefined;
  /** Development: what panels of designers see. undefined: nobody has asked for it. */
  inspection: Inspection | undefined;
  /** Monotonic time of the last turn, for eviction. */
  lastActive: number;
  /** Async calls under way. */
  readonly calls = new Set<RunningCall>();
  /** How many async calls of which participant are under way; they keep the actor loaded. */
  readonly asyncCalls = new Map<number, number>();

  constructor(actorId: number, world: ActorWorld) {
    this.actorId = actorId;
    this.world = world;
    this.writer = world.newSecret();
    this.lastActive = world.monotonic();
    this.#turns = new Turns(this);
  }

  get dead(): boolean {
    return this.#dead;
  }

  get loaded(): boolean {
    return this.#gate !== undefined;
  }

  get memory(): GroupMemory {
    return loaded(this.#group).memory;
  }

  /** The session's pages, and which of them are this group's. */
  get itinerary(): Itinerary {
    return loaded(this.#group).itinerary;
  }

  /** In which the session speaks to its participants. */
  get language(): Language {
    return loaded(this.#group).language;
  }

  get app(): AppSpec {
    return this.memory.app;
  }

  get gate(): Gate {
    return loaded(this.#gate);
  }

  /** Who is there. */
  get presence(): Presence {
    return loaded(this.#presence);
  }

  get waits(): WaitPages {
    return loaded(this.#waits);
  }

  /** What the app's pages see in step; undefined: nothing. */
  get published(): PublishedState | undefined {
    return this.#published;
  }

  /** Newest seq that was given out, committed or not. */
  get seq(): number {
    return this.#turns.seq;
  }

  /** Nothing waits for its turn or for the database. */
  get settled(): boolean {
    return this.#turns.settled;
  }

  /** Nothing waits, nothing is under way, nobody is connected or missed. */
  get idle(): boolean {
    const isWaiting = this.#presence?.isWaiting ?? false;
    return this.settled && this.calls.size === 0 && (this.#gate?.size ?? 0) === 0 && !isWaiting;
  }

  onDead(callback: () => void): void {
    this.#onDead.push(callback);
  }

  // ---- the group ----

  /** Reads the group and writes the `loaded` entry that makes this incarnation the owner. Idempotent.
   * @param after what it waits for */
  load(after: Promise<void> = Promise.resolve()): Promise<void> {
    this.#loading ??= after
      .then(() => this.#load())
      .catch((error: unknown) => {
        this.die(
          error instanceof WalrasError
            ? error
            : new WalrasError("not_loaded", messageOf(error), { retry: true, cause: error }),
        );
        throw error;
      });
    return this.#loading;
  }

  async #load(): Promise<void> {
    const { world, actorId } = this;
    const { group, seq, found } = await readGroup(world, actorId);
    // Ended before it began, at the stop of a server: it must not take the group over.
    if (this.#dead) throw moved();
    this.#group = group;
    this.#turns.begin(seq);
    this.clients.expect(group.memory.players.length);
    this.#waits = new WaitPages(this);
    this.#presence = new Presence(this);
    this.#published = PublishedState.of(group.memory, seq);
    this.#gate = new Gate(
      {
        encode: world.encodeFrame,
        readJournal: (after, limit, page) => world.store.read.journal(actorId, after, limit, page),
        now: world.now,
        sleep: world.sleep,
        limits: world.limits.gate,
        state: this.#published,
      },
      seq,
    );
    // The newest incarnation wins at once: from here on an older one cannot commit (decision 4).
    this.#turns.run({
      bytes: 0,
      run: () => ({ entry: { kind: "loaded", at: world.now(), input: found }, release: () => {} }),
      fail: () => {},
    });
    this.#presence.begin();
    this.onTimers();
    this.#turns.mailbox.pump();
  }

  /** Reads a participant in who is not in memory. Undefined if there is nothing to read. */
  adopt(participantId: number): Promise<void> | undefined {
    // Memory knows better where they are: the database may not have the unit that moved them on yet.
    if (this.memory.participants.has(participantId)) return undefined;
    return this.memory.playerOf(participantId) === undefined ? undefined : this.#adopt(participantId);
  }

  async #adopt(participantId: number): Promise<void> {
    const group = loaded(this.#group);
    const newcomer = await readNewcomer(this.world, group, participantId);
    if (newcomer === undefined || this.#dead || this.memory.participants.has(participantId)) return;
    if (!this.itinerary.owns(newcomer.participant.pageIndex as number)) {
      this.waits.touch();
      takeIn(group, newcomer);
      return;
    }
    // What came from elsewhere is an input like any other, so that the group can be run again.
    const { participant, unfinished } = newcomer;
    const input = JSON.stringify(unfinished === undefined ? participant : { ...participant, unfinished });
    this.#turns.run({
      bytes: input.length,
      run: ({ memory, world, waits }) => {
        waits.touch();
        takeIn(group, newcomer);
        return {
          entry: { kind: "adopted", at: world.now(), participantId, input },
          undo: () => memory.release(participantId),
          release: () => {},
        };
      },
      fail: () => {},
    });
  }

  /** A participant's last unit in this group has committed: they leave its memory. */
  depart(participantId: number): void {
    const row = this.memory.participants.get(participantId);
    this.memory.release(participantId);
    if (row !== undefined) this.onDeparture?.(row.values);
  }

  /** The participant's row, if they are in this group now. */
  here(participantId: number): Row | undefined {
    const row = this.memory.participants.get(participantId);
    if (row === undefined || !this.itinerary.owns(row.values.pageIndex as number)) return undefined;
    return this.memory.playerOf(participantId) === undefined ? undefined : row;
  }

  /** The identity of the page that a player of this group is on now; undefined: not on a page of this group. */
  pageOf(participantId: number): string | undefined {
    const row = this.here(participantId);
    const index = row?.values.pageIndex as number | undefined;
    if (row === undefined || index === undefined) return undefined;
    return this.itinerary.identity(index, row.values.pageOrder);
  }

  /** As {@link pageOf}, by idInGroup. */
  pageOfPlayer(idInGroup: number): string | undefined {
    const row = this.memory.playerAt(idInGroup);
    return row === undefined ? undefined : this.pageOf(row.values.participantId as number);
  }

  /** Whether everybody has been on the group's pages, and nobody is any more. */
  get isOver(): boolean {
    return this.memory.players.every(({ values }) => {
      const id = values.participantId as number;
      return this.memory.earlier.has(id) && this.here(id) === undefined;
    });
  }

  // ---- what waits for its turn ----

  /** Puts a turn into the mailbox. Refused at once if the group has too much waiting. */
  post(turn: Turn): void {
    if (!this.#dead && this.#turns.mailbox.isFull) {
      const message = "The group has too many messages waiting. Try again in a moment.";
      turn.fail(new WalrasError(Refusal.BUSY, message, { retry: true }));
    } else this.resume(turn);
  }

  /** As {@link post}, for what goes on with a call that is under way: it comes in however much is waiting, since
   * each call waits for its one turn. @param call it goes before everybody else, if it {@link hold}s the group */
  resume(turn: Turn, call?: object): void {
    if (this.#dead) {
      turn.fail(moved());
      return;
    }
    this.lastActive = this.world.monotonic();
    this.#turns.mailbox.add(turn, call);
  }

  /** Puts a turn in front of the mailbox: what follows from the last one, before anybody sees that it is due. */
  next(turn: Turn): void {
    if (this.#dead) turn.fail(moved());
    else this.#turns.mailbox.addFirst(turn);
  }

  /** From now on only what this call {@link resume}s runs; everything else waits in the mailbox until {@link unhold}. */
  hold(call: object): void {
    this.#turns.mailbox.hold(call);
  }

  unhold(call: object): void {
    this.#turns.mailbox.unhold(call);
  }

  /** Takes no more turns until {@link thaw}; resolves when what has run is settled, or the actor has ended. */
  freeze(): Promise<void> {
    return this.#turns.mailbox.freeze();
  }

  thaw(): void {
    this.#turns.mailbox.thaw();
  }

  /** This incarnation ends: what waits was not done, and clients come back to a new one. */
  die(error: WalrasError = moved()): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#turns.end(error);
    for (const call of this.calls) call.end(interrupted());
    this.#gate?.dropAll();
    this.#presence?.end();
    for (const callback of this.#onDead) callback();
  }

  /** Another incarnation has written: this one ends. */
  stale(): void {
    this.world.log.warn("another server has taken the group over", { actor: this.actorId });
    this.die();
  }
}

function moved(): WalrasError {
  return new WalrasError(Refusal.MOVED, "The group is being moved. Connect again.", { retry: true });
}

function loaded<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("the actor is not loaded");
  return part;
}
