import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { Row, type SessionFacts } from "../entities/memory.ts";
import { Dice } from "../entities/random.ts";
import type { GroupRows, JournalEntry, StoredUnit } from "../entities/store.ts";
import { WholeSubsession } from "../entities/subsession.ts";
import { ActorTable, ParticipantTable, WaitPageTable } from "../entities/system-tables.ts";
import type { RowChange, Value, Values } from "../entities/tables.ts";
import { changesToJson } from "../entities/unit.ts";
import { initialValues } from "../entities/values.ts";
import type { Actor } from "./actor.ts";
import type { ActorWorld } from "./actor-world.ts";
import { isLobby } from "./arrivals.ts";
import { stackOf } from "./refusals.ts";
import { FailureTurn, type WaitPage } from "./wait-pages.ts";
import { WAIT_TEXTS } from "./wait-texts.ts";

/** What barriers need of the actors of this process. */
export interface LocalActors {
  readonly world: ActorWorld;
  /** The group's actor, if this process has it. */
  find(actorId: number): Actor | undefined;
  /** @throws WalrasError `moved` when the server ends */
  get(actorId: number): Actor;
  /** No actor of these groups comes to life until the returned function is called. */
  bar(actorIds: readonly number[]): () => void;
  /** A participant has come to a page without a request of their own. */
  follow(participant: Values): Promise<void>;
  /** Ends the session's actors, so that they load again. */
  endSession(sessionId: number): void;
}

/** A wait page of all groups of one round. */
interface Barrier {
  readonly key: string;
  readonly app: AppSpec;
  readonly session: SessionFacts;
  readonly subsessionId: number;
  readonly roundNumber: number;
  readonly page: WaitPage;
  running: boolean;
  /** Somebody has come meanwhile. */
  again: boolean;
  /** What the function threw: it does not run again by itself. */
  failed: WalrasError | undefined;
  here: number;
  all: number;
  /** A round of news is on its way. */
  telling: boolean;
}

/** How often a barrier is tried that another server was quicker at, or that the database did not take. */
const AGAIN = 1_000;
/** At least so many milliseconds between two rounds of news to all who wait. */
const NEWS = 300;
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

  /** Everybody in this group is at the page, as the database has it. */
  arrived(actor: Actor, page: WaitPage): void {
    const barrier = this.#of(actor, page);
    barrier.again = true;
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
    if (barrier?.failed !== undefined) return WAIT_TEXTS.trouble;
    if (!page.wait.showMissing || barrier === undefined || barrier.all === 0) return "";
    return WAIT_TEXTS.arrived(barrier.here, barrier.all);
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
        ...{ running: false, again: false, failed: undefined, here: 0, all: 0, telling: false },
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
          if (behind > 0) continue;
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
    for (const actor of this.#loaded) if (actor.memory.group.values.subsessionId === subsessionId) yield actor;
  }

  /** Groups of this process with wait pages of this kind; see {@link join}. */
  readonly #loaded = new Set<Actor>();

  /** A group with a wait page of all groups has been loaded. */
  join(actor: Actor): void {
    this.#loaded.add(actor);
    actor.onDead(() => this.#loaded.delete(actor));
  }

  async #run(barrier: Barrier): Promise<"done" | "again"> {
    const { world } = this.#actors;
    const { app, subsessionId } = barrier;
    const groups = await world.store.read.rows(app.group.table, { subsessionId });
    // Who was never put into a group has no part in it.
    const ids = groups.filter((group) => !isLobby(app, group)).map((group) => group.id as number);
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
      const rows = await this.#read(ids, app);
      if (rows.some(({ waits }) => waits.some((row) => row.page === barrier.page.identity && row.doneAt !== null))) {
        // Another server was quicker: what this one has in memory is not so any more.
        this.#end(barrier, held);
        return "done";
      }
      const people = rows.flatMap(({ participants }) => participants);
      // Somebody was taken back meanwhile: whoever comes next looks again.
      if (people.some((person) => (person.pageIndex as number) < barrier.page.index)) return "done";
      return await this.#complete(barrier, rows, held);
    } finally {
      for (const actor of held) actor.thaw();
      lift();
    }
  }

  async #read(ids: readonly number[], app: AppSpec): Promise<GroupRows[]> {
    const rows: GroupRows[] = [];
    for (let i = 0; i < ids.length; i += READS_AT_ONCE) {
      const some = ids.slice(i, i + READS_AT_ONCE).map((id) => this.#actors.world.store.read.group(id, app));
      rows.push(...(await Promise.all(some)));
    }
    return rows.sort((a, b) => (a.group.idInSubsession as number) - (b.group.idInSubsession as number));
  }

  /** Runs the function and commits what it changes, with everybody past the page. */
  async #complete(barrier: Barrier, rows: readonly GroupRows[], held: readonly Actor[]): Promise<"done" | "again"> {
    const { world } = this.#actors;
    const { page, session } = barrier;
    let work: Work;
    try {
      work = new Work(barrier, rows, await this.#earlier(barrier), world);
      work.run();
    } catch (error) {
      this.#fail(barrier, rows, error);
      return "done";
    }
    const missing = work.newGroups.length;
    if (missing > 0) {
      const { roundNumber, app } = barrier;
      const actor = { sessionId: session.id, app: app.name, roundNumber };
      const ids = await world.committer.transact((write) => write.insert(ActorTable, Array(missing).fill(actor)));
      work.number(ids);
    }
    const result = await world.committer.together(work.units());
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
    if (work.sessionChanged) this.#actors.endSession(session.id);
    for (const person of work.passed) {
      const next = JSON.parse(rows[0]?.session.pages as string)[page.index];
      const spec =
        next === undefined ? undefined : world.apps.get(next.app)?.pages.find(({ name }) => name === next.page);
      // Who may have to go past the next page, or waits there, gets there without their browser.
      if (spec?.isDisplayed !== undefined || spec?.wait !== undefined) void this.#actors.follow(person.values);
    }
    return "done";
  }

  /** Rows of earlier rounds of all, oldest first. */
  async #earlier({ app, session, roundNumber }: Barrier): Promise<readonly Values[]> {
    if (roundNumber === 1) return [];
    const rows = await this.#actors.world.store.read.rows(app.player.table, { sessionId: session.id });
    return rows
      .filter((row) => (row.roundNumber as number) < roundNumber)
      .sort((a, b) => (a.roundNumber as number) - (b.roundNumber as number));
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

/** One run of a barrier's function on the rows of all groups. */
class Work {
  readonly #barrier: Barrier;
  readonly #rows: readonly GroupRows[];
  readonly #world: ActorWorld;
  readonly #at: number;
  readonly #dice: Dice;
  readonly #whole: WholeSubsession;
  readonly #people = new Map<number, Row>();
  readonly #sessionFields: Value;
  /** Groups that the function has made; they get their numbers later, and have negative ones until then. */
  readonly newGroups: Row[] = [];
  /** Who was at the page. */
  readonly passed: Row[] = [];

  constructor(barrier: Barrier, rows: readonly GroupRows[], earlier: readonly Values[], world: ActorWorld) {
    this.#barrier = barrier;
    this.#rows = rows;
    this.#world = world;
    this.#at = world.now();
    this.#dice = new Dice(world.newSeed);
    const { app, roundNumber, session } = barrier;
    for (const { participants } of rows) {
      for (const values of participants) {
        this.#people.set(values.id as number, new Row(ParticipantTable, null, values));
      }
    }
    const past = Map.groupBy(earlier, (row) => row.participantId as number);
    const newest = rows[0]?.session as Values;
    // As it is now: another round's barrier may have changed it since the actor was loaded.
    const sessionRow = new Row((session.row as Row).table, null, newest);
    this.#sessionFields = newest.fields ?? null;
    this.#whole = new WholeSubsession({
      app,
      session: { ...session, row: sessionRow },
      roundNumber,
      groups: rows.map(({ group, players, extras }) => ({
        row: new Row(app.group.table, app.group, group),
        players: players.map((values) => new Row(app.player.table, app.player, values)),
        extras,
      })),
      participants: this.#people,
      earlier: (id) => past.get(id) ?? [],
      matrixOf: (round) => this.#matrixOf(earlier.filter((row) => row.roundNumber === round)),
      newGroup: (idInSubsession) => {
        const { sessionId = null, subsessionId = null } = rows[0]?.group ?? {};
        const values = initialValues(app.group.table, world.currency.decimals);
        const id = -1 - this.newGroups.length;
        const row = new Row(app.group.table, app.group, {
          ...values,
          ...{ id, sessionId, subsessionId, roundNumber, idInSubsession },
        });
        this.newGroups.push(row);
        return row;
      },
      decimals: world.currency.decimals,
      what: `${barrier.page.identity} afterAllPlayersArrive`,
      at: this.#at,
      random: this.#dice.random,
    });
  }

  /** @throws whatever the author's function throws */
  run(): void {
    const { page } = this.#barrier;
    const hook = page.wait.afterAllPlayersArrive as ((subsession: object) => unknown) | undefined;
    if (hook !== undefined) {
      this.#world.watchdog.watch(`${page.identity} afterAllPlayersArrive`, () => this.#whole.run(hook));
    }
    this.#whole.finish();
    for (const { players, view } of this.#whole.groups) {
      for (const player of players) {
        const person = this.#people.get(player.values.participantId as number);
        if (person?.values.pageIndex !== page.index) continue;
        view.unit.set(person, "pageIndex", page.index + 1);
        this.passed.push(person);
      }
    }
  }

  /** Gives the groups that the function has made their numbers. */
  number(ids: readonly number[]): void {
    for (const [i, row] of this.newGroups.entries()) row.values.id = ids[i] as number;
    for (const { row, players } of this.#whole.groups) {
      for (const player of players) player.values.groupId = row.values.id as number;
    }
  }

  get sessionChanged(): boolean {
    const [first] = this.#whole.groups;
    return (first?.view.memory.session.row?.values.fields ?? null) !== this.#sessionFields;
  }

  /** A unit for each group, those that are new or no more included. */
  units(): StoredUnit[] {
    const before = new Map(this.#rows.map((rows) => [rows.group.id as number, rows]));
    const units = this.#whole.groups.map(({ row, view }) => {
      const old = before.get(row.values.id as number);
      const changes: RowChange[] = view.unit.changes();
      if (old === undefined) {
        const made: RowChange = { op: "insert", table: row.table, values: { ...row.values } };
        return this.#unit(row.values, 1, [made, ...changes.filter((change) => !isUpdateOf(change, row))]);
      }
      before.delete(row.values.id as number);
      return this.#unit(row.values, old.seq + 1, changes, old);
    });
    for (const view of this.#whole.gone) {
      const { values, table } = view.memory.group;
      const old = before.get(values.id as number) as GroupRows;
      const changes = view.unit.changes().filter((change) => !isUpdateOf(change, view.memory.group));
      units.push(
        this.#unit(values, old.seq + 1, [...changes, { op: "delete", table, key: { id: values.id as number } }], old),
      );
    }
    return units;
  }

  #unit(group: Values, seq: number, changes: readonly RowChange[], old?: GroupRows): StoredUnit {
    const { page, session } = this.#barrier;
    const actorId = group.id as number;
    const key = { actorId, page: page.identity };
    const values = { doneAt: this.#at };
    const isThere = old?.waits.some((row) => row.page === page.identity) === true;
    const done: RowChange = isThere
      ? { op: "update", table: WaitPageTable, key, values }
      : { op: "insert", table: WaitPageTable, values: { ...key, sessionId: session.id, timedOut: false, ...values } };
    const all = [...changes, done];
    const entry: JournalEntry = {
      ...{ actorId, seq, at: this.#at, kind: "barrier", page: page.identity },
      ...{ participantId: null, clientId: null, n: null, input: null, output: null },
      changes: changesToJson(all),
      seed: this.#dice.seed,
      writer: this.#writer,
      batch: "",
    };
    return { entry, changes: all };
  }

  get #writer(): string {
    this.#secret ??= this.#world.newSecret();
    return this.#secret;
  }
  #secret: string | undefined;

  #matrixOf(players: readonly Values[]): number[][] | undefined {
    if (players.length === 0) return undefined;
    const groups = Map.groupBy(players, (row) => row.groupId as number);
    return [...groups.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, rows]) =>
        rows
          .sort((a, b) => (a.idInGroup as number) - (b.idInGroup as number))
          .map((row) => this.#people.get(row.participantId as number)?.values.idInSession as number),
      );
  }
}

function isUpdateOf(change: RowChange, row: Row): boolean {
  return change.op === "update" && change.table === row.table && change.key.id === row.values.id;
}
