import { AuthorError } from "../client-sdk/errors.ts";
import { runIn } from "../entities/current-view.ts";
import { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import { Dice } from "../entities/random.ts";
import { describe } from "../entities/values.ts";
import type { Actor } from "./actor.ts";
import type { ActorWorld } from "./actor-world.ts";
import { isReplaced, replace } from "./replacement.ts";
import { onSystemTimer, pendingSystemTimers, setSystemTimer } from "./system-timers.ts";
import type { Outcome, Turn } from "./turn.ts";
import type { WaitPage } from "./wait-pages.ts";

/** What becomes of somebody who has waited long enough: on without the missing, on with the computer in their places,
 * out of the study, or waiting on. */
export type WaitDecision = "proceed" | "replace" | "end" | undefined;

const TIMEOUT = "_wait_timeout";

/** A limit that fires so long after its time, in milliseconds, ran out while there was no server. */
const KEPT_OUT = 3_000;
/** How long those may take then who were kept out by that. */
const TO_COME_BACK = 30_000;

interface Payload {
  readonly page: string;
  /** The limit, in milliseconds. */
  readonly ms?: number;
  /** In a lobby, where each waits for themselves. */
  readonly participantId?: number;
}

/** Asks the page's `timeout.outcome` about a player. @throws AuthorError `wrong_decision`, and what an author's function throws */
export function decide(world: ActorWorld, page: WaitPage, view: DirectView, player: Row): WaitDecision {
  const outcome = page.wait.timeout?.outcome;
  if (typeof outcome !== "function") return outcome;
  const what = `${page.identity} timeout`;
  const ask = outcome as (player: unknown) => unknown;
  const decision = world.watchdog.watch(what, () => runIn(view, () => ask(view.player(player))));
  if (decision === undefined || decision === "proceed" || decision === "replace" || decision === "end") return decision;
  throw new AuthorError(
    "wrong_decision",
    `${what}: outcome returned ${describe(decision)}; return "proceed", "replace", "end", or nothing to let the player wait on.`,
  );
}

/** Within a unit: the computer plays in the places of those who are missing, and the time runs anew for it to come. */
export function replaceMissing(actor: Actor, view: DirectView, page: WaitPage, at: number): void {
  for (const idInGroup of actor.waits.missing(page)) {
    const id = actor.memory.playerAt(idInGroup)?.values.participantId as number;
    if (isReplaced(actor.memory.participants.get(id))) actor.computers.forgive(id);
    else replace(actor, view, id, { before: page.index, at, limit: actor.waits.limitOf(page) });
  }
  actor.waits.setTimedOut(view.unit, page, false);
  armAgain(actor, view, page, at);
}

/** Where somebody gets who comes to a page that is done: past it, or out, if those who waited there got out. */
export function indexAfter(actor: Actor, page: WaitPage, view: DirectView, player: Row): number {
  if (actor.waits.isAdvanced(page)) return page.index + 1;
  const late = actor.waits.hasTimedOut(page) && page.wait.timeout !== undefined;
  if (late && decide(actor.world, page, view, player) === "end") return actor.itinerary.length + 1;
  return page.index + 1;
}

/** Sets the deadlines of those who wait and have none. */
export class ArmTurn implements Turn {
  readonly bytes = 0;
  readonly #page: WaitPage;

  constructor(page: WaitPage) {
    this.#page = page;
  }

  run(actor: Actor): Outcome {
    const { memory, waits, world } = actor;
    const { identity } = this.#page;
    const at = world.now();
    const dice = new Dice(world.newSeed);
    const view = new DirectView(memory, { what: `${identity} timeout`, at, random: dice.random });
    try {
      const waiting = waits.waiting(this.#page);
      const own = waits.isLobby(this.#page) ? waiting : waiting.slice(0, 1);
      let any = false;
      for (const participant of own) {
        const id = participant.values.id as number;
        if (arm(actor, view, this.#page, at, waits.isLobby(this.#page) ? id : undefined, id)) any = true;
      }
      view.finish();
      if (!any) return { unit: view.unit, release: () => {} };
      return { unit: view.unit, entry: { kind: "armed", at, page: identity, seed: dice.seed }, release: () => {} };
    } catch (error) {
      view.end();
      view.unit.undo();
      const { log } = world;
      log.error("a wait page's time limit could not be set", { page: identity, error: String(error) });
      return { release: () => {} };
    }
  }

  fail(): void {}
}

/**
 * Within a unit: a deadline, unless there is one.
 *
 * @param of whose it is; undefined: the group's
 * @param who the player whom `seconds` is asked about
 */
function arm(actor: Actor, view: DirectView, page: WaitPage, at: number, of: number | undefined, who: number): boolean {
  const { timeout } = page.wait;
  const player = actor.memory.playerOf(who);
  if (timeout === undefined || player === undefined) return false;
  const { identity } = page;
  const pending = pendingSystemTimers<Payload>(
    view,
    TIMEOUT,
    (payload) => payload.page === identity && payload.participantId === of,
  );
  if (pending.length > 0) return false;
  const { seconds } = timeout;
  const given =
    typeof seconds === "function"
      ? runIn(view, () => (seconds as (player: unknown) => unknown)(view.player(player)))
      : seconds;
  if (typeof given !== "number" || !Number.isFinite(given) || given < 0) {
    throw new AuthorError(
      "wrong_option",
      `${identity}: timeout.seconds is ${describe(given)}; give it a number of seconds from 0.`,
    );
  }
  const payload: Payload = { page: identity, ms: given * 1000, ...(of === undefined ? {} : { participantId: of }) };
  setSystemTimer(view, TIMEOUT, { dueAt: at + given * 1000, payload, page: identity });
  return true;
}

/** Within a unit: the time runs anew. */
export function armAgain(actor: Actor, view: DirectView, page: WaitPage, at: number): void {
  const [first] = actor.waits.waiting(page);
  if (first !== undefined) arm(actor, view, page, at, undefined, first.values.id as number);
}

onSystemTimer(TIMEOUT, ({ actor, view, payload, at, dueAt }) => {
  const { page: identity, participantId, ms } = payload as Payload;
  const page = actor.itinerary.waits.find((one) => one.identity === identity);
  if (page === undefined || actor.waits.isDone(page)) return;
  if (at - dueAt > KEPT_OUT) {
    setSystemTimer(view, TIMEOUT, { dueAt: at + TO_COME_BACK, payload, page: identity });
    return { page: identity };
  }
  if (participantId !== undefined) return lobbyTimeout(actor, view, page, participantId, at);
  if (actor.waits.waiting(page).length === 0) return;
  // The page is complete from now on, whoever is missing; what follows is as if the last had come.
  actor.waits.setTimedOut(view.unit, page, true, ms);
  return { page: identity };
});

/** Somebody has waited long enough for a group to form. */
function lobbyTimeout(actor: Actor, view: DirectView, page: WaitPage, participantId: number, at: number) {
  const participant = actor.here(participantId);
  const player = actor.memory.playerOf(participantId);
  if (participant?.values.pageIndex !== page.index || player === undefined) return undefined;
  // The computer may wait for ever.
  if (isReplaced(participant)) return undefined;
  const decision = decide(actor.world, page, view, player);
  if (decision === "replace") {
    throw new AuthorError(
      "wrong_decision",
      `${page.identity} timeout: outcome returned "replace" where a group is still to form, so that there is nobody to replace; return "proceed", "end", or nothing.`,
    );
  }
  const done = { participantId, page: page.identity };
  if (decision === undefined) {
    arm(actor, view, page, at, participantId, participantId);
    return done;
  }
  if (decision === "proceed") return { ...done, release: () => actor.waits.form(participantId) };
  view.unit.set(participant, "pageIndex", actor.itinerary.length + 1);
  return {
    ...done,
    release() {
      for (const connection of actor.gate.connections()) {
        if (connection.participantId === participantId) actor.gate.reload(connection, "moved_on");
      }
      actor.depart(participantId);
    },
  };
}
