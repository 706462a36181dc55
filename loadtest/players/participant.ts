import WebSocket from "ws";
import { BotPlayer } from "../../bots/bot-player.ts";
import type { Bots } from "../../bots/define-bots.ts";
import { BotError } from "../../bots/errors.ts";
import { headlessTab } from "../../bots/headless-tab.ts";
import type { SendRecord } from "../../bots/hooks.ts";
import { caseOf, playSession, stuck } from "../../bots/run-bots.ts";
import { codeOf, messageOf, WalrasError } from "../../client-sdk/errors.ts";
import type { Socket, SocketEvents } from "../../client-sdk/wire.ts";
import type { GroupWatch } from "./group-watch.ts";
import { pageFetch } from "./page-fetch.ts";
import { PageWatch } from "./page-watch.ts";
import type { Tally } from "./tally.ts";

export interface ParticipantOptions {
  link: string;
  /** Of the group in this process. */
  slot: number;
  /** In the session, from 1. */
  number: number;
  seed: number;
  bots: ReadonlyMap<string, Bots>;
  /** Which case of the scripts, from 0. */
  caseNumber: number;
  tally: Tally;
  /** The group that is played in a Colyseus room. */
  groupOf(roomId: string): GroupWatch;
  /** See BotHooks: when a turn may begin; undefined: no more turns. */
  pace(participant: Participant, turn: number): Promise<number | undefined>;
  locate(place: string): string | undefined;
}

/** How long a first page may take to get its connection, in milliseconds. */
const JOIN_PATIENCE_MS = 30_000;

/** One participant under load: a bot, and somebody who looks on at its wire. */
export class Participant {
  readonly player: BotPlayer;
  readonly slot: number;
  /** The live page that is open, if one is. */
  page: PageWatch | undefined;
  /** `resting`: it waits at the end of its turns. */
  state: "entering" | "playing" | "resting" | "ended" = "entering";
  /** Messages since its last turn began. */
  sentThisTurn = 0;
  readonly #options: ParticipantOptions;
  #socket: WebSocket | undefined;
  #onOpen = (): void => {};
  #onFreeze = (): void => {};
  /** Refused before they had a number: no frame will ever tell of them. */
  readonly #unnumbered = new WeakSet<SendRecord>();

  constructor(options: ParticipantOptions) {
    const { number, seed, bots, caseNumber, locate } = options;
    this.#options = options;
    this.slot = options.slot;
    this.player = new BotPlayer({
      participant: number,
      seed,
      caseOf: (app) => caseOf(bots.get(app), caseNumber),
      pagesOf: (app) => bots.get(app)?.pages ?? [],
      locate,
      hooks: {
        pace: (_bot, turn) => options.pace(this, turn),
        onSend: (record) => this.#sent(record),
        onAnswer: (record, error) => {
          if (error !== undefined && this.#unnumbered.has(record)) {
            options.tally.error("refused", codeOf(error), messageOf(error));
          }
        },
      },
    });
  }

  /** Opens the link; a live page also gets its connection. @throws what went wrong */
  async open(): Promise<void> {
    const { link, tally, groupOf } = this.#options;
    await this.player.open(
      headlessTab(link, {
        fetch: pageFetch,
        openSocket: (url, origin, headers, on) => this.#openSocket(url, origin, headers, on),
        watch: (live, clientId) => {
          this.page = new PageWatch({
            tally,
            group: live.seat === null ? null : groupOf(live.seat.roomId),
            clientId,
            now: () => performance.now(),
            onOpen: () => this.#onOpen(),
          });
          return this.page;
        },
      }),
    );
    if (this.page === undefined || this.page.closedAt !== undefined) return;
    if (!(await this.#opened(JOIN_PATIENCE_MS))) {
      throw new WalrasError("no_connection", `${this.player.page}: the live page got no connection.`);
    }
  }

  /** Plays the session to its end. @throws BotError; resolves early if {@link freeze} is called */
  async play(): Promise<void> {
    const frozen = new Promise<void>((resolve) => {
      this.#onFreeze = resolve;
    });
    try {
      await Promise.race([playSession(this.player, this.#options.bots), frozen]);
    } catch (error) {
      throw error instanceof BotError ? error : this.player.failed(`the script threw ${messageOf(error)}`, error);
    }
  }

  /** That it plays although it should have ended, and what it waits for. */
  stuck(): BotError {
    return stuck(this.player, "was still playing long after the time was up");
  }

  /** Ends the bot wherever it is. */
  freeze(): void {
    this.player.freeze();
    this.#onFreeze();
  }

  close(): void {
    this.player.close();
  }

  /**
   * The last check: takes a new connection, which brings what the old one has lost.
   *
   * @returns false if there was nothing to check or no connection came in time
   */
  async audit(patienceMs: number): Promise<boolean> {
    if (this.page?.isOpen !== true || this.#socket === undefined) return false;
    this.page.beginAudit();
    const opened = this.#opened(patienceMs, true);
    this.#socket.terminate();
    return opened;
  }

  /** Waits for the page's connection. @param next not the one that is there */
  #opened(patienceMs: number, next = false): Promise<boolean> {
    if (!next && this.page?.isOpen === true) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => end(false), patienceMs);
      const end = (isOpen: boolean): void => {
        clearTimeout(timer);
        this.#onOpen = () => {};
        resolve(isOpen);
      };
      this.#onOpen = () => end(true);
    });
  }

  #sent(record: SendRecord): void {
    this.sentThisTurn += 1;
    if (this.page?.due(record.intendedAt) !== true) this.#unnumbered.add(record);
  }

  #openSocket(url: string, origin: string, headers: Record<string, string>, on: SocketEvents): Socket {
    const socket = new WebSocket(url, { origin, perMessageDeflate: false, headers });
    this.#socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) on.message(data);
    });
    socket.on("close", (code) => on.close(code));
    // An error is always followed by close.
    socket.on("error", () => {});
    return { send: (bytes) => socket.send(bytes, () => {}), close: (code) => socket.close(code) };
  }
}
