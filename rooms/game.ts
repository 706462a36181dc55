import { randomBytes, randomInt } from "node:crypto";
import { uptime } from "node:os";
import type { Application } from "express";
import { systemEnv } from "../client-sdk/env.ts";
import { messageOf } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { Committer } from "../entities/committer.ts";
import { NO_OWN_FIELDS } from "../entities/own-fields.ts";
import { readSecret } from "../entities/secret.ts";
import { draftSession, writeSession } from "../entities/sessions.ts";
import type { Store } from "../entities/store.ts";
import type { ActorLimits, ActorWorld } from "./actor-world.ts";
import { Actors } from "./actors.ts";
import type { Game, Renderer } from "./calls.ts";
import { chatSeal } from "./chat-seal.ts";
import { Chats } from "./chats.ts";
import { startColyseus } from "./colyseus-server.ts";
import { editSession } from "./edit-session.ts";
import { encodeFrame } from "./frames.ts";
import { makeGroupRoom } from "./group-room.ts";
import { Languages } from "./languages.ts";
import { GAME_LIMITS } from "./limits.ts";
import type { Log } from "./log.ts";
import { Rooms } from "./rooms.ts";
import { steadyClock } from "./steady-clock.ts";
import type { Config } from "./walras-config.ts";
import { startWatchdog } from "./watchdog.ts";

export interface GameOptions {
  readonly apps: ReadonlyMap<string, AppSpec>;
  readonly config: Config;
  readonly renderer: Renderer;
  readonly store: Store;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Adds the pages; called before the server listens. */
  readonly express: (app: Application, game: Game) => void;
  readonly publicAddress?: string | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
  readonly limits?: Partial<Record<keyof typeof GAME_LIMITS, number>> | undefined;
  readonly log: Log;
  /** JSON text of which code runs, for the journal. */
  readonly version?: string | undefined;
  /** Tells participants what went wrong in the author's code. Default: false. */
  readonly development?: boolean | undefined;
}

/** Starts the game: actors, committer, Colyseus and the given pages on one port. @throws WalrasError `port_in_use` */
export async function startGame(options: GameOptions): Promise<Game> {
  const { apps, config, store, log } = options;
  const languages = config.languages ?? new Languages({ currency: config.currency });
  const limits: ActorLimits & Record<"idle" | "ownership" | "sockets", number> = { ...GAME_LIMITS, ...options.limits };
  const name = randomBytes(6).toString("base64url");
  const watchdog = startWatchdog(log);
  const committer = new Committer(store, {
    name,
    soon: (callback) => setImmediate(callback),
    sleep,
    onHalt(reason) {
      if (reason === null) log.info("the database takes writes again");
      else log.error("the database does not take writes; everything waits for it", { error: reason });
      actors.announce(reason !== null);
    },
  });
  const chats = new Chats({
    seal: chatSeal(await readSecret({ read: store.read, transact: (work) => committer.transact(work) }, "chat secret")),
    ...{ read: store.read, log, sleep, after: systemEnv.after },
  });
  const world: ActorWorld = {
    store,
    chats,
    committer,
    apps,
    renderer: options.renderer,
    currency: config.currency,
    languages,
    version: options.version ?? null,
    ownFields: config.ownFields ?? NO_OWN_FIELDS,
    log,
    development: options.development ?? false,
    watchdog,
    now: steadyClock({ wall: Date.now, monotonic, uptime: () => uptime() * 1000 }),
    monotonic,
    sleep,
    after: systemEnv.after,
    newSeed: () => randomInt(2 ** 32),
    newSecret: () => randomBytes(16).toString("base64url"),
    encodeFrame,
    limits,
  };
  const actors = new Actors(world);
  const rooms = new Rooms(actors);

  let ended: Promise<void> | undefined;
  async function end(deadlineMs: number): Promise<void> {
    for (const timer of timers) clearInterval(timer);
    await actors.finish(deadlineMs);
    committer.stop();
    await within(deadlineMs, committer.drained());
    actors.end();
    await colyseus.stop();
    watchdog.stop();
    await store.close();
  }

  const game: Omit<Game, "port"> = {
    store,
    apps,
    call: (actorId, command) => actors.call(actorId, command),
    seat: (actorId, participantId, pageIndex, inspects) => rooms.seat(actorId, participantId, pageIndex, inspects),
    isLoaded: (actorId) => actors.find(actorId) !== undefined,
    restart: (actorId) => actors.find(actorId)?.die(),
    createSession: (config, { participants, isDemo, labels }) =>
      draftSession({
        config,
        apps,
        participants,
        isDemo,
        labels,
        now: world.now(),
        decimals: world.currency.decimals,
        ownFields: world.ownFields,
        formats: languages.of(config.language),
        runHook: (what, hook) => actors.hooks.carryOut(what, undefined, hook),
      })
        // The authors' functions have run, outside of the transaction for which all groups wait.
        .then((draft) => committer.transact((write) => writeSession(write, draft)))
        .then(({ session }) => {
          actors.timers.notice();
          return session;
        }),
    editSession: (sessionId, edit) => editSession(world, sessionId, edit, (id) => actors.endSession(id)),
    retryWaitPage: (actorId, page) => actors.retryWaitPage(actorId, page),
    transact: (work) => committer.transact(work),
    health: () => ({
      ok: committer.halted === null,
      halted: committer.halted,
      actors: actors.size,
      sockets: actors.sockets,
      pending: committer.pending,
    }),
    stop: (deadlineMs = 10_000) => {
      ended ??= end(deadlineMs);
      return ended;
    },
  };
  // Routes are added before the port is known; whoever reads it then gets it late.
  let port = options.port;
  const whole: Game = Object.defineProperty(game as Game, "port", { enumerable: true, get: () => port });

  const colyseus = await startColyseus({
    host: options.host,
    port: options.port,
    rooms: { group: makeGroupRoom(actors) },
    express: (app) => options.express(app, whole),
    allowedOrigins: options.allowedOrigins ?? [],
    // Room for the envelope, and for larger messages to be refused with a proper answer.
    maxPayload: limits.messageBytes * 2 + 64 * 1024,
    maxSockets: limits.sockets,
    publicAddress: options.publicAddress,
    log,
  });
  port = colyseus.port;
  actors.timers.start();
  const tidy = (): void => {
    actors.evict(limits.idle);
    rooms.evict();
  };
  const timers = [setInterval(tidy, Math.min(limits.idle, 30_000)).unref()];
  if (store.shared) {
    const check = (): void => {
      actors
        .checkOwnership()
        .catch((error: unknown) => log.warn("ownership was not checked", { error: messageOf(error) }));
      chats.poll().catch((error: unknown) => log.warn("chats were not looked at", { error: messageOf(error) }));
    };
    timers.push(setInterval(check, limits.ownership).unref());
  }
  return whole;
}

function monotonic(): number {
  return performance.now();
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for something, but no longer than so many milliseconds, and leaves no timer behind. */
async function within(ms: number, done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}
