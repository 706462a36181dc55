/** What a number of a client means to this group. */
export type NumberCheck = "next" | "again" | "early" | "unknown";

/**
 * The numbers that each page load of each participant has used (design decision 7). Only the highest is
 * kept: numbers are taken without gaps, in order, so everything up to it is in the journal.
 */
export class ClientNumbers {
  readonly #last = new Map<string, number>();
  readonly #limit: number;

  constructor(limit = 256) {
    this.#limit = limit;
  }

  /** Whether the highest number of this client has been read since the actor was loaded. */
  knows(participantId: number, clientId: string): boolean {
    return this.#last.has(key(participantId, clientId));
  }

  /** Takes what the journal says. */
  learn(participantId: number, clientId: string, last: number): void {
    // Oldest out first; whoever is forgotten is read again.
    if (this.#last.size >= this.#limit) {
      const oldest = this.#last.keys().next().value;
      if (oldest !== undefined) this.#last.delete(oldest);
    }
    this.#last.set(key(participantId, clientId), last);
  }

  check(participantId: number, clientId: string, n: number): NumberCheck {
    const last = this.#last.get(key(participantId, clientId));
    if (last === undefined) return "unknown";
    return n === last + 1 ? "next" : n <= last ? "again" : "early";
  }

  /** The number is used by the unit that is being made. Returns how to take that back. */
  use(participantId: number, clientId: string, n: number): () => void {
    const at = key(participantId, clientId);
    this.#last.set(at, n);
    return () => this.#last.set(at, n - 1);
  }
}

function key(participantId: number, clientId: string): string {
  return `${participantId}:${clientId}`;
}
