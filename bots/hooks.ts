import type { BotPlayer } from "./bot-player.ts";

/** One `live.send` of a bot, for who measures. The same object comes back with its answer. */
export interface SendRecord {
  readonly bot: BotPlayer;
  readonly data: unknown;
  /** performance.now() when it was to be sent: the turn's moment for the first send of a turn, else `sentAt`. */
  readonly intendedAt: number;
  /** performance.now() when it was handed to the socket. */
  readonly sentAt: number;
}

/** How a load test steers and watches bots. Each is called at once, in the tick of what it tells. */
export interface BotHooks {
  /**
   * When turn `turn` (from 0) of `bot.turns(count)` may begin. Resolves with the moment, by
   * performance.now(), from which the turn's first message counts; undefined: the loop ends.
   * Default: `count` turns without a pause.
   */
  pace?(bot: BotPlayer, turn: number, count: number): Promise<number | undefined> | number | undefined;
  onSend?(record: SendRecord): void;
  /** @param error set: it was refused, or the page was left before the answer came */
  onAnswer?(record: SendRecord, error?: unknown): void;
  /** Each message to a bot, wanted or not. */
  onDelivery?(bot: BotPlayer, data: unknown, seq: number): void;
  /** Each page that a bot comes to, and each reload. */
  onPage?(bot: BotPlayer): void;
  /** A call of the bot's script returns: from here on the script runs. */
  onResume?(bot: BotPlayer): void;
  /** A bot has ended: by itself, or with an error. */
  onEnd?(bot: BotPlayer, error?: unknown): void;
}
