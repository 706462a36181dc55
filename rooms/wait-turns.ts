import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import { Dice } from "../entities/random.ts";
import { Unit } from "../entities/unit.ts";
import type { View } from "../entities/view.ts";
import type { Actor } from "./actor.ts";
import { post } from "./deliveries.ts";
import { HookedTurn } from "./hooked-turn.ts";
import { ASYNC_HOOKS, HookNeeded } from "./hooks.ts";
import { PageTurn } from "./page-turns.ts";
import { stackOf, storable } from "./refusals.ts";
import { isReplaced, lookSoon } from "./replacement.ts";
import type { Outcome, Turn } from "./turn.ts";
import type { WaitPage } from "./wait-pages.ts";
import { armAgain, decide, indexAfter, replaceMissing } from "./wait-timeouts.ts";

/** Runs the function of a wait page that is complete, and takes those who wait past it. */
export class WaitTurn extends HookedTurn {
  readonly #page: WaitPage;
  readonly #settled: (error?: WalrasError) => void;
  #spoiled: WalrasError | undefined;
  #unstorable = false;

  /** @param settled called when it has committed, with the error if the function failed */
  constructor(page: WaitPage, settled: (error?: WalrasError) => void) {
    super();
    this.#page = page;
    this.#settled = settled;
  }

  protected work(actor: Actor): Outcome {
    const { waits, world, memory } = actor;
    const { identity, index } = this.#page;
    // It may have been completed by another turn, or who came last was taken back.
    if (!waits.isComplete(this.#page)) return { release: () => this.#settled() };
    const at = world.now();
    const dice = this.hooks.dice(actor);
    const what = `${identity} afterAllPlayersArrive`;
    const view = new DirectView(memory, { what, at, random: dice.random });
    try {
      if (this.#spoiled !== undefined) throw this.#spoiled;
      const absent = new Set(waits.missing(this.#page));
      const missing = memory.players.filter((row) => absent.has(row.values.idInGroup as number));
      const { passed, ended, replaces } = this.#decide(actor, view, missing.length > 0);
      if (replaces) {
        replaceMissing(actor, view, this.#page, at);
        return this.#armed(actor, view, at, dice, ended);
      }
      if (passed.length === 0 && (ended.length === 0 || ended.length < waits.waiting(this.#page).length)) {
        waits.setTimedOut(view.unit, this.#page, false);
        armAgain(actor, view, this.#page, at);
        return this.#armed(actor, view, at, dice, ended);
      }
      const returned = passed.length === 0 ? undefined : this.#callAuthor(actor, view, missing);
      for (const participant of passed) {
        view.unit.set(participant, "pageIndex", index + 1);
        if (isReplaced(participant)) lookSoon(view, participant.values.id as number, at);
      }
      for (const participant of ended) view.unit.set(participant, "pageIndex", actor.itinerary.length + 1);
      waits.setDone(view.unit, this.#page, at, missing.length > 0);
      const mail = post(actor, returned, { where: what, page: identity });
      view.finish();
      return {
        unit: view.unit,
        entry: { kind: "wait", at, input: this.hooks.used ? ASYNC_HOOKS : null, seed: dice.seed, ...mail.entry },
        release: (seq) => {
          this.#settled();
          mail.deliver(seq);
          letPass(actor, passed, this.#page);
          letOut(actor, ended, this.#page);
        },
      };
    } catch (error) {
      view.end();
      view.unit.undo();
      if (error instanceof HookNeeded) throw error;
      return this.#fail(actor, at, error);
    }
  }

  /** @param missing players who are not there */
  #callAuthor(actor: Actor, view: DirectView, missing: readonly Row[]): unknown {
    const { page, wait } = this.#page;
    if (wait.afterAllPlayersArrive === undefined) return undefined;
    return this.hooks.call(actor, view, {
      what: view.what,
      hook: wait.afterAllPlayersArrive,
      args: (through: View) => [through.group(), { missing: missing.map((row) => through.player(row)) }],
      told: missing.map((row) => row.values.idInGroup),
      timeLimit: page.timeLimit,
      // An experimenter may ask for it to be run again while it runs.
      alone: view.what,
    });
  }

  /** What becomes of those who wait. If one goes on, so does who would wait on: there is nothing left to wait for. */
  #decide(actor: Actor, view: DirectView, timedOut: boolean): { passed: Row[]; ended: Row[]; replaces: boolean } {
    const waiting = actor.waits.waiting(this.#page);
    if (!timedOut || actor.waits.isAdvanced(this.#page)) return { passed: waiting, ended: [], replaces: false };
    const decisions = new Map(
      waiting.map((participant) => {
        const player = actor.memory.playerOf(participant.values.id as number) as Row;
        return [participant, decide(actor.world, this.#page, view, player)];
      }),
    );
    const ended = waiting.filter((row) => decisions.get(row) === "end");
    const goesOn = waiting.some((row) => decisions.get(row) === "proceed");
    const replaces = waiting.some((row) => decisions.get(row) === "replace");
    return { passed: goesOn ? waiting.filter((row) => decisions.get(row) !== "end") : [], ended, replaces };
  }

  /** Nobody goes on: who is left waits for the same time again, or for the computer. */
  #armed(actor: Actor, view: DirectView, at: number, dice: Dice, ended: readonly Row[]): Outcome {
    const { identity } = this.#page;
    for (const participant of ended) view.unit.set(participant, "pageIndex", actor.itinerary.length + 1);
    view.finish();
    return {
      unit: view.unit,
      entry: { kind: "armed", at, page: identity, seed: dice.seed },
      release: () => {
        this.#settled();
        letOut(actor, ended, this.#page);
      },
    };
  }

  spoil(cause: UnitRefusal): void {
    this.#unstorable = this.#spoiled !== undefined;
    const why = cause.why === "data" ? cause.error.message : "a number was used twice";
    this.#spoiled = new WalrasError("refused_by_store", `The database refused what the function changed: ${why}`);
  }

  protected failed(error: WalrasError): void {
    this.#settled(error);
  }

  #fail(actor: Actor, at: number, error: unknown): Outcome {
    const { identity } = this.#page;
    const message = messageOf(error);
    actor.world.log.error("a wait page's function failed", { page: identity, error: message, stack: stackOf(error) });
    actor.inspection?.failed(error, { where: `${identity} (the wait page's function)` });
    const unit = new Unit(actor.memory);
    actor.waits.setFailed(unit, this.#page, at, error);
    const settle = () => this.#settled(new WalrasError("wait_page_failed", message, { cause: error }));
    if (this.#unstorable) {
      unit.undo();
      return { release: settle };
    }
    const output = JSON.stringify({ e: { code: "wait_page_failed", message: storable(message) } });
    return { unit, entry: { kind: "failed", at, page: identity, output }, release: settle };
  }
}

/** Keeps what the function of a wait page of all groups threw, or the code of a page that the computer is on. */
export class FailureTurn implements Turn {
  readonly bytes = 0;
  readonly #page: Pick<WaitPage, "identity">;
  readonly #error: unknown;

  constructor(page: Pick<WaitPage, "identity">, error: unknown) {
    this.#page = page;
    this.#error = error;
  }

  run(actor: Actor): Outcome {
    if (actor.waits.isDone(this.#page)) return { release: () => {} };
    const at = actor.world.now();
    const { identity } = this.#page;
    const unit = new Unit(actor.memory);
    actor.waits.noteFailure(unit, this.#page, at, this.#error);
    const output = JSON.stringify({ e: { code: "wait_page_failed", message: storable(messageOf(this.#error)) } });
    return { unit, entry: { kind: "failed", at, page: identity, output }, release: () => {} };
  }

  fail(): void {}
}

/** All groups have gone on from a page before this one had formed: who is there goes past it, as whoever comes late. */
export class LateTurn implements Turn {
  readonly bytes = 0;
  readonly #page: WaitPage;

  constructor(page: WaitPage) {
    this.#page = page;
  }

  run(actor: Actor): Outcome {
    const { waits, world, memory } = actor;
    const { identity, index } = this.#page;
    const waiting = waits.waiting(this.#page);
    if (waits.isDone(this.#page) || waiting.length === 0) return { release: () => {} };
    const at = world.now();
    const dice = new Dice(world.newSeed);
    const view = new DirectView(memory, { what: `${identity} timeout`, at, random: dice.random });
    try {
      waits.setDone(view.unit, this.#page, at, true);
      for (const participant of waiting) {
        const player = memory.playerOf(participant.values.id as number) as Row;
        view.unit.set(participant, "pageIndex", indexAfter(actor, this.#page, view, player));
        if (isReplaced(participant)) lookSoon(view, participant.values.id as number, at);
      }
      view.finish();
      const passed = waiting.filter(({ values }) => values.pageIndex === index + 1);
      return {
        unit: view.unit,
        entry: { kind: "wait", at, page: identity, seed: dice.seed },
        release: () => {
          letPass(actor, passed, this.#page);
          letOut(
            actor,
            waiting.filter((participant) => !passed.includes(participant)),
            this.#page,
          );
        },
      };
    } catch (error) {
      view.end();
      view.unit.undo();
      return new FailureTurn(this.#page, error).run(actor);
    }
  }

  fail(): void {}
}

/** Those who waited go on: their sockets are told, who left the group leaves its memory, and who is not shown the
 * next page is taken past that one too, with or without a browser. */
function letPass(actor: Actor, passed: readonly Row[], { identity, index }: WaitPage): void {
  const ids = new Set(passed.map((row) => row.values.id as number));
  for (const connection of actor.gate.connections()) {
    if (connection.page === identity && ids.has(connection.participantId)) actor.gate.reload(connection, "moved_on");
  }
  if (!actor.itinerary.owns(index + 1)) {
    for (const participantId of ids) actor.depart(participantId);
    return;
  }
  for (const { values } of passed) {
    const { isDisplayed, timeout } = actor.itinerary.page(index + 1, values.pageOrder);
    if (isDisplayed === undefined && timeout === undefined) continue;
    actor.resume(new PageTurn({ kind: "arrive", participantId: values.id as number }, () => {}));
  }
}

/** Those who have waited long enough are at the end of the study. */
function letOut(actor: Actor, ended: readonly Row[], { identity }: WaitPage): void {
  const ids = new Set(ended.map((row) => row.values.id as number));
  for (const connection of actor.gate.connections()) {
    if (connection.page === identity && ids.has(connection.participantId)) actor.gate.reload(connection, "moved_on");
  }
  for (const participantId of ids) actor.depart(participantId);
}
