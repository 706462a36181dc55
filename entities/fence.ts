import type { CommitOutcome, JournalEntry, StoredUnit } from "./store.ts";

/** The order in which journal rows are written: the same in every process, so that two batches that
 * want the same rows wait for each other instead of locking each other out. */
export function inFenceOrder(units: readonly StoredUnit[]): StoredUnit[] {
  return units.toSorted((a, b) => a.entry.actorId - b.entry.actorId || a.entry.seq - b.entry.seq);
}

/** `actorId/seq`, an entry's key as one text. */
export function entryKey(entry: Pick<JournalEntry, "actorId" | "seq">): string {
  return `${entry.actorId}/${entry.seq}`;
}

/**
 * Why journal rows could not be inserted.
 *
 * @param missing the units whose entries the database skipped
 * @param stored keys of those missing entries that are in the journal now, after the rollback
 */
export function fenceOutcome(missing: readonly StoredUnit[], stored: ReadonlySet<string>): CommitOutcome {
  // seqs have no holes, so a writer that lost its place always meets the winner's row.
  const lost = missing.filter(({ entry }) => stored.has(entryKey(entry)) || entry.n === null);
  if (lost.length > 0) return { result: "stale", actorIds: [...new Set(lost.map(({ entry }) => entry.actorId))] };
  return { result: "duplicate", units: missing };
}
