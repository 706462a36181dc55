import { messageOf, type WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { PageSpec, WaitSpec } from "../entities/app-spec.ts";
import { Row } from "../entities/memory.ts";
import { WaitPageTable } from "../entities/system-tables.ts";
import type { Values } from "../entities/tables.ts";
import type { Unit } from "../entities/unit.ts";
import type { Actor } from "./actor.ts";
import { isLobby, Lobby } from "./arrivals.ts";
import type { Connection } from "./gate.ts";
import { stackOf, storable } from "./refusals.ts";
import type { Outcome } from "./turn.ts";
import { ArmTurn } from "./wait-timeouts.ts";
import { WaitTurn } from "./wait-turns.ts";

/** One wait page of the group's stretch of the page sequence. */
export interface WaitPage {
  readonly index: number;
  /** `app/round/Page`. */
  readonly identity: string;
  readonly page: PageSpec;
  readonly wait: WaitSpec;
}

/**
 * The wait pages of one group.
 *
 * Who waits is no state of its own: a participant waits whose page is a wait page that is not done. When
 * the last player of the group has arrived, a turn of its own runs the author's function and takes all of
 * them past the page, in one unit: once, because after it nobody is there any more, wherever the server dies.
 */
export class WaitPages {
  readonly #actor: Actor;
  readonly #pages: readonly WaitPage[];
  /** Somebody may have arrived or gone on since the last look. */
  #touched = true;
  /** Pages whose function has failed in this incarnation, so that it is not run again and again. */
  readonly #failed = new Set<string>();
  readonly #posted = new Set<number>();
  /** Whose deadlines have been set, or need not be set any more. */
  readonly #armed = new Set<string>();
  /** Set: this group is the lobby of a round whose groups form by arrival. */
  readonly #lobby: Lobby | undefined;

  constructor(actor: Actor) {
    this.#actor = actor;
    this.#pages = actor.itinerary.waits;
    if (this.#pages.some(({ wait }) => wait.scope === "subsession")) actor.barriers?.join(actor);
    const [first] = this.#pages;
    if (first !== undefined && isLobby(actor.app, actor.memory.group.values)) this.#lobby = new Lobby(actor, first);
  }

  touch(): void {
    this.#touched = true;
  }

  at(index: number): WaitPage | undefined {
    return this.#pages.find((page) => page.index === index);
  }

  /** Whether everybody who comes to the page must be shown it: groups form there. */
  isLobby(page: WaitPage): boolean {
    return this.#lobby !== undefined && page.wait.scope === "arrival";
  }

  /** Done: who comes now goes past it. */
  isDone(page: Pick<WaitPage, "identity">): boolean {
    return typeof this.#row(page)?.values.doneAt === "number";
  }

  hasFailed(page: WaitPage): boolean {
    return this.#failed.has(page.identity);
  }

  /** Its function is to be run again: an experimenter asks for it. */
  forgive(page: WaitPage): void {
    this.#failed.delete(page.identity);
  }

  /** Groups are to be formed in a lobby. @param impatient a participant for whom any group will do */
  form(impatient?: number): void {
    this.#lobby?.look(impatient);
  }

  /** Somebody in the lobby looks at the page, or does not any more. @param participantId whose browser asked for it without a script */
  seen(participantId?: number): void {
    this.#lobby?.seen(participantId);
  }

  /** The time was up before everybody had come. */
  hasTimedOut(page: WaitPage): boolean {
    return this.#row(page)?.values.timedOut === true;
  }

  /** Within a unit: the time is up, or runs anew. */
  setTimedOut(unit: Unit, page: WaitPage, timedOut: boolean, limitMs?: number): void {
    this.#touched = true;
    this.#note(unit, page, { timedOut, ...(limitMs === undefined ? {} : { limitMs }) });
  }

  /** How long those who wait had waited when the time was up, in milliseconds. */
  limitOf(page: WaitPage): number {
    return Number(this.#row(page)?.values.limitMs ?? 0);
  }

  /** An experimenter has let those who waited go on without the missing. */
  isAdvanced(page: WaitPage): boolean {
    return this.#row(page)?.values.advanced === true;
  }

  /** Within a unit: whoever is missing is not waited for any more. */
  setAdvanced(unit: Unit, page: WaitPage): void {
    this.#touched = true;
    this.#note(unit, page, { timedOut: true, advanced: true });
  }

  /** Participants who are on the page now. */
  waiting(page: WaitPage): Row[] {
    return [...this.#actor.memory.participants.values()].filter((row) => row.values.pageIndex === page.index);
  }

  /** Players who have not got as far as the page, by idInGroup. */
  missing(page: WaitPage): number[] {
    const { memory } = this.#actor;
    return memory.players
      .filter((player) => {
        const id = player.values.participantId as number;
        const participant = memory.participants.get(id);
        // Who is not here, but has earlier rounds in memory, was here and is further on.
        return participant === undefined
          ? !memory.earlier.has(id)
          : (participant.values.pageIndex as number) < page.index;
      })
      .map((player) => player.values.idInGroup as number);
  }

  /** Whether the page's function may run now, as far as this group is concerned. */
  isComplete(page: WaitPage): boolean {
    if (this.#lobby !== undefined || this.isDone(page) || this.waiting(page).length === 0) return false;
    return this.hasTimedOut(page) || this.missing(page).length === 0;
  }

  /** What the page says under its text: who is still to come. */
  line(page: WaitPage): string {
    if (this.hasFailed(page)) return this.#actor.language.wait.trouble;
    if (page.wait.scope === "subsession") return this.#actor.barriers?.line(this.#actor, page) ?? "";
    if (!page.wait.showMissing) return "";
    if (this.#lobby !== undefined) return this.#lobby.line();
    return this.#actor.language.wait.missing(this.missing(page), this.#actor.memory.players.length);
  }

  /** After a turn: tells the open wait pages how things stand, once that has committed. */
  news(): (() => void) | undefined {
    if (!this.#touched || this.#pages.length === 0) return undefined;
    const { gate } = this.#actor;
    if (gate.size === 0) return undefined;
    if (this.#lobby !== undefined) return () => this.#lobby?.tell();
    const lines = new Map(this.#pages.map((page) => [page.identity, this.line(page)]));
    return () => {
      for (const connection of gate.connections()) {
        const text = lines.get(connection.page);
        if (text !== undefined) gate.waiting(connection, text);
      }
    };
  }

  /** Somebody's wait page has connected: it is told how things stand now, in its turn. */
  greet(connection: Connection): void {
    const page = this.#pages.find(({ identity }) => identity === connection.page);
    if (page === undefined) return;
    const actor = this.#actor;
    const run = (): Outcome => {
      this.look(page);
      const text = this.line(page);
      return { release: () => actor.gate.waiting(connection, text) };
    };
    actor.resume({ bytes: 0, run, fail: () => {} });
    this.#lobby?.look();
  }

  /** After a turn: completes what can be completed. */
  check(): void {
    if (!this.#touched) return;
    this.#touched = false;
    for (const page of this.#pages) {
      this.#arm(page);
      if (this.#posted.has(page.index) || this.hasFailed(page) || !this.#isDue(page)) continue;
      this.#posted.add(page.index);
      if (page.wait.scope === "subsession") this.#report(page);
      else this.#actor.next(new WaitTurn(page, (error) => this.#settled(page, error)));
    }
    this.#actor.computers.check();
  }

  /** A turn for the page has ended, with or without its function: meanwhile others may have come. */
  #settled(page: WaitPage, error?: WalrasError): void {
    this.#posted.delete(page.index);
    // Where the server stops, it runs again after that.
    if (this.#actor.dead || error?.code === Refusal.MOVED) return;
    this.touch();
    this.check();
  }

  /** Whether something may follow: of all groups also that one more has come. */
  #isDue(page: WaitPage): boolean {
    if (page.wait.scope !== "subsession") return this.isComplete(page);
    return !this.isDone(page) && this.waiting(page).length > 0;
  }

  /** Those who wait, and have no deadline yet, get one in a turn of its own. */
  #arm(page: WaitPage): void {
    if (page.wait.timeout === undefined || this.isDone(page) || this.hasTimedOut(page)) return;
    const waiting = this.waiting(page).map((row) => row.values.id as number);
    const own = this.#lobby === undefined ? waiting.slice(0, 1) : waiting;
    const fresh = own.filter((id) => !this.#armed.has(this.#armKey(page, id)));
    if (fresh.length === 0) return;
    for (const id of fresh) this.#armed.add(this.#armKey(page, id));
    this.#actor.resume(new ArmTurn(page));
  }

  #armKey(page: WaitPage, participantId: number): string {
    return this.#lobby === undefined ? page.identity : `${page.identity}/${participantId}`;
  }

  /** Somebody looks at the page: what a crash left undone is done now. */
  look(page: WaitPage): void {
    if (page.wait.scope === "subsession" && !this.isDone(page)) this.touch();
  }

  /** Tells everybody on the page how things stand. */
  tell(page: WaitPage): void {
    for (const connection of this.#actor.gate.connections()) {
      if (connection.page === page.identity) this.#actor.gate.waiting(connection, this.line(page));
    }
  }

  /** Somebody has come, which is said when it has committed: the others may be in other processes. */
  #report(page: WaitPage): void {
    const done = () => this.#posted.delete(page.index);
    const release = () => {
      done();
      this.#actor.barriers?.arrived(this.#actor, page);
    };
    this.#actor.resume({ bytes: 0, run: () => ({ release }), fail: done });
  }

  /** Within a unit: the page is done. */
  setDone(unit: Unit, page: WaitPage, at: number, timedOut: boolean): void {
    this.#note(unit, page, { doneAt: at, timedOut });
  }

  /** Within a unit: its function has failed. */
  setFailed(unit: Unit, page: WaitPage, at: number, error: unknown): void {
    this.#failed.add(page.identity);
    this.#touched = true;
    this.noteFailure(unit, page, at, error);
  }

  /** @param page also one that the computer could not leave */
  noteFailure(unit: Unit, page: Pick<WaitPage, "identity">, at: number, error: unknown): void {
    this.#note(unit, page, { failedAt: at, error: storable(messageOf(error)), stack: storable(stackOf(error) ?? "") });
  }

  /** Within a unit: what failed there has been done after all. */
  clearFailure(unit: Unit, identity: string): void {
    const row = this.#row({ identity });
    if (typeof row?.values.failedAt === "number") unit.set(row, "failedAt", null);
  }

  #row(page: Pick<WaitPage, "identity">): Row | undefined {
    return this.#actor.memory.waits.get(page.identity);
  }

  #note(unit: Unit, page: Pick<WaitPage, "identity">, values: Values): void {
    const { memory } = this.#actor;
    const row = this.#row(page);
    if (row !== undefined) {
      for (const [name, value] of Object.entries(values)) unit.set(row, name, value);
      return;
    }
    const { actorId, session } = memory;
    const fresh = { actorId, page: page.identity, sessionId: session.id, timedOut: false, ...values };
    unit.add(new Row(WaitPageTable, null, fresh), memory.waits, page.identity);
  }
}
