import type { Row } from "../entities/memory.ts";
import type { Actor } from "./actor.ts";
import { isReplaced } from "./replacement.ts";

/** For so long counts as there who has no script, after each time that the page has loaded itself again, in milliseconds. */
const WITHOUT_SCRIPT = 12_000;

/** Who is there on a page where groups form. */
export class Attendance {
  readonly #actor: Actor;
  /** `app/round/Page` */
  readonly #page: string;
  /** Who has come, in this order, and when. */
  readonly #came = new Map<number, number>();
  /** Whose browsers have no script, and when they last loaded the page. */
  readonly #seen = new Map<number, number>();

  constructor(actor: Actor, page: string) {
    this.#actor = actor;
    this.#page = page;
  }

  /** A browser without scripts has loaded the page again. */
  saw(participantId: number): void {
    this.#seen.set(participantId, this.#actor.world.monotonic());
  }

  /** Players who are at the page and look at it, or are played by the computer, in order of arrival. */
  players(): Row[] {
    const { memory, gate, world } = this.#actor;
    const there = new Set<number>();
    for (const connection of gate.connections()) {
      if (connection.page === this.#page && connection.away !== true) there.add(connection.participantId);
    }
    for (const [id, at] of this.#seen) {
      if (world.monotonic() - at < WITHOUT_SCRIPT) there.add(id);
      else this.#seen.delete(id);
    }
    for (const [id, participant] of memory.participants) if (isReplaced(participant)) there.add(id);
    const waiting: Row[] = [];
    for (const id of there) {
      const player = memory.playerOf(id);
      if (player === undefined || this.#actor.pageOf(id) !== this.#page) continue;
      if (!this.#came.has(id)) this.#came.set(id, world.monotonic());
      waiting.push(player);
    }
    const place = new Map([...this.#came.keys()].map((id, i) => [id, i]));
    const at = (row: Row) => place.get(row.values.participantId as number) ?? 0;
    return waiting.sort((a, b) => at(a) - at(b));
  }

  /** Seconds since somebody came. */
  seconds(participantId: number): number {
    const now = this.#actor.world.monotonic();
    return (now - (this.#came.get(participantId) ?? now)) / 1000;
  }

  /** They have a group now. */
  forget(participantId: number): void {
    this.#came.delete(participantId);
    this.#seen.delete(participantId);
  }
}
