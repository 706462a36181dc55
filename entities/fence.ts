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

/** The numbers that a batch takes of one client: stored only if `first` is higher than the highest that is stored. */
export interface TakenNumbers {
  readonly participantId: number;
  readonly clientId: string;
  readonly first: number;
  /** The highest from then on. */
  last: number;
  /** The unit of `first`: to be blamed if it is too low. */
  readonly unit: StoredUnit;
}

/**
 * What a batch takes of its clients' numbers, ordered by client, so that two processes lock the rows of
 * clients in the same order.
 *
 * @returns `doubled`: units whose number is not higher than one before them in the batch
 */
export function takenNumbers(units: readonly StoredUnit[]): { clients: TakenNumbers[]; doubled: StoredUnit[] } {
  const clients = new Map<string, TakenNumbers>();
  const doubled: StoredUnit[] = [];
  for (const unit of units) {
    const { participantId, clientId, n } = unit.entry;
    if (participantId === null || clientId === null || n === null || n < 0) continue;
    const key = clientKey(participantId, clientId);
    const taken = clients.get(key);
    if (taken === undefined) clients.set(key, { participantId, clientId, first: n, last: n, unit });
    else if (n > taken.last) taken.last = n;
    else doubled.push(unit);
  }
  return { clients: [...clients.values()].sort(byClient), doubled };
}

/** A client's key as one text. */
export function clientKey(participantId: number, clientId: string): string {
  return `${participantId}/${clientId}`;
}

function byClient(a: TakenNumbers, b: TakenNumbers): number {
  return a.participantId - b.participantId || (a.clientId < b.clientId ? -1 : 1);
}

/**
 * Why a batch did not get through the fence; undefined if it did.
 *
 * @param lost the units whose journal row was there already
 * @param doubled the units whose client's number was
 */
export function fenceOutcome(
  lost: readonly StoredUnit[],
  doubled: readonly StoredUnit[],
): (CommitOutcome & { result: "stale" | "duplicate" }) | undefined {
  // Lost before doubled: seqs have no holes, so a writer that lost its place always meets the winner's row.
  if (lost.length > 0) return { result: "stale", actorIds: [...new Set(lost.map(({ entry }) => entry.actorId))] };
  return doubled.length > 0 ? { result: "duplicate", units: doubled } : undefined;
}
