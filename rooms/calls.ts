import type { CurrencyFormat, PageFacts, PageLive, Seat, Send } from "../client-sdk/protocol.ts";
import type { AppSpec, PageSpec } from "../entities/app-spec.ts";
import type { Store, Writer } from "../entities/store.ts";
import type { Values } from "../entities/tables.ts";
import type { ChatBox, ChatOptions } from "./chat-box.ts";
import type { SessionEdit } from "./edit-session.ts";
import type { Language } from "./languages.ts";
import type { FormContext } from "./page-form.ts";

/**
 * What HTTP may ask of a group's actor. The same words travel to another process, so everything here
 * is JSON. A command that changes something is safe to repeat: what it asks is already so the second time.
 */
export type Command =
  /** The participant opened their link: put them on page 1 if they have not begun. Answers `goto`. */
  | { kind: "start"; participantId: number; entry?: Entry }
  /** Take the participant past pages that they are not shown, as opening the page would. Answers `goto`. */
  | { kind: "arrive"; participantId: number }
  /** Render the page at this index, if that is where the participant is. @param noScript it loads itself again, for want of scripts */
  | { kind: "view"; participantId: number; pageIndex: number; noScript?: boolean }
  /** Leave the page: first the outbox in order, then the form. Answers `goto`, or `page` with errors shown. */
  | { kind: "submit"; participantId: number; pageIndex: number; outbox: Send[]; form: Record<string, string> }
  /** An experimenter moves them on from the page at this index, as if their time there were over; from 0 they begin. On
   * a wait page, see advance.ts. Who is elsewhere by now stays there. Answers `goto`. */
  | { kind: "advance"; participantId: number; pageIndex: number }
  /** The computer plays in the participant's place from now on: if it does already, or if they have not come as far as
   * the page with index `before`. Answers `goto`. */
  | { kind: "replace"; participantId: number; before: number }
  /** The computer does what there is to do on this page. Answers `goto`. */
  | { kind: "computer"; participantId: number; pageIndex: number }
  /** Where is the participant? For a fresh seat. */
  | { kind: "whereabouts"; participantId: number };

/** What came with the link by which a participant entered. It counts where nothing is known yet. */
export interface Entry {
  readonly label?: string;
  /** The link's other parameters. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export type Reply =
  /** Rendered in the actor's turn and committed up to what it saw. `live`: the HTML contains `seatSlot` once, to be
   * replaced by the JSON of {@link PageLive} with a seat in it. `nonce`: as {@link Rendered} gave it. */
  | { kind: "page"; html: string; nonce: string; live: PageLive | null; seatSlot: string | null; status: number }
  /** The participant is (now) at this index: redirect there. */
  | { kind: "goto"; pageIndex: number }
  | { kind: "at"; pageIndex: number; page: string }
  /** This actor does not have the participant (any more): look them up again. */
  | { kind: "elsewhere" }
  /** Not done. `retry`: the same command may succeed later. `stack`: of the author's function or template
   * that failed, for the page that shows it in development. */
  | { kind: "refused"; code: string; message: string; retry: boolean; stack?: string };

/** What a template sees; objects are read-only, named in snake_case, and valid only during the rendering. */
export interface PageContext {
  readonly app: AppSpec;
  readonly page: PageSpec;
  /** `app/round/Page`. */
  readonly identity: string;
  readonly pageIndex: number;
  readonly pageCount: number;
  readonly participantCode: string;
  /** player, group, subsession, session, participant, C, and what varsForTemplate returned. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** What jsVars returned; undefined: the page has none. */
  readonly jsVars: Record<string, unknown> | undefined;
  /** For pages with a live method; `seat` is still null, see `seatSlot`. */
  readonly live: PageLive | null;
  /** Put this text where the JSON of the seat and the rest of PageLive belongs: unguessable, so that no
   * participant's text can contain it. */
  readonly seatSlot: string | null;
  /** A page-level error of a failed submit. */
  readonly error: string | undefined;
  /** What `{{ chat }}` shows. @throws AuthorError for a channel or nickname that is none */
  readonly chat: (options: ChatOptions) => ChatBox;
  /** Set: a wait page. */
  readonly wait: WaitContext | undefined;
  /** The page's form as this player sees it; undefined: the page has no fields. */
  readonly form: FormContext | undefined;
  /** What the page's inputs should hold, by name: after a failed submit, whatever was posted. */
  readonly answers: Readonly<Record<string, string>>;
  /** Set: the time on the page is limited; milliseconds that are left, and the text beside the clock. */
  readonly timer: { readonly left: number; readonly text: string } | undefined;
  /** The page has a button back to the page before. */
  readonly canGoBack: boolean;
  readonly currency: CurrencyFormat;
  /** Of the session. Default: the project's. */
  readonly language?: Language;
  /** In demo sessions: what the page tells bots. */
  readonly facts?: PageFacts | undefined;
}

/** The texts of a wait page. */
export interface WaitContext {
  readonly title: string;
  readonly body: string;
  /** Who is still to come; the page's script keeps it up to date. */
  readonly line: string;
  /** Groups form on it of those who are there: also of browsers without scripts. */
  readonly forms?: boolean;
  /** The page says whether somebody looks at it. */
  readonly attention?: boolean;
}

/** Turns a page into HTML, synchronously, within the actor's turn. Implemented by the server floor. */
export interface Renderer {
  /** @throws any error of the template; the caller turns it into an author error that names app and page. */
  render(context: PageContext): Rendered;
}

/** A rendered page, and the nonce of the script tags that came from its template: the CSP header names it. */
export interface Rendered {
  html: string;
  nonce: string;
  /** Its template has asked for a chat, and so for the connection without which that is mute. */
  hasChat?: boolean;
}

/** One entry of walras.config.ts. */
export interface SessionConfig {
  readonly name: string;
  readonly displayName?: string;
  readonly doc?: string;
  readonly appSequence: readonly string[];
  readonly numDemoParticipants: number;
  /** What everybody gets for taking part, in real money. Default: 0. */
  readonly participationFee?: number;
  /** What those get in real money whom the computer has replaced. Default: what they had earned until then, and the
   * `participationFee`. */
  readonly replacedFee?: number;
  /** What a point is worth in real money. Default: 1. */
  readonly realWorldCurrencyPerPoint?: number;
  /** Of what Walras itself says to its participants. Default: the project's. */
  readonly language?: string;
  /** Custom parameters, read by apps as `player.session.config`. */
  readonly [parameter: string]: unknown;
}

export interface GameHealth {
  ok: boolean;
  /** Why writes are refused at the moment, if they are. */
  halted: string | null;
  /** Loaded groups, open sockets, units waiting for the database. */
  actors: number;
  sockets: number;
  pending: number;
}

/** The running game as the server floor sees it. */
export interface Game {
  readonly store: Store;
  readonly apps: ReadonlyMap<string, AppSpec>;
  readonly port: number;
  call(actorId: number, command: Command): Promise<Reply>;
  /** A seat for this participant in the actor's room. @param inspects for a designer, in development; see inspection.ts */
  seat(actorId: number, participantId: number, pageIndex: number, inspects?: boolean): Promise<Seat>;
  /** Ends the group's actor here, as a crash would: what is next asked of it loads it anew from the database. */
  restart(actorId: number): void;
  /** Whether this process has the group in memory. */
  isLoaded(actorId: number): boolean;
  createSession(
    config: SessionConfig,
    options: { participants: number; isDemo: boolean; labels?: readonly string[] },
  ): Promise<Values>;
  /** Changes a session that may be running; see edit-session.ts. */
  editSession(sessionId: number, edit: SessionEdit): Promise<void>;
  /** Runs the function of a wait page again that has failed. @throws WalrasError `wait_page_failed` if it fails again,
   * or as {@link call} refuses */
  retryWaitPage(actorId: number, page: string): Promise<void>;
  /** Runs a writing transaction that is not a group's unit, such as a claim. @throws WalrasError `halted` */
  transact<T>(work: (write: Writer) => Promise<T>): Promise<T>;
  health(): GameHealth;
  /** Finishes what is in the mailboxes (at most `deadlineMs`), closes sockets with the retry code, closes the store. */
  stop(deadlineMs?: number): Promise<void>;
}
