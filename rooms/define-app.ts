import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, CustomExport, ModelSpec, OrLater, PageSpec, TimerSpec } from "../entities/app-spec.ts";
import { makeExtraModels, makeModel, subsessionFields } from "../entities/app-tables.ts";
import type { Fields } from "../entities/fields.ts";
import { isHandle, VIEW } from "../entities/handle.ts";
import type { PageOrder } from "../entities/page-order.ts";
import { checkKeys } from "../entities/suggest.ts";
import { checkGroupSize, checkName, checkRoles, checkRounds, presenceGrace, publishPresence } from "./app-options.ts";
import type {
  ExtraModel,
  Group,
  NoFields,
  PageOptions,
  Player,
  Row,
  Timer,
  TimerHandler,
  TimerOptions,
} from "./author-types.ts";
import { type ExportOptions, makeExport } from "./define-export.ts";
import { type GivenOptions, makePage } from "./define-page.ts";
import { makeTimer } from "./define-timer.ts";
import {
  checkArrival,
  splitWaitOptions,
  type WaitForAllGroups,
  type WaitForGroup,
  type WaitPageBasics,
  type WaitPageOptions,
} from "./define-wait-page.ts";
import type { HookCall } from "./hook-run.ts";
import { hasAsyncHook } from "./hooks.ts";
import type { RawLiveOptions } from "./live-handlers.ts";
import type { LiveOptions, PageOf } from "./live-types.ts";
import { checkHook, checkObject, checkText } from "./option-checks.ts";
import type { WholeSubsession } from "./subsession-types.ts";

type Models = Readonly<Record<string, Fields>>;
type Constants = Readonly<Record<string, unknown>>;

/** What {@link defineApp} takes. */
export interface AppDefinition<
  C extends Constants,
  G extends Fields,
  P extends Fields,
  X extends Models,
  U extends Fields = NoFields,
> {
  /** As in the app's folder, its URLs and its tables: small letters, digits and underscores. */
  name: string;
  /** For people. Default: the name. */
  title?: string;
  /** What the app is about, for the experimenter. */
  doc?: string;
  /** Players in a group; "all": the whole session is one group. Left out: each plays alone. */
  playersPerGroup?: number | "all";
  /** How often the pages are played. Default: 1. */
  rounds?: number;
  /** Names of what players are, by idInGroup: `player.role` and `group.getPlayerByRole("buyer")`. */
  roles?: readonly string[];
  /** In which order participants see the pages. Default: as they are added. */
  pageOrder?: PageOrder;
  /** Seconds without a connection after which a player counts as gone (`player.connected`). Default: 5. */
  presenceGrace?: number;
  /** Pages see who is there: `live.state.players[id].connected`. Default: false. */
  publishPresence?: boolean;
  /** Numbers and texts that stay the same; `C` in templates. */
  constants?: C;
  /** Fields of the app in one round, with all of its groups: `player.subsession.price`. Set in creatingSession, and
   * where all groups wait for each other. */
  subsession?: U;
  /** Fields of a group. */
  group?: G;
  /** Fields of a player in one round. */
  player?: P;
  /** Tables of the author's own, linked to a player or group: `{ Bid: { player: link("player"), ... } }`. */
  extraModels?: X;
}

/** A defined app: what its module exports as default. */
export interface App<
  C extends Constants,
  G extends Fields,
  P extends Fields,
  X extends Models,
  U extends Fields = NoFields,
> {
  readonly name: string;
  readonly constants: C;
  readonly extraModels: { readonly [M in keyof X]: ExtraModel<X[M], G, P, U> };
  /**
   * Adds a page after those that were added before.
   *
   * @param name names the template, `<name>.html`, and the URL
   * @throws AuthorError for a mistake in its options
   */
  page<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options?: PageOptions<Player<G, P, U>, P> &
      LiveOptions<Player<G, P, U>, D, I, S, DS, R, M, RM, L> & { formModel?: "player" },
  ): PageOf<I, DS, R, L>;
  page<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options: PageOptions<Player<G, P, U>, G> &
      LiveOptions<Player<G, P, U>, D, I, S, DS, R, M, RM, L> & { formModel: "group" },
  ): PageOf<I, DS, R, L>;
  /**
   * Runs when a session is created, for each round of the app in order: forms groups, assigns treatments,
   * sets fields. It may be async. If it throws, there is no session.
   */
  creatingSession(run: (subsession: WholeSubsession<G, P, U>, call: HookCall) => OrLater<void>): void;
  /**
   * Adds a page on which players wait for each other; it needs no template.
   *
   * @throws AuthorError for a mistake in its options
   */
  waitPage<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options: WaitPageBasics<Player<G, P, U>> &
      WaitForAllGroups<Player<G, P, U>, WholeSubsession<G, P, U>> &
      LiveOptions<Player<G, P, U>, D, I, S, DS, R, M, RM, L>,
  ): PageOf<I, DS, R, L>;
  waitPage<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options?: WaitPageBasics<Player<G, P, U>> &
      WaitForGroup<Player<G, P, U>, Group<G, P, U>> &
      LiveOptions<Player<G, P, U>, D, I, S, DS, R, M, RM, L>,
  ): PageOf<I, DS, R, L>;
  /**
   * Adds a table of your own making to the data exports: `rows` gets one group after the other, and gives
   * an array, or yields an array, of as many values as there are columns for each row.
   *
   * @param name names the file, `<app>_<name>.csv`
   * @throws AuthorError for a mistake in its options
   */
  customExport(name: string, options: ExportOptions<Group<G, P, U>>): void;
  /**
   * Says what happens when a timer fires that the group has set: `group.after(60, "close")`. It is a unit of the
   * group like a message, needs no open browser, and survives restarts.
   *
   * @param handler gets the group, the payload that the timer was set with, and the firing
   * @param options.timeLimit seconds that an async handler may take
   * @returns may stand for the name where a timer is set; then the payload's type is checked
   * @throws AuthorError for a wrong name or handler
   */
  timer<D = unknown>(name: string, handler: TimerHandler<Group<G, P, U>, D>, options?: TimerOptions): Timer<D>;
  /** The checked definition, for Walras. */
  readonly spec: AppSpec;
}

/** The player type of an app: `function profit(player: PlayerOf<typeof app>) { ... }`. */
export type PlayerOf<A> = A extends App<infer _C, infer G, infer P, infer _X, infer U> ? Player<G, P, U> : never;
/** The group type of an app. */
export type GroupOf<A> = A extends App<infer _C, infer G, infer P, infer _X, infer U> ? Group<G, P, U> : never;
/** The type of what creatingSession gets. */
export type SubsessionOf<A> =
  A extends App<infer _C, infer G, infer P, infer _X, infer U> ? WholeSubsession<G, P, U> : never;
/** The row type of one of an app's extra models: `RowOf<typeof app, "Bid">`. */
export type RowOf<A, M extends string> =
  A extends App<infer _C, infer G, infer P, infer X, infer U>
    ? M extends keyof X
      ? Row<X[M], G, P, U>
      : never
    : never;

const APP_OPTIONS = [
  "name",
  "title",
  "doc",
  "playersPerGroup",
  "rounds",
  "roles",
  "pageOrder",
  "presenceGrace",
  "publishPresence",
  "constants",
  "subsession",
  "group",
  "player",
  "extraModels",
];

/**
 * Defines an app: its models here, its pages with `app.page(...)` after it.
 *
 * @throws AuthorError naming app, model, field, value and cure
 */
export function defineApp<
  const C extends Constants = NoFields,
  G extends Fields = NoFields,
  P extends Fields = NoFields,
  X extends Models = NoFields,
  U extends Fields = NoFields,
>(definition: AppDefinition<C, G, P, X, U>): App<C, G, P, X, U> {
  const name = checkName(definition);
  const { title, doc, playersPerGroup, rounds, constants } = definition;
  checkKeys(definition, APP_OPTIONS, `${name}: defineApp`);
  checkText(title, `${name}: title`);
  checkText(doc, `${name}: doc`);
  checkGroupSize(playersPerGroup, name);
  checkRounds(rounds, name);
  checkObject(constants, "wrong_constants", `${name}: constants`, "{ endowment: 100 }");
  checkObject(definition.extraModels, "wrong_fields", `${name}: extraModels`, '{ Bid: { player: link("player") } }');
  const extras = makeExtraModels(name, definition.extraModels ?? {});
  const pages: PageSpec[] = [];
  const exports: CustomExport[] = [];
  const timers = new Map<string, TimerSpec>();
  const spec: Mutable<AppSpec> = {
    name,
    title: title ?? name,
    doc,
    playersPerGroup: playersPerGroup ?? 1,
    rounds: rounds ?? 1,
    roles: checkRoles(definition),
    creatingSession: undefined,
    pageOrder: definition.pageOrder,
    presenceGrace: presenceGrace(definition.presenceGrace, name),
    publishPresence: publishPresence(definition.publishPresence, name),
    constants: Object.freeze({ ...constants }),
    subsession: subsessionFields(name, definition.subsession ?? {}),
    group: makeModel(name, "group", "Group", definition.group ?? {}),
    player: makeModel(name, "player", "Player", definition.player ?? {}),
    extras,
    pages,
    exports,
    timers,
  };
  const models = Object.fromEntries(Object.values(extras).map((model) => [model.name, extraModel(model)]));
  return {
    name,
    // Left out, C is the empty type.
    constants: spec.constants as C,
    // The fields' types exist at compile time only; the view checks values against the very same fields.
    extraModels: models as App<C, G, P, X, U>["extraModels"],
    spec,
    page(pageName: string, options: GivenOptions = {}) {
      pages.push(makePage(spec, pageName, options));
      return { app: name, name: pageName };
    },
    creatingSession(run) {
      checkHook(run ?? null, `${name}: creatingSession`, "subsession");
      if (spec.creatingSession !== undefined) {
        throw new AuthorError("name_taken", `${name}: creatingSession was given already. Put both into one function.`);
      }
      spec.creatingSession = run;
    },
    waitPage(
      pageName: string,
      options: WaitPageOptions<Player<G, P, U>, Group<G, P, U>, WholeSubsession<G, P, U>> & RawLiveOptions = {},
    ) {
      const where = `${name}: page ${pageName}`;
      const { page, wait } = splitWaitOptions(where, options);
      checkArrival(spec, where, wait);
      pages.push({ ...makePage(spec, pageName, page, hasAsyncHook(options)), wait });
      return { app: name, name: pageName };
    },
    customExport(exportName, options) {
      exports.push(makeExport(name, exportName, options, exports));
    },
    timer(timerName, handle, options = {}) {
      timers.set(timerName, makeTimer(name, timerName, { handle, options }, timers));
      return { name: timerName };
    },
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** `create` and `filter` work in whatever call their arguments belong to, which is how they know whose rows are meant. */
function extraModel(model: ModelSpec): { create(values: object): object; filter(where: object): object[] } {
  return {
    create: (values) => viewOf(model, values, "create")[VIEW].create(model, { ...values }),
    filter: (where) => viewOf(model, where, "filter")[VIEW].filter(model, { ...where }),
  };
}

function viewOf(model: ModelSpec, values: unknown, method: "create" | "filter") {
  const handle = typeof values === "object" && values !== null ? Object.values(values).find(isHandle) : undefined;
  if (handle !== undefined) return handle;
  const links = Object.keys(model.fields).filter((field) => model.fields[field]?.kind === "link");
  const ways = method === "filter" && !links.includes("group") ? [...links, "group"] : links;
  const example = ways.map((way) => `${model.name}.${method}({ ${way}, ... })`).join(" or ");
  throw new AuthorError(
    "link_missing",
    `${model.app}: ${model.name}.${method}() was called without a player or group. Pass one: ${example}.`,
  );
}
