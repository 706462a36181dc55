import type { PageOrder } from "./page-order.ts";
import type { ColumnKind, Table, Value } from "./tables.ts";
import type { Widget } from "./widgets.ts";

/** The kinds of field that an author declares. */
export type FieldKind = Exclude<ColumnKind, "id">;

/** One declared field, as the models, forms and exports need it. */
export interface FieldSpec {
  readonly kind: FieldKind;
  readonly initial: Value | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Allowed values; labels are for forms. */
  readonly choices: readonly { readonly value: Value; readonly label: string }[] | undefined;
  readonly label: string | undefined;
  readonly doc: string | undefined;
  /** May stay unset; reads as null. */
  readonly blank: boolean;
  /** For links: which built-in model it names. */
  readonly to: "player" | "group" | undefined;
  /** Whose browsers see the value; undefined: nobody's. */
  readonly publish: "group" | "player" | undefined;
  /** What only forms ask for. */
  readonly form?: FieldForm | undefined;
}

/** What a field says to forms beyond its limits, choices and label. */
export interface FieldForm {
  readonly widget: Widget | undefined;
  /** Shown under the label. */
  readonly helpText: string | undefined;
  /** What a number counts: "kg". */
  readonly unit: string | undefined;
  /** Longest text that a form takes. */
  readonly maxLength: number | undefined;
  /** A text refuses the value and is shown beside it. */
  readonly errorMessage: ((value: never) => OrLater<string | undefined>) | undefined;
}

/** A model of an app: its fields and its table. */
export interface ModelSpec {
  /** As errors name it: "Group", "Player" or the extra model's name. */
  readonly name: string;
  readonly app: string;
  readonly kind: "group" | "player" | "extra";
  readonly fields: Readonly<Record<string, FieldSpec>>;
  readonly table: Table;
}

/** Sync function, async function or async generator: `(player, data, call) => deliveries`. */
export type LiveMethod = (player: never, data: never, call: never) => unknown;

/** What answers a message. */
export interface LiveHandlerSpec {
  readonly handle: LiveMethod;
  /** A Standard Schema for what the message says beside its type; undefined: none. */
  readonly message: unknown;
  /** A Standard Schema for the reply, which then every call gives. */
  readonly reply: unknown;
}

/** What a hook gives: an async one when it has waited. */
export type OrLater<T> = T | Promise<T>;

/**
 * One page of an app. The functions get model handles (see view.ts); their author-facing types are in
 * rooms/define-app.ts.
 */
export interface PageSpec {
  readonly name: string;
  /** What answers a message: the page's one live method, or the one for the message's type.
   * @throws WalrasError `invalid` if the page has none for this type */
  readonly live: ((data: unknown) => LiveHandlerSpec) | undefined;
  /** A Standard Schema that a live message must fit. */
  readonly message: unknown;
  /** A Standard Schema that everything which is sent to the page must fit. */
  readonly sends: unknown;
  /** "serial": an async call has the group to itself until it ends. */
  readonly concurrency: "serial" | undefined;
  /** Seconds that an async call may take. */
  readonly timeLimit: number | undefined;
  /** Deliver everything since the page began on each load. */
  readonly history: boolean;
  readonly isDisplayed: ((player: never, call: never) => OrLater<boolean>) | undefined;
  readonly varsForTemplate: ((player: never, call: never) => unknown) | undefined;
  readonly jsVars: ((player: never, call: never) => unknown) | undefined;
  /** Page-level check at submit: a text, or texts by field, keep the participant on the page. */
  readonly errorMessage: ((player: never, values: never, call: never) => unknown) | undefined;
  /** undefined: a page without form fields. */
  readonly form: FormSpec | undefined;
  /** Gives the form's values where the computer plays in the player's place; nothing: as when time runs out. */
  readonly computer: ((player: never, call: never) => unknown) | undefined;
  /** Returns deliveries or nothing. */
  readonly beforeNextPage: ((player: never, how: PageEnd, call: never) => unknown) | undefined;
  /** Names the app to which the participant goes from here; nothing: to the next page. */
  readonly appAfterThisPage: ((player: never, upcomingApps: readonly string[], call: never) => unknown) | undefined;
  /** Whether the app is over for the participant after this page, whatever rounds are left. */
  readonly lastRound: ((player: never, call: never) => unknown) | undefined;
  /** How long participants may stay; undefined: as long as they like. */
  readonly timeout: PageTimeout | undefined;
  /** The participant may go back to the page before. */
  readonly allowBack: boolean;
  /** The browser keeps what is typed and not sent through reloads. */
  readonly keepsInputs?: boolean | undefined;
  /** Told when a player on this page has come, or is gone for longer than the grace time; returns deliveries. */
  readonly presence: ((player: never, connected: boolean, call: never) => unknown) | undefined;
  /** Sees a chat message before it is posted: returns another text, `{ refuse }` or nothing. */
  readonly onChat: ((player: never, message: never) => unknown) | undefined;
  /** Set: a wait page. */
  readonly wait: WaitSpec | undefined;
}

/** The limit of a wait, and the way out. */
export interface WaitTimeoutSpec {
  readonly seconds: number | ((player: never) => number);
  readonly outcome: "proceed" | "replace" | "end" | ((player: never) => unknown);
}

/** What makes a page a wait page. The functions' author-facing types are in rooms/define-wait-page.ts. */
export interface WaitSpec {
  /** Who waits for whom: the players of a group, all groups of the round, or whoever comes, for a group to be formed. */
  readonly scope: "group" | "subsession" | "arrival";
  readonly title: PerPlayer<string | undefined>;
  readonly body: PerPlayer<string | undefined>;
  /** Say on the page who is still to come. */
  readonly showMissing: boolean;
  /** Scope "arrival": chooses the next group out of those who wait; undefined: the first who came. */
  readonly formGroup: ((waiting: never, arrivals: never, call: never) => unknown) | undefined;
  /** Scope "arrival": the groups of the first round stay together in all of them. */
  readonly keepGroups: boolean;
  /** How long they wait at most, and what becomes of them then. */
  readonly timeout: WaitTimeoutSpec | undefined;
  /** Runs once, on the group or, in scope "subsession", on the subsession, when everybody is there. */
  readonly afterAllPlayersArrive: ((scope: never, arrived: never, call: never) => unknown) | undefined;
}

/** A table of the author's own making, for exports. */
export interface CustomExport {
  readonly name: string;
  readonly doc: string | undefined;
  readonly columns: readonly string[];
  /** The rows of one group, whose handle it gets: an array or generator of arrays, a value for each column. */
  readonly rows: (group: never) => Iterable<unknown>;
}

/** How long a page may be looked at, in seconds; from when its participant, or the first of the group, opens it. */
export interface PageTimeout {
  readonly seconds: PerPlayer<number | undefined>;
  readonly groupSeconds: PerPlayer<number | undefined>;
  /** Beside the clock. */
  readonly text: PerPlayer<string | undefined>;
}

/** How a page was left. */
export interface PageEnd {
  /** Its time had run out. */
  readonly timeoutHappened: boolean;
}

/** The form of a page: which fields of which row it sets. */
export interface FormSpec {
  readonly model: "player" | "group";
  /** Names of declared fields, in their order on the page; may differ from player to player. */
  readonly fields: readonly string[] | ((player: never, call: never) => OrLater<readonly string[]>);
  /** What the page says about its fields beyond their definitions. */
  readonly rules: Readonly<Record<string, FieldRules>>;
}

/** A value, or a function that gives the value for a player. */
export type PerPlayer<T> = T | ((player: never, call: never) => OrLater<T>);

/** How a page shows and checks one of its fields. What is set here comes before what the field's definition says. */
export interface FieldRules {
  readonly min?: PerPlayer<number | undefined>;
  readonly max?: PerPlayer<number | undefined>;
  readonly choices?: PerPlayer<readonly unknown[] | undefined>;
  readonly label?: PerPlayer<string | undefined>;
  readonly helpText?: PerPlayer<string | undefined>;
  readonly widget?: Widget;
  readonly errorMessage?: (player: never, value: never, call: never) => OrLater<string | undefined>;
}

/** What happens when a timer fires. */
export interface TimerSpec {
  /** `(group, payload, timer, call) => deliveries` */
  readonly handle: (group: never, payload: never, timer: never, call: never) => unknown;
  /** Seconds that it may take if it is async. */
  readonly timeLimit: number | undefined;
}

/** A checked app definition. */
export interface AppSpec {
  readonly name: string;
  readonly title: string;
  readonly doc: string | undefined;
  /** Players in a group; "all": the whole session is one group. */
  readonly playersPerGroup: number | "all";
  readonly rounds: number;
  /** By idInGroup, from 1. */
  readonly roles: readonly string[];
  /** Runs when a session is created, for each round. */
  readonly creatingSession: ((subsession: never, call: never) => unknown) | undefined;
  /** How long a player may be without a connection before they count as gone, in seconds. */
  readonly presenceGrace: number;
  /** Pages see of each player whether they are connected. */
  readonly publishPresence: boolean;
  readonly constants: Readonly<Record<string, unknown>>;
  /** Fields of the app in one round, with all of its groups. */
  readonly subsession: Readonly<Record<string, FieldSpec>>;
  readonly group: ModelSpec;
  readonly player: ModelSpec;
  readonly extras: Readonly<Record<string, ModelSpec>>;
  /** In which order participants see the pages, if not in that of the definition. */
  readonly pageOrder: PageOrder | undefined;
  /** In page order. */
  readonly pages: readonly PageSpec[];
  readonly exports: readonly CustomExport[];
  /** By name. */
  readonly timers: ReadonlyMap<string, TimerSpec>;
}

/** One step of a session's page sequence, pinned when the session is created. */
export interface PinnedPage {
  readonly app: string;
  readonly round: number;
  readonly page: string;
}

/** `app/round/Page`: a page's identity, the same however the sequence around it changes. */
export function pageIdentity(page: PinnedPage): string {
  return `${page.app}/${page.round}/${page.page}`;
}
