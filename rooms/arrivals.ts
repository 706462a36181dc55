import { AuthorError, messageOf, type WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { DirectView } from "../entities/direct-view.ts";
import { isHandle, ROW } from "../entities/handle.ts";
import type { Row } from "../entities/memory.ts";
import type { Values } from "../entities/tables.ts";
import { Unit } from "../entities/unit.ts";
import type { View } from "../entities/view.ts";
import type { Actor } from "./actor.ts";
import { Attendance } from "./attendance.ts";
import { FutureGroups } from "./future-groups.ts";
import { HookedTurn } from "./hooked-turn.ts";
import { HookNeeded, type Hooks } from "./hooks.ts";
import { stackOf } from "./refusals.ts";
import type { Outcome } from "./turn.ts";
import type { WaitPage } from "./wait-pages.ts";

/** How often an author's own method is asked again while somebody waits, and when something failed, in milliseconds. */
const AGAIN = 5_000;
const SOON = 1_000;
/** At least so many milliseconds between two rounds of news to all who wait. */
const NEWS = 300;

/** What an author's method is told beside the players who wait. */
export interface Arrivals<Pl> {
  /** Seconds since a player came, as far as this server knows. */
  seconds(player: Pl): number;
}

/**
 * The lobby of a round whose groups form by arrival: the group of all players who have none yet. Its actor takes
 * arrivals one by one, and forms groups of those who are connected: one unit of the lobby makes the group's rows
 * and moves its players there, in this round and, unless groups form anew in each, in all later ones. So nobody is
 * ever in two groups, or in none, wherever the server dies. The new group then waits on the same page as any
 * group does, with everybody there.
 */
export class Lobby {
  readonly #actor: Actor;
  readonly #page: WaitPage;
  readonly #attendance: Attendance;
  readonly #groups: FutureGroups;
  /** Participants who have waited long enough: any group will do. */
  readonly #impatient = new Set<number>();
  #posted = false;
  /** An async method runs; whoever comes meanwhile has the lobby looked at again after it. */
  #choosing = false;
  #cameMeanwhile = false;
  /** Among whom it was told to choose. */
  #asked: ReadonlySet<Row> = new Set();
  #telling = false;
  #cancelAgain = () => {};

  constructor(actor: Actor, page: WaitPage) {
    this.#actor = actor;
    this.#page = page;
    this.#attendance = new Attendance(actor, page.identity);
    this.#groups = new FutureGroups(actor, page);
    actor.onDead(() => this.#cancelAgain());
  }

  /** Somebody has come, or is connected again: groups may form. */
  look(impatient?: number): void {
    if (impatient !== undefined) this.#impatient.add(impatient);
    if (this.#choosing) this.#cameMeanwhile = true;
    if (this.#posted || this.#actor.dead) return;
    this.#posted = true;
    this.#actor.resume(new FormTurn(this));
  }

  /** What the page says under its text. */
  line(): string {
    const { app, language } = this.#actor;
    const waiting = this.#attendance.players().length;
    const size = typeof app.playersPerGroup === "number" ? app.playersPerGroup : 1;
    return this.#page.wait.formGroup !== undefined || size < 2
      ? language.wait.waiting(waiting)
      : language.wait.forming(waiting % size, size);
  }

  /** Tells all who wait, but not at each arrival. */
  tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#actor.world.after(NEWS, () => {
      this.#telling = false;
      if (!this.#actor.dead) this.#actor.waits.tell(this.#page);
    });
  }

  /** Somebody has come back to the page, or does not look at it any more. */
  seen(participantId?: number): void {
    if (participantId !== undefined) this.#attendance.saw(participantId);
    this.look();
    this.tell();
  }

  /** Reads what the next groups need; undefined if there is nothing to read. */
  prepare(): Promise<void> | undefined {
    const waiting = this.#attendance.players();
    const groups = this.#wanted(waiting);
    return groups === 0 ? undefined : this.#groups.prepare(groups, waiting);
  }

  /** How many groups may form out of so many players. An author's method forms one at a time. */
  #wanted(waiting: readonly Row[]): number {
    const { playersPerGroup } = this.#actor.app;
    const impatient = waiting.filter((row) => this.#impatient.has(row.values.participantId as number)).length;
    if (this.#page.wait.formGroup !== undefined) return waiting.length > 0 ? 1 + impatient : 0;
    const rest = this.#isRest() ? 1 : 0;
    return typeof playersPerGroup === "number" ? Math.floor(waiting.length / playersPerGroup) + impatient + rest : 0;
  }

  /** Forms what groups can be formed. */
  run(hooks: Hooks): Outcome {
    this.#posted = false;
    this.#choosing = false;
    const actor = this.#actor;
    const { world, memory } = actor;
    const at = world.now();
    const dice = hooks.dice(actor);
    const what = `${this.#page.identity} groupByArrivalTime`;
    const view = new DirectView(memory, { what, at, random: dice.random });
    const batch = this.#groups.batch(view);
    try {
      const formed: Row[][] = [];
      let waiting = this.#attendance.players();
      for (let group = this.#choose(view, waiting, hooks); group !== undefined; ) {
        if (!batch.form(group)) {
          // More numbers are needed.
          this.look();
          break;
        }
        formed.push(group);
        const gone = new Set(group);
        waiting = waiting.filter((row) => !gone.has(row));
        if (hooks.used) {
          // The next one is chosen in a turn of its own: this one need not wait for that.
          this.#cameMeanwhile = true;
          break;
        }
        group = this.#choose(view, waiting, hooks);
      }
      view.finish();
      this.#lookAgain();
      this.#askAgain(waiting.length);
      const failed = memory.waits.get(this.#page.identity);
      if (formed.length > 0 && failed !== undefined) view.unit.set(failed, "failedAt", null);
      if (formed.length === 0) {
        view.unit.undo();
        return { release: () => this.tell() };
      }
      return {
        unit: view.unit,
        undo: () => batch.undo(),
        entry: {
          kind: "formed",
          at,
          page: this.#page.identity,
          input: JSON.stringify(formed.map((group) => group.map((row) => row.values.participantId))),
          seed: dice.seed,
        },
        release: () => this.#release(formed.flat()),
      };
    } catch (error) {
      view.end();
      view.unit.undo();
      batch.undo();
      if (error instanceof HookNeeded) {
        this.#posted = true;
        this.#choosing = true;
        throw error;
      }
      this.#lookAgain();
      world.log.error("no group could be formed", { page: what, error: messageOf(error), stack: stackOf(error) });
      this.#askAgain(1);
      return this.#note(at, error);
    }
  }

  /** Whoever has come while an async method ran has not been looked at. */
  #lookAgain(): void {
    if (!this.#cameMeanwhile) return;
    this.#cameMeanwhile = false;
    this.look();
  }

  /** Keeps what the author's method threw for the experimenter, once however often it throws it. */
  #note(at: number, error: unknown): Outcome {
    const { memory, waits } = this.#actor;
    const known = memory.waits.get(this.#page.identity)?.values;
    if (known?.failedAt != null && known.error === messageOf(error)) return { release: () => {} };
    const unit = new Unit(memory);
    waits.noteFailure(unit, this.#page, at, error);
    const output = JSON.stringify({ e: { code: "wait_page_failed", message: messageOf(error).toWellFormed() } });
    return { unit, entry: { kind: "failed", at, page: this.#page.identity, output }, release: () => {} };
  }

  /** It could not be carried out: the store is away, or refused it. */
  failed(error: WalrasError): void {
    this.#posted = false;
    this.#choosing = false;
    this.#cameMeanwhile = false;
    if (this.#actor.dead) return;
    this.#actor.world.log.warn("no group could be formed", { error: error.message });
    this.#groups.forget();
    this.#again(SOON);
  }

  /** The next group; undefined: nobody yet. @throws AuthorError `wrong_group` */
  #choose(view: DirectView, waiting: readonly Row[], hooks: Hooks): Row[] | undefined {
    const { formGroup } = this.#page.wait;
    const { playersPerGroup } = this.#actor.app;
    if (formGroup === undefined) {
      const size = playersPerGroup as number;
      return waiting.length < size ? this.#chooseAny(waiting) : waiting.slice(0, size);
    }
    if (waiting.length === 0) return undefined;
    const { what } = view;
    const arrivals: Arrivals<unknown> = {
      seconds: (player) =>
        this.#attendance.seconds(isHandle(player) ? (player[ROW].values.participantId as number) : 0),
    };
    const chosen = hooks.call(this.#actor, view, {
      what,
      hook: formGroup,
      args: (through: View) => {
        this.#asked = new Set(waiting);
        return [waiting.map((row) => through.player(row)), arrivals];
      },
      // Somebody may have gone while it waited.
      holds: (given) => rowsOf(given).every((row) => !this.#asked.has(row) || waiting.includes(row)),
      timeLimit: this.#page.page.timeLimit,
    });
    if (chosen === undefined || chosen === null) return this.#chooseAny(waiting);
    const wrong = (why: string) =>
      new AuthorError(
        "wrong_group",
        `${what} returned ${why}. Return an array of some of the players that it was given, each once, or nothing to wait on.`,
      );
    if (!Array.isArray(chosen)) throw wrong("no array");
    if (chosen.length === 0) throw wrong("an empty array");
    const rows = chosen.map((player: unknown) => (isHandle(player) ? player[ROW] : undefined));
    if (rows.some((row) => row === undefined || !waiting.includes(row))) throw wrong("somebody who does not wait");
    if (new Set(rows).size !== rows.length) throw wrong("a player twice");
    return rows as Row[];
  }

  /** If somebody has waited long enough, a group of those who are there, however few. */
  #chooseAny(waiting: readonly Row[]): Row[] | undefined {
    const { playersPerGroup } = this.#actor.app;
    const size = typeof playersPerGroup === "number" ? playersPerGroup : waiting.length;
    const impatient = waiting.find((row) => this.#impatient.has(row.values.participantId as number));
    const first = impatient ?? (this.#isRest() ? waiting[0] : undefined);
    return first === undefined ? undefined : [first, ...waiting.filter((row) => row !== first)].slice(0, size);
  }

  /** Whether nobody is left but players of the computer's: whoever waits for them later shall not do so for ever. */
  #isRest(): boolean {
    const { memory } = this.#actor;
    const left = memory.players.filter(({ values }) => values.groupId === memory.actorId);
    return left.every(({ values }) => {
      const id = values.participantId as number;
      return values.isReplaced === true || (memory.earlier.has(id) && this.#actor.here(id) === undefined);
    });
  }

  /** The new groups have been stored: their players leave the lobby, and go on in their group. */
  #release(players: readonly Row[]): void {
    const { memory, gate } = this.#actor;
    const gone = new Set(players);
    const ids = new Set(players.map((row) => row.values.participantId as number));
    memory.seat(memory.players.filter((row) => !gone.has(row)));
    for (const connection of gate.connections()) {
      if (ids.has(connection.participantId)) gate.reload(connection, "moved_on");
    }
    for (const id of ids) {
      this.#attendance.forget(id);
      this.#impatient.delete(id);
      this.#groups.forget(id);
      this.#actor.depart(id);
    }
    this.tell();
  }

  /** An author's method may want to wait no longer, though nobody comes. */
  #askAgain(waiting: number): void {
    this.#cancelAgain();
    if (waiting > 0 && this.#page.wait.formGroup !== undefined) this.#again(AGAIN);
  }

  #again(ms: number): void {
    this.#cancelAgain();
    this.#cancelAgain = this.#actor.world.after(ms, () => this.look());
  }
}

/** One look at who waits. */
class FormTurn extends HookedTurn {
  readonly #lobby: Lobby;
  #refused = false;

  constructor(lobby: Lobby) {
    super();
    this.#lobby = lobby;
  }

  prepare(): Promise<void> | undefined {
    return this.#lobby.prepare();
  }

  protected work(): Outcome {
    // Not again and again: whoever comes next tries it anew.
    return this.#refused ? { release: () => {} } : this.#lobby.run(this.hooks);
  }

  spoil(_cause: UnitRefusal): void {
    this.#refused = true;
  }

  protected failed(error: WalrasError): void {
    this.#lobby.failed(error);
  }
}

/** The players among what an author's method gave. */
function rowsOf(given: unknown): Row[] {
  return Array.isArray(given) ? given.flatMap((player: unknown) => (isHandle(player) ? [player[ROW]] : [])) : [];
}

/** Whether a group is the lobby of a round whose groups form by arrival. */
export function isLobby(app: AppSpec, group: Values): boolean {
  return app.pages[0]?.wait?.scope === "arrival" && group.idInSubsession === 0;
}
