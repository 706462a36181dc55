import { EntitySchema, type EntitySchemaColumnOptions, type EntitySchemaOptions } from "typeorm";
import type { JournalEntry } from "./store.ts";
import { type Column, type ColumnKind, snakeCase, type Table, type Values } from "./tables.ts";

/** TypeORM's column type for each kind, the same words in SQLite and PostgreSQL. Integers are 64 bit
 * in both, so that every safe integer of JavaScript fits; JSON is kept as its exact text. */
const COLUMN_TYPES: Readonly<Record<ColumnKind, EntitySchemaColumnOptions["type"]>> = {
  id: "bigint",
  link: "bigint",
  integer: "bigint",
  float: "double precision",
  boolean: "boolean",
  text: "text",
  longText: "text",
  currency: "double precision",
  json: "text",
  timestamp: "bigint",
};

/** What {@link makeTable} needs. */
export interface TableOptions {
  name: string;
  /** TypeScript name → kind, key columns first. */
  columns: Record<string, ColumnKind>;
  /** Names of the primary key's columns. */
  key: readonly string[];
  /** The single key column is numbered by the database. */
  generated?: boolean;
  /** Names of columns that may not be null (system tables only). */
  required?: readonly string[];
  initial?: Values;
  unique?: readonly (readonly string[])[];
  /** On SQLite the rows lie in the key's index: one page to touch instead of two. */
  withoutRowid?: boolean;
  indexes?: readonly (readonly string[])[];
  /** Database names that differ from snake case, e.g. a link `player` stored as `player_id`. */
  columnNames?: Record<string, string>;
}

/** Describes a table once, for ourselves and for TypeORM. */
export function makeTable(options: TableOptions): Table {
  const columns: Column[] = Object.entries(options.columns).map(([name, kind]) => ({
    name,
    column: options.columnNames?.[name] ?? snakeCase(name),
    kind,
    initial: options.initial?.[name] ?? null,
  }));
  const entityColumns: Record<string, EntitySchemaColumnOptions> = {};
  for (const column of columns) {
    const primary = options.key.includes(column.name);
    const generated = primary && options.generated === true;
    entityColumns[column.name] = {
      name: column.column,
      // SQLite numbers rows by itself only in a column of type INTEGER.
      type: generated ? "integer" : COLUMN_TYPES[column.kind],
      ...(primary ? { primary: true } : { nullable: !options.required?.includes(column.name) }),
      ...(generated ? { generated: "increment" as const } : {}),
    };
  }
  const entity: EntitySchemaOptions<Values> = {
    name: options.name,
    tableName: options.name,
    withoutRowid: options.withoutRowid ?? false,
    columns: entityColumns as EntitySchemaOptions<Values>["columns"],
    uniques: (options.unique ?? []).map((names) => ({
      name: `uq_${options.name}_${names.map(snakeCase).join("_")}`,
      columns: [...names],
    })),
    indices: (options.indexes ?? []).map((names) => ({
      name: `ix_${options.name}_${names.map(snakeCase).join("_")}`,
      columns: [...names],
    })),
  };
  return { name: options.name, key: options.key, columns, entity: new EntitySchema(entity) };
}

/** One run of a session config. `pages` is the page sequence, pinned at creation: JSON of PinnedPage[]. */
export const SessionTable = makeTable({
  name: "session",
  columns: {
    id: "id",
    code: "text",
    configName: "text",
    config: "json",
    pages: "json",
    createdAt: "timestamp",
    isDemo: "boolean",
    label: "text",
    comment: "longText",
    /** Set: the list of sessions leaves it out. */
    archivedAt: "timestamp",
    /** What the project declares as sessionFields. */
    fields: "json",
  },
  key: ["id"],
  generated: true,
  required: ["code", "configName", "config", "pages", "createdAt", "isDemo"],
  unique: [["code"]],
});

/** A person in a session. `pageIndex` counts from 1 over the pinned sequence; 0: not started; beyond the last: finished. */
export const ParticipantTable = makeTable({
  name: "participant",
  columns: {
    id: "id",
    sessionId: "link",
    idInSession: "integer",
    code: "text",
    label: "text",
    pageIndex: "integer",
    startedAt: "timestamp",
    /** When they came to the page on which they are; see page-arrivals.ts. */
    pageAt: "timestamp",
    /** Own orders of pages, see page-order.ts; null: the session's. */
    pageOrder: "json",
    /** What the project declares as participantFields. */
    fields: "json",
    /** Parameters of the link by which they came, e.g. of Prolific: JSON of texts by name. */
    entry: "json",
    /** What the app says of them, for the experimenter. */
    status: "text",
    /** Since when the computer plays in their place; null: they play. */
    replacedAt: "timestamp",
    /** What they had earned until then, over all apps and rounds. */
    replacedPayoff: "currency",
  },
  key: ["id"],
  generated: true,
  required: ["sessionId", "idInSession", "code", "pageIndex"],
  unique: [["code"], ["sessionId", "idInSession"]],
});

/** Who came through a shared entrance got this participant. A key of its own, so that nobody else can get them too. */
export const ClaimTable = makeTable({
  name: "claim",
  columns: { participantId: "link", sessionId: "link", label: "text", entry: "json", at: "timestamp", visit: "text" },
  key: ["participantId"],
  required: ["sessionId", "at"],
  unique: [
    ["sessionId", "label"],
    ["sessionId", "visit"],
  ],
});

/** Which session a lab's entrance leads to: the newest row of the lab counts, `sessionId` null closes it. */
export const LabSessionTable = makeTable({
  name: "lab_session",
  columns: { id: "id", lab: "text", sessionId: "link", at: "timestamp" },
  key: ["id"],
  generated: true,
  required: ["lab", "at"],
  indexes: [["lab"], ["sessionId"]],
});

/** What the server keeps for itself, such as the secret of its labs' links. */
export const SettingTable = makeTable({
  name: "setting",
  columns: { name: "text", value: "text" },
  key: ["name"],
  required: ["value"],
});

/** One app in one round of a session. */
export const SubsessionTable = makeTable({
  name: "subsession",
  columns: {
    id: "id",
    sessionId: "link",
    app: "text",
    roundNumber: "integer",
    /** What the app declares under `subsession`. */
    fields: "json",
  },
  key: ["id"],
  generated: true,
  required: ["sessionId", "app", "roundNumber"],
  unique: [["sessionId", "app", "roundNumber"]],
});

/** Gives every group of every app its `actorId`, unique over all of them. */
export const ActorTable = makeTable({
  name: "actor",
  columns: { id: "id", sessionId: "link", app: "text", roundNumber: "integer" },
  key: ["id"],
  generated: true,
  required: ["sessionId", "app", "roundNumber"],
  indexes: [["sessionId"]],
});

/**
 * Deadlines of an actor: rows, so that they survive restarts. A timer that has fired is gone. `n` counts
 * with the group's timerCount; those that an async call has set have negative numbers. `page`: of Walras' own
 * deadlines, the page that they belong to. `heldUntil`: by then whoever runs its async handler has said so again.
 */
export const TimerTable = makeTable({
  name: "timer",
  columns: {
    actorId: "link",
    n: "integer",
    name: "text",
    dueAt: "timestamp",
    everySeconds: "float",
    payload: "json",
    page: "text",
    heldUntil: "timestamp",
  },
  key: ["actorId", "n"],
  required: ["name", "dueAt"],
  indexes: [["dueAt"]],
});

/** What became of a group's wait pages: a row when one is done, or when its function failed. Who comes to one that
 * is done goes past it. */
export const WaitPageTable = makeTable({
  name: "wait_page",
  columns: {
    actorId: "link",
    /** `app/round/Page`. */
    page: "text",
    sessionId: "link",
    doneAt: "timestamp",
    /** Done without everybody: the time was up. */
    timedOut: "boolean",
    /** How long those who wait had waited then, in milliseconds. */
    limitMs: "integer",
    /** An experimenter has let those who wait go on without the missing. */
    advanced: "boolean",
    failedAt: "timestamp",
    /** What `afterAllPlayersArrive` threw when it last failed. */
    error: "longText",
    stack: "longText",
  },
  key: ["actorId", "page"],
  required: ["sessionId"],
  initial: { timedOut: false },
  indexes: [["sessionId"]],
});

/**
 * The messages of chats. `n` counts with the chatCount of the group that wrote it: a channel may be shared by many
 * groups, each of which numbers its own, so that whoever reads on from the last number of each misses nothing.
 */
export const ChatTable = makeTable({
  name: "chat_message",
  columns: {
    actorId: "link",
    n: "integer",
    sessionId: "link",
    /** null: written by the app itself. */
    participantId: "link",
    /** `session-app-name`, see chat.ts. */
    channel: "text",
    nickname: "text",
    body: "longText",
    at: "timestamp",
  },
  key: ["actorId", "n"],
  required: ["sessionId", "channel", "nickname", "body", "at"],
  indexes: [["channel", "actorId", "n"]],
});

/** The ordered log of everything that changed a group. */
export const JournalTable = makeTable({
  name: "journal",
  columns: {
    actorId: "link",
    seq: "integer",
    at: "timestamp",
    kind: "text",
    participantId: "link",
    page: "text",
    clientId: "text",
    n: "integer",
    input: "json",
    output: "json",
    changes: "json",
    seed: "integer",
    writer: "text",
    batch: "text",
  } satisfies Record<keyof JournalEntry, ColumnKind>,
  key: ["actorId", "seq"],
  required: ["at", "kind", "writer", "batch"],
});

/**
 * The highest message number of each client (a page load of a participant) that has taken effect, in
 * whichever group: the fence that makes a message count once. One small row for each client instead of an
 * index of the journal, which would cost every message a page of its own.
 */
export const ClientTable = makeTable({
  name: "client",
  columns: { participantId: "link", clientId: "text", n: "integer" },
  key: ["participantId", "clientId"],
  required: ["n"],
  withoutRowid: true,
});

/** How many seqs of its actor a {@link MessageMarkTable mark} stands for, its own among them. */
export const MARK_SPAN = 1_000;

/**
 * Where a client's messages are in the journal: message `n` is entry `seq` of the actor, and those from `n` up to
 * the client's next mark are among the {@link MARK_SPAN} entries from there on. The end of an async call (number
 * -n) has a mark of its own.
 */
export const MessageMarkTable = makeTable({
  name: "message_mark",
  columns: { participantId: "link", clientId: "text", n: "integer", actorId: "link", seq: "integer" },
  key: ["participantId", "clientId", "n"],
  required: ["actorId", "seq"],
  withoutRowid: true,
});

/** Where a store that fails tries whether it can write again: one row, taken away at once. */
export const ProbeTable = makeTable({
  name: "probe",
  columns: { id: "id", filler: "longText" },
  key: ["id"],
});

/** Bytes of a probe: more than the free pages that a full disk may have left inside the database. */
export const PROBE_BYTES = 256 * 1024;

export const SYSTEM_TABLES: readonly Table[] = [
  SessionTable,
  ParticipantTable,
  SubsessionTable,
  ClaimTable,
  LabSessionTable,
  SettingTable,
  ActorTable,
  TimerTable,
  WaitPageTable,
  ChatTable,
  JournalTable,
  ClientTable,
  MessageMarkTable,
  ProbeTable,
];

/** Columns that every app's group table has before the author's own. `id` is the group's actorId. */
export const GROUP_COLUMNS = {
  id: "id",
  sessionId: "link",
  subsessionId: "link",
  roundNumber: "integer",
  idInSubsession: "integer",
  /** The last number given to an extra row of this group. */
  extraCount: "integer",
  /** The last number given to a timer of this group. */
  timerCount: "integer",
  /** The last number given to a chat message of this group. */
  chatCount: "integer",
  /** Common deadlines of pages by name, once their time has begun. */
  pageDeadlines: "json",
} as const satisfies Record<string, ColumnKind>;

/** Columns that every app's player table has before the author's own. */
export const PLAYER_COLUMNS = {
  id: "id",
  sessionId: "link",
  subsessionId: "link",
  groupId: "link",
  participantId: "link",
  roundNumber: "integer",
  idInGroup: "integer",
  payoff: "currency",
  /** What the group was last told: whether a page of theirs is connected. */
  connected: "boolean",
  /** true: the computer plays, from somewhere in this round or before it; else null. */
  isReplaced: "boolean",
} as const satisfies Record<string, ColumnKind>;

/** Columns that every extra model's table has before the author's own. */
export const EXTRA_COLUMNS = { actorId: "link", n: "integer" } as const satisfies Record<string, ColumnKind>;
