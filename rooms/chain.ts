import type { StoredUnit } from "../entities/store.ts";
import type { Outcome, Turn } from "./turn.ts";

/** A turn that has run. */
export interface RunTurn {
  readonly turn: Turn;
  readonly outcome: Outcome;
  /** What the database gets of it; null: nothing. */
  readonly stored: StoredUnit | null;
  /** Newest seq when it had run: everything that it could have seen. */
  readonly seq: number;
  /** Tells open wait pages who is there, as of this turn. */
  readonly news: (() => void) | undefined;
}

interface Link extends RunTurn {
  committed: boolean;
}

/**
 * The turns of a group that have run and wait for the database, in order. What a turn computed is let out when
 * everything before it has committed and it has too; when the database refuses one, all after it are taken back.
 */
export class Chain {
  readonly #links: Link[] = [];
  readonly #letOut: (done: RunTurn) => void;
  #bytes = 0;

  /** @param letOut gets each turn once nothing can take it back any more; must not throw */
  constructor(letOut: (done: RunTurn) => void) {
    this.#letOut = letOut;
  }

  get length(): number {
    return this.#links.length;
  }

  /** Bytes that its turns stand for. */
  get bytes(): number {
    return this.#bytes;
  }

  add(done: RunTurn): void {
    this.#links.push({ ...done, committed: done.stored === null });
    this.#bytes += done.turn.bytes;
    if (done.stored === null) this.#release();
  }

  /** The database has a unit. @returns whether it is one of these */
  committed(unit: StoredUnit): boolean {
    const link = this.#links.find(({ stored }) => stored === unit);
    if (link === undefined) return false;
    link.committed = true;
    this.#release();
    return true;
  }

  /** The database refuses a unit: undoes it and all that came after it. @returns their turns in order; none: it is not one of these */
  takeBack(unit: StoredUnit): Turn[] {
    const at = this.#links.findIndex(({ stored }) => stored === unit);
    if (at < 0) return [];
    const out = this.#links.splice(at);
    for (const { outcome, turn } of out.toReversed()) {
      outcome.undo?.();
      outcome.unit?.undo();
      this.#bytes -= turn.bytes;
    }
    return out.map(({ turn }) => turn);
  }

  /** Gives up all that has not been let out. @returns its turns in order */
  clear(): Turn[] {
    this.#bytes = 0;
    return this.#links.splice(0).map(({ turn }) => turn);
  }

  /** Lets out the head, as far as it has committed. */
  #release(): void {
    while (this.#links[0]?.committed === true) {
      const link = this.#links.shift() as Link;
      this.#bytes -= link.turn.bytes;
      link.outcome.unit?.settle();
      this.#letOut(link);
    }
  }
}
