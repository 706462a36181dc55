import type { WalrasError } from "../client-sdk/errors.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import type { EntryKind, JournalEntry } from "../entities/store.ts";
import type { RowChange } from "../entities/tables.ts";
import { changesToJson, type Unit } from "../entities/unit.ts";
import type { Actor } from "./actor.ts";

/** One thing that enters a group's mailbox. */
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

/** A journal entry as the turn knows it; the actor adds the rest. */
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

/** The whole entry of a draft. */
export function journalEntry(
  draft: EntryDraft,
  rest: { actorId: number; seq: number; writer: string; changes: readonly RowChange[] },
): JournalEntry {
  return {
    actorId: rest.actorId,
    seq: rest.seq,
    at: draft.at,
    kind: draft.kind,
    participantId: draft.participantId ?? null,
    page: draft.page ?? null,
    clientId: draft.clientId ?? null,
    n: draft.n ?? null,
    input: draft.input ?? null,
    output: draft.output ?? null,
    changes: changesToJson(rest.changes),
    seed: draft.seed ?? null,
    writer: rest.writer,
    batch: "",
  };
}
