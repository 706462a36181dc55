import { randomBytes } from "node:crypto";
import type { MonitorAnswer, MonitorFailure, MonitorRow } from "../../client-sdk/monitor/rows.ts";
import type { Game } from "../../rooms/calls.ts";
import type { LastSeen } from "./last-seen.ts";
import { lookAt } from "./look.ts";
import { SessionPlan } from "./session-plan.ts";

/** At least so many milliseconds between two looks at a session, however many watch it. */
const PAUSE = 400;
/** And so many times as long as a look takes: whoever plays may meet one in less than one message of a hundred. */
const REST = 200;
/** Where one wait page has failed, it mostly has in all groups. */
const MOST_FAILURES = 20;
/** What the first looks are thought to take, in milliseconds: code that has never run is slow. */
const AT_FIRST = 2;
/** A session that nobody has looked at for so long is forgotten, in milliseconds. */
const FORGOTTEN = 60_000;

/** What watching sessions takes. */
export interface WatchOptions {
  readonly game: Pick<Game, "store" | "isLoaded" | "apps">;
  readonly lastSeen: LastSeen;
  /** Milliseconds since 1970. */
  now(): number;
}

/**
 * One session as it was last looked at. There is no timer behind it: it is read when somebody asks, at most once in
 * a while for all who ask, and costs nothing when nobody does.
 */
export class SessionWatch {
  readonly plan: SessionPlan;
  readonly #game: WatchOptions["game"];
  readonly #now: () => number;
  /** Tells tokens of this watch from those of another process, or of one before. */
  readonly #name = randomBytes(6).toString("base64url");
  /** Counts the looks that found a change. */
  #version = 0;
  readonly #rows = new Map<number, { row: MonitorRow; text: string; version: number }>();
  #failures: { list: readonly MonitorFailure[]; text: string; version: number } = { list: [], text: "[]", version: 0 };
  #looking: Promise<void> | undefined;
  #next = Number.NEGATIVE_INFINITY;
  #takes = AT_FIRST;

  readonly #lastSeen: LastSeen;

  constructor(plan: SessionPlan, { game, lastSeen, now }: WatchOptions) {
    this.plan = plan;
    this.#game = game;
    this.#lastSeen = lastSeen;
    this.#now = now;
  }

  /** What has changed since a token; everything, if that is none of this watch. */
  async changes(since: unknown): Promise<MonitorAnswer> {
    await this.#look();
    const known = this.#versionOf(since);
    const after = known ?? -1;
    const all = [...this.#rows.values()];
    const { list, version } = this.#failures;
    return {
      token: `${this.#name}.${this.#version}`,
      isWhole: known === undefined,
      now: this.#now(),
      started: all.filter(({ row }) => row.index > 0).length,
      all: all.length,
      rows: all.filter((one) => one.version > after).map(({ row }) => row),
      ...(version > after
        ? { failures: list.slice(0, MOST_FAILURES), moreFailures: Math.max(0, list.length - MOST_FAILURES) }
        : {}),
    };
  }

  /** The next look reads anew, however recent the last one is. */
  expire(): void {
    this.#next = Number.NEGATIVE_INFINITY;
  }

  #versionOf(token: unknown): number | undefined {
    if (typeof token !== "string" || !token.startsWith(`${this.#name}.`)) return undefined;
    const version = Number(token.slice(this.#name.length + 1));
    return Number.isSafeInteger(version) && version <= this.#version ? version : undefined;
  }

  #look(): Promise<void> {
    if (this.#looking === undefined && performance.now() < this.#next) return Promise.resolve();
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #read(): Promise<void> {
    const begun = performance.now();
    const { store } = this.#game;
    // Who is connected stands in the rows of groups that another process may have. Where there is none, a group
    // that is not loaded has no connections, whatever a server that was killed has left there.
    const isAlive = (groupId: number) => store.shared || this.#game.isLoaded(groupId);
    // Another process may hear of whom this one does not.
    const isThere = (code: string): boolean | null => {
      const there = this.#lastSeen.isThere(code);
      return there === false && store.shared ? null : there;
    };
    const { rows, failures } = await lookAt({ plan: this.plan, read: store.read, isAlive, isThere });
    const version = this.#version + 1;
    let any = false;
    for (const row of rows) {
      const text = JSON.stringify(row);
      if (this.#rows.get(row.id)?.text === text) continue;
      this.#rows.set(row.id, { row, text, version });
      any = true;
    }
    const text = JSON.stringify(failures);
    if (text !== this.#failures.text) {
      this.#failures = { list: failures, text, version };
      any = true;
    }
    if (any) this.#version = version;
    const end = performance.now();
    // One that was slow for once does not count for much.
    this.#takes = Math.min(end - begun, 2 * this.#takes);
    this.#next = end + Math.max(PAUSE, REST * this.#takes);
  }
}

/** The sessions that somebody is watching, or was a moment ago. */
export class Watches {
  readonly #options: WatchOptions;
  readonly #watches = new Map<string, { readonly watch: SessionWatch; readonly forget: NodeJS.Timeout }>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** undefined: there is no such session. */
  async of(code: string): Promise<SessionWatch | undefined> {
    const known = this.#watches.get(code) ?? (await this.#make(code));
    known?.forget.refresh();
    return known?.watch;
  }

  async #make(code: string): Promise<{ watch: SessionWatch; forget: NodeJS.Timeout } | undefined> {
    const { game } = this.#options;
    const session = await game.store.read.session({ code });
    if (session === undefined) return undefined;
    // Somebody else may have asked meanwhile.
    const other = this.#watches.get(code);
    if (other !== undefined) return other;
    const watch = new SessionWatch(new SessionPlan(session, game.apps), this.#options);
    const made = { watch, forget: setTimeout(() => this.#watches.delete(code), FORGOTTEN).unref() };
    this.#watches.set(code, made);
    return made;
  }
}
