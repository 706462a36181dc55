import { WalrasError } from "../client-sdk/errors.ts";
import type { Row } from "../entities/memory.ts";
import type { Value } from "../entities/tables.ts";
import type { Actor } from "./actor.ts";
import type { Command, Reply } from "./calls.ts";
import { PageTurn } from "./page-turns.ts";
import { isReplaced } from "./replacement.ts";
import { FailureTurn } from "./wait-turns.ts";

/** When a turn is tried again for which the database was away, in milliseconds. */
const AGAIN = 1_000;

/**
 * The players of a group in whose place the computer plays. What is to be done follows from where they are, so that
 * nothing has to be remembered: forms are answered and left at once, a unit for each page, until they are on a page
 * where others are needed. On a wait page they are there like anybody. On a live page they stay for whatever the app
 * does with them, until everybody else has left it; then they leave it too.
 */
export class Computers {
  readonly #actor: Actor;
  /** Who has a turn under way, and its end. */
  readonly #busy = new Map<number, Promise<Reply>>();
  /** On which page, by index, they have nothing to do for now. */
  readonly #settled = new Map<number, number>();
  /** Whose page the app's code could not leave, until somebody asks for it to be tried again. */
  readonly #failed = new Map<number, string>();

  constructor(actor: Actor) {
    this.#actor = actor;
  }

  /** Somebody may have come or gone: the computer does what there is to do. */
  check(): void {
    for (const row of this.#here()) {
      const id = row.values.id as number;
      if (this.#busy.has(id) || this.#failed.has(id)) continue;
      const command = this.#next(row);
      if (command !== undefined) void this.#post(command);
    }
  }

  /** What failed for a player is tried again. */
  forgive(participantId: number): void {
    if (this.#failed.delete(participantId)) this.check();
  }

  /** An experimenter asks for a page to be tried again. @throws WalrasError `wait_page_failed` if it fails again */
  async retry(identity: string): Promise<void> {
    for (const row of this.#here()) {
      const id = row.values.id as number;
      if (this.#actor.pageOf(id) !== identity) continue;
      this.#failed.delete(id);
      const command = this.#next(row);
      const reply = await (this.#busy.get(id) ?? (command === undefined ? undefined : this.#post(command)));
      if (reply?.kind === "refused") throw new WalrasError("wait_page_failed", reply.message);
    }
  }

  #here(): Row[] {
    const { memory } = this.#actor;
    const rows = [...memory.participants.values()].filter(isReplaced);
    return rows.filter(({ values }) => this.#actor.here(values.id as number) !== undefined);
  }

  /** undefined: there is nothing to do for them until something else has happened. */
  #next({ values }: Row): Command | undefined {
    const [participantId, pageIndex] = [values.id as number, values.pageIndex as number];
    if (this.#leaves(participantId, pageIndex, values.pageOrder)) return { kind: "computer", participantId, pageIndex };
    // Once on each page: they may not be shown it.
    return this.#settled.get(participantId) === pageIndex ? undefined : { kind: "arrive", participantId };
  }

  #leaves(participantId: number, index: number, order: Value | undefined): boolean {
    if (index === 0) return true;
    try {
      const { wait, live } = this.#actor.itinerary.page(index, order);
      return wait === undefined && (live === undefined || !this.#isNeeded(participantId, index, order));
    } catch {
      // The app has lost the page, which the turn says.
      return true;
    }
  }

  /** Whether anybody plays on with them on a live page, or may still come to it. */
  #isNeeded(participantId: number, index: number, order: Value | undefined): boolean {
    const { memory, itinerary, waits } = this.#actor;
    // The group has gone on behind this page, without whoever is missing.
    if (itinerary.waits.some((wait) => wait.index > index && waits.isDone(wait))) return false;
    const identity = itinerary.identity(index, order);
    return memory.players.some(({ values }) => {
      const id = values.participantId as number;
      return id !== participantId && values.isReplaced !== true && !this.#isPast(id, identity);
    });
  }

  #isPast(participantId: number, identity: string | undefined): boolean {
    const { memory, itinerary } = this.#actor;
    const participant = memory.participants.get(participantId);
    if (participant === undefined) return memory.earlier.has(participantId);
    const { pageIndex, pageOrder } = participant.values;
    for (let index = Math.max(pageIndex as number, 1); itinerary.owns(index); index++) {
      if (itinerary.identity(index, pageOrder) === identity) return false;
    }
    return true;
  }

  #post(command: Command): Promise<Reply> {
    const { participantId } = command;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#busy.set(participantId, promise);
    const identity = this.#actor.pageOf(participantId);
    const turn = new PageTurn(command, (reply) => {
      this.#busy.delete(participantId);
      resolve(reply);
      if (!this.#actor.dead) this.#done(command, identity, reply);
    });
    this.#actor.resume(turn);
    return promise;
  }

  /** It has committed. */
  #done({ participantId, kind }: Command, identity: string | undefined, reply: Reply): void {
    const { gate, world } = this.#actor;
    // Whoever sits there sees from now on that their place is taken.
    for (const connection of gate.connections()) {
      if (connection.participantId === participantId) gate.reload(connection, "moved_on");
    }
    const again = (): void => {
      if (!this.#actor.dead) this.check();
    };
    if (reply.kind === "refused" && reply.retry) world.after(AGAIN, again);
    else if (reply.kind === "refused") this.#fail(participantId, identity ?? "", reply);
    else if (reply.kind === "goto") {
      const isStill = this.#actor.pageOf(participantId) === identity;
      if (kind === "arrive" && isStill) this.#settle(participantId, reply.pageIndex);
      this.check();
    }
  }

  #settle(participantId: number, index: number): void {
    const { waits } = this.#actor;
    this.#settled.set(participantId, index);
    const wait = waits.at(index);
    if (wait !== undefined && waits.isLobby(wait)) waits.form();
  }

  #fail(participantId: number, identity: string, { message, stack }: Extract<Reply, { kind: "refused" }>): void {
    this.#failed.set(participantId, identity);
    const error = new Error(message);
    error.stack = stack ?? "";
    this.#actor.resume(new FailureTurn({ identity }, error));
  }
}
