import { DEFAULT_CHAT_LIMIT } from "../client-sdk/protocol.ts";

/** All limits and times of a running game, with their defaults. */
export const GAME_LIMITS = {
  /** Sockets of all participants that may be open at once. */
  sockets: 50_000,
  /** Bytes of one live message. */
  messageBytes: 64 * 1024,
  /** Live messages a second and participant, in the long run. */
  rate: 50,
  /** Live messages at once. */
  burst: 100,
  /** Characters of one chat message. */
  chatCharacters: DEFAULT_CHAT_LIMIT,
  /** Live messages for which one chat message counts in the limits above: it is kept, and shown to everybody anew at
   * each page load. */
  chatCost: 10,
  /** Units and bytes of one group that run ahead of the database. */
  uncommittedUnits: 64,
  uncommittedBytes: 1024 * 1024,
  /** Turns that wait in one group's mailbox. */
  mailbox: 1000,
  /** Async live calls of one participant that are under way in a group: each may wait for minutes. */
  asyncCalls: 32,
  /** How long an async call may take unless its page says otherwise, in milliseconds. */
  callTime: 300_000,
  /** How long a call that is told to end may take to do so, in milliseconds. */
  callGrace: 1000,
  /** Least time to come back to a group that was loaded anew, in milliseconds: a page that has lost its server
   * tries again every 5 s at most. */
  comeBack: 6000,
  /** How often a group in which somebody is connected is looked at, in milliseconds: a server may have ended without
   * a word, and nobody come back. */
  presenceWatch: 60_000,
  /** A group that nobody has used for this long leaves memory, in milliseconds. */
  idle: 5 * 60_000,
  /** How often a shared database is asked whether a group was taken over, in milliseconds. */
  ownership: 2000,
} as const;
