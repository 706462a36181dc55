import { AuthorError, messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import { isSystemTimer, nextTimer, payloadOf } from "../entities/timers.ts";
import { Unit } from "../entities/unit.ts";
import type { View } from "../entities/view.ts";
import type { Actor } from "./actor.ts";
import type { Firing } from "./author-types.ts";
import { post, type RecordedOutput } from "./deliveries.ts";
import { HookedTurn } from "./hooked-turn.ts";
import { HookNeeded } from "./hooks.ts";
import { refusalOf, stackOf } from "./refusals.ts";
import { systemTimerHandler } from "./system-timers.ts";
import { holdTimer, keepHolding } from "./timer-hold.ts";
import type { Outcome } from "./turn.ts";

/** Code of a firing that the database did not take. */
export const REFUSED_BY_STORE = "refused_by_store";

/** What fires a group's timers, as a turn needs it. */
export interface TimerWatch {
  /** The turn that was posted is running. */
  begun(actor: Actor): void;
  /** Which timer is next may be another than before. */
  look(actor: Actor): void;
}

/** What the journal keeps of a firing, beside the unit's time. */
export interface RecordedFiring {
  n: number;
  name: string;
  dueAt: number;
  missed?: number;
  payload?: unknown;
  /** The handler, or a hook of the page on which it works, has waited. */
  asyncHooks?: true;
}

/**
 * Fires the timer of a group that is due first when the turn comes: a handler before it may have set an earlier
 * one, or cancelled it. The row goes (or, of `every`, gets its next deadline) in the same unit as what the
 * handler does, so that each deadline takes effect exactly once, whoever fires it. While an async handler runs, the
 * group's other timers fire; cancelling this one then makes what the handler does come to nothing.
 */
export class TimerTurn extends HookedTurn {
  readonly #watch: TimerWatch;
  readonly #recorded: number | undefined;
  /** The timer that this turn has fired. */
  #fired: number | undefined;
  /** Set while an async hook of it runs: this turn's timer, as the hook was told of it. */
  #running: { row: Row; firing: Firing } | undefined;
  /** The database refused what the handler did. */
  #spoiled: UnitRefusal | undefined;
  #unstorable = false;

  /** @param recorded number of the one that fired, when the group is run again: one before it may have been running */
  constructor(watch: TimerWatch, recorded?: number) {
    super();
    this.#watch = watch;
    this.#recorded = recorded;
  }

  protected work(actor: Actor): Outcome {
    if (this.#running === undefined) this.#watch.begun(actor);
    const at = actor.world.now();
    const row = this.#row(actor, at);
    if (row === undefined) {
      // Cancelled meanwhile, or fired by a turn that ran again.
      this.#watch.look(actor);
      return { release: () => this.#stop(actor) };
    }
    this.#fired = row.values.n as number;
    if (this.#spoiled !== undefined) return this.#refuse(actor, row, at, refusedByStore(this.#spoiled));
    return this.#fire(actor, row, at);
  }

  /** An async hook is going to run: until it is through, the group's other timers are its next ones. */
  #start(actor: Actor, row: Row, firing: Firing): void {
    if (this.#running !== undefined) return;
    this.#running = { row, firing };
    actor.memory.firing.add(row);
    this.#watch.look(actor);
    keepHolding(actor, row);
  }

  protected override hold(actor: Actor): Pick<Outcome, "unit" | "entry"> {
    const row = this.#running?.row;
    return row === undefined || row.values.heldUntil != null ? {} : holdTimer(actor, row);
  }

  /** It has fired, or is not going to. */
  #stop(actor: Actor): void {
    if (this.#running === undefined) return;
    actor.memory.firing.delete(this.#running.row);
    this.#watch.look(actor);
  }

  spoil(cause: UnitRefusal): void {
    this.#unstorable = this.#spoiled !== undefined;
    this.#spoiled = cause;
  }

  /** The group has ended here. Its timers are in the database, and fire where it is loaded next. */
  protected failed(): void {}

  #row(actor: Actor, at: number): Row | undefined {
    const { memory } = actor;
    if (this.#running !== undefined) return this.#running.row.deleted ? undefined : this.#running.row;
    const known = this.#recorded ?? (this.#spoiled === undefined ? undefined : this.#fired);
    const row = known === undefined ? nextTimer(memory) : memory.timers.get(known);
    return row === undefined || row.deleted || (row.values.dueAt as number) > at ? undefined : row;
  }

  #fire(actor: Actor, row: Row, at: number): Outcome {
    const name = row.values.name as string;
    const dice = this.hooks.dice(actor);
    const what = `${actor.app.name}/timer ${name}`;
    const view = new DirectView(actor.memory, { what, at, random: dice.random });
    const timer = this.#running?.firing ?? firingOf(row, at);
    try {
      const payload = payloadOf(row.values.payload as string | null);
      this.#takeOff(actor, view.unit, row, timer);
      const done = isSystemTimer(name)
        ? systemTimerHandler(name)({ actor, view, hooks: this.hooks, payload, dueAt: timer.dueAt, at })
        : { deliveries: this.#callAuthor(actor, view, row, payload, timer) };
      const { deliveries, where = what, player, participantId, page, release } = done ?? {};
      const mail = post(actor, deliveries, { where, player, page });
      view.finish();
      return {
        unit: view.unit,
        entry: {
          kind: "timer",
          at,
          input: inputOf(row, timer, this.hooks.used),
          seed: dice.seed,
          participantId,
          ...mail.entry,
        },
        release: (seq) => {
          this.#stop(actor);
          mail.deliver(seq);
          release?.();
        },
      };
    } catch (error) {
      view.end();
      view.unit.undo();
      if (error instanceof HookNeeded) {
        this.#start(actor, row, timer);
        throw error;
      }
      return this.#refuse(actor, row, at, error);
    }
  }

  #callAuthor(actor: Actor, view: DirectView, row: Row, payload: unknown, timer: Firing): unknown {
    // Nobody is left whom it could concern: of `every`, this was the last.
    if (row.deleted && row.values.everySeconds !== null) return undefined;
    const { app } = actor;
    const spec = app.timers.get(timer.name);
    if (spec === undefined) {
      throw new AuthorError(
        "unknown_timer",
        `${app.name}: a timer "${timer.name}" is due, but the app has none of that name any more. Put app.timer("${timer.name}", ...) back.`,
      );
    }
    const args = (through: View) => [through.group(), payload, timer];
    return this.hooks.call(actor, view, { what: view.what, hook: spec.handle, args, timeLimit: spec.timeLimit });
  }

  /** It has fired: the row goes, or gets its next deadline. */
  #takeOff(actor: Actor, unit: Unit, row: Row, { dueAt, missed }: Firing): void {
    const every = row.values.everySeconds as number | null;
    if (row.values.heldUntil != null) unit.set(row, "heldUntil", null);
    if (every === null || actor.isOver) unit.delete(row);
    // From the deadline, not from now: an interval that is a little late each time must not drift.
    else unit.set(row, "dueAt", dueAt + (1 + missed) * Math.round(every * 1000));
  }

  /** The handler's unit is dropped; an entry keeps that, and the timer does not fire for it again. */
  #refuse(actor: Actor, row: Row, at: number, error: unknown): Outcome {
    const { app, world, memory } = actor;
    const timer = this.#running?.firing ?? firingOf(row, at);
    world.log.error("a timer failed", {
      app: app.name,
      timer: timer.name,
      actor: actor.actorId,
      error: messageOf(error),
      stack: stackOf(error),
    });
    actor.inspection?.failed(error, { where: `${app.name} timer "${timer.name}"` });
    if (this.#unstorable) {
      // Not even that can be stored: it stays in the database, and is left alone until the group is loaded again.
      row.deleted = true;
      return { release: () => this.#stop(actor) };
    }
    const unit = new Unit(memory);
    this.#takeOff(actor, unit, row, timer);
    const { code, message } = refusalOf(error, world.development);
    const output: RecordedOutput = { e: { code, message } };
    return {
      unit,
      entry: {
        kind: "timer",
        at,
        input: inputOf(row, timer, this.hooks.used),
        output: JSON.stringify(output),
      },
      release: () => this.#stop(actor),
    };
  }
}

function firingOf(row: Row, at: number): Firing {
  const { n, name, dueAt, everySeconds } = row.values as {
    n: number;
    name: string;
    dueAt: number;
    everySeconds: number | null;
  };
  const missed = everySeconds === null ? 0 : Math.floor((at - dueAt) / Math.round(everySeconds * 1000));
  return { id: n, name, dueAt, missed };
}

/** JSON text of {@link RecordedFiring}. */
function inputOf(row: Row, { id, name, dueAt, missed }: Firing, asyncHooks: boolean): string {
  const waited: Pick<RecordedFiring, "asyncHooks"> = asyncHooks ? { asyncHooks } : {};
  const firing: RecordedFiring = { n: id, name, dueAt, ...(missed > 0 ? { missed } : {}), ...waited };
  const payload = row.values.payload as string | null;
  const text = JSON.stringify(firing);
  return payload === null ? text : `${text.slice(0, -1)},"payload":${payload}}`;
}

function refusedByStore(cause: UnitRefusal): WalrasError {
  const why = cause.why === "data" ? cause.error.message : "the same number was used before";
  return new WalrasError(REFUSED_BY_STORE, `The database refused what the timer changed: ${why}`);
}
