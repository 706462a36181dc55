import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import type { GroupRows } from "../entities/store.ts";
import { ActorTable, WaitPageTable } from "../entities/system-tables.ts";
import type { Table } from "../entities/tables.ts";
import type { Actor } from "./actor.ts";
import { isLobby } from "./arrivals.ts";
import { type BarrierFacts, BarrierWork, type PastRounds } from "./barrier-work.ts";
import { tellChats } from "./chats.ts";
import { isAsyncHook } from "./hooks.ts";
import { Itinerary } from "./itinerary.ts";
import type { LocalActors } from "./local-actors.ts";
import { stackOf } from "./refusals.ts";
import { isReplaced } from "./replacement.ts";
import type { WaitPage } from "./wait-pages.ts";
import { FailureTurn, LateTurn } from "./wait-turns.ts";

/** A wait page of all groups of one round. */
interface Barrier extends BarrierFacts {
  readonly key: string;
  readonly subsessionId: number;
  running: boolean;
  /** Somebody has come meanwhile. */
  again: boolean;
  /** What the function threw: it does not run again by itself. */
  failed: WalrasError | undefined;
  here: number;
  all: number;
  /** A round of news is on its way. */
  telling: boolean;
  /** Those who wait may not wait for everybody, though the page has no time limit. */
  isAdvanced: boolean;
}

/** How often a barrier is tried that another server was quicker at, or that the database did not take. */
const AGAIN = 1_000;
/** At least so many milliseconds between two rounds of news to all who wait. */
const NEWS = 300;
/** An async function that has found other groups than it ended with as often as this holds them the next time. */
const TRIES = 3;
/** Groups that are read at the same time. */
const READS_AT_ONCE = 8;

/**
 * Wait pages of all groups of a round. There is no coordinator: each arrival commits in its own group, and
 * whoever's commit completes the set runs the function, on the rows of all groups at once, and commits what it
 * changes in one transaction with a journal entry for each group. The fence of those entries makes it happen
 * once, with several servers too; and whoever looks at the page later completes what a crash left undone.
 */
export class Barriers {
  readonly #actors: LocalActors;
  readonly #barriers = new Map<string, Barrier>();

  constructor(actors: LocalActors) {
    this.#actors = actors;
  }

  /** Somebody in this group is at the page, or an experimenter has let it go on without the missing, as the database
   * has it. */
  arrived(actor: Actor, page: WaitPage): void {
    const barrier = this.#of(actor, page);
    barrier.again = true;
    // Also when a crash has come between that and what was to follow.
    if (actor.waits.isAdvanced(page)) barrier.isAdvanced = true;
    if (barrier.running || barrier.failed !== undefined) return;
    this.#go(barrier).catch((error: unknown) => {
      this.#actors.world.log.error("a wait page of all groups broke", {
        page: page.identity,
        error: messageOf(error),
        stack: stackOf(error),
      });
    });
  }

  /** What the page says under its text. */
  line(actor: Actor, page: WaitPage): string {
    const barrier = this.#barriers.get(keyOf(actor, page));
    if (barrier?.failed !== undefined) return actor.language.wait.trouble;
    if (!page.wait.showMissing || barrier === undefined || barrier.all === 0) return "";
    return actor.language.wait.arrived(barrier.here, barrier.all);
  }

  /** Runs a function again that has failed. @throws WalrasError `wait_page_failed` if it fails again */
  async retry(actor: Actor, page: WaitPage): Promise<void> {
    const barrier = this.#of(actor, page);
    barrier.failed = undefined;
    barrier.again = true;
    if (!barrier.running) await this.#go(barrier);
    // Set by the run.
    const failed = barrier.failed as WalrasError | undefined;
    if (failed !== undefined) throw failed;
  }

  #of(actor: Actor, page: WaitPage): Barrier {
    const key = keyOf(actor, page);
    let barrier = this.#barriers.get(key);
    if (barrier === undefined) {
      const { app, session, roundNumber, group } = actor.memory;
      const subsessionId = group.values.subsessionId as number;
      barrier = {
        ...{ key, app, session, subsessionId, roundNumber, page },
        ...{ running: false, again: false, failed: undefined, here: 0, all: 0, telling: false, isAdvanced: false },
      };
      this.#barriers.set(key, barrier);
    }
    return barrier;
  }

  async #go(barrier: Barrier): Promise<void> {
    const { world } = this.#actors;
    barrier.running = true;
    try {
      while (barrier.again && barrier.failed === undefined) {
        barrier.again = false;
        try {
          const { all, behind } = await world.store.read.progress(barrier.session.id, barrier.page.index);
          barrier.all = all;
          barrier.here = all - behind;
          this.#tell(barrier);
          if (behind > 0 && !(await this.#isTimeUp(barrier))) continue;
          if ((await this.#run(barrier)) === "again") {
            barrier.again = true;
            await world.sleep(20);
          } else if (barrier.failed === undefined) this.#barriers.delete(barrier.key);
        } catch (error) {
          // The store is away: it will be back.
          if (!(error instanceof WalrasError) || !error.retry) throw error;
          barrier.again = true;
          await world.sleep(AGAIN);
        }
      }
    } finally {
      barrier.running = false;
    }
  }

  /** A group has waited for the others long enough, or all have gone on before this one was there. */
  async #isTimeUp({ session, page, isAdvanced }: Barrier): Promise<boolean> {
    if (page.wait.timeout === undefined && !isAdvanced) return false;
    const where = { sessionId: session.id, page: page.identity };
    const rows = await this.#actors.world.store.read.rows(WaitPageTable, where);
    return rows.some((row) => row.timedOut === true || row.doneAt !== null);
  }

  /** Tells all who wait in this process how many are there, now and then. */
  #tell(barrier: Barrier): void {
    if (barrier.telling) return;
    barrier.telling = true;
    this.#actors.world.after(NEWS, () => {
      barrier.telling = false;
      for (const actor of this.#waiting(barrier)) actor.waits.tell(barrier.page);
    });
  }

  *#waiting({ subsessionId }: Barrier): Iterable<Actor> {
    for (const actor of this.#joined) {
      // One that is still being loaded is told nothing: nobody is connected to it.
      if (actor.loaded && actor.memory.group.values.subsessionId === subsessionId) yield actor;
    }
  }

  /** Groups of this process with wait pages of this kind; see {@link join}. */
  readonly #joined = new Set<Actor>();

  /** A group with a wait page of all groups is being loaded. */
  join(actor: Actor): void {
    if (actor.dead) return;
    this.#joined.add(actor);
    actor.onDead(() => this.#joined.delete(actor));
  }

  /**
   * Runs the function and completes the page. An async function runs while the groups play on, and counts if nothing
   * that it may have built upon has changed meanwhile; else it runs again, the last time while they stand still.
   */
  async #run(barrier: Barrier): Promise<"done" | "again"> {
    if (isAsyncHook(barrier.page.wait.afterAllPlayersArrive)) {
      for (let tries = 1; tries < TRIES; tries++) {
        const rows = await this.#read(await this.#groups(barrier), barrier.app);
        if (this.#stateOf(barrier, rows) !== "ready") break;
        const work = await this.#work(barrier, rows);
        if (work === undefined) return "done";
        const result = await this.#hold(barrier, work);
        if (result !== "changed") return result;
      }
    }
    const result = await this.#hold(barrier);
    return result === "changed" ? "again" : result;
  }

  async #groups({ app, subsessionId }: Barrier): Promise<number[]> {
    const groups = await this.#actors.world.store.read.rows(app.group.table, { subsessionId });
    // Who was never put into a group has no part in it.
    return groups.filter((group) => !isLobby(app, group)).map((group) => group.id as number);
  }

  /** Completes the page while all groups stand still. @param work done before; left out: it is done now */
  async #hold(barrier: Barrier, work?: BarrierWork): Promise<"done" | "again" | "changed"> {
    const ids = await this.#groups(barrier);
    const lift = this.#actors.bar(ids);
    const held: Actor[] = [];
    try {
      for (const id of ids) {
        const actor = this.#actors.find(id);
        if (actor === undefined) continue;
        // One that cannot be loaded does not stand in the way.
        await actor.load().catch(() => {});
        held.push(actor);
      }
      await Promise.all(held.map((actor) => actor.freeze()));
      const rows = await this.#read(ids, barrier.app);
      const state = this.#stateOf(barrier, rows);
      if (state === "done") this.#leaveBehind(barrier, rows, held);
      if (state !== "ready") return "done";
      if (work !== undefined && !work.takeOver(rows)) return "changed";
      const done = work ?? (await this.#work(barrier, rows));
      return done === undefined ? "done" : await this.#complete(barrier, rows, held, done);
    } finally {
      for (const actor of held) actor.thaw();
      lift();
    }
  }

  /** Another server was quicker, and what this one has in memory is not so any more; or a group has formed since. */
  #leaveBehind(barrier: Barrier, rows: readonly GroupRows[], held: readonly Actor[]): void {
    const { page } = barrier;
    const isDone = ({ waits }: GroupRows) => waits.some((row) => row.page === page.identity && row.doneAt !== null);
    const done = new Set(rows.filter(isDone).map(({ group }) => group.id));
    this.#end(
      barrier,
      held.filter((actor) => !actor.dead && done.has(actor.actorId) && !actor.waits.isDone(page)),
    );
    for (const actor of held) if (!actor.dead) actor.resume(new LateTurn(page));
  }

  #stateOf({ page }: Barrier, rows: readonly GroupRows[]): "done" | "waiting" | "ready" {
    const waits = rows.flatMap((group) => group.waits).filter((row) => row.page === page.identity);
    if (waits.some((row) => row.doneAt !== null)) return "done";
    const people = rows.flatMap(({ participants }) => participants);
    const isBehind = people.some((person) => (person.pageIndex as number) < page.index);
    // Somebody was taken back meanwhile: whoever comes next looks again.
    return isBehind && !waits.some((row) => row.timedOut) ? "waiting" : "ready";
  }

  /** Runs the function. @returns undefined: it has failed, or the server stops */
  async #work(barrier: Barrier, rows: readonly GroupRows[]): Promise<BarrierWork | undefined> {
    const { world } = this.#actors;
    try {
      const work = new BarrierWork(barrier, rows, await this.#earlier(barrier), world);
      await work.run(this.#actors.hooks);
      return work;
    } catch (error) {
      // Whoever looks at the page where the server is next completes it.
      const isStopped = error instanceof WalrasError && error.code === Refusal.INTERRUPTED;
      if (!isStopped) this.#fail(barrier, rows, error);
      return undefined;
    }
  }

  async #read(ids: readonly number[], app: AppSpec): Promise<GroupRows[]> {
    const rows: GroupRows[] = [];
    for (let i = 0; i < ids.length; i += READS_AT_ONCE) {
      const some = ids.slice(i, i + READS_AT_ONCE).map((id) => this.#readGroup(id, app));
      rows.push(...(await Promise.all(some)));
    }
    return rows.sort((a, b) => (a.group.idInSubsession as number) - (b.group.idInSubsession as number));
  }

  /** A group's rows, with what its participants earned elsewhere. */
  async #readGroup(id: number, app: AppSpec): Promise<GroupRows> {
    const { store, currency } = this.#actors.world;
    const rows = await store.read.group(id, app);
    const ids = rows.participants.map((person) => person.id as number);
    const elsewhere = await store.read.payoffsElsewhere(ids, id, currency.decimals);
    for (const person of rows.participants) person.payoffElsewhere = elsewhere.get(person.id as number) ?? 0;
    return rows;
  }

  /** Commits what the function has changed, with everybody past the page. */
  async #complete(
    barrier: Barrier,
    rows: readonly GroupRows[],
    held: readonly Actor[],
    work: BarrierWork,
  ): Promise<"done" | "again"> {
    const { world } = this.#actors;
    const { page, session } = barrier;
    const missing = work.newGroups.length;
    if (missing > 0) {
      const { roundNumber, app } = barrier;
      const actor = { sessionId: session.id, app: app.name, roundNumber };
      const ids = await world.committer.transact((write) => write.insert(ActorTable, Array(missing).fill(actor)));
      work.number(ids);
    }
    const units = work.units();
    const result = await world.committer.together(units);
    if (result === "stale") {
      for (const actor of held) actor.stale();
      return "again";
    }
    if (result !== "done") {
      const why = `The database refused what the function changed: ${result.message}`;
      this.#fail(barrier, rows, new WalrasError("refused_by_store", why, { cause: result }));
      return "done";
    }
    this.#end(barrier, held);
    for (const unit of units) tellChats(world, unit);
    for (const id of work.awaited) this.#wake(id);
    if (work.sharedChanged) this.#actors.endSession(session.id);
    const pages = JSON.parse(rows[0]?.session.pages as string);
    const itinerary = new Itinerary(pages, barrier.app, barrier.roundNumber);
    for (const person of work.ended) {
      void this.#actors.leave(person.values, itinerary.skippedBefore(person.values.pageIndex as number));
    }
    for (const person of work.passed) {
      const next = pages[page.index];
      const spec =
        next === undefined ? undefined : world.apps.get(next.app)?.pages.find(({ name }) => name === next.page);
      // Who may have to go past the next page, or waits there, gets there without their browser.
      const mayHaveToGoOn = (spec?.isDisplayed ?? spec?.wait ?? spec?.timeout) !== undefined;
      if (mayHaveToGoOn || isReplaced(person)) void this.#actors.follow(person.values);
    }
    return "done";
  }

  /** A group has something to do at once. */
  #wake(actorId: number): void {
    const failed = (error: unknown) =>
      this.#actors.world.log.warn("a group was not loaded yet", { error: messageOf(error) });
    try {
      this.#actors.get(actorId).load().catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  async #earlier({ app, session, roundNumber }: Barrier): Promise<PastRounds> {
    if (roundNumber === 1) return { players: [], groups: [] };
    const before = async (table: Table) =>
      (await this.#actors.world.store.read.rows(table, { sessionId: session.id }))
        .filter((row) => (row.roundNumber as number) < roundNumber)
        .sort((a, b) => (a.roundNumber as number) - (b.roundNumber as number));
    return { players: await before(app.player.table), groups: await before(app.group.table) };
  }

  /** The groups go on past the page: their sockets are told, and they load anew. */
  #end({ page }: Barrier, held: readonly Actor[]): void {
    for (const actor of held) {
      if (actor.dead) continue;
      for (const connection of actor.gate.connections()) {
        if (connection.page === page.identity) actor.gate.reload(connection, "moved_on");
      }
      actor.die();
    }
  }

  #fail(barrier: Barrier, rows: readonly GroupRows[], error: unknown): void {
    const { log } = this.#actors.world;
    const message = messageOf(error);
    barrier.failed = new WalrasError("wait_page_failed", message, { cause: error });
    log.error("a wait page's function failed", { page: barrier.page.identity, error: message, stack: stackOf(error) });
    const first = rows[0]?.group.id as number;
    // After this: the groups are held until then.
    queueMicrotask(() => {
      for (const actor of this.#waiting(barrier)) actor.waits.tell(barrier.page);
      try {
        const actor = this.#actors.get(first);
        actor.load().then(
          () => actor.resume(new FailureTurn(barrier.page, error)),
          (cause: unknown) => log.warn("a failure was not stored", { error: messageOf(cause) }),
        );
      } catch (cause) {
        log.warn("a failure was not stored", { error: messageOf(cause) });
      }
    });
  }
}

function keyOf(actor: Actor, page: WaitPage): string {
  return `${actor.memory.session.id}/${page.identity}`;
}
