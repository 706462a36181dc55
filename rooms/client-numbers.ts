import type { JournalEntry } from "../entities/store.ts";
import { MARK_SPAN, MessageMarkTable } from "../entities/system-tables.ts";
import type { RowChange } from "../entities/tables.ts";

/** What a number of a client means to this group. */
export type NumberCheck = "next" | "again" | "early" | "unknown";

interface Client {
  /** The highest number that was used, committed or not. */
  last: number;
  /** Seq of the newest mark that this incarnation of the actor has set; null: none. */
  mark: number | null;
}

/**
 * The numbers that each page load of each participant has used (design decision 7). Only the highest is
 * kept: numbers are taken in order, so everything up to it has taken effect.
 *
 * It also sets the marks by which an entry is found again when its number is asked for once more: one for a
 * stretch of the journal, where an index would cost every message.
 */
export class ClientNumbers {
  readonly #clients = new Map<string, Client>();
  #limit: number;

  constructor(limit = 256) {
    this.#limit = limit;
  }

  /** Makes room for a group of so many players. */
  expect(players: number): void {
    this.#limit = Math.max(this.#limit, 4 * players);
  }

  /** Whether the highest number of this client has been read since the actor was loaded. */
  knows(participantId: number, clientId: string): boolean {
    return this.#clients.has(clientKey(participantId, clientId));
  }

  /** Takes what the database says. */
  learn(participantId: number, clientId: string, last: number): void {
    // Oldest out first; whoever is forgotten is read again.
    if (this.#clients.size >= this.#limit) {
      const oldest = this.#clients.keys().next().value;
      if (oldest !== undefined) this.#clients.delete(oldest);
    }
    this.#clients.set(clientKey(participantId, clientId), { last, mark: null });
  }

  check(participantId: number, clientId: string, n: number): NumberCheck {
    const last = this.#clients.get(clientKey(participantId, clientId))?.last;
    if (last === undefined) return "unknown";
    return n === last + 1 ? "next" : n <= last ? "again" : "early";
  }

  /** The number is used by the unit that is being made. Returns how to take that back. */
  use(participantId: number, clientId: string, n: number): () => void {
    const key = clientKey(participantId, clientId);
    const client = this.#clients.get(key) ?? { last: 0, mark: null };
    this.#clients.set(key, client);
    client.last = n;
    return () => {
      client.last = n - 1;
    };
  }

  /** The mark that has to be stored with an entry, so that it is found by its number; undefined: it is found without. */
  mark({ participantId, clientId, n, actorId, seq }: JournalEntry): RowChange | undefined {
    if (participantId === null || clientId === null || n === null) return undefined;
    if (n > 0) {
      const client = this.#clients.get(clientKey(participantId, clientId));
      if (client !== undefined) {
        if (client.mark !== null && seq < client.mark + MARK_SPAN) return undefined;
        client.mark = seq;
      }
    }
    return { op: "insert", table: MessageMarkTable, values: { participantId, clientId, n, actorId, seq } };
  }

  /** Units were taken back, and perhaps a mark with them: each client sets a new one. */
  forgetMarks(): void {
    for (const client of this.#clients.values()) client.mark = null;
  }
}

function clientKey(participantId: number, clientId: string): string {
  return `${participantId}:${clientId}`;
}
