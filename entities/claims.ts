import { WalrasError } from "../client-sdk/errors.ts";
import { classify } from "./classify.ts";
import type { Store, Writer } from "./store.ts";
import { ClaimTable } from "./system-tables.ts";
import type { Values } from "./tables.ts";

/** Sessions whose participants are kept in mind. */
const KEPT_SESSIONS = 100;
/** Another process may have been quicker with one participant after the other, but not this often. */
const TRIES = 50;

/** What somebody brings to a shared entrance. */
export interface Claim {
  /** The same label always gets the same participant. */
  readonly label?: string | undefined;
  /** Names the welcome page on which the button was pressed: pressed twice, it gets nobody a second participant. */
  readonly visit?: string | undefined;
  /** Parameters of their link. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A session's participants, and who of them has been given away. */
interface State {
  readonly participants: readonly Values[];
  readonly claimed: Set<number>;
  readonly byLabel: Map<string, number>;
  readonly byVisit: Map<string, number>;
  /** Everybody before this one is taken. */
  next: number;
}

/**
 * Gives the people who come through a shared entrance a participant each: nobody the same, whoever
 * comes again with their label their own. A claim is a row whose key is the participant, so that this
 * holds over processes and crashes.
 */
export class Claims {
  readonly #store: Pick<Store, "read">;
  readonly #transact: <T>(work: (write: Writer) => Promise<T>) => Promise<T>;
  readonly #now: () => number;
  readonly #states = new Map<number, Promise<State>>();
  /** The last claim of each session: they are made one after the other. */
  readonly #last = new Map<number, Promise<unknown>>();

  constructor(options: {
    store: Pick<Store, "read">;
    transact: <T>(work: (write: Writer) => Promise<T>) => Promise<T>;
    now: () => number;
  }) {
    this.#store = options.store;
    this.#transact = options.transact;
    this.#now = options.now;
  }

  /** The participant's row; undefined: the session is full. @throws WalrasError `halted`, `busy`, to be tried again */
  claim(sessionId: number, claim: Claim): Promise<Values | undefined> {
    const before = this.#last.get(sessionId) ?? Promise.resolve();
    const made = before.then(() => this.#claim(sessionId, claim));
    const settled = made.catch(() => {});
    this.#last.set(sessionId, settled);
    void settled.then(() => {
      if (this.#last.get(sessionId) === settled) this.#last.delete(sessionId);
    });
    return made;
  }

  /** What a participant's claim says they brought; undefined: they did not come through a shared entrance. */
  async of(participantId: number): Promise<Claim | undefined> {
    const [row] = await this.#store.read.rows(ClaimTable, { participantId });
    if (row === undefined) return undefined;
    return {
      label: typeof row.label === "string" ? row.label : undefined,
      parameters: JSON.parse(String(row.entry ?? "{}")) as Record<string, string>,
    };
  }

  /** Whom a welcome page has got a participant already. */
  async pressed(sessionId: number, visit: string): Promise<Values | undefined> {
    const id = (await this.#state(sessionId)).byVisit.get(visit);
    return id === undefined ? undefined : this.#store.read.participant(id);
  }

  /** Who has this label in a session already, by a claim or from before. */
  async known(sessionId: number, label: string): Promise<Values | undefined> {
    const id = (await this.#state(sessionId)).byLabel.get(label);
    if (id !== undefined) return this.#store.read.participant(id);
    // Another process may have given them one since.
    const [row] = await this.#store.read.rows(ClaimTable, { sessionId, label });
    return row === undefined ? undefined : this.#store.read.participant(Number(row.participantId));
  }

  async #claim(sessionId: number, given: Claim): Promise<Values | undefined> {
    let claim = given;
    for (let tries = 0; tries < TRIES; tries++) {
      const state = await this.#state(sessionId);
      const pressed = claim.visit === undefined ? undefined : state.byVisit.get(claim.visit);
      if (pressed !== undefined) return this.#store.read.participant(pressed);
      const own = claim.label === undefined ? undefined : state.byLabel.get(claim.label);
      if (own !== undefined && state.claimed.has(own)) return this.#store.read.participant(own);
      const candidate = own === undefined ? await this.#free(state) : await this.#store.read.participant(own);
      if (candidate === undefined) return undefined;
      const id = Number(candidate.id);
      try {
        await this.#insert(sessionId, id, claim);
      } catch (error) {
        if (error instanceof WalrasError || classify(error, "statement") !== "data") throw error;
        // Another process has given this participant away, or has this label: look again.
        this.#states.delete(sessionId);
        continue;
      }
      state.claimed.add(id);
      if (claim.label !== undefined) state.byLabel.set(claim.label, id);
      // Somebody may have opened the participant's own link meanwhile: then they stay theirs.
      const now = await this.#store.read.participant(id);
      if (now?.pageIndex === 0) {
        if (claim.visit !== undefined) state.byVisit.set(claim.visit, id);
        return now;
      }
      claim = { ...claim, visit: undefined };
    }
    throw new WalrasError("busy", "Too many people are arriving at this moment. Try again.", { retry: true });
  }

  #insert(sessionId: number, participantId: number, { label, visit, parameters }: Claim): Promise<number[]> {
    const entry = JSON.stringify(parameters);
    const own = { label: label ?? null, visit: visit ?? null };
    const row: Values = { participantId, sessionId, ...own, entry, at: this.#now() };
    return this.#transact((write) => write.insert(ClaimTable, [row]));
  }

  /** The first who has not been given away, has no label of somebody else, and whose own link nobody has opened. */
  async #free(state: State): Promise<Values | undefined> {
    for (; state.next < state.participants.length; state.next++) {
      const participant = state.participants[state.next] as Values;
      if (state.claimed.has(Number(participant.id)) || participant.label !== null) continue;
      const now = await this.#store.read.participant(Number(participant.id));
      if (now?.pageIndex === 0 && now.label === null) return now;
    }
    return undefined;
  }

  #state(sessionId: number): Promise<State> {
    let state = this.#states.get(sessionId);
    if (state === undefined) {
      state = this.#read(sessionId);
      const [oldest] = this.#states.keys();
      if (this.#states.size >= KEPT_SESSIONS && oldest !== undefined) this.#states.delete(oldest);
      this.#states.set(sessionId, state);
      state.catch(() => this.#states.delete(sessionId));
    }
    return state;
  }

  async #read(sessionId: number): Promise<State> {
    const participants = await this.#store.read.participants(sessionId);
    const rows = await this.#store.read.rows(ClaimTable, { sessionId });
    const byLabel = new Map<string, number>();
    for (const { label, id } of participants) if (typeof label === "string") byLabel.set(label, Number(id));
    const byVisit = new Map<string, number>();
    for (const { label, visit, participantId } of rows) {
      if (typeof label === "string") byLabel.set(label, Number(participantId));
      if (typeof visit === "string") byVisit.set(visit, Number(participantId));
    }
    const claimed = new Set(rows.map((row) => Number(row.participantId)));
    return { participants, claimed, byLabel, byVisit, next: 0 };
  }
}
