import type { Histogram } from "../histogram.ts";

/** After so long without another copy, a delivery is taken for the last one, in milliseconds. */
const SETTLED_MS = 5_000;

interface Unit {
  /** When the message that caused it was due; undefined until its answer tells, and for timers for ever. */
  due: number | undefined;
  /** When its newest copy came. */
  last: number;
  copies: number;
}

/**
 * A group, as far as this process plays it: puts together what its members got of the same unit, to tell
 * how long a message took to reach the last of them.
 */
export class GroupWatch {
  /** The newest seq that anybody was told of. */
  newest = 0;
  /** Members whose page is open. */
  members = 0;
  readonly #units = new Map<number, Unit>();
  readonly #delivered: () => Histogram;

  /** @param delivered where the times go, in milliseconds */
  constructor(delivered: () => Histogram) {
    this.#delivered = delivered;
  }

  /** A member got a delivery of a unit, for the first time. */
  delivered(seq: number, now: number): void {
    const unit = this.#unit(seq, now);
    unit.last = now;
    unit.copies += 1;
    this.#settleIfWhole(seq, unit);
  }

  /** A sender's answer says which unit its message was. @param due when it was to be sent */
  answered(seq: number, due: number, now: number): void {
    const unit = this.#unit(seq, now);
    unit.due = due;
    this.#settleIfWhole(seq, unit);
  }

  /** Takes those for complete to which nothing has come for a while. @param all everything, at the end */
  sweep(now: number, all = false): void {
    for (const [seq, unit] of this.#units) {
      if (all || now - unit.last > SETTLED_MS) this.#settle(seq, unit);
    }
  }

  #unit(seq: number, now: number): Unit {
    if (seq > this.newest) this.newest = seq;
    let unit = this.#units.get(seq);
    if (unit === undefined) {
      unit = { due: undefined, last: now, copies: 0 };
      this.#units.set(seq, unit);
    }
    return unit;
  }

  #settleIfWhole(seq: number, unit: Unit): void {
    if (unit.due !== undefined && unit.copies >= this.members) this.#settle(seq, unit);
  }

  #settle(seq: number, { due, last, copies }: Unit): void {
    this.#units.delete(seq);
    if (due !== undefined && copies > 0) this.#delivered().add(last - due);
  }
}
