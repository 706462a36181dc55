import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { AppSpec, PinnedPage } from "../entities/app-spec.ts";
import type { CommitOwner, UnitRefusal } from "../entities/committer.ts";
import { GroupMemory, Row } from "../entities/memory.ts";
import type { EntryKind, JournalEntry, StoredUnit } from "../entities/store.ts";
import { ParticipantTable, SessionTable, TimerTable } from "../entities/system-tables.ts";
import type { RowChange, Values } from "../entities/tables.ts";
import { changesToJson, type Unit } from "../entities/unit.ts";
import type { ActorWorld } from "./actor-world.ts";
import type { Barriers } from "./barriers.ts";
import { interrupted, playerLeft } from "./call-end.ts";
import { ClientNumbers } from "./client-numbers.ts";
import { foundAtLoad } from "./found-at-load.ts";
import { Gate } from "./gate.ts";
import type { Inspection } from "./inspection.ts";
import { Itinerary } from "./itinerary.ts";
import { type Language, Languages } from "./languages.ts";
import { Presence } from "./presence.ts";
import { PublishedState } from "./published-state.ts";
import { stackOf } from "./refusals.ts";
import { WaitPages } from "./wait-pages.ts";

/** One thing that enters the mailbox. */
export interface Turn {
  /** Bytes it stands for, for the bounds. */
  readonly bytes: number;
  /** Reads what the run needs that is not in memory; undefined if there is nothing to read. */
  prepare?(actor: Actor): Promise<void> | undefined;
  /** Does it, synchronously. Called again when an earlier unit was refused by the store. Never throws. */
  run(actor: Actor): Outcome;
  /** The store refused what the run wrote: the next run answers with this instead. */
  spoil?(cause: UnitRefusal): void;
  /** It was not done here; what it had done is gone. */
  fail(error: WalrasError): void;
}

/** What a run did. */
export interface Outcome {
  /** What it changed in memory. */
  readonly unit?: Unit | undefined;
  /** Set: this is to be stored; `changes` are taken from the unit. */
  readonly entry?: EntryDraft | undefined;
  /** Takes back what is not in the unit. */
  undo?(): void;
  /** Lets out what it computed. Called when everything it could have seen has committed; `seq` is the newest of that. */
  release(seq: number): void;
}

export interface EntryDraft {
  readonly kind: EntryKind;
  readonly at: number;
  readonly participantId?: number | undefined;
  readonly page?: string | undefined;
  readonly clientId?: string | undefined;
  readonly n?: number | undefined;
  readonly input?: string | null | undefined;
  readonly output?: string | null | undefined;
  readonly seed?: number | null | undefined;
}

/** An async call under way. */
export interface RunningCall {
  readonly participantId: number;
  /** `app/round/Page` */
  readonly page: string;
  /** Tells the author's code that nobody waits for it any more. */
  abort(reason: WalrasError): void;
  /** As {@link abort}, and it has to end soon. */
  end(reason: WalrasError): void;
}

/** A turn that has run and waits for the database. */
interface Item {
  readonly turn: Turn;
  readonly outcome: Outcome;
  readonly stored: StoredUnit | null;
  readonly seq: number;
  committed: boolean;
  /** Tells open wait pages who is there, as of this turn. */
  readonly news: (() => void) | undefined;
}

/**
 * The one object that owns a group's memory and mailbox. Everything that concerns the group comes in
 * through {@link post}, one thing at a time; what it changes runs ahead of the database within bounds,
 * and what it computes waits in the chain until the newest unit that it could have seen has committed.
 *
 * It knows neither Colyseus nor HTTP.
 */
export class Actor implements CommitOwner {
  readonly actorId: number;
  readonly world: ActorWorld;
  readonly writer: string;
  readonly clients = new ClientNumbers();
  #memory: GroupMemory | undefined;
  #gate: Gate | undefined;
  #presence: Presence | undefined;
  #published: PublishedState | undefined;
  #itinerary: Itinerary | undefined;
  #waits: WaitPages | undefined;
  #language: Language | undefined;
  #mailbox: Turn[] = [];
  /** Who has the group to themselves, and their turns; see {@link hold}. */
  #holder: object | undefined;
  #held: Turn[] = [];
  #chain: Item[] = [];
  #chainBytes = 0;
  #seq = 0;
  #busy = false;
  #preparing = false;
  /** Has read what it needs: it is not asked again, since there may be nothing to find. */
  #prepared: Turn | undefined;
  #dead = false;
  #frozen = false;
  #onFrozen: (() => void) | undefined;
  #loading: Promise<void> | undefined;
  #onDead: (() => void)[] = [];
  /** Told of a participant whose last unit here has committed. */
  onDeparture: ((participant: Values) => void) | undefined;
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
  }

  get dead(): boolean {
    return this.#dead;
  }

  get memory(): GroupMemory {
    if (this.#memory === undefined) throw new Error("the actor is not loaded");
    return this.#memory;
  }

  get gate(): Gate {
    if (this.#gate === undefined) throw new Error("the actor is not loaded");
    return this.#gate;
  }

  /** Who is there. */
  get presence(): Presence {
    if (this.#presence === undefined) throw new Error("the actor is not loaded");
    return this.#presence;
  }

  /** What the app's pages see in step; undefined: nothing. */
  get published(): PublishedState | undefined {
    return this.#published;
  }

  get app(): AppSpec {
    return this.memory.app;
  }

  /** The session's pages, and which of them are this group's. */
  get itinerary(): Itinerary {
    if (this.#itinerary === undefined) throw new Error("the actor is not loaded");
    return this.#itinerary;
  }

  /** In which the session speaks to its participants. */
  get language(): Language {
    if (this.#language === undefined) throw new Error("the actor is not loaded");
    return this.#language;
  }

  get waits(): WaitPages {
    if (this.#waits === undefined) throw new Error("the actor is not loaded");
    return this.#waits;
  }

  /** Newest seq that was given out, committed or not. */
  get seq(): number {
    return this.#seq;
  }

  get loaded(): boolean {
    return this.#gate !== undefined;
  }

  /** Nothing waits for its turn or for the database. */
  get settled(): boolean {
    const waiting = this.#mailbox.length + this.#held.length + this.#chain.length;
    return waiting === 0 && !this.#preparing;
  }

  /** Nothing waits, nothing is under way, nobody is connected or missed. */
  get idle(): boolean {
    const isWaiting = this.#presence?.isWaiting ?? false;
    return this.settled && this.calls.size === 0 && (this.#gate?.size ?? 0) === 0 && !isWaiting;
  }

  /** Called when the group's timers may have changed: it was loaded, or a turn set, fired or took back some. */
  onTimers: () => void = () => {};

  onDead(callback: () => void): void {
    this.#onDead.push(callback);
  }

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
    const { store, apps } = this.world;
    const actor = await store.read.actor(this.actorId);
    if (actor === undefined) throw new WalrasError("no_such_group", `There is no group ${this.actorId}.`);
    const app = apps.get(actor.app);
    if (app === undefined) {
      throw new WalrasError(
        "no_such_app",
        `Group ${this.actorId} belongs to app "${actor.app}", which is not in apps/ any more.`,
      );
    }
    const rows = await store.read.group(this.actorId, app);
    const pages = JSON.parse(rows.session.pages as string) as PinnedPage[];
    this.#itinerary = new Itinerary(pages, app, rows.group.roundNumber as number);
    const config = deepFreeze(JSON.parse(rows.session.config as string) as Record<string, unknown>);
    const { languages, currency } = this.world;
    this.#language = (languages ?? new Languages({ currency })).of(config.language);
    const session = {
      id: rows.session.id as number,
      code: rows.session.code as string,
      config,
      isDemo: rows.session.isDemo === true,
      row: new Row(SessionTable, null, rows.session),
      ownFields: this.world.ownFields,
      formats: this.#language,
    };
    this.#memory = new GroupMemory(app, rows, session, this.world.currency.decimals);
    this.clients.expect(rows.players.length);
    this.#waits = new WaitPages(this);
    // Also who is not connected at the moment: what is addressed to them now they get when they are back.
    const taken: Values[] = [];
    const reached = rows.participants.filter(({ pageIndex }) => this.itinerary.reached(pageIndex as number));
    await this.#findPayoffs(reached);
    for (const participant of reached) {
      this.#take(participant, await this.#earlier(participant));
      taken.push({ ...participant });
    }
    const found = foundAtLoad(this.world.version, rows, taken);
    // Ended before it began, at the stop of a server: it must not take the group over.
    if (this.#dead) throw moved();
    this.#seq = rows.seq;
    this.#presence = new Presence(this);
    this.#published = PublishedState.of(this.#memory, rows.seq);
    this.#gate = new Gate(
      {
        encode: this.world.encodeFrame,
        readJournal: (after, limit, page) => store.read.journal(this.actorId, after, limit, page),
        now: this.world.now,
        sleep: this.world.sleep,
        limits: this.world.limits.gate,
        state: this.#published,
      },
      rows.seq,
    );
    // The newest incarnation wins at once: from here on an older one cannot commit (decision 4).
    this.#execute({
      bytes: 0,
      run: ({ world }) => ({ entry: { kind: "loaded", at: world.now(), input: found }, release: () => {} }),
      fail: () => {},
    });
    this.#presence.begin();
    this.onTimers();
    this.#pump();
  }

  /** Puts a turn into the mailbox. Refused at once if the group has too much waiting. */
  post(turn: Turn): void {
    if (this.#dead) {
      turn.fail(moved());
      return;
    }
    if (this.#mailbox.length >= this.world.limits.mailbox) {
      turn.fail(
        new WalrasError(Refusal.BUSY, "The group has too many messages waiting. Try again in a moment.", {
          retry: true,
        }),
      );
      return;
    }
    this.resume(turn);
  }

  /** As {@link post}, for what goes on with a call that is under way: it comes in however much is waiting, since
   * each call waits for its one turn. @param call it goes before everybody else, if it {@link hold}s the group */
  resume(turn: Turn, call?: object): void {
    if (this.#dead) {
      turn.fail(moved());
      return;
    }
    this.lastActive = this.world.monotonic();
    (call !== undefined && call === this.#holder ? this.#held : this.#mailbox).push(turn);
    this.#pump();
  }

  /** From now on only what this call {@link resume}s runs; everything else waits in the mailbox until {@link unhold}. */
  hold(call: object): void {
    this.#holder = call;
  }

  unhold(call: object): void {
    if (this.#holder !== call) return;
    this.#holder = undefined;
    this.#pump();
  }

  /** Puts a turn in front of the mailbox: what follows from the last one, before anybody sees that it is due. */
  next(turn: Turn): void {
    if (this.#dead) {
      turn.fail(moved());
      return;
    }
    this.#mailbox.unshift(turn);
    this.#pump();
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

  /** Reads a participant in who is not in memory. Undefined if there is nothing to read. */
  adopt(participantId: number): Promise<void> | undefined {
    // Memory knows better where they are: the database may not have the unit that moved them on yet.
    if (this.memory.participants.has(participantId)) return undefined;
    const player = this.memory.playerOf(participantId);
    if (player === undefined) return undefined;
    return this.#adopt(participantId);
  }

  async #adopt(participantId: number): Promise<void> {
    const participant = await this.world.store.read.participant(participantId);
    // Who has not got here yet still plays an earlier round, whose rows may change.
    if (participant === undefined || !this.itinerary.reached(participant.pageIndex as number)) return;
    await this.#findPayoffs([participant]);
    const earlier = await this.#earlier(participant);
    if (this.#dead || this.memory.participants.has(participantId)) return;
    if (!this.itinerary.owns(participant.pageIndex as number)) {
      this.#take(participant, earlier);
      return;
    }
    // What came from elsewhere is an input like any other, so that the group can be run again.
    const input = JSON.stringify(participant);
    this.#execute({
      bytes: input.length,
      run: ({ memory, world }) => {
        this.#take(participant, earlier);
        return {
          entry: { kind: "adopted", at: world.now(), participantId, input },
          undo: () => memory.release(participantId),
          release: () => {},
        };
      },
      fail: () => {},
    });
  }

  /** Adds what participants earned outside of this group: an input, which the journal keeps with them. */
  async #findPayoffs(participants: readonly Values[]): Promise<void> {
    const wanted = participants.filter(({ payoffElsewhere }) => payoffElsewhere === undefined);
    if (wanted.length === 0) return;
    const ids = wanted.map(({ id }) => id as number);
    const { decimals } = this.memory;
    const found = this.itinerary.isWhole
      ? undefined
      : await this.world.store.read.payoffsElsewhere(ids, this.actorId, decimals);
    for (const participant of wanted) participant.payoffElsewhere = found?.get(participant.id as number) ?? 0;
  }

  async #earlier({ id }: Values): Promise<readonly Values[]> {
    const round = this.memory.roundNumber;
    return round > 1 ? this.world.store.read.earlierPlayers(id as number, this.app, round) : [];
  }

  #take(participant: Values, earlier: readonly Values[]): void {
    this.waits.touch();
    if (this.itinerary.owns(participant.pageIndex as number)) this.memory.adopt({ ...participant }, earlier);
    else this.memory.earlier.set(participant.id as number, earlier);
  }

  /** A participant's last unit in this group has committed: they leave its memory. */
  depart(participantId: number): void {
    const row = this.memory.participants.get(participantId);
    this.memory.release(participantId);
    if (row !== undefined) this.onDeparture?.(row.values);
  }

  /** Takes no more turns until {@link thaw}; resolves when what has run is settled, or the actor has ended. */
  freeze(): Promise<void> {
    this.#frozen = true;
    if (this.#dead || (this.#chain.length === 0 && !this.#preparing)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onFrozen = resolve;
    });
  }

  thaw(): void {
    this.#frozen = false;
    if (!this.#dead) this.#pump();
  }

  /** This incarnation ends: what waits was not done, and clients come back to a new one. */
  die(error: WalrasError = moved()): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#onFrozen?.();
    for (const item of this.#chain.splice(0)) item.turn.fail(error);
    for (const turn of [...this.#held.splice(0), ...this.#mailbox.splice(0)]) turn.fail(error);
    for (const call of this.calls) call.end(interrupted());
    this.#gate?.dropAll();
    this.#presence?.end();
    for (const callback of this.#onDead) callback();
  }

  // ---- CommitOwner ----

  committed(unit: StoredUnit): void {
    const item = this.#chain.find((waiting) => waiting.stored === unit);
    if (item === undefined) return; // The actor has died.
    item.committed = true;
    this.#release();
    this.#pump();
  }

  refused(unit: StoredUnit, cause: UnitRefusal): void {
    const at = this.#chain.findIndex((waiting) => waiting.stored === unit);
    if (at < 0) return;
    const out = this.#chain.splice(at);
    for (const item of out.toReversed()) {
      item.outcome.undo?.();
      item.outcome.unit?.undo();
      this.#chainBytes -= item.turn.bytes;
    }
    this.#seq = unit.entry.seq - 1;
    this.clients.forgetMarks();
    this.waits.touch();
    const culprit = (out[0] as Item).turn;
    if (culprit.spoil === undefined) {
      this.world.log.error("a unit was refused by the database", {
        actor: this.actorId,
        kind: unit.entry.kind,
        cause: cause.why,
      });
      culprit.fail(new WalrasError("refused_by_store", "The database refused this change.", { cause }));
    } else {
      culprit.spoil(cause);
    }
    // Its followers run again on what is left, before anything newer, in the old order.
    const again = out.map((item) => item.turn).slice(culprit.spoil === undefined ? 1 : 0);
    // Who holds the group holds it since before all of these.
    (this.#holder === undefined ? this.#mailbox : this.#held).unshift(...again);
    this.onTimers();
    this.#pump();
  }

  stale(): void {
    this.world.log.warn("another server has taken the group over", { actor: this.actorId });
    this.die();
  }

  // ---- the turn ----

  #pump(): void {
    if (this.#frozen && this.#chain.length === 0 && !this.#preparing) this.#onFrozen?.();
    if (this.#busy || this.#frozen || this.#preparing || this.#gate === undefined) return;
    this.#busy = true;
    const { uncommittedUnits, uncommittedBytes } = this.world.limits;
    for (;;) {
      const lane = this.#holder === undefined ? this.#mailbox : this.#held;
      if (this.#dead || this.#frozen || lane.length === 0) break;
      if (this.#chain.length >= uncommittedUnits || this.#chainBytes >= uncommittedBytes) break;
      const turn = lane[0] as Turn;
      const preparation = turn === this.#prepared ? undefined : turn.prepare?.(this);
      if (preparation !== undefined) {
        void this.#prepare(turn, preparation);
        break;
      }
      this.#prepared = undefined;
      lane.shift();
      this.#execute(turn);
    }
    this.#busy = false;
  }

  /** The mailbox waits for what its first turn reads. */
  async #prepare(turn: Turn, preparation: Promise<void>): Promise<void> {
    this.#preparing = true;
    try {
      await preparation;
      this.#prepared = turn;
    } catch (error) {
      // Turns that run again may have come in front of it meanwhile; if the actor has died, it was told.
      const at = this.#mailbox.indexOf(turn);
      if (at >= 0) {
        this.#mailbox.splice(at, 1);
        const message = `The database cannot be read: ${messageOf(error)}`;
        turn.fail(new WalrasError(Refusal.HALTED, message, { retry: true, cause: error }));
      }
    }
    this.#preparing = false;
    this.#pump();
  }

  #execute(turn: Turn): void {
    let outcome: Outcome;
    try {
      outcome = turn.run(this);
    } catch (error) {
      this.#broken(turn, error);
      return;
    }
    let stored: StoredUnit | null = null;
    if (outcome.entry !== undefined) {
      outcome.unit?.stamp();
      stored = this.#store(outcome.entry, outcome.unit?.changes() ?? []);
    }
    if (stored?.changes.some((change) => change.table === ParticipantTable)) this.waits.touch();
    const news = this.waits.news();
    this.#chain.push({ turn, outcome, stored, seq: this.#seq, committed: stored === null, news });
    this.#chainBytes += turn.bytes;
    if (stored !== null) this.world.committer.add(this, stored);
    else this.#release();
    this.waits.check();
    if (stored?.changes.some((change) => change.table === TimerTable)) this.onTimers();
  }

  /** A fault of Walras itself: memory may be half changed, so that the group is loaded anew. The others play on. */
  #broken(turn: Turn, error: unknown): void {
    const { log } = this.world;
    log.error("a turn broke", { actor: this.actorId, error: messageOf(error), stack: stackOf(error) });
    turn.fail(new WalrasError("internal", "The server failed on this request.", { cause: error }));
    this.die();
  }

  #store(draft: EntryDraft, changes: readonly RowChange[]): StoredUnit {
    const entry: JournalEntry = {
      actorId: this.actorId,
      seq: ++this.#seq,
      at: draft.at,
      kind: draft.kind,
      participantId: draft.participantId ?? null,
      page: draft.page ?? null,
      clientId: draft.clientId ?? null,
      n: draft.n ?? null,
      input: draft.input ?? null,
      output: draft.output ?? null,
      changes: changesToJson(changes),
      seed: draft.seed ?? null,
      writer: this.writer,
      batch: "",
    };
    const mark = this.clients.mark(entry);
    return { entry, changes: mark === undefined ? changes : [...changes, mark] };
  }

  #publish(published: PublishedState, { entry, changes }: StoredUnit): void {
    const change = published.commit(entry.seq, changes);
    if (change !== undefined) this.gate.publish(entry.seq, change);
  }

  /** A unit has committed: calls of players whom it moved on are told. */
  #tellLeft(unit: Unit): void {
    for (const call of this.calls) {
      const participant = this.memory.participants.get(call.participantId);
      if (participant === undefined || !unit.changed(participant, "pageIndex")) continue;
      if (this.pageOf(call.participantId) !== call.page) call.abort(playerLeft());
    }
  }

  /** Lets out the head of the chain, as far as it has committed. */
  #release(): void {
    while (this.#chain.length > 0 && (this.#chain[0] as Item).committed) {
      const item = this.#chain.shift() as Item;
      this.#chainBytes -= item.turn.bytes;
      item.outcome.unit?.settle();
      if (item.stored !== null) {
        this.gate.committed(item.seq);
        if (this.#published !== undefined) this.#publish(this.#published, item.stored);
        this.inspection?.committed(item.stored);
      }
      if (this.calls.size > 0 && item.outcome.unit !== undefined) this.#tellLeft(item.outcome.unit);
      try {
        item.outcome.release(item.seq);
        item.news?.();
      } catch (error) {
        // Letting out must not stop the others behind it.
        this.world.log.error("an output failed", { actor: this.actorId, error: messageOf(error) });
      }
    }
  }
}

function moved(): WalrasError {
  return new WalrasError(Refusal.MOVED, "The group is being moved. Connect again.", { retry: true });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
