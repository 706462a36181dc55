import { afterEach } from "@jest/globals";
import type { Faults } from "../../entities/faults.ts";
import type { DatabaseOptions } from "../../entities/open-store.ts";
import { createSession } from "../../entities/sessions.ts";
import type { CommitOutcome, JournalEntry, Store, StoredUnit } from "../../entities/store.ts";
import { JournalTable } from "../../entities/system-tables.ts";
import type { RowChange, Values } from "../../entities/tables.ts";
import type { StoreKit } from "./stores.ts";
import { testApp } from "./test-app.ts";
export const app = testApp({ rounds: 2, pages: ["Bidding", "Results"] });
export const { table: groupTable } = app.group;
export const { table: playerTable } = app.player;
export const { table: bidTable } = app.extras.Bid;

/** A journal entry with what a test does not care about filled in. */
export function entry(actorId: number, seq: number, more: Partial<JournalEntry> = {}): JournalEntry {
  return {
    ...{ actorId, seq, at: 1_700_000_000_000 + seq, kind: "message", participantId: null, page: null, clientId: null },
    ...{ n: null, input: null, output: null, changes: null, seed: null, writer: "w", batch: "b", ...more },
  };
}

export function unit(
  actorId: number,
  seq: number,
  changes: RowChange[] = [],
  more: Partial<JournalEntry> = {},
): StoredUnit {
  return { entry: entry(actorId, seq, more), changes };
}

export function bid(actorId: number, n: number, values: Values = {}): RowChange {
  return { op: "insert", table: bidTable, values: { actorId, n, amount: n, ...values } };
}

export function setGroup(actorId: number, values: Values): RowChange {
  return { op: "update", table: groupTable, key: { id: actorId }, values };
}

/** A session of so many participants in groups of two; the actors of round 1 are 1, 2, 3 ... */
export function session(store: Store, participants = 4) {
  return store.transact((write) =>
    createSession(write, {
      config: { name: "demo", appSequence: ["auction"], fee: 2.5 },
      apps: new Map([[app.name, app]]),
      participants,
      isDemo: true,
      now: 1_700_000_000_000,
      decimals: 2,
    }),
  );
}

export async function commit(store: Store, ...units: StoredUnit[]): Promise<CommitOutcome> {
  return store.commit(units);
}

export function journal(store: Store): Promise<Values[]> {
  return store.read.rows(JournalTable);
}

export const DONE = { result: "done" };

/** Opens stores whose faults a test may set at any time; {@link StoresWithFaults.faults} are gone after each test. */
export class StoresWithFaults {
  faults: Faults = {};
  readonly #kit: StoreKit;

  constructor(kit: StoreKit) {
    this.#kit = kit;
    afterEach(() => {
      this.faults = {};
    });
  }

  /** A store with a session of so many participants; none: without one. */
  async open(place: DatabaseOptions = {}, participants = 4): Promise<Store> {
    const store = await this.#kit.open({
      ...place,
      apps: [app],
      faults: {
        beforeStatement: (sql) => this.faults.beforeStatement?.(sql),
        beforeCommit: () => this.faults.beforeCommit?.(),
        afterCommit: () => this.faults.afterCommit?.(),
        connected: (run) => this.faults.connected?.(run),
      },
    });
    if (participants > 0) await session(store, participants);
    return store;
  }

  /** Makes the next thing of this name fail, once. */
  failOnce(name: "beforeStatement" | "beforeCommit" | "afterCommit", error: Error, sql?: RegExp): void {
    this.faults[name] = (text?: string) => {
      if (sql !== undefined && !sql.test(text ?? "")) return;
      delete this.faults[name];
      throw error;
    };
  }
}
