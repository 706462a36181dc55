import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { type Answer, Refusal } from "../client-sdk/protocol.ts";
import type { LiveHandlerSpec, LiveMethod } from "../entities/app-spec.ts";
import { BufferedView, StaleWrite } from "../entities/buffered-view.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { runInAsync } from "../entities/current-view.ts";
import { Dice } from "../entities/random.ts";
import type { EntryKind } from "../entities/store.ts";
import { Unit } from "../entities/unit.ts";
import type { Actor } from "./actor.ts";
import type { ActorWorld } from "./actor-world.ts";
import type { Addressed } from "./addresses.ts";
import type { RunningCall } from "./call-end.ts";
import { CallCut, CallEnd, interrupted } from "./call-end.ts";
import { addressFrom, type Mail, type RecordedOutput, type Sender, send } from "./deliveries.ts";
import type { Connection, Gate } from "./gate.ts";
import { CallRecord } from "./live-call.ts";
import { refusalOf, stackOf } from "./refusals.ts";
import type { Outcome, Turn } from "./turn.ts";

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
  readonly handler: LiveHandlerSpec;
  readonly data: unknown;
  /** Seconds; undefined: as long as any. */
  readonly timeLimit: number | undefined;
  /** What holds the group for this call, if it is serial. */
  readonly hold: object | undefined;
}

/** Calls under way in all groups of a process, by participant and client number: who asks again may be in the next
 * group by then. */
const underWay = new WeakMap<ActorWorld, Map<string, AsyncCall>>();

function callsOf(world: ActorWorld): Map<string, AsyncCall> {
  let calls = underWay.get(world);
  if (calls === undefined) {
    calls = new Map();
    underWay.set(world, calls);
  }
  return calls;
}

/**
 * A live method that waits for something. Its unit ends at each `yield` and at return: the writes and
 * deliveries up to there go through the mailbox as one turn, are committed, then delivered, and then
 * the call goes on. The group plays meanwhile.
 */
export class AsyncCall implements RunningCall {
  readonly #actor: Actor;
  readonly #options: CallOptions;
  readonly #view: BufferedView;
  readonly #call: CallRecord;
  readonly #ending: CallEnd;
  /** Who gets the answer, through the gate of the group that they are in. */
  readonly #askers = new Map<Connection, Gate>();

  constructor(actor: Actor, options: CallOptions) {
    this.#actor = actor;
    this.#options = options;
    this.#call = new CallRecord(`${options.page} live`, true, options.handler.reply);
    this.#ending = new CallEnd(this.#call, actor.world);
    this.#view = new BufferedView(actor.memory, {
      what: `${options.page} live`,
      // Replay takes the recorded changes of async units, so these dice need no recorded seed.
      random: new Dice(actor.world.newSeed).random,
      clock: actor.world.now,
    });
  }

  /** The call of this number, if it is under way in this process. */
  static running(world: ActorWorld, participantId: number, c: string, n: number): AsyncCall | undefined {
    const call = callsOf(world).get(`${participantId}:${c}:${n}`);
    // With its actor, a call has lost the way to store or send anything.
    return call === undefined || call.#actor.dead ? undefined : call;
  }

  /** The answer goes to this connection (too). */
  answerTo(connection: Connection, gate: Gate): void {
    this.#askers.set(connection, gate);
  }

  get participantId(): number {
    return this.#options.participantId;
  }

  get page(): string {
    return this.#options.page;
  }

  abort(reason: WalrasError): void {
    this.#call.abort(reason);
  }

  end(reason: WalrasError): void {
    this.#ending.end(reason);
  }

  begin(): void {
    const actor = this.#actor;
    const { page, timeLimit, hold } = this.#options;
    callsOf(actor.world).set(this.#key, this);
    this.#count(1);
    actor.calls.add(this);
    this.#ending.startLimit(`${page} live`, timeLimit);
    void this.#run().finally(() => {
      this.#forget();
      this.#close();
      this.#ending.stop();
      this.#count(-1);
      actor.calls.delete(this);
      actor.lastActive = actor.world.monotonic();
      if (hold !== undefined) actor.unhold(hold);
    });
  }

  /** Nothing that the author's code does from here on has an effect. */
  #close(): void {
    this.#view.end();
    this.#call.end();
  }

  get #key(): string {
    const { participantId, c, n } = this.#options;
    return `${participantId}:${c}:${n}`;
  }

  #count(difference: 1 | -1): void {
    const { asyncCalls } = this.#actor;
    const { participantId } = this.#options;
    const count = (asyncCalls.get(participantId) ?? 0) + difference;
    if (count === 0) asyncCalls.delete(participantId);
    else asyncCalls.set(participantId, count);
  }

  #forget(): void {
    const calls = callsOf(this.#actor.world);
    if (calls.get(this.#key) === this) calls.delete(this.#key);
  }

  async #run(): Promise<void> {
    try {
      const { returned, endedBy } = await this.#carryOut();
      await this.#unit("done", this.#route(returned), endedBy ?? null);
    } catch (error) {
      if (error instanceof GroupGone) return;
      this.#view.discard();
      if (error instanceof CallCut) this.#close();
      // Code that is told to end mostly does so by an error, its own or that of whatever it had given the signal to.
      const reason = this.#call.abortedBy ?? error;
      this.#report(error);
      await this.#fail(reason);
    }
  }

  async #fail(reason: unknown, tries = 1): Promise<void> {
    try {
      await this.#unit("done", [], reason);
    } catch (failure) {
      // What it saw when it failed was taken back: its reason may come of that, and must not get out.
      if (failure instanceof StaleWrite && tries < 10) {
        this.#view.discard();
        await this.#fail(failure, tries + 1);
      } else if (!(failure instanceof GroupGone)) {
        // An end that cannot be stored is answered all the same.
        this.#answer(reason);
      }
    }
  }

  #report(error: unknown): void {
    const { log } = this.#actor.world;
    const { page } = this.#options;
    const { abortedBy } = this.#call;
    if (abortedBy === undefined) {
      log.error("an async live method failed", { page, error: messageOf(error), stack: stackOf(error) });
    } else if (!this.#actor.dead) {
      const ended = { page, why: abortedBy.code, error: messageOf(error) };
      log.warn(error instanceof CallCut ? "an async live method was cut off" : "an async live method was ended", ended);
    }
  }

  /** Runs the author's code, with a unit for each yield; gives what it returned, or why it was ended at a yield. */
  async #carryOut(): Promise<{ returned?: unknown; endedBy?: WalrasError | undefined }> {
    const { handler, data, participantId } = this.#options;
    const row = this.#actor.memory.playerOf(participantId);
    if (row === undefined) throw new Error(`no player of participant ${participantId}`);
    const method = handler.handle as (player: unknown, data: unknown, call: unknown) => unknown;
    const player = this.#view.player(row);
    const started = this.#step(() => method(player, data, this.#call.handle));
    if (!isAsyncIterator(started)) return { returned: await this.#ending.wait(started) };
    let step = await this.#next(started, () => started.next());
    let endedBy: WalrasError | undefined;
    while (step.done !== true) {
      const yielded = step.value;
      let failure: { error: unknown } | undefined;
      try {
        await this.#unit("yield", this.#route(yielded));
      } catch (error) {
        if (error instanceof GroupGone) {
          // Nobody is left to deliver to; let the author's `finally` blocks run.
          this.end(interrupted());
          await this.#next(started, () => started.return(undefined)).catch(() => {});
          throw error;
        }
        // A stale write shows at the yield too, where the author may catch it and decide anew.
        this.#view.discard();
        failure = { error };
      }
      const failed = failure;
      if (this.#ending.reason !== undefined && endedBy === undefined) {
        endedBy = this.#ending.reason;
        step = await this.#next(started, () => started.return(undefined));
      } else {
        step = await this.#next(started, () => (failed === undefined ? started.next() : started.throw(failed.error)));
      }
    }
    return endedBy === undefined ? { returned: step.value } : { endedBy };
  }

  /** The generator's next yield or end. */
  async #next(generator: AuthorGenerator, go: () => Promise<AuthorStep>): Promise<AuthorStep> {
    const step = this.#step(go);
    try {
      return await this.#ending.wait(step);
    } catch (error) {
      // What it waits for may still come: then its `finally` blocks run.
      if (error instanceof CallCut) step.then(() => generator.return(undefined)).catch(() => {});
      throw error;
    }
  }

  /** Runs the author's code up to where it waits; what it does after that, the watchdog cannot tell from others. */
  #step<T>(go: () => T): T {
    return this.#actor.world.watchdog.watch(`${this.#options.page} live`, () => runInAsync(this.#view, go));
  }

  /** To all whom it names: who is on the page then shows in its turn. */
  #route(returned: unknown): Addressed[] {
    return addressFrom(this.#actor, returned, this.#sender);
  }

  get #sender(): Sender {
    const { page, participantId } = this.#options;
    const player = this.#actor.memory.playerOf(participantId)?.values.idInGroup as number | undefined;
    return { where: `${page} live`, player, page, reach: "sender" };
  }

  /** Sends what was written and is to be delivered through the mailbox; resolves when it has committed. */
  #unit(kind: EntryKind, addressed: readonly Addressed[], error: unknown = null): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const { participantId, c, n } = this.#options;
      const actor = this.#actor;
      const view = this.#view;
      const end: RecordedOutput =
        error !== null ? { e: this.#refusal(error) } : kind === "done" ? this.#call.reply() : {};
      const results = this.#call.results();
      let refusal: Error | undefined;
      const turn: Turn = {
        bytes: addressed.reduce((sum, { text }) => sum + text.length, 0),
        run: (): Outcome => {
          const unit = new Unit(actor.memory);
          let mail: Mail;
          try {
            if (refusal !== undefined) throw refusal;
            mail = send(actor, addressed, { ...this.#sender, rest: { ...end, ...results } });
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
              ...mail.entry,
              // The end of call n is kept under -n, so that a message sent again finds its answer.
              ...(kind === "done" ? { clientId: c, n: -n } : {}),
            },
            release: (seq) => {
              view.applied(unit);
              this.#call.journaled(results);
              mail.deliver(seq);
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
      actor.resume(turn, this.#options.hold);
    }).then(() => {
      if (kind === "done") this.#answer(error);
    });
  }

  #refusal(error: unknown): { code: string; message: string } {
    const { code, message } = refusalOf(error, this.#actor.world.development);
    return { code, message };
  }

  #answer(error: unknown): void {
    // From here on the journal has the answer.
    this.#forget();
    const { c, n } = this.#options;
    const answer: Answer =
      error === null ? { c, n, ...this.#call.reply() } : { c, n, e: { ...this.#refusal(error), retry: false } };
    const where = `${this.#options.page} live`;
    if (error !== null)
      this.#actor.inspection?.failed(error, { where, participantId: this.#options.participantId, c, n });
    for (const [connection, gate] of this.#askers) gate.answer(connection, answer);
  }
}

/** The actor ended while the call was under way. */
class GroupGone extends Error {}

type AuthorGenerator = AsyncGenerator<unknown, unknown, unknown>;
type AuthorStep = IteratorResult<unknown, unknown>;

function isAsyncIterator(value: unknown): value is AuthorGenerator {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
