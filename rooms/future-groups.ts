import type { DirectView } from "../entities/direct-view.ts";
import { Row } from "../entities/memory.ts";
import { ActorTable, SubsessionTable } from "../entities/system-tables.ts";
import { initialValues } from "../entities/values.ts";
import type { Actor } from "./actor.ts";
import type { WaitPage } from "./wait-pages.ts";

/** What a lobby makes groups of: their numbers, which the database gives, and their players' rows of later rounds. */
export class FutureGroups {
  readonly #actor: Actor;
  readonly #page: WaitPage;
  /** Numbers of future groups by round. */
  readonly #ids = new Map<number, number[]>();
  /** Rows of players of later rounds, by participant. */
  readonly #later = new Map<number, Row[]>();
  /** Ids of the subsessions by round. */
  #subsessions: Map<number, number> | undefined;
  /** Groups that were formed so far. */
  #formed = 0;

  constructor(actor: Actor, page: WaitPage) {
    this.#actor = actor;
    this.#page = page;
  }

  /** Reads what so many groups out of these players need; undefined if there is nothing to read. */
  prepare(groups: number, waiting: readonly Row[]): Promise<void> | undefined {
    const rounds = this.#rounds();
    const lack = rounds.some((round) => (this.#ids.get(round)?.length ?? 0) < groups);
    const unknown =
      rounds.length > 1 ? waiting.filter((row) => !this.#later.has(row.values.participantId as number)) : [];
    if (!lack && unknown.length === 0 && this.#subsessions !== undefined) return undefined;
    return this.#read(rounds, groups, unknown);
  }

  /** The rounds for which a group is formed. */
  #rounds(): number[] {
    const { app, roundNumber } = this.#actor.memory;
    const last = this.#page.wait.keepGroups ? app.rounds : roundNumber;
    return Array.from({ length: last - roundNumber + 1 }, (_, i) => roundNumber + i);
  }

  async #read(rounds: readonly number[], groups: number, unknown: readonly Row[]): Promise<void> {
    const { world, app, memory } = this.#actor;
    const { read } = world.store;
    const sessionId = memory.session.id;
    if (this.#subsessions === undefined) {
      const subsessions = await read.rows(SubsessionTable, { sessionId, app: app.name });
      const rows = await read.rows(app.group.table, { subsessionId: memory.group.values.subsessionId ?? null });
      this.#formed = Math.max(0, ...rows.map((row) => row.idInSubsession as number));
      this.#subsessions = new Map(subsessions.map((row) => [row.roundNumber as number, row.id as number]));
    }
    for (const player of unknown) {
      const participantId = player.values.participantId as number;
      const rows = await read.rows(app.player.table, { participantId });
      const later = rows.filter((row) => (row.roundNumber as number) > memory.roundNumber);
      this.#later.set(
        participantId,
        later.map((values) => new Row(app.player.table, app.player, values)),
      );
    }
    const wanted = rounds.flatMap((roundNumber) =>
      Array.from({ length: Math.max(0, groups - (this.#ids.get(roundNumber)?.length ?? 0)) }, () => roundNumber),
    );
    if (wanted.length === 0) return;
    // Numbers that are never used harm nobody.
    const rows = wanted.map((roundNumber) => ({ sessionId, app: app.name, roundNumber }));
    const ids = await world.committer.transact((write) => write.insert(ActorTable, rows));
    for (const [i, roundNumber] of wanted.entries()) {
      const known = this.#ids.get(roundNumber) ?? [];
      known.push(ids[i] as number);
      this.#ids.set(roundNumber, known);
    }
  }

  /** What one unit forms: `form` makes a group of these players, or gives false if there is no number for it yet. */
  batch(view: DirectView): { form(players: readonly Row[]): boolean; undo(): void } {
    const before = this.#formed;
    const used: [number, number][] = [];
    return {
      form: (players) => this.#form(view, players, used),
      undo: () => {
        this.#formed = before;
        for (const [round, id] of used.splice(0).toReversed()) this.#ids.get(round)?.unshift(id);
      },
    };
  }

  #form(view: DirectView, players: readonly Row[], used: [number, number][]): boolean {
    const { app, session, decimals } = this.#actor.memory;
    const rounds = this.#rounds();
    const ready = (row: Row) => rounds.length === 1 || this.#later.has(row.values.participantId as number);
    if (rounds.some((round) => (this.#ids.get(round)?.length ?? 0) === 0) || !players.every(ready)) return false;
    const idInSubsession = ++this.#formed;
    for (const roundNumber of rounds) {
      const id = this.#ids.get(roundNumber)?.shift() as number;
      used.push([roundNumber, id]);
      const values = {
        ...initialValues(app.group.table, decimals),
        ...{ id, sessionId: session.id, subsessionId: this.#subsessions?.get(roundNumber) ?? null },
        ...{ roundNumber, idInSubsession },
      };
      view.unit.add(new Row(app.group.table, app.group, values), new Map(), id);
      for (const [i, player] of players.entries()) {
        const row = this.#rowOf(player, roundNumber);
        view.unit.set(row, "groupId", id);
        view.unit.set(row, "idInGroup", i + 1);
      }
    }
    return true;
  }

  #rowOf(player: Row, roundNumber: number): Row {
    if (roundNumber === player.values.roundNumber) return player;
    const later = this.#later.get(player.values.participantId as number);
    const row = later?.find(({ values }) => values.roundNumber === roundNumber);
    if (row === undefined) throw new Error(`no player of round ${roundNumber}`);
    return row;
  }

  /** The rows of a participant, or of everybody, may be others by now. */
  forget(participantId?: number): void {
    if (participantId === undefined) this.#later.clear();
    else this.#later.delete(participantId);
  }
}
