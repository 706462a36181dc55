import { join } from "node:path";
import { messageOf } from "../client-sdk/errors.ts";
import type { Figures } from "../server/figures.ts";
import { Child } from "./control.ts";
import type { LoadOptions } from "./options.ts";
import type { OwnServer } from "./own-server.ts";
import type { Plan } from "./plan.ts";
import type { PlayersOptions } from "./players/players.ts";
import type { PlayersCommands } from "./players/process.ts";
import { Recorder } from "./recorder.ts";
import type { LoadReport, Moment, Phase } from "./report/report.ts";
import type { Target } from "./target.ts";

/** Participants who come in at the same time, over all processes. */
const ADMITTED_TOGETHER = 32;
/** Moments of a run: as many as a chart shows, but neither too often for the server nor too seldom to look on. */
const MOMENTS = { wanted: 80, least: 250, most: 5_000 };
/** A server that does not give its figures for so long is not waited for. */
const FIGURES_PATIENCE_MS = 2_000;

export interface RunOptions {
  options: Pick<LoadOptions, "seconds" | "grace" | "rate" | "arrivals" | "seed">;
  plan: Plan;
  processes: number;
  /** The project's folder. */
  root: string;
  target: Target;
  /** undefined: the server is somebody else's. */
  own: OwnServer | undefined;
  /** Ends the run early: the report so far comes all the same. */
  signal: AbortSignal;
  onMoment(moment: Moment, recorder: Recorder): void;
}

/** One load test, from the players' processes to the report. @throws WalrasError if they cannot be started */
export async function runLoad(run: RunOptions): Promise<LoadReport> {
  const children: Child<PlayersCommands>[] = [];
  try {
    const all = shares(run);
    const links = await invite(run.target, all);
    await Promise.all(all.map(async (share) => children.push(await Child.start<PlayersCommands>(PLAYERS, share))));
    return await new LoadRun(run, children, links).report();
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

const PLAYERS = join(import.meta.dirname, "players/process.ts");

/** What each process plays. */
function shares({ options, plan, processes, root, target }: RunOptions): PlayersOptions[] {
  return Array.from({ length: processes }, (_, i) => {
    const [from, to] = [i, i + 1].map((part) => Math.floor((plan.groups * part) / processes)) as [number, number];
    return {
      root,
      place: target.place,
      apps: [...plan.apps],
      config: plan.config,
      groups: to - from,
      players: plan.players,
      sessionPerGroup: plan.sessionPerGroup,
      seed: (options.seed + Math.imul(i, 0x85ebca6b)) >>> 0,
      rate: options.rate,
      arrivals: options.arrivals,
      admittedTogether: Math.max(1, Math.floor(ADMITTED_TOGETHER / processes)),
      graceMs: options.grace * 1000,
    };
  });
}

/** The first sessions: one for each process, so that what is wrong with them shows before the players start. */
async function invite(target: Target, all: readonly PlayersOptions[]): Promise<string[][][]> {
  const links: string[][][] = [];
  for (const share of all) links.push(await target.invite(share, share.groups));
  return links;
}

class LoadRun {
  readonly #run: RunOptions;
  readonly #children: readonly Child<PlayersCommands>[];
  /** Of each process's groups. */
  readonly #links: readonly string[][][];
  readonly #recorder: Recorder;
  readonly #start = performance.now();
  #phase: Phase = "admitting";
  #interrupted = false;
  /** A look takes its time; another one waits for it. */
  #looking: Promise<unknown> = Promise.resolve();
  #isLooking = false;

  constructor(run: RunOptions, children: readonly Child<PlayersCommands>[], links: readonly string[][][]) {
    this.#run = run;
    this.#links = links;
    this.#children = children;
    const { options, plan, processes, target, own } = run;
    const isOpen = options.rate !== undefined;
    this.#recorder = new Recorder({
      startedAt: new Date(),
      server: { address: target.place.origin, isOwn: own !== undefined },
      settings: {
        apps: [...plan.apps],
        config: plan.config ?? null,
        groups: plan.groups,
        players: plan.players,
        participants: plan.participants,
        seconds: options.seconds,
        loop: isOpen ? "open" : "closed",
        rate: options.rate ?? null,
        arrivals: isOpen ? options.arrivals : null,
        seed: options.seed,
        processes,
      },
    });
  }

  async report(): Promise<LoadReport> {
    const { seconds } = this.#run.options;
    const every = Math.min(MOMENTS.most, Math.max(MOMENTS.least, (seconds * 1000) / MOMENTS.wanted));
    const onAbort = (): void => this.#stop(true);
    this.#run.signal.addEventListener("abort", onAbort);
    const timers: NodeJS.Timeout[] = [];
    try {
      await this.#look(true);
      timers.push(setInterval(() => this.#watch(), every));
      if (this.#run.signal.aborted) onAbort();
      await this.#untilStopped(this.#all((child, i) => child.ask("admit", this.#links[i] ?? [])));
      await this.#look();
      if (!this.#interrupted) {
        this.#phase = "playing";
        const played = this.#all((child) => child.ask("play", seconds));
        timers.push(setTimeout(() => this.#timeUp(), seconds * 1000));
        await this.#untilStopped(played);
        // All scripts have ended before the time is up: what they did was the load.
        if (this.#phase === "playing") await this.#look();
        this.#phase = "ending";
      }
      await this.#look(true);
      return this.#recorder.report(this.#interrupted);
    } finally {
      for (const timer of timers) clearInterval(timer);
      this.#run.signal.removeEventListener("abort", onAbort);
      this.#release();
    }
  }

  /** The load's last moment ends here: what comes now is not counted into its throughput. */
  #timeUp(): void {
    this.#look();
    this.#phase = "ending";
  }

  /** The regular look, and whether server and players are still there. */
  #watch(): void {
    const failure = this.#run.own?.failure;
    if (failure !== undefined && !this.#interrupted) {
      this.#recorder.trouble(failure);
      this.#stop(true);
    }
    // Where everything is slow, looks must not queue up behind each other.
    if (!this.#isLooking) this.#look();
  }

  async #all(ask: (child: Child<PlayersCommands>, i: number) => Promise<unknown>): Promise<void> {
    await Promise.all(this.#children.map((child, i) => ask(child, i).catch((error: unknown) => this.#gone(error))));
  }

  #release = (): void => {};

  /** Waits for something; while everybody comes in, an interruption is not waited for. */
  #untilStopped(work: Promise<void>): Promise<void> {
    if (this.#phase !== "admitting") return work;
    const stopped = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    if (this.#interrupted) this.#release();
    return Promise.race([work, stopped]);
  }

  #stop(quick: boolean): void {
    this.#interrupted = true;
    this.#all((child) => child.ask("stop", quick));
    this.#release();
  }

  /** Asks players and server how they do. @param withSize the database's size too */
  #look(withSize = false): Promise<void> {
    const { own, target, onMoment } = this.#run;
    const phase = this.#phase;
    this.#isLooking = true;
    const look = this.#looking.then(async () => {
      const figures = own?.failure === undefined ? target.figures(withSize).catch(() => undefined) : undefined;
      const [players, read] = await Promise.all([
        Promise.all(this.#children.map((child) => child.ask("sample").catch((error: unknown) => this.#gone(error)))),
        within<Figures | undefined>(FIGURES_PATIENCE_MS, Promise.resolve(figures)),
      ]);
      const at = (performance.now() - this.#start) / 1000;
      this.#isLooking = false;
      onMoment(this.#recorder.add({ phase, at, players, figures: read }), this.#recorder);
    });
    this.#looking = look;
    return look;
  }

  /** A process of players has ended: the others go on. */
  #gone(error: unknown): undefined {
    this.#recorder.trouble(`A process that makes the load has ended: ${messageOf(error)}`);
    return undefined;
  }
}

/** undefined: it took longer. */
function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
