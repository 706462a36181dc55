import { cpus } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Game } from "../rooms/calls.ts";
import type { Settings } from "./config.ts";

/** What a server process has used, and how it does; answered by `GET /api/figures`. */
export interface Figures {
  /** Raised when a field changes its meaning. */
  v: 1;
  /** Names the process: another one answers after a restart, or behind a load balancer. */
  process: string;
  node: string;
  cores: number;
  /** Milliseconds of the process's own monotonic clock. */
  at: number;
  /** CPU time of all threads since the process began, user and system, in microseconds. */
  cpu: number;
  /** Bytes. `heap`: JavaScript's, and the buffers outside of it. */
  memory: { resident: number; heap: number };
  /** How late the event loop was since the figures were last read; null at the first reading. `delays`: so many
   * looks at it found it late by so many milliseconds. */
  loopDelay: { max: number; delays: [ms: number, count: number][] } | null;
  /** Loaded groups, open sockets, units waiting for the database, and why writes are refused, if they are. */
  actors: number;
  sockets: number;
  pending: number;
  halted: string | null;
  database: {
    dialect: "sqlite" | "postgres";
    /** Bytes of the whole database; null unless it was asked for (`?database=size`). */
    bytes: number | null;
    /** SQLite's `PRAGMA synchronous`. */
    synchronous: Settings["synchronous"] | null;
  };
  /** Live messages that a participant may send: a second in the long run, and at once. */
  limits: { rate: number; burst: number };
}

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION_MS = 10;
/** Without a reader for so long, nobody looks any more. */
const FORGOTTEN_MS = 30_000;

/** Reads a server's {@link Figures}. The event loop is watched only while somebody keeps asking. */
export class FigureReader {
  readonly #game: Game;
  readonly #settings: Pick<Settings, "rate" | "burst" | "synchronous">;
  #loop: ReturnType<typeof monitorEventLoopDelay> | undefined;
  #forget: NodeJS.Timeout | undefined;

  constructor(game: Game, settings: Pick<Settings, "rate" | "burst" | "synchronous">) {
    this.#game = game;
    this.#settings = settings;
  }

  /** @param withSize also ask the database for its size, which takes PostgreSQL some milliseconds */
  async read(withSize: boolean): Promise<Figures> {
    const { store } = this.#game;
    const { rate, burst, synchronous } = this.#settings;
    const bytes = withSize ? await store.read.size() : null;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, external } = process.memoryUsage();
    const { actors, sockets, pending, halted } = this.#game.health();
    return {
      v: 1,
      process: `${process.pid}.${Math.round(performance.timeOrigin)}`,
      node: process.version,
      cores: cpus().length,
      at: performance.now(),
      cpu: user + system,
      memory: { resident: rss, heap: heapUsed + external },
      loopDelay: this.#loopDelay(),
      actors,
      sockets,
      pending,
      halted,
      database: { dialect: store.dialect, bytes, synchronous: store.dialect === "sqlite" ? synchronous : null },
      limits: { rate, burst },
    };
  }

  #loopDelay(): Figures["loopDelay"] {
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => this.stop(), FORGOTTEN_MS).unref();
    if (this.#loop === undefined) {
      this.#loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      this.#loop.enable();
      return null;
    }
    const delays = delaysOf(this.#loop);
    this.#loop.reset();
    return { max: Math.max(0, ...delays.map(([ms]) => ms)), delays };
  }

  /** Looks at the event loop no more. */
  stop(): void {
    clearTimeout(this.#forget);
    this.#loop?.disable();
    this.#loop = undefined;
  }
}

function delaysOf(loop: ReturnType<typeof monitorEventLoopDelay>): [ms: number, count: number][] {
  const delays: [number, number][] = [];
  let before = 0;
  if (loop.count > 0) {
    for (const [percentile, nanoseconds] of loop.percentiles) {
      const upTo = Math.round((percentile / 100) * loop.count);
      // Node records the time between two looks: what is beyond the resolution was delay.
      if (upTo > before) delays.push([Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS), upTo - before]);
      before = upTo;
    }
  }
  return delays;
}
