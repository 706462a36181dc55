import type { AppSpec, PinnedPage } from "../../entities/app-spec.ts";
import { clientKey, entryKey, fenceOutcome, inFenceOrder, takenNumbers } from "../../entities/fence.ts";
import { mergeChanges } from "../../entities/merge-changes.ts";
import {
  type CommitOutcome,
  type Deadline,
  ELSEWHERE,
  type EntryOwner,
  type JournalEntry,
  type Reads,
  type StoredUnit,
  type Writer,
} from "../../entities/store.ts";
import {
  ActorTable,
  JournalTable,
  MARK_SPAN,
  MessageMarkTable,
  ParticipantTable,
  SessionTable,
  SubsessionTable,
  TimerTable,
  WaitPageTable,
} from "../../entities/system-tables.ts";
import type { Table, Value, Values } from "../../entities/tables.ts";
import { roundCurrency } from "../../entities/values.ts";

/** What is on the disk: it outlives processes. Transactions happen in one moment, whole or not at all. */
export class Database {
  readonly #tables = new Map<Table, Map<string, Values>>();
  readonly #journals = new Map<number, JournalEntry[]>();
  /** The highest number of each client. */
  readonly #clients = new Map<string, number>();
  /** Where their messages are. */
  readonly #marks = new Map<string, Values[]>();
  readonly #apps: ReadonlyMap<string, AppSpec>;

  constructor(apps: ReadonlyMap<string, AppSpec>) {
    this.#apps = apps;
  }

  /** The fence, then the rows, as stores do it (entities/store.ts). */
  commit(units: readonly StoredUnit[]): CommitOutcome {
    const batch = new Set<string>();
    const lost = inFenceOrder(units).filter(({ entry }) => {
      const key = entryKey(entry);
      if (this.entry(entry.actorId, entry.seq) !== undefined || batch.has(key)) return true;
      batch.add(key);
      return false;
    });
    const { clients, doubled } = takenNumbers(units);
    const taken = clients.filter(({ participantId, clientId, first }) => first <= this.#last(participantId, clientId));
    const stopped = fenceOutcome(lost, [...doubled, ...taken.map(({ unit }) => unit)]);
    if (stopped !== undefined) return stopped;
    const merged = mergeChanges(units);
    for (const { table, deletes, updates, inserts } of merged) {
      const rows = this.#rows(table);
      const lost = [...deletes, ...updates.map(({ key }) => key)].find((key) => !rows.has(keyOf(table, key)));
      const double = inserts.find((values) => rows.has(keyOf(table, values)));
      const wrong = lost ?? double;
      if (wrong !== undefined) {
        return { result: "data", error: new Error(`row ${keyOf(table, wrong)} of ${table.name}`) };
      }
    }
    for (const { entry } of inFenceOrder(units)) this.#keep({ ...entry });
    for (const { participantId, clientId, last } of clients) {
      this.#clients.set(clientKey(participantId, clientId), last);
    }
    for (const { table, deletes, updates, inserts } of merged) {
      const rows = this.#rows(table);
      for (const key of deletes) rows.delete(keyOf(table, key));
      for (const { key, values } of updates) Object.assign(rows.get(keyOf(table, key)) as Values, values);
      for (const values of inserts) this.#insert(table, values);
    }
    return { result: "done" };
  }

  owners(entries: readonly JournalEntry[]): EntryOwner[] {
    return entries.flatMap(({ actorId, seq }) => this.entry(actorId, seq) ?? []);
  }

  entry(actorId: number, seq: number): JournalEntry | undefined {
    return this.journal(actorId)[seq - 1];
  }

  /** Found by its mark, as stores find it. */
  message(participantId: number, clientId: string, n: number): JournalEntry | undefined {
    const marks = this.#marks.get(clientKey(participantId, clientId)) ?? [];
    const mark = marks.reduce<Values | undefined>(
      (best, one) => ((one.n as number) <= n && (one.n as number) > Number(best?.n ?? -Infinity) ? one : best),
      undefined,
    );
    if (mark === undefined) return undefined;
    const seq = mark.seq as number;
    return this.journal(mark.actorId as number)
      .slice(seq - 1, seq - 1 + MARK_SPAN)
      .find(
        (entry: JournalEntry | undefined) =>
          entry?.participantId === participantId && entry.clientId === clientId && entry.n === n,
      );
  }

  /** All entries of an actor; the entry with seq 1 is the first. */
  journal(actorId: number): readonly JournalEntry[] {
    return this.#journals.get(actorId) ?? [];
  }

  get journals(): Iterable<readonly JournalEntry[]> {
    return this.#journals.values();
  }

  /** Rows by key. */
  rows(table: Table, where: Record<string, Value> = {}): Values[] {
    const wanted = Object.entries(where);
    const found: Values[] = [];
    for (const row of this.#rows(table).values()) {
      if (wanted.every(([name, value]) => row[name] === value)) found.push({ ...row });
    }
    return found.sort((a, b) => table.key.reduce((by, name) => by || Number(a[name]) - Number(b[name]), 0));
  }

  readonly writer: Writer = {
    update: async () => {
      throw new Error("nobody edits a session of a simulation");
    },
    insert: async (table, rows) => {
      const isNumbered = table.key.length === 1 && rows.every((row) => !((table.key[0] as string) in row));
      const ids: number[] = [];
      for (const row of rows) {
        const id = this.#rows(table).size + 1;
        if (isNumbered) ids.push(id);
        this.#insert(table, isNumbered ? { ...row, [table.key[0] as string]: id } : row);
      }
      return ids;
    },
  };

  /** Reads of this moment. */
  readonly read: Reads = {
    whereabouts: async (code) => {
      const participant = this.rows(ParticipantTable, { code })[0];
      if (participant === undefined) return undefined;
      const sessionId = participant.sessionId as number;
      const pages = JSON.parse(this.rows(SessionTable, { id: sessionId })[0]?.pages as string) as PinnedPage[];
      const page = pages[Math.max(participant.pageIndex as number, 1) - 1];
      if (page === undefined) return { participant, sessionId, actorId: null, page: null };
      const { table } = (this.#apps.get(page.app) as AppSpec).player;
      const where = { participantId: participant.id as number, roundNumber: page.round };
      return { participant, sessionId, actorId: this.rows(table, where)[0]?.groupId as number, page };
    },
    group: async (actorId, app) => {
      const group = this.rows(app.group.table, { id: actorId })[0] as Values;
      const players = this.rows(app.player.table, { groupId: actorId });
      players.sort((a, b) => Number(a.idInGroup) - Number(b.idInGroup));
      const extras = Object.values(app.extras).map(({ table }) => [table.name, this.rows(table, { actorId })] as const);
      return {
        group,
        players,
        participants: players.map(({ participantId }) => this.#one(ParticipantTable, participantId as number)),
        waits: this.rows(WaitPageTable, { actorId }),
        extras: new Map(extras),
        timers: this.rows(TimerTable, { actorId }),
        session: this.#one(SessionTable, group.sessionId as number),
        subsession: this.#one(SubsessionTable, group.subsessionId as number),
        seq: this.journal(actorId).length,
        isNew: !this.journal(actorId).some(({ kind }) => kind === "loaded"),
      };
    },
    // Its app has no chat.
    chatHeads: async () => [],
    chatMessages: async () => [],
    actor: async (id) => {
      const row = this.rows(ActorTable, { id })[0];
      if (row === undefined) return undefined;
      const { app, roundNumber: round, sessionId } = row as { app: string; roundNumber: number; sessionId: number };
      return { id, app, round, sessionId };
    },
    participant: async (id) => this.rows(ParticipantTable, { id })[0],
    session: async (by) => this.rows(SessionTable, by)[0],
    sessions: async (limit) => this.rows(SessionTable).toReversed().slice(0, limit),
    participants: async (sessionId) => this.rows(ParticipantTable, { sessionId }),
    progress: async (sessionId, pageIndex) => {
      const rows = this.rows(ParticipantTable, { sessionId });
      return { all: rows.length, behind: rows.filter((row) => (row.pageIndex as number) < pageIndex).length };
    },
    earlierGroups: async () => [],
    unfinishedGroups: async () => new Set(),
    earlierPlayers: async (participantId, app, round) =>
      this.rows(app.player.table, { participantId }).filter((row) => (row.roundNumber as number) < round),
    payoffsElsewhere: async (ids, groupId, decimals) => {
      const rows = [...this.#apps.values()].flatMap((app) => this.rows(app.player.table));
      const payoffOf = (id: number) =>
        rows
          .filter((row) => row.participantId === id && row.groupId !== groupId)
          .reduce((sum, row) => roundCurrency(sum + (row.payoff as number), decimals), 0);
      return new Map(ids.map((id) => [id, payoffOf(id)]));
    },
    newestSeqs: async (actorIds) => new Map(actorIds.map((id) => [id, this.journal(id).length])),
    journal: async (actorId, after, limit, page) =>
      this.journal(actorId)
        .slice(after)
        .filter(
          (entry) =>
            entry.output !== null && (page === undefined || entry.page === page || entry.output.startsWith(ELSEWHERE)),
        )
        .slice(0, limit)
        .map((entry) => ({ ...entry })),
    message: async (participantId, clientId, n) => this.message(participantId, clientId, n),
    size: async () => 0,
    lastNumber: async (participantId, clientId) => this.#last(participantId, clientId),
    deadlines: async (before, after, limit) => {
      const found = this.rows(TimerTable).map(({ actorId, n, dueAt }) => ({ actorId, n, dueAt }) as Deadline);
      return found
        .filter((one) => one.dueAt <= before && (after === null || compare(one, after) > 0))
        .sort(compare)
        .slice(0, limit);
    },
    rows: async (table, where) => this.rows(table, where),
    // Nobody watches a simulation.
    positions: async () => [],
    seats: async () => [],
    rowsOfRound: async () => ({ players: [], groups: [] }),
    failedWaits: async () => [],
  };

  #last(participantId: number, clientId: string): number {
    return this.#clients.get(clientKey(participantId, clientId)) ?? 0;
  }

  #keep(entry: JournalEntry): void {
    const { actorId, seq } = entry;
    let journal = this.#journals.get(actorId);
    if (journal === undefined) {
      journal = [];
      this.#journals.set(actorId, journal);
    }
    // Kept as it is: a hole is for the checker to find.
    journal[seq - 1] = entry;
  }

  #insert(table: Table, values: Values): void {
    const row: Values = {};
    for (const { name, initial } of table.columns) row[name] = values[name] ?? initial;
    if (table === MessageMarkTable) {
      const key = clientKey(row.participantId as number, row.clientId as string);
      this.#marks.set(key, [...(this.#marks.get(key) ?? []), row]);
    }
    this.#rows(table).set(keyOf(table, row), row);
  }

  #one(table: Table, id: number): Values {
    return { ...(this.#rows(table).get(String(id)) as Values) };
  }

  #rows(table: Table): Map<string, Values> {
    if (table === JournalTable) throw new Error("the journal is read by journal()");
    let rows = this.#tables.get(table);
    if (rows === undefined) {
      rows = new Map();
      this.#tables.set(table, rows);
    }
    return rows;
  }
}

function compare(a: Deadline, b: Deadline): number {
  return a.dueAt - b.dueAt || a.actorId - b.actorId || a.n - b.n;
}

function keyOf(table: Table, row: Values): string {
  return table.key.map((name) => row[name]).join("/");
}
