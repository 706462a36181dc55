import { codeOf, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import type { Values } from "../entities/tables.ts";
import { Actor } from "./actor.ts";
import type { ActorWorld } from "./actor-world.ts";
import { isLobby } from "./arrivals.ts";
import { Barriers } from "./barriers.ts";
import { interrupted } from "./call-end.ts";
import type { Command, Reply } from "./calls.ts";
import { checkOutgoing } from "./frames.ts";
import { HookRuns } from "./hook-run.ts";
import { type IncomingMessage, MessageTurn } from "./message-turn.ts";
import { PageTurn } from "./page-turns.ts";
import { type Absence, isSpared, NO_ABSENCE, replaceAnywhere } from "./replacement.ts";
import { TimerIndex } from "./timer-index.ts";
import { WaitTurn } from "./wait-turns.ts";

/** How long a request waits for its group before it is told to try again, in milliseconds. */
const CALL_TIMEOUT = 10_000;
const RESTARTING = "The server is restarting. Try again in a moment.";
/** A request is repeated by itself when its group moves, this often. */
const CALL_TRIES = 4;

/** The actors of this process: one per group, loaded on demand, put aside when idle. */
export class Actors {
  readonly world: ActorWorld;
  /** Fires the groups' timers: of those that are loaded; of all, when it has been started. */
  readonly timers: TimerIndex;
  readonly #actors = new Map<number, Actor>();
  /** Hooks under way that are part of no group's turn. */
  readonly hooks: HookRuns;
  readonly #barriers = new Barriers(this);
  /** Groups of which no actor may come to life at the moment. */
  readonly #barred = new Map<number, Promise<void>>();
  #stopping = false;

  constructor(world: ActorWorld) {
    this.world = world;
    this.hooks = new HookRuns(world);
    this.timers = new TimerIndex(this);
  }

  get size(): number {
    return this.#actors.size;
  }

  /** The server ends: what waits is finished, and nothing new is taken. */
  get stopping(): boolean {
    return this.#stopping;
  }

  get sockets(): number {
    let sum = 0;
    for (const actor of this.#loaded()) sum += actor.gate.size;
    return sum;
  }

  has(actorId: number): boolean {
    return this.#actors.has(actorId);
  }

  /** The group's actor if there is one in this process; it may still be loading. */
  find(actorId: number): Actor | undefined {
    const actor = this.#actors.get(actorId);
    return actor?.dead === true ? undefined : actor;
  }

  /** No actor of these groups comes to life until the returned function is called. */
  bar(actorIds: readonly number[]): () => void {
    const barred = Promise.withResolvers<void>();
    for (const id of actorIds) this.#barred.set(id, barred.promise);
    return () => {
      for (const id of actorIds) if (this.#barred.get(id) === barred.promise) this.#barred.delete(id);
      barred.resolve();
    };
  }

  /** Ends a session's actors, so that they load again. */
  endSession(sessionId: number): void {
    for (const actor of [...this.#loaded()]) if (actor.memory.session.id === sessionId) actor.die();
  }

  /** The group's actor, which may still be loading. @throws WalrasError `moved` when the server ends */
  get(actorId: number): Actor {
    // It would be loaded on a store that is being closed, for a socket that is closed at once.
    if (this.#stopping) throw new WalrasError(Refusal.MOVED, RESTARTING, { retry: true });
    let actor = this.#actors.get(actorId);
    if (actor === undefined || actor.dead) {
      const barred = this.#barred.get(actorId);
      const fresh = new Actor(actorId, this.world);
      this.#actors.set(actorId, fresh);
      fresh.onTimers = () => this.timers.look(fresh);
      fresh.onDead(() => {
        if (this.#actors.get(actorId) !== fresh) return;
        this.#actors.delete(actorId);
        this.timers.forget(fresh);
      });
      fresh.replaceAnywhere = (participantId, absence) => this.replace(participantId, absence);
      fresh.onDeparture = (participant) => {
        if (typeof participant.replacedAt === "number")
          void replaceAnywhere(fresh, participant.id as number, NO_ABSENCE);
        void this.leave(participant, fresh.itinerary.skippedBefore(participant.pageIndex as number));
      };
      fresh.barriers = this.#barriers;
      // Whoever waits for it is told through their turn; the log keeps the reason.
      fresh.load(barred).catch((error: unknown) => {
        this.world.log.error("a group could not be loaded", {
          actor: actorId,
          code: codeOf(error),
          error: messageOf(error),
        });
      });
      actor = fresh;
    }
    return actor;
  }

  /**
   * Somebody has left a group. Where the next group has wait pages or limits time, they arrive there by
   * themselves: their browser may never come, and the others must not wait for it.
   */
  async follow({ id, code, replacedAt }: Values): Promise<void> {
    if (typeof replacedAt === "number") return void (await this.replace(id as number, NO_ABSENCE));
    try {
      const place = await this.world.store.read.whereabouts(code as string);
      if (place === undefined || place.actorId === null || place.page === null) return;
      const app = this.world.apps.get(place.page.app);
      // On a wait page others wait for them; on a page whose time is limited, nobody shall wait for ever.
      if (app === undefined || app.pages.every((page) => page.wait === undefined && page.timeout === undefined)) return;
      await this.call(place.actorId, { kind: "arrive", participantId: id as number });
    } catch (error) {
      this.world.log.warn("a participant was not followed to the next group", { error: messageOf(error) });
    }
  }

  /**
   * The computer plays in a participant's place, if it does already or if they are missing: their group, wherever it
   * is, takes that over. Never throws.
   *
   * @returns whether it has, or has no need to; if not, it is to be asked again
   */
  async replace(participantId: number, absence: Absence): Promise<boolean> {
    const { read } = this.world.store;
    const { before } = absence;
    try {
      const participant = await read.participant(participantId);
      const place = participant === undefined ? undefined : await read.whereabouts(participant.code as string);
      if (participant === undefined || place === undefined || place.actorId === null) return true;
      const page = this.world.apps.get(place.page?.app ?? "")?.pages.find(({ name }) => name === place.page?.page);
      const isWaiting = page?.wait !== undefined;
      if (participant.replacedAt === null && isSpared(participant.pageAt, isWaiting, absence)) return true;
      const reply = await this.call(place.actorId, { kind: "replace", participantId, before });
      return reply.kind === "goto" || (reply.kind === "refused" && !reply.retry);
    } catch (error) {
      this.world.log.warn("a participant could not be replaced yet", { error: messageOf(error) });
      return false;
    }
  }

  /** Somebody has left a group, past these apps and rounds. */
  async leave(participant: Values, skipped: readonly { app: string; round: number }[]): Promise<void> {
    await Promise.all([this.follow(participant), this.#pass(participant, skipped)]);
  }

  /** Somebody goes past whole apps: groups of those that wait for everybody are told not to wait for them. */
  async #pass({ id }: Values, skipped: readonly { app: string; round: number }[]): Promise<void> {
    for (const { app: name, round } of skipped) {
      const app = this.world.apps.get(name);
      if (app === undefined || app.pages.every((page) => page.wait === undefined)) continue;
      try {
        const where = { participantId: id ?? null, roundNumber: round };
        const [player] = await this.world.store.read.rows(app.player.table, where);
        // They are not there, which is what the group learns.
        if (player === undefined || (await this.#isOfALaterLobby(app, player))) continue;
        await this.call(player.groupId as number, { kind: "arrive", participantId: id as number });
      } catch (error) {
        this.world.log.warn("a group that a participant skipped was not told", { error: messageOf(error) });
      }
    }
  }

  /** Whether a player belongs to nobody yet: groups that stay together form in the lobby of the first round, which
   * takes the players of later rounds out of theirs. Those have no work, and no actor. */
  async #isOfALaterLobby(app: AppSpec, { groupId, roundNumber }: Values): Promise<boolean> {
    if (roundNumber === 1 || app.pages[0]?.wait?.keepGroups !== true) return false;
    const [group] = await this.world.store.read.rows(app.group.table, { id: groupId ?? null });
    return group !== undefined && isLobby(app, group);
  }

  /** Carries out a participant's request in the group's turn. Never throws. */
  async call(actorId: number, command: Command): Promise<Reply> {
    let outbox: IncomingMessage[];
    try {
      outbox =
        command.kind === "submit"
          ? command.outbox.map((send) => checkOutgoing(send, this.world.limits.messageBytes))
          : [];
    } catch (error) {
      return { kind: "refused", code: codeOf(error), message: messageOf(error), retry: false };
    }
    for (let tries = 1; ; tries++) {
      if (this.#stopping) return notNow(Refusal.MOVED, RESTARTING);
      const { halted } = this.world.committer;
      if (halted !== null)
        return notNow(Refusal.HALTED, "The server cannot save at the moment. Nothing is lost; try again in a moment.");
      try {
        await this.#endIfLost(actorId);
      } catch {
        return notNow(Refusal.HALTED, "The database does not answer at the moment. Try again in a moment.");
      }
      const reply = await this.#callOnce(actorId, command, outbox);
      if (reply.kind !== "refused" || reply.code !== Refusal.MOVED || tries >= CALL_TRIES) return reply;
    }
  }

  #callOnce(actorId: number, command: Command, outbox: readonly IncomingMessage[]): Promise<Reply> {
    return new Promise((resolve) => {
      const late = () => resolve(notNow(Refusal.BUSY, "The group did not answer in time. Try again in a moment."));
      const limit = () => this.world.after(CALL_TIMEOUT, late);
      let cancel = limit();
      const answer = (reply: Reply): void => {
        cancel();
        resolve(reply);
      };
      const actor = this.get(actorId);
      // What the page had not got an answer for goes first, in its order; then the form (decision 8).
      let failed: WalrasError | undefined;
      for (const message of outbox) {
        const turn = new MessageTurn(command.participantId, message, null);
        actor.post(
          turn.onFail((error) => {
            failed ??= error;
          }),
        );
      }
      // An async hook has a time limit of its own.
      const wait = (isWaiting: boolean): void => {
        cancel();
        if (!isWaiting) cancel = limit();
      };
      actor.post(new PageTurn(command, answer, () => failed, wait));
    });
  }

  /** An experimenter asks for the function of a wait page to be run again. @throws WalrasError if it fails again */
  async retryWaitPage(actorId: number, identity: string): Promise<void> {
    const actor = this.get(actorId);
    await actor.load();
    const page = actor.itinerary.waits.find((one) => one.identity === identity);
    // Of another page it is what the computer was to do there.
    if (page === undefined && actor.memory.waits.has(identity)) return actor.computers.retry(identity);
    if (page === undefined) throw new WalrasError("no_such_page", `Group ${actorId} has no wait page ${identity}.`);
    if (page.wait.scope === "subsession") return this.#barriers.retry(actor, page);
    if (actor.waits.isLobby(page)) return actor.waits.form();
    actor.waits.forgive(page);
    await new Promise<void>((resolve, reject) => {
      actor.post(new WaitTurn(page, (error) => (error === undefined ? resolve() : reject(error))));
    });
  }

  /** Tells every open page whether the store takes writes. */
  announce(halted: boolean): void {
    for (const actor of this.#loaded()) actor.gate.broadcast({ k: "notice", halted });
  }

  /** Puts aside actors that nobody has used for a while; the next request loads them again. */
  evict(idleMs: number): void {
    const before = this.world.monotonic() - idleMs;
    for (const actor of this.#loaded()) if (actor.idle && actor.lastActive <= before) actor.die();
  }

  /** Ends actors with sockets whose group another server has taken over (decision 4). */
  async checkOwnership(): Promise<void> {
    await this.#endLost([...this.#loaded()].filter((actor) => actor.gate.size > 0));
  }

  /** A page that changes nothing is not stopped by the fence: it would show how things were. */
  async #endIfLost(actorId: number): Promise<void> {
    const actor = this.#actors.get(actorId);
    if (this.world.store.shared && actor?.loaded && !actor.dead) await this.#endLost([actor]);
  }

  async #endLost(actors: readonly Actor[]): Promise<void> {
    if (actors.length === 0) return;
    const newest = await this.world.store.read.newestSeqs(actors.map((actor) => actor.actorId));
    for (const actor of actors) if (!actor.dead && (newest.get(actor.actorId) ?? 0) > actor.seq) actor.stale();
  }

  /** Takes no more requests, and ends async calls; resolves when the mailboxes are empty, or at the deadline. */
  async finish(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.timers.stop();
    const end = this.world.monotonic() + deadlineMs;
    while (this.world.monotonic() < end) {
      for (const actor of this.#loaded()) for (const call of actor.calls) call.end(interrupted());
      this.hooks.end(interrupted());
      const isDone = (actor: Actor): boolean => actor.dead || (actor.settled && actor.calls.size === 0);
      if (this.hooks.size === 0 && [...this.#actors.values()].every(isDone)) return;
      await this.world.sleep(10);
    }
  }

  /** Ends all actors: their sockets close with the retry code. */
  end(): void {
    this.timers.stop();
    this.hooks.end(interrupted());
    for (const actor of [...this.#actors.values()]) actor.die();
  }

  *#loaded(): Iterable<Actor> {
    for (const actor of this.#actors.values()) if (actor.loaded && !actor.dead) yield actor;
  }
}

function notNow(code: string, message: string): Reply {
  return { kind: "refused", code, message, retry: true };
}
