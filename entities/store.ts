import type { RowChange, Value, Values } from "./tables.ts";
import type { WatchReads } from "./watch-reads.ts";

/** Why a journal entry was written. `refused` keeps the answer to a refused message stable. */
export type EntryKind =
  | "loaded"
  /** A participant has come from elsewhere: their row as it was then. */
  | "adopted"
  | "message"
  | "refused"
  /** A message of a chat, posted or refused. */
  | "chat"
  | "start"
  | "view"
  | "submit"
  /** An experimenter has moved a participant on. */
  | "advance"
  | "started"
  | "yield"
  | "done"
  | "presence"
  /** The computer plays in a participant's place from now on. */
  | "replaced"
  /** A wait page is done: its function has run and those who waited are past it. */
  | "wait"
  /** The function of a wait page threw. */
  | "failed"
  /** A wait page of all groups of a round: an entry for each of the groups, all in one transaction. */
  | "barrier"
  /** Groups were formed out of those who waited in a lobby. */
  | "formed"
  /** The time that people may wait on a page began to run. */
  | "armed"
  /** The async handler of a timer runs: other servers leave it alone. */
  | "held"
  | "timer";

/**
 * One line of a group's log. `(actorId, seq)` is its key and the fence. An entry with a number `n` above zero is that
 * message of its client, which counts once: each is stored only while it is higher than all before it, in
 * whichever group. `-n` is the end of async call n.
 */
export interface JournalEntry {
  actorId: number;
  /** 1, 2, 3 ... without holes within an actor. */
  seq: number;
  /** Milliseconds since 1970 (UTC): the unit's `now()`. */
  at: number;
  kind: EntryKind;
  participantId: number | null;
  /** `app/round/Page`. */
  page: string | null;
  clientId: string | null;
  n: number | null;
  /** JSON text of what came in. */
  input: string | null;
  /** JSON text of what went out: deliveries and the answer. */
  output: string | null;
  /** JSON text of the row changes, for replay. */
  changes: string | null;
  /** Seed of the unit's `random()`, null if it drew nothing. */
  seed: number | null;
  /** The actor's incarnation that wrote it. */
  writer: string;
  /** The transaction attempt that wrote it. Set by the committer. */
  batch: string;
}

/** How the output of an entry begins that holds deliveries to other pages than the entry's own. */
export const ELSEWHERE = '{"w":1';

/** What commits whole or not at all. */
export interface StoredUnit {
  readonly entry: JournalEntry;
  readonly changes: readonly RowChange[];
}

/** What became of one attempt. In every case but `done` and `unknown` nothing of the attempt remains. */
export type CommitOutcome =
  | { readonly result: "done" }
  /** Another writer holds a seq of these actors (or a later one of theirs). */
  | { readonly result: "stale"; readonly actorIds: readonly number[] }
  /** These units' client has had that number, or a higher one, stored already under another entry. */
  | { readonly result: "duplicate"; readonly units: readonly StoredUnit[] }
  /** The store refuses a value of some unit (constraint, type, length, range, encoding). */
  | { readonly result: "data"; readonly error: Error }
  /** Full, busy, read-only, connection lost before COMMIT was sent, ... */
  | { readonly result: "io"; readonly error: Error }
  /** The connection broke between COMMIT and its answer. */
  | { readonly result: "unknown"; readonly error: Error };

/** Whose an entry is, for settling an unknown outcome. */
export interface EntryOwner {
  actorId: number;
  seq: number;
  writer: string;
  batch: string;
}

/**
 * One database. Only the committer writes through it, one call at a time; reads go over other,
 * read-only connections.
 */
export interface Store {
  readonly dialect: "sqlite" | "postgres";
  /** True where another process may write the same groups (PostgreSQL). */
  readonly shared: boolean;

  /**
   * One transaction: the journal entries first, as the fence, ordered by (actorId, seq); then the
   * clients' numbers; then the rows, merged per row. Serialization failures and deadlocks are tried again inside. Never throws;
   * after any failure the writing connection is destroyed and opened again before the next attempt.
   */
  commit(units: readonly StoredUnit[]): CommitOutcome | Promise<CommitOutcome>;

  /** The owners of those of these entries that are stored, read over the writer's own side. @throws while the store is away */
  owners(entries: readonly JournalEntry[]): Promise<EntryOwner[]>;

  /** A real, durable write. @throws while the store does not take writes */
  probe(): Promise<void>;

  /** One writing transaction for what is not a unit (creating a session). Serialized with commit by the committer. */
  transact<T>(work: (write: Writer) => Promise<T>): Promise<T>;

  readonly read: Reads;

  close(): Promise<void>;
}

/** Writes inside {@link Store.transact}; rows get their keys from the database where the key is a single `id` left out. */
export interface Writer {
  /** Sets columns of one row. @throws WalrasError `row_missing` */
  update(table: import("./tables.ts").Table, key: Values, values: Values): Promise<void>;
  /** Inserts rows and returns the generated ids in order (empty if the table's key is not generated). */
  insert(table: import("./tables.ts").Table, rows: readonly Values[]): Promise<number[]>;
}

/** Where a participant is, found by code. */
export interface Whereabouts {
  participant: Values;
  sessionId: number;
  /** The actor that owns the participant now: the group of the app and round of the page at
   * `pageIndex` (at index 0, of the first page); null when past the last page. */
  actorId: number | null;
  /** The page at `pageIndex` (at index 0, the first); null when past the last. */
  page: import("./app-spec.ts").PinnedPage | null;
}

/** A pending deadline of some group. */
export interface Deadline {
  actorId: number;
  n: number;
  /** Milliseconds since 1970 (UTC). */
  dueAt: number;
}

/** Everything an actor needs to come to life. */
export interface GroupRows {
  group: Values;
  /** All players of the group by id_in_group. */
  players: Values[];
  /** Participants of those players (also those who are elsewhere now). */
  participants: Values[];
  /** Extra rows by table name, ordered by n. */
  extras: Map<string, Values[]>;
  /** What became of the group's wait pages. */
  waits: Values[];
  /** Deadlines that are pending. */
  timers: Values[];
  session: Values;
  subsession: Values;
  /** Those of the app's rounds before, oldest first; left out where they have nothing that could be read. */
  earlierSubsessions?: Values[] | undefined;
  /** Newest seq in the journal, 0 if none. Read before the rows. */
  seq: number;
  /** No actor has ever loaded the group. */
  isNew: boolean;
}

/** Reads of committed data, over read-only connections. All return values as {@link Values} hold them. */
export interface Reads extends WatchReads {
  /** By the participant's secret code; undefined if there is none. */
  whereabouts(code: string): Promise<Whereabouts | undefined>;
  /** What an actor holds, read in one snapshot. */
  group(actorId: number, app: import("./app-spec.ts").AppSpec): Promise<GroupRows>;
  /** An actor's row (id, kind, app, round, sessionId); undefined if there is none. */
  actor(actorId: number): Promise<{ id: number; app: string; round: number; sessionId: number } | undefined>;
  participant(id: number): Promise<Values | undefined>;
  session(by: { id: number } | { code: string }): Promise<Values | undefined>;
  /** The newest sessions first. @param archived those that were put aside, or the others. Default: the others */
  sessions(limit: number, archived?: boolean): Promise<Values[]>;
  participants(sessionId: number): Promise<Values[]>;
  /** How many participants a session has, and how many of them have not got as far as a page. */
  progress(sessionId: number, pageIndex: number): Promise<{ all: number; behind: number }>;
  /** The participant's rows of an app's player table in rounds before `round`, oldest first. */
  earlierPlayers(participantId: number, app: import("./app-spec.ts").AppSpec, round: number): Promise<Values[]>;
  /** The groups of an app in which the participant was in rounds before `round`. */
  earlierGroups(participantId: number, app: import("./app-spec.ts").AppSpec, round: number): Promise<Values[]>;
  /** The ids of those of them that have somebody who has not got as far as a page. */
  unfinishedGroups(
    participantId: number,
    app: import("./app-spec.ts").AppSpec,
    round: number,
    pageIndex: number,
  ): Promise<Set<number>>;
  /** For each participant, the sum of the payoffs of all their players outside of one group. @param decimals of amounts */
  payoffsElsewhere(participantIds: readonly number[], groupId: number, decimals: number): Promise<Map<number, number>>;
  /** Newest seq of each actor asked for. */
  newestSeqs(actorIds: readonly number[]): Promise<Map<number, number>>;
  /** Entries with seq > after (oldest first, at most limit) of an actor that have output; with page: only those
   * whose deliveries may have gone to that page: of the page itself, or {@link ELSEWHERE}. */
  journal(actorId: number, after: number, limit: number, page?: string): Promise<JournalEntry[]>;
  /** The entry of one client number, in whichever group it is; found by the marks
   * that the unit's changes wrote. */
  message(participantId: number, clientId: string, n: number): Promise<JournalEntry | undefined>;
  /** The highest n of a client that was stored, 0 if none. */
  lastNumber(participantId: number, clientId: string): Promise<number>;
  /** For each of these channels of chats, and each group that has written into it: the group's last number there. */
  chatHeads(channels: readonly string[]): Promise<{ channel: string; actorId: number; n: number }[]>;
  /** A channel's messages of these groups behind the number given for each, in the order in which each wrote them. */
  chatMessages(channel: string, after: ReadonlyMap<number, number>): Promise<Values[]>;
  /** Bytes of the whole database, with its indexes. */
  size(): Promise<number>;
  /** Deadlines of all groups up to a time, in the order (dueAt, actorId, n), at most so many; those behind `after`. */
  deadlines(before: number, after: Deadline | null, limit: number): Promise<Deadline[]>;
  /** The same rows as tables hold, for tests and exports: a table's rows ordered by key. */
  rows(table: import("./tables.ts").Table, where?: Record<string, Value>): Promise<Values[]>;
}
