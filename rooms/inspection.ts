import { messageOf } from "../client-sdk/errors.ts";
import type { FailureFrame } from "../client-sdk/inspection.ts";
import type { Row } from "../entities/memory.ts";
import { type PublishedField, storedFields } from "../entities/published.ts";
import type { StoredUnit } from "../entities/store.ts";
import type { Values } from "../entities/tables.ts";
import type { Actor } from "./actor.ts";
import type { Connection } from "./gate.ts";
import { stackOf } from "./refusals.ts";
import { sourceExcerpt } from "./source-excerpt.ts";
import type { Turn } from "./turn.ts";

/** Where a function of the author was running when it failed. */
export interface Failing {
  /** `auction/1/Bidding live` */
  readonly where: string;
  /** Whose turn it was, if anybody's. */
  readonly participantId?: number | undefined;
  /** Client and number of the message. */
  readonly c?: string;
  readonly n?: number;
}

/**
 * What the panels of designers see of a group beyond what its pages see: all fields of the group and of the
 * page's own player, and the errors of the author's functions with their stacks.
 *
 * An actor has one only once a page has asked for it on a seat that allows it ({@link mayInspect}); without, it
 * costs nothing. What it shows has committed, as everything that leaves an actor (P3).
 */
export class Inspection {
  readonly #actor: Actor;
  readonly #group: readonly PublishedField[];
  readonly #player: readonly PublishedField[];
  /** Whom it tells; false: they wait for what is stored now, and get no changes before that. */
  readonly #members = new Map<Connection, boolean>();

  constructor(actor: Actor) {
    this.#actor = actor;
    this.#group = storedFields(actor.app.group);
    this.#player = storedFields(actor.app.player);
  }

  /** From here on a page is told: first all fields, then what changes. */
  join(connection: Connection): void {
    this.#members.set(connection, false);
    this.#actor.post(this.#look(connection));
  }

  leave(connection: Connection): void {
    this.#members.delete(connection);
  }

  /** A turn that reads all fields: what it saw is let out when it has committed, and changes come behind. */
  #look(connection: Connection): Turn {
    return {
      bytes: 0,
      run: ({ memory }) => {
        const player = memory.playerOf(connection.participantId);
        const group = this.#inside(this.#group, memory.group.values, "all");
        const own = player === undefined ? "" : this.#inside(this.#player, player.values, "all");
        return {
          release: (seq) => {
            if (!this.#members.has(connection)) return;
            this.#members.set(connection, true);
            this.#send(connection, `{"k":"fields","s":${seq},"group":{${group}},"player":{${own}}}`);
          },
        };
      },
      // The connection ends with the actor, and the page comes back.
      fail: () => {},
    };
  }

  /** A unit has committed: out with what it changed, to each page what belongs to it. */
  committed({ entry, changes }: StoredUnit): void {
    if (this.#members.size === 0) return;
    const { app, memory } = this.#actor;
    let group = "";
    const players = new Map<Row, string>();
    for (const change of changes) {
      if (change.op !== "update") continue;
      if (change.table === app.group.table) {
        group = this.#inside(this.#group, change.values, "changed");
      } else if (change.table === app.player.table) {
        const row = memory.playerById(change.key.id as number);
        if (row !== undefined) players.set(row, this.#inside(this.#player, change.values, "changed"));
      }
    }
    for (const [connection, isTold] of this.#members) {
      const row = memory.playerOf(connection.participantId);
      const own = (row === undefined ? undefined : players.get(row)) ?? "";
      if (!isTold || (group === "" && own === "")) continue;
      const head = `{"k":"fields","s":${entry.seq},"kind":${JSON.stringify(entry.kind)}`;
      this.#send(connection, `${head},"group":{${group}},"player":{${own}}}`);
    }
  }

  /** One of the author's functions has thrown. */
  failed(error: unknown, { where, participantId, c, n }: Failing): void {
    if (this.#members.size === 0) return;
    const row = participantId === undefined ? undefined : this.#actor.memory.playerOf(participantId);
    const stack = stackOf(error);
    const source = sourceExcerpt(error);
    const frame: FailureFrame = {
      k: "failure",
      where,
      ...(row === undefined ? {} : { player: row.values.idInGroup as number }),
      ...(c === undefined || n === undefined ? {} : { c, n }),
      message: messageOf(error),
      ...(stack === undefined ? {} : { stack }),
      ...(source === undefined ? {} : { source }),
    };
    for (const connection of this.#members.keys()) this.#send(connection, JSON.stringify(frame));
  }

  /** The inside of a JSON object. */
  #inside(fields: readonly PublishedField[], values: Values, which: "all" | "changed"): string {
    const { memory } = this.#actor;
    return fields
      .filter(({ name }) => which === "all" || name in values)
      .map(({ name, text }) => `${JSON.stringify(name)}:${text(values[name] ?? null, memory)}`)
      .join();
  }

  #send(connection: Connection, json: string): void {
    const { world, gate } = this.#actor;
    // As any page that does not take what it is sent: it comes back, and sees all fields anew.
    if (connection.buffered > BUFFERED) gate.drop(connection);
    else connection.send(world.encodeFrame(json));
  }
}

/** Bytes waiting in a socket beyond which it is closed. */
const BUFFERED = 1024 * 1024;

/** Whether pages of this group may be looked into at all: in development, and where nobody's data is. */
export function mayInspect({ world, memory }: Actor): boolean {
  return world.development && memory.session.isDemo === true;
}
