import { WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import { Dice } from "../entities/random.ts";
import type { Value } from "../entities/tables.ts";
import type { Actor } from "./actor.ts";
import type { ParticipantBuiltIns } from "./author-types.ts";
import { cancelSystemTimers, onSystemTimer, pendingSystemTimers, setSystemTimer } from "./system-timers.ts";
import type { Outcome, Turn } from "./turn.ts";

/**
 * Sees to it that the computer plays in somebody's place, wherever they are and whichever server dies meanwhile: it
 * stands in the group that wants them replaced until their own group has done it, and in the group in which the
 * computer plays until the next one has it.
 */
const CARE = "_computer";

/** Who is missing where, and since when. */
export interface Absence {
  /** Who has come as far as the page with this index by then is not replaced; 0: they have been, and are looked after. */
  readonly before: number;
  /** When the others had waited long enough. */
  readonly at: number;
  /** How long that was, in milliseconds. */
  readonly limit: number;
}

interface Care extends Absence {
  readonly participantId: number;
  /** Milliseconds until it is looked at again; longer each time. */
  readonly pause: number;
}

/** How soon it is looked again whether a crash has left something undone, in milliseconds. */
const FIRST_LOOK = 5_000;

/** Whether the computer plays in a participant's place. */
export function isReplaced(participant: Row | undefined): boolean {
  return typeof participant?.values.replacedAt === "number";
}

/** What is said to whoever still acts in the name of somebody who was replaced. */
export function placeTaken(): WalrasError {
  return new WalrasError(Refusal.REPLACED, "The computer plays in this participant's place.");
}

/**
 * Whether somebody who is missing is spared this time: they have come to their page within the limit, and are on their
 * way; or others keep them waiting on a wait page, within twice the limit. The others wait for the same time again.
 *
 * @param pageAt when they came to their page, in milliseconds since 1970; null: they have not begun
 */
export function isSpared(pageAt: Value | undefined, isWaiting: boolean, { at, limit }: Absence): boolean {
  return typeof pageAt === "number" && at - pageAt < limit * (isWaiting ? 2 : 1);
}

/**
 * Within a unit: the computer plays in the place of a player of the group, unless they have come as far as the page.
 * Who is with another group is replaced there, right after this unit.
 */
export function replace(actor: Actor, view: DirectView, participantId: number, absence: Absence): void {
  const participant = actor.here(participantId);
  if (participant === undefined) replaceSoon(view, participantId, absence);
  else if ((participant.values.pageIndex as number) < absence.before) takePlace(actor, view, participant, absence.at);
}

/** Within a unit: somebody is to be replaced as soon as it has committed, wherever they are, unless they are spared. */
export function replaceSoon(view: DirectView, participantId: number, absence: Absence): void {
  care(view, { participantId, ...absence, pause: FIRST_LOOK }, absence.at);
}

/** Within a unit: the computer has the place of a participant who is with this group. */
export function takePlace(actor: Actor, view: DirectView, participant: Row, at: number): void {
  const { unit } = view;
  const participantId = participant.values.id as number;
  if (!isReplaced(participant)) {
    const { payoff } = view.participant(participant) as Pick<ParticipantBuiltIns, "payoff">;
    unit.set(participant, "replacedAt", at);
    unit.set(participant, "replacedPayoff", payoff);
  }
  const player = actor.memory.playerOf(participantId);
  if (player !== undefined) unit.set(player, "isReplaced", true);
  if (cares(view, participantId).length === 0) lookSoon(view, participantId, at);
}

/** Within a unit: the computer has gone on to another page, and has the next thing to do. */
export function lookSoon(view: DirectView, participantId: number, at: number): void {
  cancelSystemTimers<Care>(view, CARE, (one) => one.participantId === participantId);
  care(view, { participantId, ...NO_ABSENCE, pause: FIRST_LOOK }, at + FIRST_LOOK);
}

/** Of who is replaced already. */
export const NO_ABSENCE: Absence = { before: 0, at: 0, limit: 0 };

function cares(view: DirectView, participantId: number): Row[] {
  return pendingSystemTimers<Care>(view, CARE, (one) => one.participantId === participantId);
}

function care(view: DirectView, payload: Care, dueAt: number): void {
  setSystemTimer(view, CARE, { dueAt, payload });
}

onSystemTimer(CARE, ({ actor, view, payload, at }) => {
  const { participantId, pause, ...absence } = payload as Care;
  const participant = actor.here(participantId);
  if (isReplaced(participant)) {
    // To be loaded is all that the computer needs here to go on.
    care(view, { participantId, ...NO_ABSENCE, pause: pause * 2 }, at + pause * 2);
    return { participantId };
  }
  // Also of who is here: since when they have been on their page is known to the database alone.
  care(view, { participantId, ...absence, pause: pause * 2 }, at + pause);
  return { participantId, release: () => void replaceAnywhere(actor, participantId, absence) };
});

/** Has the computer play for somebody who may be with another group by now. Never throws. */
export async function replaceAnywhere(actor: Actor, participantId: number, absence: Absence): Promise<void> {
  const isDone = await actor.replaceAnywhere?.(participantId, absence);
  if (isDone === true && !actor.dead) actor.resume(new CareEnds(participantId));
}

/** Another group looks after somebody, or they are spared: this one needs not any more. */
class CareEnds implements Turn {
  readonly bytes = 0;
  readonly #participantId: number;

  constructor(participantId: number) {
    this.#participantId = participantId;
  }

  run(actor: Actor): Outcome {
    const at = actor.world.now();
    const dice = new Dice(actor.world.newSeed);
    const view = new DirectView(actor.memory, { what: "the computer goes on", at, random: dice.random });
    // Of whom it has here, the timer stands for as long as they are.
    if (!isReplaced(actor.here(this.#participantId)))
      cancelSystemTimers<Care>(view, CARE, (one) => one.participantId === this.#participantId);
    view.finish();
    if (view.unit.changes().length === 0) return { unit: view.unit, release: () => {} };
    const entry = { kind: "replaced" as const, at, participantId: this.#participantId };
    return { unit: view.unit, entry, release: () => {} };
  }

  /** The timer stands, and asks again. */
  fail(): void {}
}
