import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express, { type Application } from "express";
import type { PageLive, Seat, SeatAnswer } from "../../client-sdk/protocol.ts";
import type { AppSpec } from "../../entities/app-spec.ts";
import { openStore } from "../../entities/open-store.ts";
import type { Values } from "../../entities/tables.ts";
import type { Game, Reply } from "../../rooms/calls.ts";
import { type GameOptions, startGame } from "../../rooms/game.ts";
import { RawSocket, type RawSocketOptions } from "./raw-socket.ts";
import { MemoryLog } from "./world.ts";

export interface TestGameOptions {
  /** An existing directory with a database to continue; default: a new one, removed when the game stops. */
  directory?: string;
  limits?: GameOptions["limits"];
  allowedOrigins?: readonly string[];
  /** More routes. */
  express?(app: Application): void;
}

/** Somebody who has arrived on the first page of a session. */
export interface Guest {
  readonly id: number;
  readonly code: string;
  readonly actorId: number;
  /** `app/round/Page`. */
  readonly page: string;
}

/**
 * The real game in this process, on a free port of loopback and an SQLite file: everything but the
 * server floor. Colyseus' matchmaker is a singleton, so there can be one at a time in a test file.
 */
export class TestGame {
  readonly game: Game;
  readonly log: MemoryLog;
  readonly directory: string;
  readonly #keep: boolean;
  /** All that were opened. */
  readonly sockets: RawSocket[] = [];

  private constructor(game: Game, log: MemoryLog, directory: string, keep: boolean) {
    this.game = game;
    this.log = log;
    this.directory = directory;
    this.#keep = keep;
  }

  static async start(
    definitions: readonly { readonly spec: AppSpec }[],
    options: TestGameOptions = {},
  ): Promise<TestGame> {
    const apps = definitions.map(({ spec }) => spec);
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), "walras-game-"));
    const log = new MemoryLog();
    const store = await openStore({ file: join(directory, "db.sqlite3"), synchronous: "NORMAL", apps });
    const game = await startGame({
      apps: new Map(apps.map((app) => [app.name, app])),
      config: {
        sessionConfigs: [],
        labs: [],
        currency: { locale: "en", code: null, decimals: 2, points: ["point", "points"] },
        language: "en",
      },
      renderer: {
        render: ({ identity, seatSlot }) => ({
          html: `<title>${identity}</title>${seatSlot ?? ""}<form id="form" method="post"></form>`,
          nonce: "n",
        }),
      },
      store,
      host: "127.0.0.1",
      port: 0,
      express: (app, running) => {
        pages(app, running);
        options.express?.(app);
      },
      allowedOrigins: options.allowedOrigins,
      limits: options.limits,
      log,
    });
    return new TestGame(game, log, directory, options.directory !== undefined);
  }

  get base(): string {
    return `http://127.0.0.1:${this.game.port}`;
  }

  /** A new session, in which everybody has opened their link. */
  async guests(appSequence: string[], participants: number, parameters: object = {}): Promise<Guest[]> {
    const session = await this.game.createSession(
      { name: "test", appSequence, numDemoParticipants: participants, ...parameters },
      { participants, isDemo: false },
    );
    const people = await this.game.store.read.participants(session.id as number);
    return Promise.all(people.map((person) => this.arrive(person)));
  }

  /** Opens a participant's link. */
  async arrive(person: Values | string): Promise<Guest> {
    const code = typeof person === "string" ? person : (person.code as string);
    const place = await this.game.store.read.whereabouts(code);
    if (place === undefined || place.actorId === null) throw new Error("the participant has no group");
    const participantId = place.participant.id as number;
    await this.game.call(place.actorId, { kind: "start", participantId });
    const at = await this.game.call(place.actorId, { kind: "whereabouts", participantId });
    if (at.kind !== "at") throw new Error(`the participant is nowhere: ${JSON.stringify(at)}`);
    return { id: participantId, code, actorId: place.actorId, page: at.page };
  }

  seat(guest: Guest, pageIndex = 1): Promise<Seat> {
    return this.game.seat(guest.actorId, guest.id, pageIndex);
  }

  /** A raw socket in a seat; it has not said hello. It is closed when the game stops. */
  async socket(seat: Seat, options: RawSocketOptions = {}): Promise<RawSocket> {
    const socket = new RawSocket(`ws://127.0.0.1:${this.game.port}`, seat, options);
    this.sockets.push(socket);
    await socket.settled;
    return socket;
  }

  /** A raw socket of a guest who has just loaded the page, welcomed. */
  async connect(guest: Guest, options: RawSocketOptions = {}): Promise<RawSocket> {
    const page = await this.game.call(guest.actorId, { kind: "view", participantId: guest.id, pageIndex: 1 });
    if (page.kind !== "page") throw new Error(`the participant has no page: ${JSON.stringify(page)}`);
    const socket = await this.socket(await this.seat(guest), { page: guest.page, ...options });
    await socket.hello(page.live?.seq);
    return socket;
  }

  async stop(): Promise<void> {
    await this.game.stop();
    for (const socket of this.sockets) socket.destroy();
    if (!this.#keep) rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Just enough pages for a headless participant. */
function pages(app: Application, game: Game): void {
  const ask = async (code: string, make: (participantId: number) => Parameters<Game["call"]>[1]) => {
    const place = await game.store.read.whereabouts(code);
    if (place === undefined || place.actorId === null) throw new Error("nobody");
    const participantId = place.participant.id as number;
    const reply = await game.call(place.actorId, make(participantId));
    return { reply, actorId: place.actorId, participantId };
  };
  app.get("/live/:code", async (request, response) => {
    const { code } = request.params;
    await ask(code, (participantId) => ({ kind: "start", participantId }));
    const { reply, actorId, participantId } = await ask(code, (id) => ({
      kind: "view",
      participantId: id,
      pageIndex: 1,
    }));
    const { html, live, seatSlot } = reply as Extract<Reply, { kind: "page" }>;
    const whole = {
      ...live,
      seat: await game.seat(actorId, participantId, 1),
      seatUrl: `/live/${code}/seat`,
    } as PageLive;
    const script = `<script type="application/json" id="walras-live">${JSON.stringify(whole)}</script>`;
    response.type("html").send(html.replace(seatSlot as string, script));
  });
  app.post("/live/:code/seat", express.urlencoded(), async (request, response) => {
    const { reply, actorId, participantId } = await ask(request.params.code, (id) => ({
      kind: "whereabouts",
      participantId: id,
    }));
    const answer: SeatAnswer =
      reply.kind === "at"
        ? { seat: await game.seat(actorId, participantId, reply.pageIndex) }
        : { seat: null, reload: true };
    response.json(answer);
  });
}
