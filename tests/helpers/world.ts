import { randomBytes, randomInt } from "node:crypto";
import { systemEnv } from "../../client-sdk/env.ts";
import type { ServerFrame } from "../../client-sdk/protocol.ts";
import type { AppSpec } from "../../entities/app-spec.ts";
import { Committer } from "../../entities/committer.ts";
import { NO_OWN_FIELDS } from "../../entities/own-fields.ts";
import { createSession } from "../../entities/sessions.ts";
import type { Store } from "../../entities/store.ts";
import type { Values } from "../../entities/tables.ts";
import type { Actor } from "../../rooms/actor.ts";
import type { ActorWorld } from "../../rooms/actor-world.ts";
import { Actors } from "../../rooms/actors.ts";
import type { PageContext, Reply } from "../../rooms/calls.ts";
import type { Connection } from "../../rooms/gate.ts";
import { Languages, PLAIN_POINTS } from "../../rooms/languages.ts";
import { GAME_LIMITS } from "../../rooms/limits.ts";
import type { Log } from "../../rooms/log.ts";
import { type IncomingMessage, MessageTurn } from "../../rooms/message-turn.ts";
import { NO_WATCHDOG } from "../../rooms/watchdog.ts";

/** Keeps lines instead of printing them. */
export class MemoryLog implements Log {
  readonly lines: { level: string; message: string; fields: Record<string, unknown> | undefined }[] = [];
  readonly info = (message: string, fields?: Record<string, unknown>) =>
    void this.lines.push({ level: "info", message, fields });
  readonly warn = (message: string, fields?: Record<string, unknown>) =>
    void this.lines.push({ level: "warn", message, fields });
  readonly error = (message: string, fields?: Record<string, unknown>) =>
    void this.lines.push({ level: "error", message, fields });
}

/** Actors over a store, without Colyseus, HTTP or a browser. */
export class TestWorld {
  readonly log = new MemoryLog();
  readonly halts: (string | null)[] = [];
  readonly committer: Committer;
  readonly actors: Actors;
  readonly world: ActorWorld;
  readonly store: Store;
  readonly apps: ReadonlyMap<string, AppSpec>;
  /** What pages were rendered with, newest last. */
  readonly rendered: PageContext[] = [];

  constructor(store: Store, apps: readonly AppSpec[], overrides: Partial<ActorWorld> = {}) {
    this.store = store;
    this.apps = new Map(apps.map((app) => [app.name, app]));
    const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.min(ms, 20)));
    this.committer = new Committer(store, {
      name: randomBytes(6).toString("hex"),
      soon: (callback) => setImmediate(callback),
      sleep,
      onHalt: (reason) => {
        this.halts.push(reason);
        this.actors.announce(reason !== null);
      },
    });
    const currency = { ...PLAIN_POINTS, decimals: 2 };
    this.world = {
      store,
      committer: this.committer,
      apps: this.apps,
      renderer: {
        render: (context) => {
          this.rendered.push(context);
          return { html: `<p>${context.identity}</p>`, nonce: "n" };
        },
      },
      currency,
      languages: new Languages({ currency }),
      version: null,
      ownFields: NO_OWN_FIELDS,
      log: this.log,
      development: true,
      watchdog: NO_WATCHDOG,
      now: Date.now,
      monotonic: () => performance.now(),
      sleep,
      after: systemEnv.after,
      newSeed: () => randomInt(2 ** 32),
      newSecret: () => randomBytes(16).toString("base64url"),
      encodeFrame: (json) => Buffer.from(json),
      limits: { ...GAME_LIMITS },
      ...overrides,
    };
    this.actors = new Actors(this.world);
  }

  /** A session of some apps. Groups come in order of creation. */
  async session(appSequence: string[], participants: number, parameters: Record<string, unknown> = {}) {
    const { session, participants: people } = await this.committer.transact((write) =>
      createSession(write, {
        config: { name: "test", appSequence, numDemoParticipants: participants, ...parameters },
        apps: this.apps,
        participants,
        isDemo: false,
        now: Date.now(),
        decimals: this.world.currency.decimals,
        ownFields: this.world.ownFields,
      }),
    );
    return { session, people };
  }

  /** Puts a participant on their first page; gives the id of their group's actor. */
  async arrive(participant: Values): Promise<number> {
    const place = await this.store.read.whereabouts(participant.code as string);
    const actorId = place?.actorId;
    if (actorId === undefined || actorId === null) throw new Error("the participant has no group");
    const reply = await this.actors.call(actorId, { kind: "start", participantId: participant.id as number });
    if (reply.kind !== "goto") throw new Error(`start answered ${JSON.stringify(reply)}`);
    return actorId;
  }

  view(actorId: number, participantId: number, pageIndex = 1): Promise<Reply> {
    return this.actors.call(actorId, { kind: "view", participantId, pageIndex });
  }

  /** Opens a page's socket and says hello. */
  async connect(
    actorId: number,
    participantId: number,
    options: { seen?: number; history?: boolean; page?: string } = {},
  ): Promise<TestConnection> {
    const actor = this.actors.get(actorId);
    await actor.load();
    const page = options.page ?? actor.pageOf(participantId) ?? "nowhere";
    const connection = new TestConnection(actor, participantId, page);
    actor.gate.attach(connection, actor.memory.playerOf(participantId)?.values.idInGroup as number);
    await actor.gate.hello(connection, options.seen ?? 0, options.history ?? false);
    actor.waits.greet(connection);
    return connection;
  }

  async close(): Promise<void> {
    this.committer.stop();
    await this.committer.drained();
    this.actors.end();
  }
}

/** The page's side of a socket, in memory. */
export class TestConnection implements Connection {
  readonly participantId: number;
  readonly pageIndex = 1;
  readonly page: string;
  readonly frames: ServerFrame[] = [];
  readonly clientId = randomBytes(16).toString("base64url");
  buffered = 0;
  closed: number | undefined;
  readonly #actor: Actor;
  #n = 0;
  #waiting: (() => void)[] = [];

  constructor(actor: Actor, participantId: number, page: string) {
    this.#actor = actor;
    this.participantId = participantId;
    this.page = page;
  }

  send(frame: Uint8Array): void {
    this.frames.push(JSON.parse(Buffer.from(frame).toString()) as ServerFrame);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  close(code: number): void {
    this.closed = code;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** A liveSend; `as` overrides parts of the frame. */
  post(data: unknown, as: Partial<IncomingMessage> = {}): number {
    const n = as.n ?? ++this.#n;
    this.#n = Math.max(this.#n, n);
    const message: IncomingMessage = {
      k: "send",
      c: this.clientId,
      n,
      p: this.page,
      d: data,
      text: JSON.stringify(data),
      ...as,
    };
    this.#actor.post(
      new MessageTurn(this.participantId, message, this).onFail((error) =>
        this.send(
          Buffer.from(
            JSON.stringify({
              k: "answer",
              a: { c: message.c, n, e: { code: error.code, message: error.message, retry: error.retry } },
            }),
          ),
        ),
      ),
    );
    return n;
  }

  /** What liveRecv would have been called with. */
  get received(): unknown[] {
    return this.frames.flatMap((frame) => (frame.k === "recv" ? frame.m : []));
  }

  /** The answer to a number, if it has come. */
  answerTo(n: number, clientId = this.clientId) {
    for (const frame of this.frames) {
      const answer = frame.k === "answer" || frame.k === "recv" ? frame.a : undefined;
      if (answer !== undefined && answer.n === n && answer.c === clientId) return answer;
    }
    return undefined;
  }

  /** Resolves when a condition on what has come holds. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.closed !== undefined) throw new Error(`closed with ${this.closed}`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Sends and waits for the answer. */
  async ask(data: unknown, as: Partial<IncomingMessage> = {}) {
    const n = this.post(data, as);
    await this.until(() => this.answerTo(n, as.c) !== undefined);
    const answer = this.answerTo(n, as.c);
    if (answer === undefined) throw new Error("no answer");
    return answer;
  }
}
