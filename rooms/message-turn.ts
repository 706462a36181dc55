import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { type Answer, Refusal, type Send } from "../client-sdk/protocol.ts";
import type { LiveHandlerSpec, PageSpec } from "../entities/app-spec.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { runIn } from "../entities/current-view.ts";
import { DirectView } from "../entities/direct-view.ts";
import { Dice } from "../entities/random.ts";
import type { Actor } from "./actor.ts";
import { AsyncCall, isAsyncMethod } from "./async-call.ts";
import { chatInput, postMessage } from "./chat-turn.ts";
import { post, type RecordedOutput } from "./deliveries.ts";
import type { Connection } from "./gate.ts";
import { type CallOutput, CallRecord } from "./live-call.ts";
import { withoutType } from "./live-handlers.ts";
import { refusalOf, stackOf } from "./refusals.ts";
import { isReplaced, placeTaken } from "./replacement.ts";
import { isStandardSchema, parseMessage } from "./standard-schema.ts";
import type { Outcome, Turn } from "./turn.ts";

/** A live message as it came in: checked for form, not yet for sense. */
export interface IncomingMessage extends Send {
  /** JSON text of `d`; null if the payload itself is refused. */
  readonly text: string | null;
  /** Set: refused on sight (too large, not JSON); the number is used up all the same. */
  readonly refusal?: WalrasError | undefined;
}

/**
 * One live message of one player.
 *
 * It takes effect once: its number is stored with what it did, and the same number again gets the
 * answer that the journal has.
 */
export class MessageTurn implements Turn {
  readonly bytes: number;
  readonly #participantId: number;
  readonly #message: IncomingMessage;
  /** Where the answer goes; null for messages that came with a form. */
  readonly #from: Connection | null;
  #spoiled: WalrasError | undefined;
  #unstorable = false;
  /** What a method had got from outside when it threw. */
  #results: CallOutput = {};

  constructor(participantId: number, message: IncomingMessage, from: Connection | null) {
    this.#participantId = participantId;
    this.#message = message;
    this.#from = from;
    this.bytes = message.text?.length ?? 0;
  }

  prepare(actor: Actor): Promise<void> | undefined {
    const adopted = actor.adopt(this.#participantId);
    const { c, b } = this.#message;
    const clients = b === undefined ? [c] : [c, b[0]];
    const unknown = clients.filter((client) => !actor.clients.knows(this.#participantId, client));
    if (adopted === undefined && unknown.length === 0) return undefined;
    return this.#read(actor, adopted, unknown);
  }

  async #read(actor: Actor, adopted: Promise<void> | undefined, clients: readonly string[]): Promise<void> {
    await adopted;
    for (const client of clients) {
      const last = await actor.world.store.read.lastNumber(this.#participantId, client);
      actor.clients.learn(this.#participantId, client, last);
    }
  }

  run(actor: Actor): Outcome {
    const { c, n, p, b } = this.#message;
    const participant = actor.here(this.#participantId);
    if (participant === undefined) {
      // They are with another group now. Their page loads again and sends its outbox there.
      return { release: () => this.#from !== null && actor.gate.reload(this.#from, "moved_on") };
    }
    switch (actor.clients.check(this.#participantId, c, n)) {
      case "again":
        return { release: () => void this.#answerAgain(actor) };
      case "early":
        return this.#refuseForNow(actor, Refusal.OUT_OF_ORDER, `Message ${n} came before the one in front of it.`);
      case "unknown":
        // Forgotten between prepare and run, by many page loads at once: read it again.
        return this.#refuseForNow(actor, Refusal.BUSY, "Try again.");
    }
    if (b !== undefined && actor.clients.check(this.#participantId, ...b) !== "again") {
      return this.#refuseForNow(actor, Refusal.OUT_OF_ORDER, "It came before the last message of the page before.");
    }
    try {
      if (this.#spoiled !== undefined) throw this.#spoiled;
      if (this.#message.refusal !== undefined) throw this.#message.refusal;
      if (isReplaced(participant)) throw placeTaken();
      if (actor.pageOf(this.#participantId) !== p) {
        throw new WalrasError(
          Refusal.WRONG_PAGE,
          `The message was sent from page ${p}, but the participant is on ${actor.pageOf(this.#participantId) ?? "no page"} now.`,
        );
      }
      const page = this.#page(actor);
      if (this.#isChat) return postMessage(actor, this.#participantId, page, this.#message, this.#from);
      if (page.live === undefined) {
        throw new WalrasError(Refusal.NOT_LIVE, `${p} has no live method, so liveSend cannot be used there.`);
      }
      const data = this.#data(page);
      const handler = page.live(data);
      if (isAsyncMethod(handler.handle)) {
        const { asyncCalls } = actor.world.limits;
        if ((actor.asyncCalls.get(this.#participantId) ?? 0) >= asyncCalls) {
          return this.#refuseForNow(actor, Refusal.BUSY, `${asyncCalls} messages are being worked on already.`);
        }
        return this.#start(actor, page, handler, this.#ownData(handler, data));
      }
      return this.#call(actor, handler, this.#ownData(handler, data));
    } catch (error) {
      return this.#refuse(actor, error);
    }
  }

  spoil(cause: UnitRefusal): void {
    // A refusal that the database refuses too is answered, but not kept.
    this.#unstorable = this.#spoiled !== undefined;
    this.#spoiled =
      cause.why === "duplicate"
        ? new WalrasError(Refusal.NUMBER_REUSED, "The same message number was used in another group.")
        : new WalrasError(Refusal.FAILED, `The database refused what the message changed: ${cause.error.message}`, {
            cause: cause.error,
          });
  }

  fail(error: WalrasError): void {
    this.#failed?.(error);
  }

  /** Set by {@link onFail}. */
  #failed: ((error: WalrasError) => void) | undefined;

  /** Told when it could not be carried out here. */
  onFail(callback: (error: WalrasError) => void): this {
    this.#failed = callback;
    return this;
  }

  get #isChat(): boolean {
    return this.#message.t !== undefined;
  }

  /** What came in, as the journal keeps it. */
  #input(actor: Actor): string | null {
    return this.#isChat && this.#message.text !== null
      ? chatInput(actor, this.#participantId, this.#message)
      : this.#message.text;
  }

  #page(actor: Actor): PageSpec {
    const { pageIndex, pageOrder } = actor.here(this.#participantId)?.values ?? {};
    return actor.itinerary.page(pageIndex as number, pageOrder);
  }

  #data(page: PageSpec): unknown {
    const { d, p } = this.#message;
    return isStandardSchema(page.message) ? parseMessage(page.message, d, p) : d;
  }

  /** What a handler with a schema of its own gets. */
  #ownData({ message }: LiveHandlerSpec, data: unknown): unknown {
    return isStandardSchema(message) ? parseMessage(message, withoutType(data), this.#message.p) : data;
  }

  /** The sync way: one unit. */
  #call(actor: Actor, { handle, reply }: LiveHandlerSpec, data: unknown): Outcome {
    const { memory, world } = actor;
    const { c, n, p, text } = this.#message;
    const player = memory.playerOf(this.#participantId);
    if (player === undefined) throw new Error(`no player of participant ${this.#participantId}`);
    const dice = new Dice(world.newSeed);
    const at = world.now();
    const view = new DirectView(memory, { what: `${p} live`, at, random: dice.random });
    const call = new CallRecord(`${p} live`, false, reply);
    try {
      const method = handle as (player: unknown, data: unknown, call: unknown) => unknown;
      const returned = world.watchdog.watch(`${p} live`, () =>
        runIn(view, () => method(view.player(player), data, call.handle)),
      );
      const sender = player.values.idInGroup as number;
      const rest = call.output();
      const mail = post(actor, returned, { where: `${p} live`, player: sender, page: p, reach: "sender", rest });
      view.finish();
      const undo = actor.clients.use(this.#participantId, c, n);
      const { unit } = view;
      return {
        unit,
        undo,
        entry: {
          kind: "message",
          at,
          participantId: this.#participantId,
          clientId: c,
          n,
          input: text,
          seed: dice.seed,
          ...mail.entry,
        },
        release: (seq) => {
          const answer: Answer = "v" in rest ? { c, n, v: rest.v } : { c, n };
          mail.deliver(seq, this.#from === null ? undefined : { to: this.#from, answer });
        },
      };
    } catch (error) {
      view.end();
      view.unit.undo();
      this.#results = call.results();
      throw error;
    } finally {
      call.end();
    }
  }

  /** The async way: a `started` unit now, and the call begins when that has committed, so that a crash never runs it twice. */
  #start(actor: Actor, page: PageSpec, handler: LiveHandlerSpec, data: unknown): Outcome {
    const { c, n, p, text } = this.#message;
    const forget = actor.clients.use(this.#participantId, c, n);
    const hold = page.concurrency === "serial" ? {} : undefined;
    // From this turn on, since the next one in the mailbox does not wait for the commit after which the call begins.
    if (hold !== undefined) actor.hold(hold);
    return {
      undo() {
        forget();
        if (hold !== undefined) actor.unhold(hold);
      },
      entry: {
        kind: "started",
        at: actor.world.now(),
        participantId: this.#participantId,
        page: p,
        clientId: c,
        n,
        input: text,
      },
      release: () => {
        const { timeLimit } = page;
        const participantId = this.#participantId;
        const call = new AsyncCall(actor, { participantId, page: p, c, n, handler, data, timeLimit, hold });
        if (this.#from !== null) call.answerTo(this.#from, actor.gate);
        call.begin();
      },
    };
  }

  /** Refused for good: the answer is kept, so that the same number gets it again. */
  #refuse(actor: Actor, error: unknown): Outcome {
    const { c, n, p } = this.#message;
    const where = this.#isChat ? `${p} onChat` : `${p} live`;
    const refusal = refusalOf(error, actor.world.development);
    if (refusal.code === Refusal.FAILED) {
      actor.world.log.error("a live method failed", { page: p, error: messageOf(error), stack: stackOf(error) });
    }
    const undo = actor.clients.use(this.#participantId, c, n);
    const output: RecordedOutput = { e: { code: refusal.code, message: refusal.message }, ...this.#results };
    const answer: Answer = { c, n, e: refusal };
    const release = (): void => {
      actor.inspection?.failed(error, { where, participantId: this.#participantId, c, n });
      if (this.#from !== null) actor.gate.answer(this.#from, answer);
    };
    if (this.#unstorable) return { undo, release };
    return {
      undo,
      entry: {
        kind: this.#isChat ? "chat" : "refused",
        at: actor.world.now(),
        participantId: this.#participantId,
        page: p,
        clientId: c,
        n,
        input: this.#spoiled === undefined ? this.#input(actor) : null,
        output: JSON.stringify(output),
      },
      release,
    };
  }

  /** Not carried out, and to be sent again: nothing is kept. */
  #refuseForNow(actor: Actor, code: string, message: string): Outcome {
    const { c, n } = this.#message;
    return {
      release: () => {
        if (this.#from !== null) actor.gate.refuse(this.#from, c, n, { code, message, retry: true });
      },
    };
  }

  /** The number is in the journal: the answer is what it says there. */
  async #answerAgain(actor: Actor): Promise<void> {
    const { c, n } = this.#message;
    const text = this.#input(actor);
    const from = this.#from;
    if (from === null) return;
    try {
      const { read } = actor.world.store;
      const entry = await read.message(this.#participantId, c, n);
      if (entry === undefined) {
        // Its refusal could not be stored either.
        const message = "The database refused the message.";
        actor.gate.refuse(from, c, n, { code: Refusal.FAILED, message, retry: false });
        return;
      }
      if (entry.input !== null && text !== null && entry.input !== text) {
        const message = `Message number ${n} was used before for other data.`;
        actor.gate.refuse(from, c, n, { code: Refusal.NUMBER_REUSED, message, retry: false });
        return;
      }
      if (entry.kind === "started") {
        const running = AsyncCall.running(actor.world, this.#participantId, c, n);
        if (running !== undefined) {
          running.answerTo(from, actor.gate);
          return;
        }
        const done = await read.message(this.#participantId, c, -n);
        actor.gate.answer(from, done === undefined ? interrupted(c, n) : recordedAnswer(c, n, done.output));
        return;
      }
      actor.gate.answer(from, recordedAnswer(c, n, entry.output));
    } catch (error) {
      const message = `The database cannot be read: ${messageOf(error)}`;
      actor.gate.refuse(from, c, n, { code: Refusal.HALTED, message, retry: true });
    }
  }
}

function interrupted(c: string, n: number): Answer {
  const message = "The server stopped while it worked on this message. What it had done until then is kept.";
  return { c, n, e: { code: Refusal.INTERRUPTED, message, retry: false } };
}

function recordedAnswer(c: string, n: number, output: string | null): Answer {
  const recorded = output === null ? {} : (JSON.parse(output) as RecordedOutput);
  if (recorded.e !== undefined) return { c, n, e: { ...recorded.e, retry: false } };
  return "v" in recorded ? { c, n, v: recorded.v } : { c, n };
}
