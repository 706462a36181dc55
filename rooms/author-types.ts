import type { OrLater, PageEnd } from "../entities/app-spec.ts";
import type { Field, Fields, LinkTo } from "../entities/fields.ts";
import { PageDeliveries } from "./addresses.ts";
import type { FormOptions } from "./form-options.ts";
import type { HookCall } from "./hook-run.ts";
import type { ParticipantFields, SessionFields } from "./register.ts";
import type { TimeoutOptions } from "./timeout-options.ts";

/**
 * What a function of the app sends: `{ [idInGroup]: data }`, with `others` for everyone who is not named
 * but the sender, and `0` for whoever is still left.
 */
export interface Deliveries<S = unknown> {
  [idInGroup: number]: S | undefined;
  others?: S | undefined;
  /** Keeps texts and arrays out, which have numbered entries too. */
  [Symbol.iterator]?: never;
}

/** Several of these are several messages, in this order: `liveRecv` is called once for each. */
export type Messages<S = unknown> =
  | Deliveries<S>
  | PageDeliveries
  | readonly (Deliveries<S> | PageDeliveries | undefined)[];

/**
 * Deliveries for those who are on another page of the app (in the same round), e.g. from a live method of
 * the page Play: `return [{ 0: move }, toPage("Watch", { 0: move })]`. What is not for another page goes
 * from a live method to those who are on the sender's page, from anything else (timers, beforeNextPage ...)
 * to everybody on whichever page they are.
 */
export function toPage(page: string, deliveries: Deliveries | readonly (Deliveries | undefined)[]): PageDeliveries {
  return new PageDeliveries(page, deliveries);
}

/** What is the same for a whole session: what is built in, and the project's sessionFields, which are set in
 * creatingSession and where all groups wait for each other. */
export type Session = SessionBuiltIns & SessionFields;

export interface SessionBuiltIns {
  readonly code: string;
  /** The session config's parameters, as in walras.config.ts. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** No fields of one's own. */
export type NoFields = Readonly<Record<never, never>>;

/** One app in one round, as its groups see it: the fields declared under `subsession` are set in creatingSession, and
 * where all groups wait for each other. */
export type Subsession<S extends Fields = NoFields> = SubsessionRounds<S> & PastSubsession<S>;

/** An app in one round, to be read. */
export type PastSubsession<S extends Fields = NoFields> = { readonly roundNumber: number } & {
  readonly [K in keyof S]: DeepReadonly<S[K]["type"]>;
};

/** The app in its other rounds. */
export interface SubsessionRounds<S extends Fields> {
  /** The app's earlier rounds, oldest first, read-only. */
  inPreviousRounds(): PastSubsession<S>[];
  /** This round or an earlier one, read-only. @throws for a round that is still to come */
  inRound(roundNumber: number): PastSubsession<S>;
  /** These rounds, the last one included, read-only. */
  inRounds(first: number, last: number): PastSubsession<S>[];
  /** The earlier rounds and this one, oldest first, read-only. */
  inAllRounds(): PastSubsession<S>[];
}

/** The person behind a player, over all apps of the session: what is built in, and the project's participantFields. */
export type Participant = ParticipantBuiltIns & ParticipantFields;

export interface ParticipantBuiltIns {
  /** The secret in the person's link: do not show it to others. */
  readonly code: string;
  /** The label given to them by the experimenter or a lab, if any. To be set in creatingSession only: who then
   * comes with this label gets this place. */
  label: string | null;
  /** 1, 2, 3 ... in the session. */
  readonly idInSession: number;
  /** The sum of their payoffs in all apps and rounds. */
  readonly payoff: number;
  /** That sum in real money, by the session config's `realWorldCurrencyPerPoint` where the game is about points. */
  readonly payoffInRealWorldCurrency: number;
  /** The same with the session config's `participationFee`. */
  readonly payoffPlusParticipationFee: number;
  /** When they opened their link, in milliseconds since 1970 (UTC); null before. */
  readonly timeStarted: number | null;
  /** They have opened their link. */
  readonly visited: boolean;
  /** They are on a wait page of this app and round. */
  readonly isOnWaitPage: boolean;
  /** They are past the last page of the study. */
  readonly finished: boolean;
  /** A word or two of yours for the experimenter, e.g. "dropped out"; null: none. May be set. */
  status: string | null;
  /** Parameters of the link by which the person came, e.g. `entry.STUDY_ID`. */
  readonly entry: Readonly<Record<string, string>>;
}

/** A participant in one round: built-in properties and the fields declared under `player`. */
export type Player<G extends Fields, P extends Fields, S extends Fields = NoFields> = PlayerBuiltIns<G, P, S> &
  RoleOf<P> &
  FieldsOf<P, G, P, S>;

/** An app without roles may have a field of that name. */
type RoleOf<P> = "role" extends keyof P
  ? unknown
  : {
      /** One of the app's roles, by idInGroup; "" for players beyond them. */
      readonly role: string;
    };

/** The players who interact in one round: built-in properties and the fields declared under `group`. */
export type Group<G extends Fields, P extends Fields, S extends Fields = NoFields> = GroupBuiltIns<G, P, S> &
  FieldsOf<G, G, P, S>;

export interface PlayerBuiltIns<G extends Fields, P extends Fields, S extends Fields> {
  /** Unique among all players of this app. */
  readonly id: number;
  /** 1 to the size of the group. */
  readonly idInGroup: number;
  readonly roundNumber: number;
  /** Whether a page of theirs is connected to this group. Page loads and breaks shorter than the app's
   * `presenceGrace` do not count; false before they have come and after they have gone on. */
  readonly connected: boolean;
  /** The computer plays in their place, from somewhere in this round or before it: see `timeout` of wait pages. */
  readonly isReplaced: boolean;
  /** What the player earned in this round; 0 at first. */
  payoff: number;
  readonly group: Group<G, P, S>;
  readonly participant: Participant;
  readonly session: Session;
  readonly subsession: Subsession<S>;
  /** The label of what was chosen in a field with choices, e.g. `"Strongly agree"`; "" if nothing is set. */
  fieldDisplay(field: keyof P & string): string;
  /** The rest of the group, by idInGroup. */
  getOthersInGroup(): Player<G, P, S>[];
  /** The rest of the round, by idInSession. @throws but in creatingSession and where all groups wait for each other */
  getOthersInSubsession(): Player<G, P, S>[];
  /** The participant's earlier rounds of this app, oldest first, read-only. */
  inPreviousRounds(): PastPlayer<P, G>[];
  /** This round or an earlier one, read-only. @throws for a round that is still to come */
  inRound(roundNumber: number): PastPlayer<P, G>;
  /** These rounds, the last one included, read-only. @throws for a round that is still to come */
  inRounds(first: number, last: number): PastPlayer<P, G>[];
  /** The earlier rounds and this one, oldest first, read-only. */
  inAllRounds(): PastPlayer<P, G>[];
}

export interface GroupBuiltIns<G extends Fields, P extends Fields, S extends Fields> {
  /** Unique among all groups of all apps. */
  readonly id: number;
  /** 1, 2, 3 ... in the round. */
  readonly idInSubsession: number;
  readonly roundNumber: number;
  readonly session: Session;
  readonly subsession: Subsession<S>;
  /** The label of what was chosen in a field with choices; "" if nothing is set. */
  fieldDisplay(field: keyof G & string): string;
  /** All players of the group, by idInGroup. */
  getPlayers(): Player<G, P, S>[];
  /** @throws if the group has no such player */
  getPlayerById(idInGroup: number): Player<G, P, S>;
  /**
   * The same people's group in earlier rounds, oldest first, read-only.
   * @throws if they were not together then, or not all of them have got as far as this round
   */
  inPreviousRounds(): PastGroup<G>[];
  /** This round or, as {@link inPreviousRounds}, an earlier one, read-only. */
  inRound(roundNumber: number): PastGroup<G>;
  /** These rounds, the last one included, read-only. */
  inRounds(first: number, last: number): PastGroup<G>[];
  /** The earlier rounds and this one, oldest first, read-only. */
  inAllRounds(): PastGroup<G>[];
  /** @throws if the app has no such role, or the group nobody with it */
  getPlayerByRole(role: string): Player<G, P, S>;
  /**
   * Has `app.timer(name, ...)` run once, so many seconds from now, whether or not anybody is connected then.
   * The timer is part of what the present call does: if that fails, it is not set.
   *
   * @param payload JSON, handed to the timer's handler
   * @returns the timer's number, for {@link cancel}
   * @throws AuthorError for an unknown timer, a time that is none, a payload that is not JSON, or the 1001st timer
   */
  after<D>(seconds: number, timer: string | Timer<D>, ...payload: PayloadArgument<D>): number;
  /**
   * As {@link after}, again and again in the same interval, until it is cancelled or everybody has left the
   * group's pages. Deadlines that have passed are not made up for one by one, see `missed` of {@link Firing}.
   */
  every<D>(seconds: number, timer: string | Timer<D>, ...payload: PayloadArgument<D>): number;
  /** As {@link after}, at a time in milliseconds since 1970 (UTC), e.g. `now() + 60_000`; at once if that is past. */
  at<D>(timeMs: number, timer: string | Timer<D>, ...payload: PayloadArgument<D>): number;
  /** Takes back a timer by its number, or all of a name. @returns whether there was one that had not fired */
  cancel(timer: number | string | Timer<never>): boolean;
  /** The timers that have not fired, the next one first; those of a name, or all. */
  timers(timer?: string | Timer<never>): PendingTimer[];
  /**
   * Writes into a chat of this app, as the app itself: a moderator, or a machine that talks along. Like everything
   * that the present call does, it happens when that is stored.
   *
   * @param chat `channel` as in `{{ chat channel=… }}`; left out: the group's own
   * @throws AuthorError `wrong_text`, `wrong_nickname`, `wrong_channel`
   */
  postChat(text: string, chat: { nickname: string; channel?: string | number }): void;
}

/** A timer by its name, with the type of its payload; `app.timer` returns it. */
export interface Timer<D = unknown> {
  readonly name: string;
  /** For types only. */
  readonly payload?: (payload: D) => void;
}

/**
 * What happens when a timer fires. What it returns goes to everybody on whichever page they are. It may be async: the
 * group plays on and its other timers fire while it waits. Until it is through, cancelling the timer undoes all of it.
 */
export type TimerHandler<Gr, D> = (group: Gr, payload: D, timer: Firing, call: HookCall) => OrLater<Messages | Silence>;

/** More about a timer. */
export interface TimerOptions {
  /** Seconds that its handler may take if it is async. Default: 300. */
  timeLimit?: number;
}

/** One firing of a timer. */
export interface Firing {
  /** What `group.after`, `every` or `at` returned. */
  readonly id: number;
  readonly name: string;
  /** When it was due, in milliseconds since 1970 (UTC); `now()` is when it fired, which is never before. */
  readonly dueAt: number;
  /**
   * Of a timer set by `every`: how many further deadlines have passed since (the server was down, or late).
   * They are not fired for one by one: whoever adds something up counts this firing `1 + missed` times.
   */
  readonly missed: number;
}

/** A timer that has been set and has not fired. */
export interface PendingTimer {
  readonly id: number;
  readonly name: string;
  /** When it is due, in milliseconds since 1970 (UTC); a page compares it with `live.now()`. */
  readonly dueAt: number;
  readonly payload: unknown;
}

/** A payload that may be left out where the handler does not want one. */
type PayloadArgument<D> = undefined extends D ? [payload?: NoInfer<D>] : [payload: NoInfer<D>];

/** A player in a round that is over (or to be read as if it were): nothing can be changed. */
export type PastPlayer<P extends Fields, G extends Fields = NoFields> = {
  readonly id: number;
  readonly idInGroup: number;
  readonly roundNumber: number;
  readonly payoff: number;
  /** The group in which they played that round, as it was when they came to this one. */
  readonly group: PastGroup<G>;
} & RoleOf<P> & { readonly [K in keyof P as IsLink<P[K]> extends true ? never : K]: DeepReadonly<P[K]["type"]> };

/** A group in a round that is over (or to be read as if it were): nothing can be changed. */
export type PastGroup<G extends Fields> = {
  readonly id: number;
  readonly idInSubsession: number;
  readonly roundNumber: number;
} & { readonly [K in keyof G as IsLink<G[K]> extends true ? never : K]: DeepReadonly<G[K]["type"]> };

/** One row of an extra model. */
export type Row<F extends Fields, G extends Fields, P extends Fields, S extends Fields = NoFields> = RowBuiltIns &
  FieldsOf<F, G, P, S>;

export interface RowBuiltIns {
  /** 1, 2, 3 ... over all extra rows of the group, in order of creation. */
  readonly n: number;
  /** Takes the row out of the database. */
  delete(): void;
}

/** An author's own table. */
export interface ExtraModel<F extends Fields, G extends Fields, P extends Fields, S extends Fields = NoFields> {
  /** Makes a row: links and fields without an `initial` value must be given, unless `blank`. */
  create(values: NewRow<F, G, P, S>): Row<F, G, P, S>;
  /** The rows with all of these values, in order of creation. Name the `player` or `group` whose rows are meant. */
  filter(where: RowFilter<F, G, P, S>): Row<F, G, P, S>[];
}

export type NewRow<F extends Fields, G extends Fields, P extends Fields, S extends Fields = NoFields> = {
  [K in RequiredNames<F>]: FieldType<F[K], G, P, S>;
} & {
  [K in Exclude<keyof F, RequiredNames<F>>]?: FieldType<F[K], G, P, S>;
};

export type RowFilter<F extends Fields, G extends Fields, P extends Fields, S extends Fields = NoFields> = Partial<
  FieldsOf<F, G, P, S>
> & {
  /** All rows of this group, unless the model has a `group` link of its own. */
  group?: Group<G, P, S>;
};

/** The declared fields as properties. */
export type FieldsOf<F extends Fields, G extends Fields, P extends Fields, S extends Fields = NoFields> = {
  -readonly [K in keyof F]: FieldType<F[K], G, P, S>;
};

/** What a field reads as: links become the app's player or group. */
export type FieldType<F, G extends Fields, P extends Fields, S extends Fields = NoFields> =
  F extends Field<infer T> ? Linked<T, G, P, S> : never;
type Linked<T, G extends Fields, P extends Fields, S extends Fields> =
  T extends LinkTo<infer W> ? (W extends "player" ? Player<G, P, S> : Group<G, P, S>) : T;

type RequiredNames<F extends Fields> = {
  [K in keyof F]: F[K]["start"] extends "set" ? never : null extends F[K]["type"] ? never : K;
}[keyof F];

type IsLink<F> = F extends Field<infer T> ? (NonNullable<T> extends LinkTo<"player" | "group"> ? true : false) : false;

type DeepReadonly<T> = T extends (...args: never) => unknown
  ? T
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement has the type void
export type Silence = undefined | void;

/** A message in a chat, as its page's `onChat` sees it. */
export interface ChatMessage {
  readonly text: string;
  /** As the template names it; the group's id where it names none. */
  readonly channel: string;
  readonly nickname: string;
}

/**
 * A page of an app; its template is `<Name>.html` beside the app's index.ts.
 *
 * Each of its functions but onChat may be async: the group plays on while it waits, what it writes is stored together with what
 * it is a part of (the form and the move to the next page, say), and if others have changed meanwhile what it writes,
 * it runs again, up to three times.
 */
export interface PageOptions<Pl, F extends Fields = Fields> extends FormOptions<Pl, F>, TimeoutOptions<Pl> {
  /** true: a page that loads again gets all its earlier deliveries anew. Default: false. */
  history?: boolean;
  /** Whether this player gets to see the page. Default: yes. */
  isDisplayed?: (player: Pl, call: HookCall) => OrLater<boolean>;
  /** Variables for the template, beside player, group, session ... */
  varsForTemplate?: (player: Pl, call: HookCall) => OrLater<Record<string, unknown>>;
  /** Variables for the page's script, as `js_vars`. */
  jsVars?: (player: Pl, call: HookCall) => OrLater<Record<string, unknown>>;
  /** Runs when the player leaves the page. What it returns goes to everybody on whichever page they are then. */
  beforeNextPage?: (player: Pl, end: PageEnd, call: HookCall) => OrLater<Messages | Silence>;
  /** Names the app to which the player goes from here, out of those to come; nothing: to the next page. */
  appAfterThisPage?: (player: Pl, upcomingApps: readonly string[], call: HookCall) => OrLater<string | undefined>;
  /**
   * true: this was the player's last round. From here they go to the next app, or to the end of the study; others do not
   * wait for them in the rounds that are left. For games that end by chance, or when somebody is out.
   */
  lastRound?: (player: Pl, call: HookCall) => OrLater<boolean>;
  /**
   * true: what is typed and has not been sent is there again when the page is reloaded, or left by Back and opened
   * again; inputs that the template has by hand too, as long as they have a name. Kept in this tab of the browser only,
   * until the page is sent.
   */
  preserveUnsubmittedInputs?: boolean;
  /** true: a Back button leads to the page before, within this app and round and not across a wait page. */
  allowBack?: boolean;
  /**
   * Runs when `player.connected` changes of a player who is on this page: at once when they come, and when
   * they have been away for the app's `presenceGrace` seconds. What it returns goes to each recipient's page.
   * Where it is async, `player.connected` changes when it is through.
   */
  presence?: (player: Pl, connected: boolean, call: HookCall) => OrLater<Messages | Silence>;
  /**
   * Sees each message that this player writes in a `{{ chat }}` of the page, before the others do: returns another
   * text to be posted in its place, `{ refuse: "why" }`, which only the player sees, or nothing.
   */
  onChat?: (player: Pl, message: ChatMessage) => string | { readonly refuse: string } | Silence;
}
