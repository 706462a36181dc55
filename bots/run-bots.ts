import { messageOf, type WalrasError } from "../client-sdk/errors.ts";
import { BotPlayer } from "./bot-player.ts";
import type { Bots } from "./define-bots.ts";
import { BotError, scriptLine } from "./errors.ts";
import type { BotHooks } from "./hooks.ts";
import type { OpenTab } from "./tab.ts";

export interface RunOptions {
  /** How each participant's page is opened, in the order of the session: P1 first. */
  participants: readonly OpenTab[];
  /** The bots of each app of the session, by the app's name. */
  bots: ReadonlyMap<string, Bots>;
  /** Which of the apps' cases, from 0; an app with fewer begins again with its first. Default: 0. */
  caseNumber?: number;
  /** For `bot.random`; each participant gets another sequence. */
  seed: number;
  /** Milliseconds after which the run ends, wherever its bots are. Default: no limit. */
  limitMs?: number;
  /** Ends the run. */
  signal?: AbortSignal;
  /** Participants who come in at the same time. Default: 64. */
  admittedTogether?: number;
  hooks?: BotHooks;
  /** Which participant of the session each of them is. Default: 1, 2, 3 ... */
  numbers?: readonly number[];
  /** How many times longer than usual bots wait for messages and pages. Default: 1. */
  patience?: number;
  /** Awaited before each send and submit. */
  before?: ((bot: BotPlayer) => Promise<void>) | undefined;
  /** Turns a place of a stack into one of the project, as `locateIn` does. Default: errors name no line. */
  locate?(place: string): string | undefined;
}

/** How one bot fared. */
export interface BotOutcome {
  readonly participant: number;
  /** Its pages, `app/round/Page`, in order. */
  readonly visited: readonly string[];
  readonly sent: number;
  readonly received: number;
  /** It came to the end of the session. */
  readonly finished: boolean;
  readonly error: BotError | undefined;
}

export interface BotsOutcome {
  readonly outcomes: readonly BotOutcome[];
  /** In the order in which they happened: later ones may be consequences. */
  readonly errors: readonly BotError[];
  readonly ms: number;
}

/**
 * Plays a session: one bot for each participant, all side by side. A bot that fails does not stop the
 * others. Resolves when all have ended, however they have; their tabs stay open until then.
 */
export async function runBots(options: RunOptions): Promise<BotsOutcome> {
  const { participants, bots, caseNumber = 0, seed, hooks, signal } = options;
  const start = performance.now();
  const errors: BotError[] = [];
  const players = participants.map(
    (_, i) =>
      new BotPlayer({
        participant: options.numbers?.[i] ?? i + 1,
        seed: (seed + Math.imul(i, 0x9e3779b1)) >>> 0,
        caseOf: (app) => caseOf(bots.get(app), caseNumber),
        hooks,
        before: options.before,
        patience: options.patience,
        locate: options.locate ?? (() => undefined),
        pagesOf: (app) => bots.get(app)?.pages ?? [],
      }),
  );
  const ended = new Map<BotPlayer, BotError | undefined>();
  let allEnded = (): void => {};
  const untilAllEnded = new Promise<void>((resolve) => {
    allEnded = resolve;
  });
  const end = (player: BotPlayer, error?: BotError): void => {
    // What was not awaited can go wrong after the script has ended.
    if (ended.has(player) && (error === undefined || ended.get(player) !== undefined)) return;
    ended.set(player, error);
    if (error !== undefined) {
      errors.push(error);
      // Its script may still be under way: it goes no further. The page stays open, as that of a person who has stopped.
      player.freeze();
    }
    hooks?.onEnd?.(player, error);
    if (ended.size === players.length) allEnded();
  };
  const stop = (why: string): void => {
    for (const player of players) if (!ended.has(player)) end(player, stuck(player, why));
  };
  const { limitMs } = options;
  const timer =
    limitMs === undefined
      ? undefined
      : setTimeout(() => stop(`was still here after ${limitMs / 1000} s, the limit`), limitMs);
  const onAbort = (): void => stop("was still here when the run was stopped");
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) onAbort();

  const unwatch = watchRejections((error) => {
    const player =
      error instanceof BotError ? players.find((one) => one.participant === error.at.participant) : undefined;
    // The form that leaves a page takes along what has no answer yet: nothing is wrong.
    if (error instanceof BotError && error.code === "left") return;
    if (player !== undefined && error instanceof BotError) end(player, error);
    // Without an owner it fails the run all the same: nobody would learn of it otherwise.
    else errors.push(strayError(error, options.locate));
  });
  const admit = makeGate(options.admittedTogether ?? 64);
  try {
    for (const [i, player] of players.entries()) {
      const play = async (): Promise<void> => {
        await admit(() => player.open(participants[i] as OpenTab));
        await playSession(player, bots);
      };
      play().then(
        () => end(player),
        (error) =>
          end(player, error instanceof BotError ? error : player.failed(`the script threw ${nameOf(error)}`, error)),
      );
    }
    if (players.length > 0) await untilAllEnded;
    // What a script left without awaiting it is told to us once the queue of microtasks is empty.
    await new Promise((resolve) => setTimeout(resolve, 0));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    unwatch();
    for (const player of players) player.close();
  }
  const outcomes = players.map(
    (player): BotOutcome => ({
      participant: player.participant,
      visited: player.visited,
      sent: player.sent,
      received: player.received,
      finished: player.finished,
      error: ended.get(player),
    }),
  );
  return { outcomes, errors, ms: performance.now() - start };
}

/**
 * Takes one participant, whose page is open, through all apps and rounds of the session.
 *
 * @throws BotError, or what the script throws
 */
export async function playSession(player: BotPlayer, bots: ReadonlyMap<string, Bots>): Promise<void> {
  while (!player.finished) {
    const { app, round } = player;
    const definition = bots.get(app);
    if (definition === undefined) {
      throw player.failed(
        `the app ${app} has no bots. Write apps/${app}/bots.ts: export default defineBots(app, async (bot) => { ... });`,
      );
    }
    player.resume();
    await definition.script(player);
    const isStillHere = () => !player.finished && player.app === app && player.round === round;
    if (isStillHere() && player.isWaiting) await player.passWaitPages();
    if (!isStillHere()) continue;
    if (definition.mayEndEarly) return;
    const { pagesLeft } = player;
    const left =
      pagesLeft === 0 ? "it is the last one, and was not submitted" : `${pagesLeft} more of the session would come`;
    throw player.failed(
      `the script ended on page ${player.page}; ${left}. Let it go on with bot.submit(), or allow this with defineBots(app, script, { mayEndEarly: true })`,
    );
  }
}

/** Name of the case that is played; empty if the app has none. */
export function caseOf(bots: Bots | undefined, caseNumber: number): string {
  const cases = bots?.cases ?? [];
  return cases[caseNumber % Math.max(1, cases.length)] ?? "";
}

/** That a bot was still playing when it should have ended: where, and what it was waiting for. */
export function stuck(player: BotPlayer, why: string): BotError {
  const { at, waitsSince } = player;
  const since =
    waitsSince === undefined ? "" : `, waiting since ${((performance.now() - waitsSince) / 1000).toFixed(1)} s`;
  const doing = at.action === "" ? " in code of its own" : since;
  return new BotError(at, `${why}${doing}`, { code: "bot_stuck" });
}

/** A rejection that nobody handled, of a promise that is none of a bot's calls. */
function strayError(error: unknown, locate: RunOptions["locate"]): BotError {
  const at = { participant: 0, idInGroup: null, app: "a bot's script", round: 1, page: "", step: 0, action: "" };
  const line = error instanceof Error && locate !== undefined ? scriptLine(error.stack, locate) : undefined;
  return new BotError(at, `a promise was rejected, and nobody awaited it: ${nameOf(error)}`, { cause: error, line });
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return `something that is not an Error: ${messageOf(error)}`;
  return `${error.name}: ${error.message}`;
}

/** Calls back for each rejection that nobody handles: a script's `bot.live.send(...)` without await. */
function watchRejections(tell: (error: unknown) => void): () => void {
  if (typeof process !== "undefined" && typeof process.on === "function") {
    process.on("unhandledRejection", tell);
    return () => process.off("unhandledRejection", tell);
  }
  const listen = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    tell(event.reason);
  };
  addEventListener("unhandledrejection", listen);
  return () => removeEventListener("unhandledrejection", listen);
}

/** Lets so many in at a time. */
function makeGate(width: number): <T>(run: () => Promise<T>) => Promise<T> {
  let inside = 0;
  const outside: (() => void)[] = [];
  return async (run) => {
    if (inside >= width) await new Promise<void>((resolve) => outside.push(resolve));
    else inside += 1;
    try {
      return await run();
    } finally {
      const next = outside.shift();
      if (next === undefined) inside -= 1;
      else next();
    }
  };
}

/** The lines of a report about what went wrong. */
export function describeErrors(errors: readonly WalrasError[], most = 20): string {
  const shown = errors.slice(0, most).map((error) => error.message);
  if (errors.length > most) shown.push(`... and ${errors.length - most} more.`);
  return shown.join("\n\n");
}
