import { AuthorError } from "../client-sdk/errors.ts";
import type { PageEnd, PageSpec } from "../entities/app-spec.ts";
import type { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import type { Value } from "../entities/tables.ts";
import { describe } from "../entities/values.ts";
import type { Actor } from "./actor.ts";
import type { Entry } from "./calls.ts";
import type { FormScene } from "./form-turn.ts";
import type { Hooks } from "./hooks.ts";
import type { CallHook } from "./page-form.ts";
import { isReplaced } from "./replacement.ts";
import { indexAfter } from "./wait-timeouts.ts";

/**
 * One participant's way over the pages of their group, within one unit: whoever moves them, a request of
 * their browser or a deadline, does it through this.
 */
export class PageWalk {
  readonly actor: Actor;
  readonly participant: Row;
  readonly view: DirectView;
  /** What beforeNextPage returned, and the page that was left. */
  #returned: { deliveries: unknown; page: PageSpec } | undefined;
  readonly #hooks: Hooks;
  #isLeaving = false;

  /** @param hooks of the turn that moves the participant */
  constructor(actor: Actor, participant: Row, view: DirectView, hooks: Hooks) {
    this.#hooks = hooks;
    this.actor = actor;
    this.participant = participant;
    this.view = view;
  }

  get participantId(): number {
    return this.participant.values.id as number;
  }

  get index(): number {
    return this.participant.values.pageIndex as number;
  }

  /** The computer plays in their place. */
  get isReplaced(): boolean {
    return isReplaced(this.participant);
  }

  /** Whether they are on a page of this group. */
  get isHere(): boolean {
    return this.actor.itinerary.owns(this.index);
  }

  /** `app/round/Page` of where they are. */
  get identity(): string {
    return this.identityAt(this.index) ?? "";
  }

  get page(): PageSpec {
    return this.#pageAt(this.index);
  }

  #pageAt(index: number): PageSpec {
    return this.actor.itinerary.page(index, this.participant.values.pageOrder);
  }

  identityAt(index: number): string | undefined {
    return this.actor.itinerary.identity(index, this.participant.values.pageOrder);
  }

  #set(name: "pageIndex" | "startedAt" | "label" | "entry", value: Value): void {
    this.view.unit.set(this.participant, name, value);
  }

  /** From before the first page to the first that is displayed. @param at null: they have never come themselves */
  start(at: number | null, { label, parameters }: Entry = {}): void {
    if (label !== undefined && this.participant.values.label === null) this.#set("label", label);
    if (parameters !== undefined) this.#set("entry", JSON.stringify(parameters));
    this.#set("pageIndex", 1);
    this.#set("startedAt", at);
    this.skip();
  }

  /** Goes past pages of this group that are not displayed. True if the participant moved. */
  skip(): boolean {
    const before = this.index;
    while (this.isHere && !this.#isDisplayed(this.index)) this.#set("pageIndex", this.#next());
    return this.index !== before;
  }

  /** Where somebody gets who is not shown the page. */
  #next(): number {
    const wait = this.actor.waits.at(this.index);
    if (wait === undefined || !this.actor.waits.isDone(wait)) return this.index + 1;
    return indexAfter(this.actor, wait, this.view, this.player);
  }

  #isDisplayed(index: number): boolean {
    const { waits } = this.actor;
    const wait = waits.at(index);
    if (wait !== undefined && waits.isDone(wait)) return false;
    if (wait !== undefined && waits.isLobby(wait)) return true;
    const page = this.#pageAt(index);
    return this.#callOn(index, "isDisplayed", page.isDisplayed) ?? true;
  }

  /**
   * From here on the page is being left, which a player does once: whoever asks for it again meanwhile, a second click
   * or the page's deadline, waits for that and finds them gone on.
   *
   * @param isUrgent whoever is at it now has to stop, and finds them gone on
   */
  beginLeaving(isUrgent = false): void {
    this.#hooks.waitFor(this.actor, this.#leave, isUrgent);
    this.#isLeaving = true;
  }

  get #leave(): string {
    return `leave ${this.participantId}`;
  }

  /** Where to from this page: to the next one, or to the app that it names. */
  leave(end: PageEnd): void {
    const { page } = this;
    this.#returned = { deliveries: this.call("beforeNextPage", page.beforeNextPage, end), page };
    const app = this.call("appAfterThisPage", page.appAfterThisPage, this.actor.itinerary.upcomingApps);
    this.#set("pageIndex", this.#beginningOf(app) ?? this.#afterRounds() ?? this.index + 1);
    this.skip();
  }

  /** Index behind all rounds of the app, if this was the player's last; undefined: it was not. */
  #afterRounds(): number | undefined {
    const { page, actor } = this;
    return this.call("lastRound", page.lastRound) === true ? actor.itinerary.afterApp : undefined;
  }

  /** Index of the app that appAfterThisPage named; undefined: it named none. @throws AuthorError `unknown_app` */
  #beginningOf(named: unknown): number | undefined {
    if (named === undefined || named === null) return undefined;
    const { app, itinerary } = this.actor;
    const { upcomingApps } = itinerary;
    if (typeof named === "string" && upcomingApps.includes(named)) return itinerary.beginningOf(named);
    const cure = upcomingApps.length === 0 ? "No app comes after this one" : `Return one of ${upcomingApps.join(", ")}`;
    throw new AuthorError(
      "unknown_app",
      `${app.name}/${this.page.name}: appAfterThisPage gave ${describe(named)}. ${cure}, or nothing for the next page.`,
    );
  }

  /** To the page before, if this one allows it; or several back, or as far as it goes. The answers are still there. */
  goBack(steps: number): void {
    this.#set("pageIndex", this.before(steps) ?? this.index);
  }

  /** The page of this group to which the participant may go back. */
  before(steps = 1): number | undefined {
    if (!this.page.allowBack) return undefined;
    let found: number | undefined;
    let left = Number.isSafeInteger(steps) ? steps : 1;
    for (let index = this.index - 1; index > 0 && this.actor.itinerary.owns(index); index--) {
      const page = this.#pageAt(index);
      // The group has met since, or the time for the page has been used.
      if (page.wait !== undefined || isTimed(page)) break;
      if (!this.#isDisplayed(index)) continue;
      found = index;
      left -= 1;
      if (left <= 0) break;
    }
    return found;
  }

  /** What the page that was left returned to be sent, if one was left. */
  get sent(): { deliveries: unknown; where: string; player: number } | undefined {
    if (this.#returned === undefined) return undefined;
    const { deliveries, page } = this.#returned;
    const where = `${this.actor.app.name}/${page.name} beforeNextPage`;
    return { deliveries, where, player: this.player.values.idInGroup as number };
  }

  /** Runs one of the functions of the page on which the participant is. */
  call<T>(
    name: string,
    hook: ((player: never, ...more: never[]) => T) | undefined,
    ...more: unknown[]
  ): Awaited<T> | undefined {
    return this.#callOn(this.index, name, hook, ...more);
  }

  #callOn<T>(
    index: number,
    name: string,
    hook: ((player: never, ...more: never[]) => T) | undefined,
    ...more: unknown[]
  ): Awaited<T> | undefined {
    if (hook === undefined) return undefined;
    const { actor, participantId, player } = this;
    return this.#hooks.call(actor, this.view, {
      what: `${this.identityAt(index)} ${name}`,
      hook,
      args: (view) => [view.player(player), ...more],
      told: more,
      timeLimit: this.#pageAt(index).timeLimit,
      participantId,
      alone: this.#isLeaving ? this.#leave : undefined,
    });
  }

  get player(): Row {
    const row = this.actor.memory.playerOf(this.participantId);
    if (row === undefined) throw new Error("the participant has no player in this group");
    return row;
  }

  /** What the page's form works on. */
  get scene(): FormScene {
    const { page, view, player } = this;
    const call: CallHook = (name, hook, ...more) => this.call(name, hook, ...more) as Awaited<ReturnType<typeof hook>>;
    const { app, language } = this.actor;
    return { app, page, view, player, language, call };
  }

  /** When it has committed: tabs on a page that was left are told, and who left the group leaves its memory. */
  settle(left: boolean): void {
    const { actor, participantId } = this;
    for (const connection of actor.gate.connections()) {
      if (connection.participantId === participantId && connection.page !== actor.pageOf(participantId)) {
        actor.gate.reload(connection, "moved_on");
      }
    }
    if (left) actor.depart(participantId);
  }
}

/** Whether the time on a page may be limited. */
export function isTimed(page: PageSpec): boolean {
  return page.timeout !== undefined && page.wait === undefined;
}
