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

interface Care {
  readonly participantId: number;
  /** Who has come as far as the page with this index by then is not replaced; 0: they have been, and are looked after. */
  readonly before: number;
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
 * Within a unit: the computer plays in the place of a player of the group, unless they have come as far as a page.
 * Who is with another group is replaced there, right after this unit.
 *
 * @param before index of that page
 */
export function replace(actor: Actor, view: DirectView, participantId: number, before: number, at: number): void {
  const participant = actor.here(participantId);
  if (participant === undefined) care(view, { participantId, before, pause: FIRST_LOOK }, at);
  else if ((participant.values.pageIndex as number) < before) takePlace(actor, view, participant, at);
}

/** Within a unit: somebody of another group, say, is to be replaced as soon as the unit has committed. */
export function replaceSoon(view: DirectView, participantId: number, before: number, at: number): void {
  care(view, { participantId, before, pause: FIRST_LOOK }, at);
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
  care(view, { participantId, before: 0, pause: FIRST_LOOK }, at + FIRST_LOOK);
}

function cares(view: DirectView, participantId: number): Row[] {
  return pendingSystemTimers<Care>(view, CARE, (one) => one.participantId === participantId);
}

function care(view: DirectView, payload: Care, dueAt: number): void {
  setSystemTimer(view, CARE, { dueAt, payload });
}

onSystemTimer(CARE, ({ actor, view, payload, at }) => {
  const { participantId, before, pause } = payload as Care;
  const participant = actor.here(participantId);
  if (participant === undefined) {
    care(view, { participantId, before, pause: pause * 2 }, at + pause);
    return { participantId, release: () => void replaceElsewhere(actor, participantId, before) };
  }
  // To be loaded is all that the computer needs here to go on.
  if (isReplaced(participant)) care(view, { participantId, before: 0, pause: pause * 2 }, at + pause * 2);
  else if ((participant.values.pageIndex as number) < before) takePlace(actor, view, participant, at);
  return { participantId };
});

/** Has the computer play for somebody who is not with this group, or not any more. Never throws. */
export async function replaceElsewhere(actor: Actor, participantId: number, before: Value): Promise<void> {
  const isDone = await actor.replaceElsewhere?.(participantId, before as number);
  if (isDone === true && !actor.dead) actor.resume(new CareEnds(participantId));
}

/** The group of somebody who is elsewhere looks after them: this one needs not any more. */
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
    const isHere = actor.here(this.#participantId) !== undefined;
    if (!isHere) cancelSystemTimers<Care>(view, CARE, (one) => one.participantId === this.#participantId);
    view.finish();
    if (view.unit.changes().length === 0) return { unit: view.unit, release: () => {} };
    const entry = { kind: "replaced" as const, at, participantId: this.#participantId };
    return { unit: view.unit, entry, release: () => {} };
  }

  /** The timer stands, and asks again. */
  fail(): void {}
}
