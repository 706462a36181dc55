import type { Chance } from "../chaos/chance.ts";

/** What can go wrong, and the chance of it each time that it could, in a run that has it. */
export const FAULTS = {
  // The disk.
  io: 0.02,
  data: 0.03,
  duplicate: 0.02,
  unknownStored: 0.03,
  unknownLost: 0.03,
  readFailed: 0.01,
  slowCommit: 0.05,
  // The network.
  cut: 0.012,
  halfOpen: 0.006,
  stall: 0.01,
  slowFrame: 0.02,
  requestLost: 0.04,
  answerLost: 0.04,
  // People.
  reload: 0.03,
  pageKilled: 0.02,
  wander: 0.02,
  duplicateTab: 0.02,
  submit: 0.08,
  burst: 0.03,
  throwing: 0.1,
  nonsense: 0.08,
} as const;

/** What happens to processes: so often in a run that has it. */
export const BLOWS = {
  crash: [1, 3],
  restart: [1, 2],
  pause: [1, 2],
  takeover: [1, 4],
  evict: [2, 6],
} as const;

export type Fault = keyof typeof FAULTS;
export type Blow = keyof typeof BLOWS;
/** What follows from faults, counted to see that it does. */
export const CONSEQUENCES = [
  "acknowledged",
  "stateShown",
  "effects",
  "stale",
  "haltedRefused",
  "tooFastRefused",
  "busyRefused",
  "outOfOrderRefused",
  "movedRefused",
  "ghostCommit",
  "caughtUpFromJournal",
  "reloadTooFarBehind",
  "reloadMovedOn",
  "seatRefused",
  "droppedByBackPressure",
  "submitWithOutbox",
  "inherited",
  "reconnected",
  "roundChanged",
  "leftForGood",
  "rung",
] as const;
export type Consequence = (typeof CONSEQUENCES)[number];
export type Happening = Fault | Blow | Consequence;

/**
 * The faults of one run. Each run has some kinds and not others (swarm testing): a fault that stands
 * in the way of another would else do so in every run.
 */
export class Faults {
  readonly counts = new Map<Happening, number>();
  /** False: the rest of the run is calm. */
  on = false;
  readonly #chance: Chance;
  readonly #has: ReadonlySet<string>;

  constructor(chance: Chance) {
    this.#chance = chance;
    this.#has = new Set([...Object.keys(FAULTS), ...Object.keys(BLOWS)].filter(() => chance.next() < 0.5));
  }

  has(what: Fault | Blow): boolean {
    return this.#has.has(what);
  }

  /** Whether this one happens now. It is counted. */
  strike(fault: Fault): boolean {
    if (!this.on || !this.#has.has(fault) || this.#chance.next() >= FAULTS[fault]) return false;
    this.count(fault);
    return true;
  }

  count(what: Happening): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
