import { messageOf } from "../client-sdk/errors.ts";
import type { Deadline } from "../entities/store.ts";
import { nextTimer } from "../entities/timers.ts";
import type { Actor } from "./actor.ts";
import type { Actors } from "./actors.ts";
import { DeadlineHeap } from "./deadline-heap.ts";
import { TimerTurn, type TimerWatch } from "./timer-turn.ts";

/** Times in milliseconds. */
const TIMER_TIMES = {
  /** How far ahead the database is read for groups that are not loaded, and how often. */
  window: 60_000,
  scan: 30_000,
  /** A group is loaded so long before its deadline, so that it is ready then. */
  lead: 1_000,
  /** On a database that others use too: a deadline so long past is taken to be nobody's, and how often that is looked for. */
  patience: 5_000,
  sharedScan: 1_000,
  /** Longest sleep: after the computer was suspended, the clock is looked at again this soon. */
  nap: 1_000,
  /** How soon it is looked again whether a store that is away takes writes. */
  halted: 200,
  /** Pauses before a group that could not be loaded is tried again, from and to. */
  again: 5_000,
  longest: 60 * 60_000,
} as const;

/** Deadlines that are read from the database at once. */
const PAGE = 500;
/** Groups that are loaded for their timers at the same time. */
const LOADS = 16;

/**
 * All deadlines of this process: the next one of each group, and one wait for the earliest of them.
 *
 * Of groups that are loaded it is told ({@link look}); of the others it reads in the database, a stretch of time
 * at once. There, on SQLite, all groups are this process's, and are loaded a moment before they are due. On
 * PostgreSQL a group may be loaded in another process, which fires its timers; only what is overdue is taken
 * over, and if two processes do that at once, the fence lets one of them.
 *
 * Waiting is a sleep on the monotonic clock, and what is due is decided by `world.now()`, which does not jump.
 */
export class TimerIndex implements TimerWatch {
  readonly #actors: Actors;
  readonly #heap = new DeadlineHeap<number>();
  /** By actor: the one entry of the heap that counts. */
  readonly #next = new Map<number, number>();
  /** Have a turn in their mailbox: one at a time, so that a thousand overdue timers do not fill it. */
  readonly #posted = new WeakSet<Actor>();
  /** Waiting to be loaded, in the order of their deadlines. */
  readonly #waking = new Set<number>();
  #loading = 0;
  /** Could not be loaded: their app may be gone for good. */
  readonly #failed = new Map<number, { pause: number; until: number }>();
  /** Groups with timers that were put aside, and their newest seq then. */
  readonly #putAside = new Map<number, number>();
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake = () => {};
  #cancelScan = () => {};
  #scanning = false;
  #scanAgain = false;
  #started = false;
  #stopped = false;

  constructor(actors: Actors) {
    this.#actors = actors;
  }

  /** Looks after the groups that are not loaded, too. */
  start(): void {
    this.#started = true;
    this.#scanIn(0);
  }

  /** Nothing fires from here on. */
  stop(): void {
    this.#stopped = true;
    this.#cancelWake();
    this.#cancelScan();
  }

  look(actor: Actor): void {
    if (this.#stopped || actor.dead || this.#posted.has(actor)) return;
    const next = nextTimer(actor.memory);
    if (next === undefined) this.#next.delete(actor.actorId);
    else this.#schedule(actor.actorId, next.values.dueAt as number);
  }

  begun(actor: Actor): void {
    this.#posted.delete(actor);
  }

  /** An actor has ended. Its group is one that is not loaded from now on. */
  forget(actor: Actor): void {
    this.#next.delete(actor.actorId);
    if (!this.#started || this.#stopped) return;
    if (!this.#world.store.shared) this.#scanIn(0);
    else if (actor.loaded) this.#remember(actor);
  }

  /** Sessions were created, which may have timers already. */
  notice(): void {
    if (this.#started) this.#scanIn(0);
  }

  get #world() {
    return this.#actors.world;
  }

  #schedule(actorId: number, due: number): void {
    if (this.#next.get(actorId) === due) return;
    this.#next.set(actorId, due);
    this.#heap.push(due, actorId);
    this.#arm();
  }

  /** Sleeps until the earliest deadline. */
  #arm(): void {
    const { first } = this.#heap;
    if (first === undefined || this.#stopped) return;
    const now = this.#world.now();
    if (first.due >= this.#wakeAt && this.#wakeAt > now) return;
    this.#sleep(Math.min(Math.max(first.due - now, 0), TIMER_TIMES.nap));
  }

  #sleep(ms: number): void {
    this.#cancelWake();
    this.#wakeAt = this.#world.now() + ms;
    this.#cancelWake = this.#world.after(ms, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#fire();
    });
  }

  /** Hands everything that is due to its group. */
  #fire(): void {
    if (this.#stopped) return;
    const now = this.#world.now();
    const isHalted = this.#world.committer.halted !== null;
    for (let { first } = this.#heap; first !== undefined && first.due <= now; { first } = this.#heap) {
      if (isHalted) {
        // What ran now could not be stored.
        this.#sleep(TIMER_TIMES.halted);
        return;
      }
      this.#heap.pop();
      const { item: actorId, due } = first;
      if (this.#next.get(actorId) !== due) continue;
      this.#next.delete(actorId);
      const actor = this.#actors.find(actorId);
      if (actor === undefined) this.#wake(actorId);
      else if (actor.loaded && !this.#posted.has(actor)) {
        this.#posted.add(actor);
        actor.resume(new TimerTurn(this));
      }
    }
    this.#arm();
  }

  // ---- groups that are not loaded ----

  #scanIn(ms: number): void {
    if (this.#stopped) return;
    this.#cancelScan();
    this.#cancelScan = this.#world.after(ms, () => void this.#scan());
  }

  async #scan(): Promise<void> {
    const { log, store, newSeed } = this.#world;
    if (this.#scanning) {
      // Asked for because a group has left memory, which may have been there when its deadline was read.
      this.#scanAgain = true;
      return;
    }
    this.#scanning = true;
    try {
      await this.#readAll();
    } catch (error) {
      log.warn("the deadlines could not be read", { error: messageOf(error) });
    }
    this.#scanning = false;
    const { scan, sharedScan } = TIMER_TIMES;
    // Not all servers at the same moment.
    const pause = store.shared ? sharedScan * (0.5 + newSeed() / 2 ** 32) : scan;
    this.#scanIn(this.#scanAgain ? 0 : pause);
    this.#scanAgain = false;
  }

  async #readAll(): Promise<void> {
    const { store, now } = this.#world;
    const before = now() + (store.shared ? -TIMER_TIMES.patience : TIMER_TIMES.window);
    let after: Deadline | null = null;
    do {
      const page: Deadline[] = await store.read.deadlines(before, after, PAGE);
      if (this.#stopped) return;
      for (const { actorId, dueAt } of page) this.#found(actorId, dueAt);
      after = page.length < PAGE ? null : (page.at(-1) ?? null);
    } while (after !== null);
  }

  /** A deadline stands in the database. */
  #found(actorId: number, dueAt: number): void {
    if (this.#actors.has(actorId)) return;
    const failed = this.#failed.get(actorId);
    if (failed !== undefined && failed.until > this.#world.monotonic()) return;
    if (this.#world.store.shared) {
      this.#wake(actorId);
      return;
    }
    const wakeAt = dueAt - TIMER_TIMES.lead;
    const known = this.#next.get(actorId);
    if (known === undefined || wakeAt < known) this.#schedule(actorId, wakeAt);
  }

  /** Loads a group; what is due in it then shows in {@link look}. */
  #wake(actorId: number): void {
    this.#waking.add(actorId);
    this.#wakeNext();
  }

  #wakeNext(): void {
    for (const actorId of this.#waking) {
      if (this.#loading >= LOADS || this.#stopped) return;
      this.#waking.delete(actorId);
      this.#loading++;
      void this.#load(actorId).finally(() => {
        this.#loading--;
        this.#wakeNext();
      });
    }
  }

  /** On a shared database: it was put aside here. Unless another process has it by then, it is loaded here in time. */
  #remember(actor: Actor): void {
    const next = nextTimer(actor.memory);
    if (next === undefined) return;
    this.#putAside.set(actor.actorId, actor.seq);
    this.#schedule(actor.actorId, (next.values.dueAt as number) - TIMER_TIMES.lead);
  }

  /** Whether another process has loaded the group since this one has put it aside. */
  async #isTaken(actorId: number): Promise<boolean> {
    const seq = this.#putAside.get(actorId);
    this.#putAside.delete(actorId);
    if (seq === undefined) return false;
    return (await this.#world.store.read.newestSeqs([actorId])).get(actorId) !== seq;
  }

  async #load(actorId: number): Promise<void> {
    try {
      if (await this.#isTaken(actorId)) return;
      await this.#actors.get(actorId).load();
      this.#failed.delete(actorId);
    } catch {
      // The log has the reason.
      const { again, longest } = TIMER_TIMES;
      const pause = Math.min((this.#failed.get(actorId)?.pause ?? again / 2) * 2, longest);
      this.#failed.set(actorId, { pause, until: this.#world.monotonic() + pause });
    }
  }
}
