import type { AppSpec, ModelSpec } from "./app-spec.ts";
import type { Formats } from "./money.ts";
import type { OwnFieldSpecs } from "./own-fields.ts";
import type { GroupRows } from "./store.ts";
import { ChatTable, ParticipantTable, SubsessionTable, TimerTable, WaitPageTable } from "./system-tables.ts";
import type { Table, Values } from "./tables.ts";

/** One row as an actor holds it: the newest values, committed or not. */
export class Row {
  readonly table: Table;
  /** null for rows that no author declares fields on (participants). */
  readonly model: ModelSpec | null;
  readonly values: Values;
  /** Deleted by a unit; taken out of memory when that unit has committed. */
  deleted = false;
  /** Made with the first change: most of a long history is never changed again. */
  #changedAt: Map<string, number> | undefined;

  constructor(table: Table, model: ModelSpec | null, values: Values) {
    this.table = table;
    this.model = model;
    this.values = values;
  }

  /** Version of the memory at which a field got its value, `n` for the row itself; 0: not since the actor was loaded. */
  changedAt(name: string): number {
    return this.#changedAt?.get(name) ?? 0;
  }

  setChangedAt(name: string, version: number): void {
    this.#changedAt ??= new Map();
    this.#changedAt.set(name, version);
  }

  /** The primary key's values. */
  key(): Values {
    const key: Values = {};
    for (const name of this.table.key) key[name] = this.values[name] ?? null;
    return key;
  }
}

/** What never changes while a group plays, for `player.session` and `player.subsession`. */
export interface SessionFacts {
  readonly id: number;
  readonly code: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Its row, with the fields in it that the project declares. */
  readonly row?: Row;
  readonly ownFields?: OwnFieldSpecs;
  /** How values are written. Default: whole points, in English. */
  readonly formats?: Formats | undefined;
  /** Nobody's data: pages say more about themselves. Default: false. */
  readonly isDemo?: boolean;
}

/** All rows of one group, as its actor works on them. */
export class GroupMemory {
  readonly app: AppSpec;
  readonly group: Row;
  /** Participants who are in this group now, by id; see {@link adopt}. */
  readonly participants = new Map<number, Row>();
  /** The people of its players, wherever they are, by id: what never changes of them. */
  readonly people = new Map<number, Values>();
  /** Extra rows by table name and n, in order of creation; the timers are among them, and chat messages that are
   * not stored yet. */
  readonly extras = new Map<string, Map<number, Row>>();
  /** Pending deadlines by n. */
  readonly timers = new Map<number, Row>();
  /** Deadlines whose async handlers are under way: they are pending still, and do not fire a second time. */
  readonly firing = new Set<Row>();
  /** The newest number that an async call has taken for a timer which no unit has yet; see BufferedView. */
  reservedTimer = 0;
  /** Rows of earlier rounds by participant, read-only, oldest first; of those who have got as far as this round. */
  readonly earlier = new Map<number, readonly Values[]>();
  /** Groups of earlier rounds in which those participants were, by id. */
  readonly earlierGroups: Map<number, Values>;
  /** What became of the group's wait pages, by page identity. */
  readonly waits = new Map<string, Row>();
  readonly session: SessionFacts;
  /** Of this app and round: read by every group, and written where all of them are seen at once. */
  readonly subsession: Row;
  /** Rows of the app's rounds before, oldest first. */
  readonly earlierSubsessions: readonly Values[];
  readonly roundNumber: number;
  /** Decimal places of currency fields. */
  readonly decimals: number;

  /** Counts the units that are to be stored. Not seq: a seq is used again after a unit was taken back,
   * and who read its values must not mistake the new ones for them. */
  version = 0;
  /** Versions of units that the store refused, and of those that ran after them: nobody may build on what they read there. */
  readonly takenBack = new Set<number>();

  #players: readonly Row[] = [];
  readonly #playerById = new Map<number, Row>();
  readonly #playerByParticipant = new Map<number, Row>();
  readonly #playerAt = new Map<number, Row>();

  /** @param shared rows that others hold too */
  constructor(
    app: AppSpec,
    rows: GroupRows,
    session: SessionFacts,
    decimals: number,
    shared: { readonly group?: Row; readonly subsession?: Row; readonly earlierGroups?: Map<number, Values> } = {},
  ) {
    this.app = app;
    this.session = session;
    this.decimals = decimals;
    this.group = shared.group ?? new Row(app.group.table, app.group, rows.group);
    this.subsession = shared.subsession ?? new Row(SubsessionTable, null, rows.subsession);
    this.earlierGroups = shared.earlierGroups ?? new Map();
    // Where the app declares no fields, rounds have nothing but their numbers.
    const numbers = Array.from({ length: Math.max(0, (rows.group.roundNumber as number) - 1) }, (_, i) => i + 1);
    this.earlierSubsessions = rows.earlierSubsessions ?? numbers.map((roundNumber) => ({ roundNumber }));
    this.roundNumber = rows.group.roundNumber as number;
    this.seat(rows.players.map((values) => new Row(app.player.table, app.player, values)));
    for (const person of rows.participants) this.people.set(person.id as number, person);
    for (const values of rows.waits) this.waits.set(values.page as string, new Row(WaitPageTable, null, values));
    for (const values of rows.timers) this.timers.set(values.n as number, new Row(TimerTable, null, values));
    this.extras.set(TimerTable.name, this.timers);
    this.extras.set(ChatTable.name, new Map());
    for (const model of Object.values(app.extras)) {
      const byNumber = new Map<number, Row>();
      for (const values of rows.extras.get(model.table.name) ?? []) {
        byNumber.set(values.n as number, new Row(model.table, model, values));
      }
      this.extras.set(model.table.name, byNumber);
    }
  }

  /** By idInGroup: 1 to their number, but for a lobby, which players leave one by one. */
  get players(): readonly Row[] {
    return this.#players;
  }

  /** From now on these are the group's players. */
  seat(players: readonly Row[]): void {
    this.#players = players;
    for (const map of [this.#playerById, this.#playerByParticipant, this.#playerAt]) map.clear();
    for (const row of players) {
      this.#playerById.set(row.values.id as number, row);
      this.#playerByParticipant.set(row.values.participantId as number, row);
      this.#playerAt.set(row.values.idInGroup as number, row);
    }
  }

  /** By idInGroup. */
  playerAt(idInGroup: number): Row | undefined {
    return this.#own(this.#playerAt.get(idInGroup));
  }

  /** A lobby's players go over to groups of their own: from that unit on they are nobody's here. */
  #own(player: Row | undefined): Row | undefined {
    return player?.values.groupId === this.actorId ? player : undefined;
  }

  get actorId(): number {
    return this.group.values.id as number;
  }

  playerById(id: number): Row | undefined {
    return this.#playerById.get(id);
  }

  playerOf(participantId: number): Row | undefined {
    return this.#own(this.#playerByParticipant.get(participantId));
  }

  /** Groups of earlier rounds, as they are when one of their participants comes. */
  rememberGroups(groups: readonly Values[]): void {
    for (const values of groups) this.earlierGroups.set(values.id as number, values);
  }

  /** Takes a participant in who arrived from elsewhere, with their rows of earlier rounds. */
  adopt(participant: Values, earlier: readonly Values[]): Row {
    const row = new Row(ParticipantTable, null, participant);
    this.participants.set(participant.id as number, row);
    this.earlier.set(participant.id as number, earlier);
    return row;
  }

  /** Forgets a participant who is elsewhere now. Their earlier rounds stay as they are. */
  release(participantId: number): void {
    this.participants.delete(participantId);
  }

  extrasOf(table: Table): Map<number, Row> {
    const rows = this.extras.get(table.name);
    if (rows === undefined) throw new Error(`no extra table ${table.name} in this group`);
    return rows;
  }
}
