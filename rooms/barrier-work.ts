import type { AppSpec } from "../entities/app-spec.ts";
import { Row, type SessionFacts } from "../entities/memory.ts";
import { pageArrivals } from "../entities/page-arrivals.ts";
import { Dice } from "../entities/random.ts";
import type { GroupRows, JournalEntry, StoredUnit } from "../entities/store.ts";
import { WholeSubsession } from "../entities/subsession.ts";
import { ChatTable, ParticipantTable, SubsessionTable, WaitPageTable } from "../entities/system-tables.ts";
import type { RowChange, Value, Values } from "../entities/tables.ts";
import { changesToJson } from "../entities/unit.ts";
import { initialValues } from "../entities/values.ts";
import type { ActorWorld } from "./actor-world.ts";
import type { HookRuns } from "./hook-run.ts";
import { replaceSoon } from "./replacement.ts";
import type { WaitPage } from "./wait-pages.ts";
import { decide } from "./wait-timeouts.ts";

/** Which wait page of all groups it is. */
export interface BarrierFacts {
  readonly app: AppSpec;
  readonly session: SessionFacts;
  readonly roundNumber: number;
  readonly page: WaitPage;
}

/** Rows of earlier rounds of all, oldest first. */
export interface PastRounds {
  readonly players: readonly Values[];
  readonly groups: readonly Values[];
}

/** What the journal's input says of a group that was formed anew, so that it can be run again from there. */
export interface RecordedSeats {
  /** Its players' rows from then on, by idInGroup. */
  readonly players: readonly Values[];
}

/** One run of a barrier's function on the rows of all groups. */
export class BarrierWork {
  readonly #barrier: BarrierFacts;
  readonly #rows: readonly GroupRows[];
  readonly #world: ActorWorld;
  #at: number;
  /** The rows before anything was done with them. */
  readonly #found: string;
  readonly #chatCounts: ReadonlyMap<Value | undefined, Value | undefined>;
  readonly #dice: Dice;
  readonly #whole: WholeSubsession;
  readonly #people = new Map<number, Row>();
  /** Fields of the session and of the round, as they were. */
  readonly #sharedFields: readonly Value[];
  readonly #shared: readonly Row[];
  /** Groups that the function has made; they get their numbers later, and have negative ones until then. */
  readonly newGroups: Row[] = [];
  /** Who was at the page and goes on. */
  readonly passed: Row[] = [];
  /** Who has waited long enough, and is at the end of the study. */
  readonly ended: Row[] = [];
  /** Groups that have something to do at once: to replace who is missing, or to wait for the same time again. */
  readonly awaited = new Set<number>();
  /** Players who are not there: the time was up. */
  readonly #missing = new Set<number>();
  /** An experimenter does not wait for them any more. */
  readonly #isAdvanced: boolean;
  /** Nobody goes on: all wait for the same time again, or for the computer. */
  #waitsOn = false;

  constructor(barrier: BarrierFacts, rows: readonly GroupRows[], past: PastRounds, world: ActorWorld) {
    this.#barrier = barrier;
    this.#rows = rows;
    this.#found = imageOf(rows);
    this.#chatCounts = chatCountsOf(rows);
    this.#world = world;
    this.#at = world.now();
    this.#dice = new Dice(world.newSeed);
    const { app, roundNumber, session } = barrier;
    const isPage = (row: Values) => row.page === barrier.page.identity;
    this.#isAdvanced = rows.some(({ waits }) => waits.some((row) => isPage(row) && row.advanced === true));
    for (const { participants } of rows) {
      for (const values of participants) {
        if ((values.pageIndex as number) < barrier.page.index) this.#missing.add(values.id as number);
        this.#people.set(values.id as number, new Row(ParticipantTable, null, values));
      }
    }
    const earlier = Map.groupBy(past.players, (row) => row.participantId as number);
    const newest = rows[0]?.session as Values;
    // As it is now: another round's barrier may have changed it since the actor was loaded.
    const sessionRow = new Row((session.row as Row).table, null, newest);
    const subsessionRow = new Row(SubsessionTable, null, rows[0]?.subsession as Values);
    this.#shared = [sessionRow, subsessionRow];
    this.#sharedFields = this.#shared.map(({ values }) => values.fields ?? null);
    this.#whole = new WholeSubsession({
      app,
      session: { ...session, row: sessionRow },
      row: subsessionRow,
      roundNumber,
      groups: rows.map(({ group, players, extras }) => ({
        row: new Row(app.group.table, app.group, group),
        players: players.map((values) => new Row(app.player.table, app.player, values)),
        extras,
      })),
      participants: this.#people,
      // Who is not there may still play an earlier round.
      earlier: (id) => (this.#missing.has(id) ? undefined : (earlier.get(id) ?? [])),
      earlierSubsessions: rows[0]?.earlierSubsessions ?? [],
      earlierGroups: new Map(past.groups.map((values) => [values.id as number, values])),
      matrixOf: (round) => this.#matrixOf(past.players.filter((row) => row.roundNumber === round)),
      newGroup: (idInSubsession) => {
        const { sessionId = null, subsessionId = null } = rows[0]?.group ?? {};
        const values = initialValues(app.group.table, world.currency.decimals);
        const id = -1 - this.newGroups.length;
        const row = new Row(app.group.table, app.group, {
          ...values,
          ...{ id, sessionId, subsessionId, roundNumber, idInSubsession },
        });
        this.newGroups.push(row);
        return row;
      },
      decimals: world.currency.decimals,
      what: `${barrier.page.identity} afterAllPlayersArrive`,
      at: this.#at,
      random: this.#dice.random,
    });
  }

  /** @throws whatever the author's function throws */
  async run(hooks: HookRuns): Promise<void> {
    const { page } = this.#barrier;
    this.#decide();
    const hook = page.wait.afterAllPlayersArrive as ((...args: unknown[]) => unknown) | undefined;
    if (hook !== undefined && this.passed.length > 0) {
      const missing = this.#whole.groups.flatMap(({ players, view }) =>
        players
          .filter((player) => this.#missing.has(player.values.participantId as number))
          .map((player) => view.player(player)),
      );
      await hooks.carryOut(`${page.identity} afterAllPlayersArrive`, page.page.timeLimit, (call) =>
        this.#whole.run((subsession) => hook(subsession, { missing }, call)),
      );
    }
    this.#whole.finish();
    const [passed, ended] = [new Set(this.passed), new Set(this.ended)];
    const end = (JSON.parse(this.#rows[0]?.session.pages as string) as unknown[]).length + 1;
    for (const { players, view } of this.#whole.groups) {
      for (const player of players) {
        const person = this.#people.get(player.values.participantId as number);
        if (person === undefined) continue;
        if (ended.has(person)) view.unit.set(person, "pageIndex", end);
        else if (passed.has(person)) view.unit.set(person, "pageIndex", page.index + 1);
      }
    }
  }

  /**
   * The rows as they are when this is to be stored, if it ran before the groups were held.
   *
   * @returns whether they are as it has found them, but for who is connected, what had failed before, and what was
   * said in chats; but in groups where it has said something itself, whose messages are numbered by now
   */
  takeOver(rows: readonly GroupRows[]): boolean {
    if (imageOf(rows) !== this.#found) return false;
    const chatCounts = chatCountsOf(rows);
    const posted = this.#whole.groups.map(({ row, view }) => ({
      id: row.values.id,
      rows: view.memory.extrasOf(ChatTable),
    }));
    if (posted.some((own) => own.rows.size > 0 && chatCounts.get(own.id) !== this.#chatCounts.get(own.id)))
      return false;
    this.#at = this.#world.now();
    // It is said now, after what the others have said meanwhile.
    for (const own of posted) for (const { values } of own.rows.values()) values.at = this.#at;
    for (const [i, { seq, waits, players }] of rows.entries()) {
      const found = this.#rows[i] as GroupRows;
      Object.assign(found, { seq, waits });
      for (const [at, { connected = null }] of players.entries()) (found.players[at] as Values).connected = connected;
    }
    return true;
  }

  /** What becomes of those who wait, as in a group's wait page. */
  #decide(): void {
    const { page } = this.#barrier;
    const stay: Row[] = [];
    let goesOn = this.#missing.size === 0;
    let replaces = false;
    for (const { players, view } of this.#whole.groups) {
      for (const player of players) {
        const person = this.#people.get(player.values.participantId as number);
        if (person?.values.pageIndex !== page.index) continue;
        const decision =
          this.#missing.size === 0 || this.#isAdvanced ? "proceed" : decide(this.#world, page, view, player);
        if (decision === "end") this.ended.push(person);
        else stay.push(person);
        if (decision === "proceed") goesOn = true;
        if (decision === "replace") replaces = true;
      }
    }
    if (replaces) this.#replaceMissing();
    if (goesOn && !replaces) this.passed.push(...stay);
    this.#waitsOn = stay.length > 0 && this.passed.length === 0;
    if (!this.#waitsOn) return;
    for (const { row, players } of this.#whole.groups) {
      const isWaiting = players.some(({ values }) =>
        stay.includes(this.#people.get(values.participantId as number) as Row),
      );
      if (isWaiting) this.awaited.add(row.values.id as number);
    }
  }

  /** The computer plays in the places of those who are missing: their groups, wherever they are, see to it after this. */
  #replaceMissing(): void {
    const limits = this.#rows.flatMap(({ waits }) =>
      waits.filter(({ page, timedOut }) => page === this.#barrier.page.identity && timedOut === true),
    );
    const limit = Math.max(0, ...limits.map(({ limitMs }) => Number(limitMs ?? 0)));
    for (const { row, players, view } of this.#whole.groups) {
      for (const player of players) {
        const id = player.values.participantId as number;
        if (!this.#missing.has(id)) continue;
        replaceSoon(view, id, { before: this.#barrier.page.index, at: this.#at, limit });
        this.awaited.add(row.values.id as number);
      }
    }
  }

  /** Gives the groups that the function has made their numbers. */
  number(ids: readonly number[]): void {
    for (const [i, row] of this.newGroups.entries()) row.values.id = ids[i] as number;
    for (const { row, players } of this.#whole.groups) {
      for (const player of players) player.values.groupId = row.values.id as number;
    }
  }

  /** Fields of the session or of the round, which actors outside of this work may have in memory. */
  get sharedChanged(): boolean {
    return this.#shared.some(({ values }, i) => (values.fields ?? null) !== this.#sharedFields[i]);
  }

  /** A unit for each group, those that are new or no more included. */
  units(): StoredUnit[] {
    const before = new Map(this.#rows.map((rows) => [rows.group.id as number, rows]));
    const units = this.#whole.groups.map(({ row, players, view }) => {
      const old = before.get(row.values.id as number);
      const changes: RowChange[] = view.unit.changes();
      if (old === undefined) {
        const made: RowChange = { op: "insert", table: row.table, values: { ...row.values } };
        return this.#unit(row.values, 1, [made, ...changes.filter((change) => !isUpdateOf(change, row))]);
      }
      before.delete(row.values.id as number);
      const unit = this.#unit(row.values, old.seq + 1, changes, old);
      if (this.#whole.regrouped) unit.entry.input = seated(players);
      return unit;
    });
    for (const view of this.#whole.gone) {
      const { values, table } = view.memory.group;
      const old = before.get(values.id as number) as GroupRows;
      const changes = view.unit.changes().filter((change) => !isUpdateOf(change, view.memory.group));
      units.push(
        this.#unit(values, old.seq + 1, [...changes, { op: "delete", table, key: { id: values.id as number } }], old),
      );
    }
    return units;
  }

  #unit(group: Values, seq: number, changes: readonly RowChange[], old?: GroupRows): StoredUnit {
    const { page, session } = this.#barrier;
    const actorId = group.id as number;
    const key = { actorId, page: page.identity };
    const values: Values = this.#waitsOn
      ? { timedOut: false }
      : { doneAt: this.#at, timedOut: this.#missing.size > 0, advanced: this.#isAdvanced };
    const isThere = old?.waits.some((row) => row.page === page.identity) === true;
    const done: RowChange = isThere
      ? { op: "update", table: WaitPageTable, key, values }
      : { op: "insert", table: WaitPageTable, values: { ...key, sessionId: session.id, ...values } };
    const all = [...changes, done];
    const entry: JournalEntry = {
      ...{ actorId, seq, at: this.#at, kind: "barrier", page: page.identity },
      ...{ participantId: null, clientId: null, n: null, input: null, output: null },
      changes: changesToJson(all),
      seed: this.#dice.seed,
      writer: this.#writer,
      batch: "",
    };
    return { entry, changes: [...all, ...pageArrivals(all, this.#at)] };
  }

  get #writer(): string {
    this.#secret ??= this.#world.newSecret();
    return this.#secret;
  }
  #secret: string | undefined;

  #matrixOf(players: readonly Values[]): number[][] | undefined {
    if (players.length === 0) return undefined;
    const groups = Map.groupBy(players, (row) => row.groupId as number);
    return [...groups.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, rows]) =>
        rows
          .sort((a, b) => (a.idInGroup as number) - (b.idInGroup as number))
          .map((row) => this.#people.get(row.participantId as number)?.values.idInSession as number),
      );
  }
}

/** JSON text of {@link RecordedSeats}. */
function seated(players: readonly Row[]): string {
  const seats: RecordedSeats = { players: players.map(({ values }) => values) };
  return JSON.stringify(seats);
}

/** What a function may build upon. */
function imageOf(rows: readonly GroupRows[]): string {
  return JSON.stringify(
    rows.map(({ seq: _seq, isNew: _isNew, group, players, extras, waits, ...rest }) => ({
      ...rest,
      group: { ...group, chatCount: null },
      waits: waits
        .filter(({ doneAt, timedOut, advanced }) => doneAt !== null || timedOut || advanced)
        .map(({ failedAt: _failedAt, error: _error, stack: _stack, ...values }) => values),
      players: players.map(({ connected: _connected, ...values }) => values),
      extras: [...extras],
    })),
  );
}

/** By group, the last number of its chat messages. */
function chatCountsOf(rows: readonly GroupRows[]): Map<Value | undefined, Value | undefined> {
  return new Map(rows.map(({ group }) => [group.id, group.chatCount]));
}

function isUpdateOf(change: RowChange, row: Row): boolean {
  return change.op === "update" && change.table === row.table && change.key.id === row.values.id;
}
