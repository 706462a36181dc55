import { WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import { asError, classify } from "./classify.ts";
import type { CommitOutcome, Store, StoredUnit, Writer } from "./store.ts";

/** Turns of the event loop that a commit may wait for more units. */
const GATHERING_TURNS = 4;

/** Whoever hands units to the committer: an actor. Called back in the order of its units. */
export interface CommitOwner {
  readonly actorId: number;
  /** This unit is durable. */
  committed(unit: StoredUnit): void;
  /** The store refuses this unit for what it says. It and everything after it of this owner is out of
   * the queue; the owner refuses its sender, takes the rest back and runs it again. */
  refused(unit: StoredUnit, cause: UnitRefusal): void;
  /** Another writer has taken this actor over: nothing of the owner in the queue was stored. */
  stale(): void;
}

export type UnitRefusal = { readonly why: "data"; readonly error: Error } | { readonly why: "duplicate" };

interface Pending {
  readonly owner: CommitOwner;
  readonly unit: StoredUnit;
}

/** A writing transaction that is not a unit. */
interface Job {
  /** @returns the error if the store is away */
  run(): Promise<Error | undefined>;
  refuse(error: WalrasError): void;
}

export interface CommitterOptions {
  /** Names this process in `batch`, so that after an unknown outcome its own entries can be told. */
  readonly name: string;
  /** Runs a callback after the event loop has turned once. */
  readonly soon: (callback: () => void) => void;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Told the reason when writes stop, null when they go on. */
  readonly onHalt: (reason: string | null) => void;
  /** Units in one transaction, at most. Small, so that the loop stays free on SQLite. */
  readonly maxBatch?: number;
}

/**
 * The one writer of the database. Units of all actors that are ready go into one transaction; one is
 * in flight at a time, and what arrives meanwhile goes with the next.
 *
 * What a failed transaction means is decided here, by class (design section 3, decision 3): a stale
 * actor is taken out and the rest committed again; a refused value is cornered by committing actor by
 * actor, then unit by unit; a store that is away halts everything until a real write succeeds; an
 * unknown outcome is settled by looking the entries up.
 */
export class Committer {
  readonly #store: Store;
  readonly #options: CommitterOptions;
  readonly #maxBatch: number;
  #queue: Pending[] = [];
  #jobs: Job[] = [];
  #running = false;
  #batches = 0;
  #halted: string | null = null;
  #stopped = false;
  #idle: (() => void)[] = [];
  #inFlight = 0;

  constructor(store: Store, options: CommitterOptions) {
    this.#store = store;
    this.#options = options;
    this.#maxBatch = options.maxBatch ?? 128;
  }

  /** Why nothing is written at the moment; null in normal operation. */
  get halted(): string | null {
    return this.#halted;
  }

  /** Units that wait or are in flight. */
  get pending(): number {
    return this.#queue.length + this.#inFlight;
  }

  add(owner: CommitOwner, unit: StoredUnit): void {
    this.#queue.push({ owner, unit });
    this.#wake();
  }

  /**
   * Runs a writing transaction that is not a unit, between batches.
   *
   * @throws WalrasError `halted`, to be tried again, while the store is away: whoever asked is not kept waiting
   */
  transact<T>(work: (write: Writer) => Promise<T>): Promise<T> {
    if (this.#halted !== null) return Promise.reject(away());
    return new Promise((resolve, reject) => {
      const run = (): Promise<Error | undefined> =>
        this.#store.transact(work).then(
          (result) => void resolve(result),
          (error: unknown) => {
            if (classify(error, "statement") === "data") return void reject(error);
            reject(away(error));
            return asError(error);
          },
        );
      this.#jobs.push({ run, refuse: reject });
      this.#wake();
    });
  }

  /**
   * Commits units of several actors in one transaction, all of them or none. Each takes its actor's next seq;
   * none of the actors may have units under way.
   *
   * @returns "stale" if another writer has one of those seqs, the error if the store refuses what they say
   * @throws WalrasError `halted`, to be tried again, while the store is away
   */
  together(units: readonly StoredUnit[]): Promise<"done" | "stale" | Error> {
    if (this.#halted !== null) return Promise.reject(away());
    return new Promise((resolve, reject) => {
      const run = async (): Promise<Error | undefined> => {
        while (!this.#stopped) {
          const outcome = await this.#store.commit(this.#stamp(units));
          switch (outcome.result) {
            case "done":
              return void resolve("done");
            case "stale":
            case "duplicate":
              return void resolve("stale");
            case "data":
              return void resolve(outcome.error);
            case "io":
              reject(away(outcome.error));
              return outcome.error;
            case "unknown":
              if (await this.#areStored(units, outcome.error)) return void resolve("done");
          }
        }
        return void reject(away());
      };
      this.#jobs.push({ run, refuse: reject });
      this.#wake();
    });
  }

  /** Resolves when everything that was handed over has been settled (or the committer was stopped). */
  drained(): Promise<void> {
    if (!this.#running && this.#queue.length === 0 && this.#jobs.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Starts no further transaction. The one in flight is waited for by {@link drained}. */
  stop(): void {
    this.#stopped = true;
  }

  #wake(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#gather();
  }

  /** Lets the loop turn as long as each turn brings more, within bounds: a commit costs much, a unit in it little. */
  #gather(before = 0, turns = 1): void {
    this.#options.soon(() => {
      const now = this.#queue.length;
      if (now > before && now < this.#maxBatch && turns < GATHERING_TURNS) this.#gather(now, turns + 1);
      else void this.#work();
    });
  }

  async #work(): Promise<void> {
    const job = this.#jobs.shift();
    if (job !== undefined) {
      const failure = await job.run();
      if (failure !== undefined) await this.#halt(failure);
    }
    if (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#maxBatch);
      const settled = this.#commit(batch);
      // On SQLite everything is settled synchronously; waiting a microtask would let nothing else in.
      if (settled !== undefined) await settled;
    }
    if (!this.#stopped && (this.#queue.length > 0 || this.#jobs.length > 0)) {
      this.#gather();
      return;
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #commit(batch: Pending[]): Promise<void> | undefined {
    this.#inFlight = batch.length;
    const outcome = this.#attempt(batch);
    if (!(outcome instanceof Promise) && outcome.result === "done") {
      this.#done(batch);
      return undefined;
    }
    return this.#settle(batch, outcome);
  }

  /** Carries a batch through every kind of failure, in parts if need be. */
  async #settle(batch: Pending[], first: CommitOutcome | Promise<CommitOutcome>): Promise<void> {
    let parts: Pending[][] = [batch];
    let outcome: CommitOutcome | undefined = await first;
    /** Commits in a row that were cut short and not stored. */
    let cuts = 0;
    while (parts.length > 0 && !(this.#stopped && this.#halted !== null)) {
      const part = parts[0] as Pending[];
      outcome ??= await this.#attempt(part);
      const result = outcome;
      outcome = undefined;
      switch (result.result) {
        case "done":
          cuts = 0;
          parts.shift();
          this.#done(part);
          break;
        case "stale": {
          // By owner, not by actor: a newer incarnation of the same group may have units in the queue
          // already, and what becomes of those, they learn from an attempt of their own.
          const actorIds = new Set(result.actorIds);
          const gone = new Set(part.filter((p) => actorIds.has(p.unit.entry.actorId)).map((p) => p.owner));
          parts = this.#without(parts, (pending) => gone.has(pending.owner));
          for (const owner of gone) owner.stale();
          break;
        }
        case "duplicate":
          for (const unit of result.units) parts = this.#refuse(parts, unit, { why: "duplicate" });
          break;
        case "data": {
          const smaller = split(part);
          if (smaller.length > 1) parts.splice(0, 1, ...smaller);
          else parts = this.#refuse(parts, (part[0] as Pending).unit, { why: "data", error: result.error });
          break;
        }
        case "io":
          await this.#halt(result.error);
          break;
        case "unknown": {
          const rest = await this.#lookUp(parts, result.error);
          cuts = rest === parts ? cuts + 1 : 0;
          // Once it may have been the connection. Twice: a disk that is full is mostly found so in COMMIT.
          if (cuts > 1) await this.#halt(result.error);
          parts = rest;
          break;
        }
      }
    }
    this.#inFlight = 0;
  }

  #attempt(part: Pending[]): CommitOutcome | Promise<CommitOutcome> {
    return this.#store.commit(this.#stamp(part.map((pending) => pending.unit)));
  }

  #stamp(units: readonly StoredUnit[]): readonly StoredUnit[] {
    const batch = `${this.#options.name}-${++this.#batches}`;
    for (const unit of units) unit.entry.batch = batch;
    return units;
  }

  #done(part: Pending[]): void {
    this.#inFlight = Math.max(0, this.#inFlight - part.length);
    for (const { owner, unit } of part) owner.committed(unit);
  }

  /** Takes a unit and everything after it of the same owner out, and tells the owner. */
  #refuse(parts: Pending[][], unit: StoredUnit, cause: UnitRefusal): Pending[][] {
    const culprit = parts.flat().find((pending) => pending.unit === unit);
    if (culprit === undefined) return parts; // Went out with an earlier culprit of the same owner.
    const { seq } = unit.entry;
    const rest = this.#without(parts, (p) => p.owner === culprit.owner && p.unit.entry.seq >= seq);
    culprit.owner.refused(unit, cause);
    return rest;
  }

  /** The parts, and the queue, without some pending units. */
  #without(parts: Pending[][], gone: (pending: Pending) => boolean): Pending[][] {
    const keep = (pending: Pending) => !gone(pending);
    this.#queue = this.#queue.filter(keep);
    return parts.map((part) => part.filter(keep)).filter((part) => part.length > 0);
  }

  /** Refuses to go on until a real write succeeds (P10). */
  async #halt(error: Error): Promise<void> {
    this.#setHalted(error.message);
    for (const job of this.#jobs.splice(0)) job.refuse(away());
    while (!this.#stopped) {
      await this.#options.sleep(1000);
      try {
        await this.#store.probe();
        break;
      } catch (failure) {
        this.#halted = failure instanceof Error ? failure.message : String(failure);
      }
    }
    if (!this.#stopped) this.#setHalted(null);
  }

  /** After a cut between COMMIT and its answer: was it stored? */
  async #lookUp(parts: Pending[][], error: Error): Promise<Pending[][]> {
    const part = parts[0] as Pending[];
    const units = part.map((pending) => pending.unit);
    if (!(await this.#areStored(units, error))) return parts;
    this.#done(part);
    return parts.slice(1);
  }

  async #areStored(units: readonly StoredUnit[], error: Error): Promise<boolean> {
    for (;;) {
      try {
        const owners = await this.#store.owners(units.map((unit) => unit.entry));
        const own = owners.filter(({ actorId, seq, writer, batch }) =>
          units.some(
            ({ entry }) =>
              entry.actorId === actorId && entry.seq === seq && entry.writer === writer && entry.batch === batch,
          ),
        );
        // Else nothing of ours: it was rolled back. Entries of others show themselves as stale in the next attempt.
        return own.length === units.length;
      } catch {
        await this.#halt(error);
        if (this.#stopped) return false;
      }
    }
  }

  #setHalted(reason: string | null): void {
    this.#halted = reason;
    this.#options.onHalt(reason);
  }
}

function away(cause?: unknown): WalrasError {
  const message = "The server cannot save at the moment. Nothing is lost; try again in a moment.";
  return new WalrasError(Refusal.HALTED, message, { retry: true, cause });
}

/** A part by owners, or, if it is one owner's, by units. */
function split(part: readonly Pending[]): Pending[][] {
  const byOwner = new Map<CommitOwner, Pending[]>();
  for (const pending of part) {
    const of = byOwner.get(pending.owner);
    if (of === undefined) byOwner.set(pending.owner, [pending]);
    else of.push(pending);
  }
  if (byOwner.size > 1) return [...byOwner.values()];
  return part.map((pending) => [pending]);
}
