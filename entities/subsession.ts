import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec } from "./app-spec.ts";
import { runInAsync } from "./current-view.ts";
import { DirectView } from "./direct-view.ts";
import { checkMatrix, type GroupMatrix, shuffled } from "./group-matrix.ts";
import { type Handle, isHandle, ROW } from "./handle.ts";
import { GroupMemory, type Row, type SessionFacts } from "./memory.ts";
import { OwnFields } from "./own-fields.ts";
import { subsessionRounds } from "./past-rounds.ts";
import { checkKeys } from "./suggest.ts";
import { TimerTable } from "./system-tables.ts";
import type { Values } from "./tables.ts";
import { initialValues } from "./values.ts";

/** A group of a round, and who is in it. */
export interface GroupOfRows {
  readonly row: Row;
  /** By idInGroup. */
  players: Row[];
  /** Extra rows and timers that it has already, by table name. */
  readonly extras?: ReadonlyMap<string, Values[]>;
}

export interface SubsessionOptions {
  readonly app: AppSpec;
  readonly session: SessionFacts;
  /** Its row, with the fields in it that the app declares. */
  readonly row: Row;
  readonly roundNumber: number;
  /** By idInSubsession. */
  readonly groups: readonly GroupOfRows[];
  /** Participants by id. */
  readonly participants: ReadonlyMap<number, Row>;
  /** Rows of earlier rounds by participant; undefined: not known. */
  readonly earlier: (participantId: number) => readonly Values[] | undefined;
  /** Rows of the app's rounds before, oldest first. */
  readonly earlierSubsessions: readonly Values[];
  /** Rows of the groups of earlier rounds, by id. */
  readonly earlierGroups: Map<number, Values>;
  /** The groups of an earlier round; undefined: there is no such round. */
  readonly matrixOf: (roundNumber: number) => GroupMatrix | undefined;
  /** Makes a group's row where setGroupMatrix asks for more groups than there are. */
  readonly newGroup: (idInSubsession: number) => Row;
  /** Set: the groups may not be formed here, and why. */
  readonly fixed?: string;
  /** Rows have no numbers yet, so that `id` cannot be read. */
  readonly unnumbered?: boolean;
  readonly decimals: number;
  /** Names the call in errors. */
  readonly what: string;
  readonly at: number;
  readonly random: () => number;
}

/**
 * One app in one round with all of its groups, for a function that sees them at once: each group through a
 * view of its own, so that what changes is known group by group. Groups may be formed anew; the objects that
 * the author holds of players go on in their new groups.
 */
export class WholeSubsession {
  readonly #options: SubsessionOptions;
  readonly #own = new OwnFields();
  #groups: { row: Row; players: Row[]; view: DirectView }[];
  /** Views of groups that are no more; what was done through them stays to be known. */
  readonly gone: DirectView[] = [];
  /** The groups were formed here. */
  regrouped = false;
  /** As authors hold it. */
  readonly handle: object;

  constructor(options: SubsessionOptions) {
    this.#options = options;
    this.handle = this.#makeHandle();
    this.#groups = options.groups.map((group) => ({
      row: group.row,
      players: group.players,
      view: this.#viewOf(group),
    }));
  }

  /** Runs the author's function on it, which may be async. */
  run(call: (subsession: object) => unknown): unknown {
    return runInAsync(this.#first(), () => call(this.handle));
  }

  /** Ends the call. @throws AuthorError for what is not JSON */
  finish(): void {
    for (const { view } of this.#groups) view.finish();
    for (const view of this.gone) view.finish();
  }

  /** The groups as they are now, each with the view through which it was seen. */
  get groups(): readonly { readonly row: Row; readonly players: readonly Row[]; readonly view: DirectView }[] {
    return this.#groups;
  }

  /** By idInSession. */
  get matrix(): number[][] {
    return this.#groups.map(({ players }) => players.map((row) => this.#idInSession(row)));
  }

  #makeHandle(): object {
    const { app, roundNumber } = this.#options;
    // Arrow functions, so that authors may take them out of the object.
    const fields = Object.keys(app.subsession);
    const members: Record<string, unknown> = {
      roundNumber,
      getGroups: () => this.#groups.map(({ view }) => view.group()),
      getPlayers: () => this.#everybody(),
      getGroupMatrix: () => this.matrix,
      setGroupMatrix: (matrix: unknown) => this.#setMatrix(matrix),
      groupRandomly: (options: { fixedIdInGroup?: boolean } = {}) => {
        checkKeys(options, ["fixedIdInGroup"], `${app.name}: groupRandomly`);
        const random = () => this.#first().random();
        this.#regroup(shuffled(this.matrix, random, options.fixedIdInGroup === true));
      },
      groupLikeRound: (round: unknown) => {
        const matrix = typeof round === "number" && round < roundNumber ? this.#options.matrixOf(round) : undefined;
        if (matrix === undefined) {
          throw new AuthorError(
            "no_such_round",
            `${app.name}: groupLikeRound(${String(round)}) in round ${roundNumber}: name an earlier round.`,
          );
        }
        this.#regroup(matrix);
      },
    };
    Object.defineProperty(members, "session", { enumerable: true, get: () => this.#first().session() });
    const { earlierSubsessions } = this.#options;
    Object.assign(
      members,
      subsessionRounds(app, roundNumber, earlierSubsessions, () => this.handle),
    );
    for (const name of fields) {
      Object.defineProperty(members, name, {
        enumerable: true,
        get: () => Reflect.get(this.#first().subsession(), name),
        set: (value: unknown) => void Reflect.set(this.#first().subsession(), name, value),
      });
    }
    const known = Object.keys(members).join(", ");
    const refuse = (_target: object, name: string | symbol): never => {
      const cure =
        fields.length === 0
          ? "Declare fields in defineApp: subsession: { ... }"
          : `Its fields are ${fields.join(", ")}`;
      throw new AuthorError("unknown_field", `${app.name}: subsession.${String(name)} cannot be set. ${cure}.`);
    };
    return new Proxy(members, {
      get(target, name) {
        if (typeof name === "string" && !(name in target) && name !== "then" && name !== "toJSON") {
          throw new AuthorError("unknown_field", `${app.name}: subsession has no "${name}". It has ${known}.`);
        }
        return Reflect.get(target, name);
      },
      set: (target, name, value) =>
        fields.includes(name as string) ? Reflect.set(target, name, value) : refuse(target, name),
      defineProperty: refuse,
      deleteProperty: refuse,
    });
  }

  /** By idInSession. */
  #everybody(): Handle[] {
    return this.#groups
      .flatMap(({ players, view }) => players.map((row) => ({ row, view })))
      .sort((a, b) => this.#idInSession(a.row) - this.#idInSession(b.row))
      .map(({ row, view }) => view.player(row));
  }

  #first(): DirectView {
    const [first] = this.#groups;
    if (first === undefined) throw new Error("a round without a group");
    return first.view;
  }

  #idInSession(player: Row): number {
    return this.#options.participants.get(player.values.participantId as number)?.values.idInSession as number;
  }

  #setMatrix(given: unknown): void {
    const players = new Map<unknown, number>();
    for (const { players: rows } of this.#groups) for (const row of rows) players.set(row, this.#idInSession(row));
    const matrix = checkMatrix(
      given,
      [...players.values()].sort((a, b) => a - b),
      (element) =>
        typeof element === "number" ? element : isHandle(element) ? players.get((element as Handle)[ROW]) : undefined,
      `${this.#options.app.name}: setGroupMatrix`,
    );
    this.#regroup(matrix);
  }

  #regroup(matrix: GroupMatrix): void {
    const { app, fixed } = this.#options;
    if (fixed !== undefined) throw new AuthorError("groups_fixed", `${app.name}: ${fixed}`);
    this.#requireNoData();
    this.regrouped = true;
    const players = new Map<number, { row: Row; view: DirectView }>();
    for (const { players: rows, view } of this.#groups) {
      for (const row of rows) players.set(this.#idInSession(row), { row, view });
    }
    const before = this.#groups;
    this.#groups = matrix.map((ids, i) => {
      const rows = ids.map((id) => players.get(id)?.row as Row);
      const kept = before[i];
      if (kept !== undefined) return { ...kept, players: rows };
      const row = this.#options.newGroup(i + 1);
      return { row, players: rows, view: this.#viewOf({ row, players: [] }) };
    });
    for (const group of before.slice(matrix.length)) {
      group.view.memory.seat([]);
      this.gone.push(group.view);
    }
    for (const { row: group, players: rows, view } of this.#groups) {
      for (const [at, row] of rows.entries()) {
        const from = players.get(this.#idInSession(row))?.view as DirectView;
        if (from !== view) view.moveIn(row, from);
        view.unit.set(row, "groupId", group.values.id as number);
        view.unit.set(row, "idInGroup", at + 1);
      }
      this.#seat(view.memory, rows);
    }
  }

  /** What was stored for a group must not vanish, or become another group's. */
  #requireNoData(): void {
    const { app, decimals } = this.#options;
    const initial = initialValues(app.group.table, decimals);
    for (const { row, view } of this.#groups) {
      const at = row.values.idInSubsession;
      const set = Object.keys(app.group.fields).find((name) => (row.values[name] ?? null) !== (initial[name] ?? null));
      const extra = [...view.memory.extras.entries()].find(([, rows]) => rows.size > 0)?.[0];
      if (set === undefined && extra === undefined) continue;
      const what = set === undefined ? `rows of ${extra}` : `a value in Group.${set}`;
      throw new AuthorError(
        "group_data",
        `${app.name}: the groups were to be formed anew, but group ${at} has ${what}, which would be lost or become another group's. Form groups first, and set what belongs to a group after it.`,
      );
    }
  }

  #viewOf({ row, players, extras }: GroupOfRows): DirectView {
    const { app, session, decimals, what, at, random, unnumbered } = this.#options;
    const memory = new GroupMemory(
      app,
      {
        group: row.values,
        players: [],
        participants: [],
        extras: new Map(extras),
        waits: [],
        timers: [...(extras?.get(TimerTable.name) ?? [])],
        session: {},
        subsession: this.#options.row.values,
        earlierSubsessions: [...this.#options.earlierSubsessions],
        seq: 0,
        isNew: true,
      },
      session,
      decimals,
      { group: row, subsession: this.#options.row, earlierGroups: this.#options.earlierGroups },
    );
    this.#seat(memory, players);
    const everybody = () => this.#everybody();
    return new DirectView(memory, { what, at, random, own: this.#own, mayWriteShared: true, unnumbered, everybody });
  }

  #seat(memory: GroupMemory, players: readonly Row[]): void {
    const { participants, earlier } = this.#options;
    memory.seat(players);
    for (const player of players) {
      const id = player.values.participantId as number;
      const participant = participants.get(id);
      if (participant === undefined) continue;
      memory.people.set(id, participant.values);
      const rows = earlier(id);
      if (rows === undefined) continue;
      memory.participants.set(id, participant);
      memory.earlier.set(id, rows);
    }
  }
}
