import { codeOf, messageOf, type WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec, PageSpec } from "../entities/app-spec.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import type { View } from "../entities/view.ts";
import type { Actor } from "./actor.ts";
import { post, type RecordedOutput } from "./deliveries.ts";
import type { Connection } from "./gate.ts";
import { HookedTurn } from "./hooked-turn.ts";
import { HookNeeded } from "./hooks.ts";
import { stackOf } from "./refusals.ts";
import { onSystemTimer, pendingSystemTimers, setSystemTimer } from "./system-timers.ts";
import type { Outcome } from "./turn.ts";

/**
 * Fires now and then while somebody of the group is connected, and so loads the group on whichever server there
 * is: when a server has ended and nobody comes back, somebody has to miss them all the same.
 */
const WATCH = "_presence";

onSystemTimer(WATCH, ({ actor, view, at }) => {
  if (actor.memory.players.some(({ values }) => values.connected === true)) watch(actor, view, at);
});

function watch({ world }: Actor, view: View, at: number): void {
  setSystemTimer(view, WATCH, { dueAt: at + world.limits.presenceWatch, payload: null });
}

/** When it is tried again to report somebody, in milliseconds. */
const AGAIN = 1_000;

/**
 * Who of a group is there. Somebody counts as connected while one of their tabs is, and for the app's grace
 * time after that, so that page loads and short breaks are no news. What the group was last told stands
 * in the player's row as `connected`, and is changed by a turn of the mailbox like everything else:
 * whoever reads it reads the same when the group is replayed, and a server that restarts knows whom to miss.
 */
export class Presence {
  readonly #actor: Actor;
  readonly #grace: number;
  readonly #tabs = new Map<number, Set<Connection>>();
  /** Those whose grace time runs, and how to stop it. */
  readonly #missed = new Map<number, () => void>();

  constructor(actor: Actor) {
    this.#actor = actor;
    this.#grace = actor.app.presenceGrace * 1000;
  }

  /** The group was loaded: who was connected when it was last in memory is missed from now on. */
  begin(): void {
    const { memory, world } = this.#actor;
    const ms = Math.max(this.#grace, world.limits.comeBack);
    for (const { values } of memory.players) {
      if (values.connected === true) this.#miss(values.participantId as number, ms);
    }
  }

  /** Somebody's grace time runs: the actor has to stay. */
  get isWaiting(): boolean {
    return this.#missed.size > 0;
  }

  /** Connected, or not gone for long. */
  has(participantId: number): boolean {
    return this.#tabs.has(participantId) || this.#missed.has(participantId);
  }

  /** A tab has said hello on the page on which its participant is. */
  arrive(connection: Connection): void {
    const { participantId } = connection;
    const tabs = this.#tabs.get(participantId);
    if (tabs === undefined) this.#tabs.set(participantId, new Set([connection]));
    else tabs.add(connection);
    this.#forgive(participantId);
    if (this.#actor.memory.playerOf(participantId)?.values.connected !== true) this.#report(participantId);
  }

  leave(connection: Connection): void {
    const { participantId } = connection;
    const tabs = this.#tabs.get(participantId);
    if (tabs === undefined || !tabs.delete(connection) || tabs.size > 0) return;
    this.#tabs.delete(participantId);
    if (!this.#actor.dead) this.#miss(participantId, this.#grace);
  }

  /** A request for a page: whoever is missed at the moment is on their way, however slow. */
  sign(participantId: number): void {
    if (this.#missed.has(participantId)) this.#miss(participantId, this.#grace);
  }

  end(): void {
    for (const stop of this.#missed.values()) stop();
    this.#missed.clear();
  }

  #miss(participantId: number, ms: number): void {
    this.#forgive(participantId);
    const stop = this.#actor.world.after(ms, () => {
      this.#missed.delete(participantId);
      this.#report(participantId);
    });
    this.#missed.set(participantId, stop);
  }

  #forgive(participantId: number): void {
    this.#missed.get(participantId)?.();
    this.#missed.delete(participantId);
  }

  #report(participantId: number): void {
    // However much is waiting: it is one turn for each coming and going.
    this.#actor.resume(new PresenceTurn(participantId, () => this.#again(participantId)));
  }

  /** The database could not be read: a participant's row is missing. */
  #again(participantId: number): void {
    if (!this.#actor.dead) this.#actor.world.after(AGAIN, () => this.#report(participantId));
  }
}

/** Brings a player's `connected` up to date, and tells the page on which they are. */
export class PresenceTurn extends HookedTurn {
  readonly #participantId: number;
  readonly #again: () => void;
  readonly #recorded: boolean | undefined;
  #spoiled: UnitRefusal | undefined;

  /** @param recorded what is known of them, when the group is run again */
  constructor(participantId: number, again: () => void, recorded?: boolean) {
    super();
    this.#participantId = participantId;
    this.#again = again;
    this.#recorded = recorded;
  }

  prepare(actor: Actor): Promise<void> | undefined {
    return actor.adopt(this.#participantId);
  }

  protected work(actor: Actor): Outcome {
    const row = actor.memory.playerOf(this.#participantId);
    // As it is now: they may have come back while this turn was waiting.
    const connected = this.#recorded ?? actor.presence.has(this.#participantId);
    if (row === undefined || (row.values.connected === true) === connected) return { release: () => {} };
    const page = actor.pageOf(this.#participantId);
    if (page === undefined || this.#spoiled !== undefined) return this.#tell(actor, row, connected, page);
    try {
      const { pageIndex, pageOrder } = actor.here(this.#participantId)?.values ?? {};
      const spec = actor.itinerary.page(pageIndex as number, pageOrder);
      return this.#tell(actor, row, connected, page, spec);
    } catch (error) {
      if (error instanceof HookNeeded) throw error;
      // The author's mistake does not change who is there.
      const message = messageOf(error);
      actor.world.log.error("a presence hook failed", { page, error: message, stack: stackOf(error) });
      actor.inspection?.failed(error, { where: `${page} presence`, participantId: this.#participantId });
      return this.#tell(actor, row, connected, page, undefined, { e: { code: codeOf(error), message } });
    }
  }

  spoil(cause: UnitRefusal): void {
    this.#spoiled = cause;
  }

  protected failed(error: WalrasError): void {
    if (error.retry) this.#again();
  }

  /** One unit. @throws whatever the hook throws; then nothing has happened */
  #tell(
    actor: Actor,
    row: Row,
    connected: boolean,
    page: string | undefined,
    spec?: PageSpec,
    failure?: RecordedOutput,
  ): Outcome {
    const dice = this.hooks.dice(actor);
    const at = actor.world.now();
    const view = new DirectView(actor.memory, { what: `${page} presence`, at, random: dice.random });
    try {
      view.unit.set(row, "connected", connected);
      if (connected && isHooked(actor.app) && pendingSystemTimers(view, WATCH, () => true).length === 0) {
        watch(actor, view, at);
      }
      const returned =
        spec?.presence === undefined
          ? undefined
          : this.hooks.call(actor, view, {
              what: view.what,
              hook: spec.presence,
              args: (through: View) => [through.player(row), connected],
              told: connected,
              timeLimit: spec.timeLimit,
              participantId: this.#participantId,
              alone: `presence ${this.#participantId}`,
            });
      const player = row.values.idInGroup as number;
      const mail = post(actor, returned, { where: `${page} presence`, player, page });
      view.finish();
      return {
        unit: view.unit,
        entry: {
          kind: "presence",
          at,
          participantId: this.#participantId,
          input: JSON.stringify({ connected, asyncHooks: this.hooks.used || undefined }),
          seed: dice.seed,
          ...mail.entry,
          ...(failure === undefined ? {} : { output: JSON.stringify(failure) }),
        },
        release: (seq) => mail.deliver(seq),
      };
    } catch (error) {
      view.end();
      view.unit.undo();
      throw error;
    }
  }
}

/** Whether any page of the app wants to be told. */
function isHooked(app: AppSpec): boolean {
  return app.pages.some(({ presence }) => presence !== undefined);
}
