import type {
  CommitOutcome,
  EntryOwner,
  JournalEntry,
  Reads,
  Store,
  StoredUnit,
  Writer,
} from "../../entities/store.ts";
import type { Chance } from "../chaos/chance.ts";
import type { VirtualClock } from "../helpers/virtual-clock.ts";
import type { Database } from "./database.ts";
import type { Faults } from "./faults.ts";
import type { Life } from "./life.ts";

export interface SimStoreOptions {
  readonly database: Database;
  readonly clock: VirtualClock;
  /** The process that uses it. */
  readonly life: Life;
  readonly faults: Faults;
  readonly chance: Chance;
  /** True: as PostgreSQL, with round trips and other processes; false: as SQLite, at once. */
  readonly shared: boolean;
}

/** One process's way to the database, with everything that can go wrong on it. */
export class SimStore implements Store {
  readonly dialect: Store["dialect"];
  readonly shared: boolean;
  readonly read: Reads;
  readonly #options: SimStoreOptions;
  /** The store is away until then. */
  #awayUntil = 0;
  /** The next commit opens a connection first. */
  #broken = false;
  #committing = false;
  /** Units with a value that the database does not take, however often they are tried. */
  readonly #unstorable = new WeakSet<StoredUnit>();

  constructor(options: SimStoreOptions) {
    this.#options = options;
    this.shared = options.shared;
    this.dialect = options.shared ? "postgres" : "sqlite";
    this.read = this.#reads();
  }

  commit(units: readonly StoredUnit[]): CommitOutcome | Promise<CommitOutcome> {
    if (this.#committing) throw new Error("two commits at the same time");
    const { chance, faults, clock, life } = this.#options;
    this.#spoil(units);
    const slow = faults.strike("slowCommit");
    if (!this.shared && !this.#broken && !slow) return this.#attempt(units);
    this.#broken = false;
    this.#committing = true;
    const until = slow ? chance.between(100, 3_000) : chance.between(0.5, 4);
    const back = chance.between(0, 2);
    return new Promise((resolve) => {
      // The transaction is the database's: it may end after the process that sent it.
      clock.after(until, () => {
        if (life.ended) {
          if (!this.shared || chance.next() < 0.5) return;
          if (this.#options.database.commit(units).result === "done") faults.count("ghostCommit");
          return;
        }
        const outcome = this.#attempt(units);
        life.after(back, () => {
          this.#committing = false;
          resolve(outcome);
        });
      });
    });
  }

  #attempt(units: readonly StoredUnit[]): CommitOutcome {
    const { database, faults } = this.#options;
    const fail = (result: "io" | "unknown", message: string): CommitOutcome => {
      this.#broken = true;
      this.#goAway();
      return { result, error: new Error(message) };
    };
    if (this.#isAway || faults.strike("io")) return fail("io", "the database is away");
    if (units.some((unit) => this.#unstorable.has(unit))) {
      this.#broken = true;
      return { result: "data", error: new Error("a value that the database does not take") };
    }
    const duplicate = units.find(({ entry }) => entry.kind === "message" && faults.strike("duplicate"));
    if (duplicate !== undefined) return { result: "duplicate", units: [duplicate] };
    if (faults.strike("unknownLost")) return fail("unknown", "cut before COMMIT was done");
    const outcome = database.commit(units);
    if (outcome.result === "stale") faults.count("stale");
    if (outcome.result === "done" && faults.strike("unknownStored"))
      return fail("unknown", "cut after COMMIT was done");
    return outcome;
  }

  /** Chooses units that the database refuses, among those with changes of the app. */
  #spoil(units: readonly StoredUnit[]): void {
    for (const unit of units) {
      if (unit.entry.changes !== null && this.#options.faults.strike("data")) this.#unstorable.add(unit);
    }
  }

  async owners(entries: readonly JournalEntry[]): Promise<EntryOwner[]> {
    await this.#roundTrip();
    this.#throwIfAway();
    return this.#options.database.owners(entries);
  }

  async probe(): Promise<void> {
    await this.#roundTrip();
    this.#throwIfAway();
  }

  async transact<T>(work: (write: Writer) => Promise<T>): Promise<T> {
    await this.#roundTrip();
    this.#throwIfAway();
    return work(this.#options.database.writer);
  }

  async close(): Promise<void> {}

  get #isAway(): boolean {
    return this.#options.faults.on && this.#options.clock.now() < this.#awayUntil;
  }

  #goAway(): void {
    const { chance, clock } = this.#options;
    // Often back before the first probe.
    this.#awayUntil = clock.now() + (chance.next() < 0.5 ? 0 : chance.between(0, 4_000));
  }

  #throwIfAway(): void {
    if (this.#isAway) throw new Error("the database is away");
  }

  #roundTrip(): Promise<void> {
    const { chance, life } = this.#options;
    return this.shared ? life.sleep(chance.between(0.3, 3)) : Promise.resolve();
  }

  #reads(): Reads {
    const { database, faults, life, chance } = this.#options;
    const over =
      <Args extends unknown[], Answer>(read: (...args: Args) => Promise<Answer>) =>
      async (...args: Args): Promise<Answer> => {
        await this.#roundTrip();
        if (this.#isAway || faults.strike("readFailed")) throw new Error("the database cannot be read");
        const answer = await read(...args);
        if (this.shared && chance.next() < 0.5) await life.sleep(chance.between(0.3, 3));
        return answer;
      };
    const reads = Object.entries(database.read).map(([name, read]) => [name, over(read)]);
    return {
      ...(Object.fromEntries(reads) as Reads),
      journal: (...args) => {
        faults.count("caughtUpFromJournal");
        return over(database.read.journal)(...args);
      },
    };
  }
}
