import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { CommitOwner, UnitRefusal } from "../entities/committer.ts";
import { pageArrivals } from "../entities/page-arrivals.ts";
import type { StoredUnit } from "../entities/store.ts";
import { ParticipantTable, TimerTable } from "../entities/system-tables.ts";
import type { RowChange } from "../entities/tables.ts";
import type { Unit } from "../entities/unit.ts";
import type { Actor } from "./actor.ts";
import { playerLeft } from "./call-end.ts";
import { Chain, type RunTurn } from "./chain.ts";
import { tellChats } from "./chats.ts";
import { Mailbox, type TurnRunner } from "./mailbox.ts";
import { stackOf } from "./refusals.ts";
import { type EntryDraft, journalEntry, type Outcome, type Turn } from "./turn.ts";

/**
 * The way of a group's turns, from the mailbox to what leaves the server. A turn runs on the group's memory, ahead
 * of the database within bounds; what it computed waits in the chain until the newest unit that it could have seen
 * has committed.
 */
export class Turns implements CommitOwner, TurnRunner {
  readonly actorId: number;
  readonly mailbox: Mailbox;
  readonly #actor: Actor;
  readonly #chain = new Chain((done) => this.#letOut(done));
  #seq = 0;

  constructor(actor: Actor) {
    this.#actor = actor;
    this.actorId = actor.actorId;
    this.mailbox = new Mailbox(actor.world.limits.mailbox, this);
  }

  /** Newest seq that was given out, committed or not. */
  get seq(): number {
    return this.#seq;
  }

  /** Nothing waits for its turn or for the database. */
  get settled(): boolean {
    return this.mailbox.isEmpty && this.isQuiet;
  }

  get isQuiet(): boolean {
    return this.#chain.length === 0;
  }

  get canRun(): boolean {
    const { loaded, world } = this.#actor;
    const { uncommittedUnits, uncommittedBytes } = world.limits;
    return loaded && this.#chain.length < uncommittedUnits && this.#chain.bytes < uncommittedBytes;
  }

  /** The group was read. @param seq its newest entry */
  begin(seq: number): void {
    this.#seq = seq;
  }

  /** What has run and waits, and what waits to run, was not done. */
  end(error: WalrasError): void {
    for (const turn of [...this.#chain.clear(), ...this.mailbox.close()]) turn.fail(error);
  }

  prepare(turn: Turn): Promise<void> | undefined {
    return turn.prepare?.(this.#actor);
  }

  run(turn: Turn): void {
    const { waits, world } = this.#actor;
    let outcome: Outcome;
    try {
      outcome = turn.run(this.#actor);
    } catch (error) {
      this.#broken(turn, error);
      return;
    }
    let stored: StoredUnit | null = null;
    if (outcome.entry !== undefined) {
      outcome.unit?.stamp();
      stored = this.#store(outcome.entry, outcome.unit?.changes() ?? []);
    }
    if (stored?.changes.some((change) => change.table === ParticipantTable)) waits.touch();
    const news = waits.news();
    this.#chain.add({ turn, outcome, stored, seq: this.#seq, news });
    if (stored !== null) world.committer.add(this, stored);
    waits.check();
    if (stored?.changes.some((change) => change.table === TimerTable)) this.#actor.onTimers();
  }

  committed(unit: StoredUnit): void {
    // Not its own any more: the actor has died.
    if (this.#chain.committed(unit)) this.mailbox.pump();
  }

  refused(unit: StoredUnit, cause: UnitRefusal): void {
    const [culprit, ...followers] = this.#chain.takeBack(unit);
    if (culprit === undefined) return;
    this.#seq = unit.entry.seq - 1;
    this.#actor.clients.forgetMarks();
    this.#actor.waits.touch();
    // Its followers run again on what is left, before anything newer, in the old order.
    if (culprit.spoil === undefined) {
      const { kind } = unit.entry;
      this.#actor.world.log.error("a unit was refused by the database", {
        actor: this.actorId,
        kind,
        cause: cause.why,
      });
      culprit.fail(new WalrasError("refused_by_store", "The database refused this change.", { cause }));
      this.mailbox.again(followers);
    } else {
      culprit.spoil(cause);
      this.mailbox.again([culprit, ...followers]);
    }
    this.#actor.onTimers();
    this.mailbox.pump();
  }

  stale(): void {
    this.#actor.stale();
  }

  #store(draft: EntryDraft, changes: readonly RowChange[]): StoredUnit {
    const { actorId, writer, clients } = this.#actor;
    const entry = journalEntry(draft, { actorId, seq: ++this.#seq, writer, changes });
    const mark = clients.mark(entry);
    const derived = [...pageArrivals(changes, entry.at), ...(mark === undefined ? [] : [mark])];
    return { entry, changes: derived.length === 0 ? changes : [...changes, ...derived] };
  }

  /** A fault of Walras itself: memory may be half changed, so that the group is loaded anew. The others play on. */
  #broken(turn: Turn, error: unknown): void {
    const { log } = this.#actor.world;
    log.error("a turn broke", { actor: this.actorId, error: messageOf(error), stack: stackOf(error) });
    turn.fail(new WalrasError("internal", "The server failed on this request.", { cause: error }));
    this.#actor.die();
  }

  /** A unit has committed: calls of players whom it moved on are told. */
  #tellLeft(unit: Unit): void {
    const { calls, memory } = this.#actor;
    if (calls.size === 0) return;
    for (const call of calls) {
      if (call.participantId === undefined) continue;
      const participant = memory.participants.get(call.participantId);
      if (participant === undefined || !unit.changed(participant, "pageIndex")) continue;
      if (this.#actor.pageOf(call.participantId) !== call.page) call.abort(playerLeft());
    }
  }

  /** Everything that a turn could have seen has committed. */
  #letOut({ outcome, stored, seq, news }: RunTurn): void {
    const { gate, published, inspection, world } = this.#actor;
    if (stored !== null) {
      gate.committed(seq);
      const change = published?.commit(stored.entry.seq, stored.changes);
      if (change !== undefined) gate.publish(stored.entry.seq, change);
      inspection?.committed(stored);
      tellChats(world, stored);
    }
    if (outcome.unit !== undefined) this.#tellLeft(outcome.unit);
    try {
      outcome.release(seq);
      news?.();
    } catch (error) {
      // Letting out must not stop the others behind it.
      world.log.error("an output failed", { actor: this.actorId, error: messageOf(error) });
    }
  }
}
