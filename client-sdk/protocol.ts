/**
 * The whole wire format between a page and its group's room.
 *
 * Every frame is a Colyseus ROOM_DATA_BYTES message of type {@link FRAME_TYPE} whose bytes are the
 * UTF-8 JSON of one {@link ClientFrame} or {@link ServerFrame}. Keys are short because these objects
 * are most of what travels.
 */

import type { Json } from "./json.ts";

/** Raised when old pages and new servers no longer understand each other. */
export const PROTOCOL_VERSION = 1;

/** The Colyseus message type under which all frames travel. */
export const FRAME_TYPE = "w";

/** Most characters of one chat message, unless the server's configuration says otherwise. */
export const DEFAULT_CHAT_LIMIT = 2_000;

/** WebSocket close codes. Every code but LEFT and TOO_MANY makes a page ask for a fresh seat and come back. */
export const CloseCode = {
  /** The page went away on purpose. */
  LEFT: 4000,
  /** Come back at once: the server stops, the group moved, or too much was buffered for this socket. */
  RETRY: 4010,
  /** The same participant has opened more pages than may be connected: this one, the oldest, rests until somebody
   * looks at it again. */
  TOO_MANY: 4011,
} as const;

/** Why a message was not carried out. `retry` is true where the same message may be sent again. */
export const Refusal = {
  /** The live method threw; nothing of the message remains. */
  FAILED: "failed",
  /** The page's rules or its schema refused the message. */
  INVALID: "invalid",
  /** The participant is not on the page from which the message came. */
  WRONG_PAGE: "wrong_page",
  /** More bytes than the limit. */
  TOO_LARGE: "too_large",
  /** Not JSON, or text that a database cannot keep (NUL, lone surrogates). */
  NOT_JSON: "not_json",
  /** The page has no live method. */
  NOT_LIVE: "not_live",
  /** The same number came before with another payload. */
  NUMBER_REUSED: "number_reused",
  /** An async live method was cut by a crash, or by a server that stops; it is never run again. */
  INTERRUPTED: "interrupted",
  /** An async live method took longer than its page allows, and was ended. */
  TIME_LIMIT: "time_limit",
  /** The page was left, by this player's moving on, before there was an answer. */
  LEFT: "left",
  /** The computer plays in the participant's place: they were away for too long. */
  REPLACED: "replaced",
  /** Retry: more messages a second than allowed; `after` milliseconds to wait. */
  TOO_FAST: "too_fast",
  /** Retry: an earlier number of this client has not arrived. */
  OUT_OF_ORDER: "out_of_order",
  /** Retry: the group has too much waiting. */
  BUSY: "busy",
  /** Retry: the database does not take writes at the moment. */
  HALTED: "halted",
  /** Retry: this server no longer owns the group; connect again. */
  MOVED: "moved",
} as const;
export type RefusalCode = (typeof Refusal)[keyof typeof Refusal];

export interface RefusalBody {
  code: RefusalCode | string;
  message: string;
  /** True: not carried out, and the same number may be sent again. */
  retry: boolean;
  /** Milliseconds to wait before a retry. */
  after?: number;
}

/** First frame of a page on every connection. */
export interface Hello {
  k: "hello";
  v: number;
  /** clientId: new at each page load, 128 random bits in base64url. */
  c: string;
  /** The newest `s` that this page has handled: at first the one it was rendered with. */
  s: number;
  /** The page asks for all deliveries to its player on this page since the page began. */
  h?: true;
  /** The newest `s` of the published state that this page shows; left out where the page has none. */
  x?: number;
  /** Development: a designer looks on and asks for what inspection.ts names. Without a seat that allows it, it says nothing. */
  i?: 1;
}

/** One liveSend, or one message of a chat. */
export interface Send {
  k: "send";
  /** clientId of the page load that made the message (a reloaded page sends its predecessor's first). */
  c: string;
  /** 1, 2, 3 ... within `c`. */
  n: number;
  /** Identity of the page from which it was sent: `app/round/Page`. */
  p: string;
  /** Client and number of the message before this one, where that is another page load's: the last of
   * those that a page took over is named by the page's first. */
  b?: [c: string, n: number];
  /** The payload: any JSON value. */
  d: unknown;
  /** Set: `d` is the text of a chat message, and this the token of its {@link Listen chat}. */
  t?: string;
}

/** On a page where groups form: nobody looks at it (`a`), or somebody does again. */
export interface Away {
  k: "away";
  c: string;
  a: boolean;
}

/** A chat of the page begins to listen, on each connection after the welcome. */
export interface Listen {
  k: "listen";
  c: string;
  /** Which of the page's chats it is: named in what comes for it. */
  b: number;
  /** What the server put into the page: participant, page, channel and nickname, signed. */
  t: string;
  /** The last number of each source (see {@link ChatLine}) that the page has. */
  s: Record<string, number>;
}

export type ClientFrame = Hello | Send | Listen | Away;

/** Answer to hello, after which deliveries flow. Catch-up frames come before it. */
export interface Welcome {
  k: "welcome";
  /** The newest committed seq of the group. */
  s: number;
  /** The server's time, in milliseconds since 1970 (UTC). */
  t: number;
}

/** An answer: of message `n` of client `c`. `e` set: refused. Otherwise done, with an optional value. */
export interface Answer {
  c: string;
  n: number;
  v?: unknown;
  e?: RefusalBody;
}

/** Messages of one unit to this player. `p` is the previous `s` that had messages for this player on
 * this page (0: none), so that a hole shows. */
export interface Delivery {
  k: "recv";
  s: number;
  p: number;
  /** The messages, in order; liveRecv is called once for each. */
  m: unknown[];
  /** The answer to this player's own message, riding along. */
  a?: Answer;
}

export interface AnswerFrame {
  k: "answer";
  /** The seq of the message's unit, where its deliveries went to others only. */
  s?: number;
  a: Answer;
}

/** The page must load again: its participant moved on, or it missed more than can be caught up. */
export interface Reload {
  k: "reload";
  why: "moved_on" | "too_far_behind" | "protocol";
}

/** The server's state as participants should see it. */
export interface Notice {
  k: "notice";
  halted: boolean;
}

/** On a wait page: who is still to come, in words. Each replaces the one before. */
export interface Waiting {
  k: "wait";
  text: string;
}

/** What an app publishes, as one player sees it: values by field, players by idInGroup. */
export interface PublishedTree {
  group: Record<string, Json>;
  /** The player's own: `idInGroup`, and the fields that nobody else sees. */
  player: Record<string, Json>;
  players: Record<string, Record<string, Json>>;
}

/** The published state after the unit of this seq; comes before that unit's deliveries and answer. */
export interface StateFrame {
  k: "state";
  s: number;
  /** The fields that the unit changed. */
  x: Partial<PublishedTree>;
  /** Set: all fields; what the page has is void. */
  f?: 1;
}

/** One message of a chat. Those of a source come in the order of their numbers; a page shows all in the order of time. */
export interface ChatLine {
  /** Where it was written, and its number there: no other line of the channel has both. */
  s: string;
  n: number;
  /** Milliseconds since 1970 (UTC). */
  t: number;
  nickname: string;
  text: string;
  /** Written by this page's participant. */
  me?: 1;
}

/** Lines of one of the page's chats: first all that it does not have, then what is new. */
export interface ChatFrame {
  k: "chat";
  /** See {@link Listen}. */
  b: number;
  m: ChatLine[];
  /** Set: from here on the chat has everything that there is. */
  u?: 1;
}

export type ServerFrame = Welcome | Delivery | AnswerFrame | Reload | Notice | Waiting | StateFrame | ChatFrame;

/** What a page needs to take its place in the room, embedded in the page or fetched from `seatUrl`. */
export interface Seat {
  /** Colyseus process and room, which together make the socket's path `/processId/roomId`. */
  processId: string;
  roomId: string;
  /** Single use: whoever presents it gets the seat. */
  sessionId: string;
  /** Host (and port) to connect to when it is not the page's own. */
  publicAddress?: string;
}

/** What the server puts into a live page, as JSON in `<script type="application/json" id="walras-live">`. */
export interface PageLive {
  v: number;
  /** Identity of the page: `app/round/Page`. */
  page: string;
  /** Newest seq that the rendering saw. */
  seq: number;
  /** The server's time when it was rendered, in milliseconds since 1970 (UTC). */
  now: number;
  seat: Seat | null;
  /** POST here (same origin) for a fresh seat: answers SeatAnswer. */
  seatUrl: string;
  messageLimit: number;
  history: boolean;
  /** For live.cu. */
  currency: CurrencyFormat;
  /** What the app publishes, as of `seq`; left out if that is nothing. */
  state?: PublishedTree;
}

/** `seat: null` with `reload: true`: the participant is on another page; load again. */
export type SeatAnswer = { seat: Seat } | { seat: null; reload: true };

/** How amounts are written: `locale` for digits and marks, `code` an ISO currency or null for points. */
export interface CurrencyFormat {
  locale: string;
  code: string | null;
  decimals: number;
  /** Words for points: one and many. */
  points: [string, string];
}

/** What the pages of a demo session tell bots about themselves, as JSON in `<script type="application/json"
 * id="walras-bot">`. Pages of real sessions do not have it. */
export interface PageFacts {
  /** Identity of the page: `app/round/Page`. */
  page: string;
  /** Its place in the session's page sequence, from 1, and how many pages that has. */
  index: number;
  pages: number;
  /** 1, 2, 3 ... in the session. */
  participant: number;
  /** null: has no group yet. */
  idInGroup: number | null;
  /** Id of the group's actor. null: has no group yet. */
  group: number | null;
  /** It has a live method. */
  live?: true;
  /** A wait page: it moves on by itself. */
  wait?: true;
}

/** By this parameter of their link bots say what they are; of demo sessions only, which are all that they play. */
export const BOT_PARAMETER = "walras_bot";

/** What the Back button posts. */
export const BACK_FIELD = "_walras_back";

/** The hidden form field that carries the outbox of a page that is being left: JSON of {@link Send}[]. */
export const OUTBOX_FIELD = "_walras_outbox";
