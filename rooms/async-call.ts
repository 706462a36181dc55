import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { type Answer, Refusal } from "../client-sdk/protocol.ts";
import type { LiveMethod } from "../entities/app-spec.ts";
import { BufferedView } from "../entities/buffered-view.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { Dice } from "../entities/random.ts";
import type { EntryKind } from "../entities/store.ts";
import { Unit } from "../entities/unit.ts";
import { runInAsync } from "../entities/view.ts";
import type { Actor, Outcome, Turn } from "./actor.ts";
import { type Outgoing, outputToJson, type RecordedOutput, route } from "./deliveries.ts";
import type { Connection } from "./gate.ts";
import { refusalOf, stackOf } from "./refusals.ts";

/** Whether a live method may wait: declared `async`, with or without `*`. */
export function isAsyncMethod(live: LiveMethod): boolean {
  const kind = live.constructor.name;
  return kind === "AsyncFunction" || kind === "AsyncGeneratorFunction";
}

interface CallOptions {
  readonly participantId: number;
  readonly page: string;
  readonly c: string;
  readonly n: number;
  readonly live: LiveMethod;
  readonly data: unknown;
}

/** Calls under way, by actor and by client number. */
const underWay = new WeakMap<Actor, Map<string, AsyncCall>>();

/**
 * A live method that waits for something. Its unit ends at each `yield` and at return: the writes and
 * deliveries up to there go through the mailbox as one turn, are committed, then delivered, and then
 * the call goes on. The group plays meanwhile.
 */
export class AsyncCall {
  readonly #actor: Actor;
  readonly #options: CallOptions;
  readonly #view: BufferedView;
  readonly #askers = new Set<Connection>();

  constructor(actor: Actor, options: CallOptions) {
    this.#actor = actor;
    this.#options = options;
    this.#view = new BufferedView(actor.memory, {
      what: `${options.page} live`,
      // Replay takes the recorded changes of async units, so these dice need no recorded seed.
      random: new Dice(actor.world.newSeed).random,
      clock: actor.world.now,
    });
  }

  static running(actor: Actor, c: string, n: number): AsyncCall | undefined {
    return underWay.get(actor)?.get(`${c}:${n}`);
  }

  /** The answer goes to this connection (too). */
  answerTo(connection: Connection): void {
    this.#askers.add(connection);
  }

  begin(): void {
    const calls = underWay.get(this.#actor) ?? new Map<string, AsyncCall>();
    underWay.set(this.#actor, calls);
    const key = `${this.#options.c}:${this.#options.n}`;
    calls.set(key, this);
    this.#actor.asyncCalls++;
    void this.#run().finally(() => {
      this.#view.end();
      calls.delete(key);
      this.#actor.asyncCalls--;
      this.#actor.lastActive = this.#actor.world.monotonic();
    });
  }

  async #run(): Promise<void> {
    const { page } = this.#options;
    try {
      await this.#finish(await this.#carryOut());
    } catch (error) {
      if (error instanceof GroupGone) return;
      this.#view.discard();
      this.#actor.world.log.error("an async live method failed", {
        page,
        error: messageOf(error),
        stack: stackOf(error),
      });
      await this.#end(error).catch(() => {});
    }
  }

  /** Runs the author's code, with a unit for each yield; gives what it returned. */
  async #carryOut(): Promise<unknown> {
    const { live, data, participantId } = this.#options;
    const row = this.#actor.memory.playerOf(participantId);
    if (row === undefined) throw new Error(`no player of participant ${participantId}`);
    const method = live as (player: unknown, data: unknown) => unknown;
    const player = this.#view.player(row);
    const started = runInAsync(this.#view, () => method(player, data));
    if (!isAsyncIterator(started)) return started;
    let step = await this.#step(() => started.next());
    while (step.done !== true) {
      const yielded = step.value;
      let failure: { error: unknown } | undefined;
      try {
        await this.#unit("yield", this.#route(yielded));
      } catch (error) {
        if (error instanceof GroupGone) {
          // Nobody is left to deliver to; let the author's `finally` blocks run.
          await started.return?.(undefined);
          throw error;
        }
        // A stale write shows at the yield too, where the author may catch it and decide anew.
        this.#view.discard();
        failure = { error };
      }
      const failed = failure;
      step = await this.#step(() =>
        failed === undefined
          ? started.next()
          : started.throw
            ? started.throw(failed.error)
            : Promise.reject(failed.error),
      );
    }
    return step.value;
  }

  #step<T>(go: () => Promise<T>): Promise<T> {
    return runInAsync(this.#view, go);
  }

  #route(returned: unknown): Outgoing[] {
    const { page } = this.#options;
    const actor = this.#actor;
    return route(returned, actor.memory.players.length, (id) => actor.isOnPage(id, page), page);
  }

  #finish(returned: unknown): Promise<void> {
    return this.#unit("done", this.#route(returned), null);
  }

  #end(error: unknown): Promise<void> {
    return this.#unit("done", [], error);
  }

  /** Sends what was written and is to be delivered through the mailbox; resolves when it has committed. */
  #unit(kind: EntryKind, outgoing: readonly Outgoing[], error: unknown = null): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const { participantId, page, c, n } = this.#options;
      const actor = this.#actor;
      const view = this.#view;
      const output: RecordedOutput | undefined = error === null ? undefined : { e: refusalBody(error) };
      let refusal: Error | undefined;
      const turn: Turn = {
        bytes: outgoing.reduce((sum, { text }) => sum + text.length, 0),
        run(): Outcome {
          const unit = new Unit(actor.memory);
          try {
            if (refusal !== undefined) throw refusal;
            view.apply(unit);
          } catch (failure) {
            unit.undo();
            return { release: () => reject(failure) };
          }
          return {
            unit,
            entry: {
              kind,
              at: actor.world.now(),
              participantId,
              page,
              // The end of call n is kept under -n, so that a message sent again finds its answer.
              ...(kind === "done" ? { clientId: c, n: -n } : {}),
              output: output === undefined ? outputToJson(outgoing) : JSON.stringify(output),
            },
            release: (seq) => {
              view.applied(unit);
              actor.gate.deliver(seq, page, outgoing);
              resolve();
            },
          };
        },
        spoil(cause: UnitRefusal) {
          refusal =
            cause.why === "data"
              ? new WalrasError(Refusal.FAILED, `The database refused what the call changed: ${cause.error.message}`)
              : new WalrasError(Refusal.NUMBER_REUSED, "The message was answered already.");
        },
        fail: (failure) => reject(new GroupGone(failure.message)),
      };
      actor.post(turn);
    }).then(() => {
      if (kind === "done") this.#answer(error);
    });
  }

  #answer(error: unknown): void {
    const { c, n } = this.#options;
    const answer: Answer = error === null ? { c, n } : { c, n, e: { ...refusalBody(error), retry: false } };
    for (const connection of this.#askers) this.#actor.gate.answer(connection, answer);
  }
}

/** The actor ended while the call was under way. */
class GroupGone extends Error {}

function refusalBody(error: unknown): { code: string; message: string } {
  const { code, message } = refusalOf(error);
  return { code, message };
}

function isAsyncIterator(value: unknown): value is AsyncGenerator<unknown, unknown, unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
