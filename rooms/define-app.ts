import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, CustomExport, ModelSpec, PageSpec, TimerMethod } from "../entities/app-spec.ts";
import { APP_NAME_LIMIT, makeExtraModels, makeModel } from "../entities/app-tables.ts";
import type { Fields } from "../entities/fields.ts";
import { isHandle } from "../entities/handles.ts";
import type { PageOrder } from "../entities/page-order.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import { VIEW } from "../entities/view.ts";
import type { ExtraModel, Group, PageOptions, Player, Row, Timer, TimerHandler } from "./author-types.ts";
import { type ExportOptions, makeExport } from "./define-export.ts";
import {
  checkArrival,
  splitWaitOptions,
  type WaitForAllGroups,
  type WaitForGroup,
  type WaitPageBasics,
  type WaitPageOptions,
} from "./define-wait-page.ts";
import { FORM_OPTIONS, type FormOptions, formSpec } from "./form-options.ts";
import { checkLiveOptions, LIVE_OPTIONS, type RawLiveOptions } from "./live-handlers.ts";
import type { LiveOptions, PageOf } from "./live-types.ts";
import { ASYNC_HOOKS, isAsyncHook } from "./page-hooks.ts";
import type { WholeSubsession } from "./subsession-types.ts";
import { TIMEOUT_OPTIONS, timeoutOf } from "./timeout-options.ts";

type Models = Readonly<Record<string, Fields>>;
type Constants = Readonly<Record<string, unknown>>;
type Empty = Readonly<Record<never, never>>;

/** What {@link defineApp} takes. */
export interface AppDefinition<C extends Constants, G extends Fields, P extends Fields, X extends Models> {
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
  /** Fields of a group. */
  group?: G;
  /** Fields of a player in one round. */
  player?: P;
  /** Tables of the author's own, linked to a player or group: `{ Bid: { player: link("player"), ... } }`. */
  extraModels?: X;
}

/** A defined app: what its module exports as default. */
export interface App<C extends Constants, G extends Fields, P extends Fields, X extends Models> {
  readonly name: string;
  readonly constants: C;
  readonly extraModels: { readonly [M in keyof X]: ExtraModel<X[M], G, P> };
  /**
   * Adds a page after those that were added before.
   *
   * @param name names the template, `<name>.html`, and the URL
   * @throws AuthorError for a mistake in its options
   */
  page<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options: PageOptions<Player<G, P>, G> &
      LiveOptions<Player<G, P>, D, I, S, DS, R, M, RM, L> & { formModel: "group" },
  ): PageOf<I, DS, R, L>;
  page<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options?: PageOptions<Player<G, P>, P> &
      LiveOptions<Player<G, P>, D, I, S, DS, R, M, RM, L> & { formModel?: "player" },
  ): PageOf<I, DS, R, L>;
  /**
   * Runs when a session is created, for each round of the app in order: forms groups, assigns treatments,
   * sets fields. If it throws, there is no session.
   */
  creatingSession(run: (subsession: WholeSubsession<G, P>) => void): void;
  /**
   * Adds a page on which players wait for each other; it needs no template.
   *
   * @throws AuthorError for a mistake in its options
   */
  waitPage<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options: WaitPageBasics<Player<G, P>> &
      WaitForAllGroups<Player<G, P>, WholeSubsession<G, P>> &
      LiveOptions<Player<G, P>, D, I, S, DS, R, M, RM, L>,
  ): PageOf<I, DS, R, L>;
  waitPage<D = unknown, I = D, S = unknown, DS = S, R = unknown, M = unknown, RM = unknown, L = unknown>(
    name: string,
    options?: WaitPageBasics<Player<G, P>> &
      WaitForGroup<Player<G, P>, Group<G, P>> &
      LiveOptions<Player<G, P>, D, I, S, DS, R, M, RM, L>,
  ): PageOf<I, DS, R, L>;
  /**
   * Adds a table of your own making to the data exports: `rows` gets one group after the other, and gives
   * an array, or yields an array, of as many values as there are columns for each row.
   *
   * @param name names the file, `<app>_<name>.csv`
   * @throws AuthorError for a mistake in its options
   */
  customExport(name: string, options: ExportOptions<Group<G, P>>): void;
  /**
   * Says what happens when a timer fires that the group has set: `group.after(60, "close")`. It is a unit of the
   * group like a message, needs no open browser, and survives restarts.
   *
   * @param handler gets the group, the payload that the timer was set with, and the firing
   * @returns may stand for the name where a timer is set; then the payload's type is checked
   * @throws AuthorError for a wrong name or handler
   */
  timer<D = unknown>(name: string, handler: TimerHandler<Group<G, P>, D>): Timer<D>;
  /** The checked definition, for Walras. */
  readonly spec: AppSpec;
}

/** The player type of an app: `function profit(player: PlayerOf<typeof app>) { ... }`. */
export type PlayerOf<A> = A extends App<infer _C, infer G, infer P, infer _X> ? Player<G, P> : never;
/** The group type of an app. */
export type GroupOf<A> = A extends App<infer _C, infer G, infer P, infer _X> ? Group<G, P> : never;
/** The type of what creatingSession gets. */
export type SubsessionOf<A> = A extends App<infer _C, infer G, infer P, infer _X> ? WholeSubsession<G, P> : never;
/** The row type of one of an app's extra models: `RowOf<typeof app, "Bid">`. */
export type RowOf<A, M extends string> =
  A extends App<infer _C, infer G, infer P, infer X> ? (M extends keyof X ? Row<X[M], G, P> : never) : never;

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
  const C extends Constants = Empty,
  G extends Fields = Empty,
  P extends Fields = Empty,
  X extends Models = Empty,
>(definition: AppDefinition<C, G, P, X>): App<C, G, P, X> {
  const name = checkName(definition);
  const { title, doc, playersPerGroup, rounds, constants } = definition;
  checkKeys(definition, APP_OPTIONS, `${name}: defineApp`);
  checkText(title, `${name}: title`);
  checkText(doc, `${name}: doc`);
  checkGroupSize(playersPerGroup, name);
  if (rounds !== undefined && !(Number.isSafeInteger(rounds) && rounds >= 1)) {
    throw new AuthorError(
      "wrong_rounds",
      `${name}: rounds is ${describe(rounds)}; give it a whole number from 1, or leave it out for 1.`,
    );
  }
  checkObject(constants, "wrong_constants", `${name}: constants`, "{ endowment: 100 }");
  checkObject(definition.extraModels, "wrong_fields", `${name}: extraModels`, '{ Bid: { player: link("player") } }');
  const extras = makeExtraModels(name, definition.extraModels ?? {});
  const pages: PageSpec[] = [];
  const exports: CustomExport[] = [];
  const timers = new Map<string, TimerMethod>();
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
    constants: constants ?? {},
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
    constants: (constants ?? {}) as C,
    // The fields' types exist at compile time only; the view checks values against the very same fields.
    extraModels: models as App<C, G, P, X>["extraModels"],
    spec,
    page(pageName: string, options: GivenOptions = {}) {
      pages.push(makePage(spec, pageName, options));
      return { app: name, name: pageName };
    },
    creatingSession(run) {
      if (typeof run !== "function" || run.constructor.name !== "Function") {
        throw new AuthorError(
          "wrong_option",
          `${name}: creatingSession is ${typeof run === "function" ? "async or a generator" : describe(run)}; give it a plain function of subsession.`,
        );
      }
      if (spec.creatingSession !== undefined) {
        throw new AuthorError("name_taken", `${name}: creatingSession was given already. Put both into one function.`);
      }
      spec.creatingSession = run;
    },
    waitPage(
      pageName: string,
      options: WaitPageOptions<Player<G, P>, Group<G, P>, WholeSubsession<G, P>> & RawLiveOptions = {},
    ) {
      const where = `${name}: page ${pageName}`;
      const { page, wait } = splitWaitOptions(where, options);
      checkArrival(spec, where, wait);
      pages.push({ ...makePage(spec, pageName, page), wait });
      return { app: name, name: pageName };
    },
    customExport(exportName, options) {
      exports.push(makeExport(name, exportName, options, exports));
    },
    timer(timerName, handler) {
      checkTimer(name, timerName, handler, timers);
      timers.set(timerName, handler);
      return { name: timerName };
    },
  };
}

function checkName(definition: { name: string }): string {
  if (typeof definition !== "object" || definition === null) {
    throw new AuthorError(
      "wrong_definition",
      `defineApp was called with ${describe(definition)}; give it an object, e.g. { name: "auction" }.`,
    );
  }
  const { name } = definition;
  if (typeof name !== "string" || !/^[a-z][a-z0-9_]*$/.test(name)) {
    throw new AuthorError(
      "wrong_name",
      `defineApp: name is ${describe(name)}; give it a small letter, then small letters, digits and underscores, e.g. "public_goods". Use title for what people read.`,
    );
  }
  if (name.length > APP_NAME_LIMIT) {
    throw new AuthorError(
      "wrong_name",
      `${name}: the app's name has ${name.length} characters; choose one of at most ${APP_NAME_LIMIT}.`,
    );
  }
  if (/^sqlite(_|$)/.test(name)) {
    throw new AuthorError(
      "reserved_name",
      `${name}: SQLite keeps table names that begin with sqlite_ for itself. Choose another app name.`,
    );
  }
  return name;
}

function checkGroupSize(size: unknown, name: string): void {
  if (size === undefined || size === "all" || (Number.isSafeInteger(size) && (size as number) >= 2)) return;
  const cure =
    size === 1
      ? "Leave it out when each plays alone."
      : 'Give it a whole number from 2, or "all"; leave it out when each plays alone.';
  throw new AuthorError("wrong_group_size", `${name}: playersPerGroup is ${describe(size)}. ${cure}`);
}

/** Short breaks are no news: pages load, phones change from one network to another. */
const PRESENCE_GRACE = 5;
const LONGEST_GRACE = 24 * 60 * 60;

function presenceGrace(seconds: unknown, name: string): number {
  if (seconds === undefined) return PRESENCE_GRACE;
  if (typeof seconds === "number" && seconds >= 0 && seconds <= LONGEST_GRACE) return seconds;
  throw new AuthorError(
    "wrong_option",
    `${name}: presenceGrace is ${describe(seconds)}; give it a number of seconds from 0 to ${LONGEST_GRACE}, or leave it out for ${PRESENCE_GRACE}.`,
  );
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function checkRoles({ name, roles, playersPerGroup, player }: AppDefinition<Constants, Fields, Fields, Models>) {
  if (roles === undefined) return [];
  if (!Array.isArray(roles) || roles.length === 0 || roles.some((role) => typeof role !== "string" || role === "")) {
    throw new AuthorError(
      "wrong_option",
      `${name}: roles is ${describe(roles)}; give it an array of names by idInGroup, e.g. ["buyer", "seller"].`,
    );
  }
  const twice = roles.find((role, at) => roles.indexOf(role) !== at);
  if (twice !== undefined) {
    throw new AuthorError("wrong_option", `${name}: roles has ${describe(twice)} twice; a role belongs to one player.`);
  }
  if (typeof playersPerGroup === "number" && roles.length > playersPerGroup) {
    throw new AuthorError(
      "wrong_option",
      `${name}: roles has ${roles.length} names, but a group has ${playersPerGroup} players. Name at most one role for each.`,
    );
  }
  if (player !== undefined && Object.hasOwn(player, "role")) {
    throw new AuthorError(
      "reserved_name",
      `${name}: Player.role is built in when the app has roles. Rename the field.`,
    );
  }
  return [...roles];
}

function publishPresence(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new AuthorError("wrong_option", `${name}: publishPresence is ${describe(value)}; give it true or false.`);
}

function checkText(value: unknown, where: string): void {
  if (value === undefined || typeof value === "string") return;
  throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a string.`);
}

function checkObject(value: unknown, code: string, where: string, example: string): void {
  if (value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value))) return;
  throw new AuthorError(code, `${where} is ${describe(value)}; give it an object, e.g. ${example}.`);
}

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

const PAGE_FUNCTIONS = [
  "isDisplayed",
  "varsForTemplate",
  "jsVars",
  "errorMessage",
  "beforeNextPage",
  "appAfterThisPage",
  "presence",
] as const;
const PAGE_OPTIONS = ["history", "allowBack", ...TIMEOUT_OPTIONS, ...LIVE_OPTIONS, ...FORM_OPTIONS, ...PAGE_FUNCTIONS];

/** The options of any page: whose fields its form sets is checked where the form is, what its messages are where they are. */
type GivenOptions = Omit<PageOptions<never>, keyof FormOptions<never, Fields>> &
  Partial<Record<keyof FormOptions<never, Fields>, unknown>> &
  RawLiveOptions;

function makePage(spec: AppSpec, name: string, options: GivenOptions): PageSpec {
  const { name: app, pages: before } = spec;
  if (typeof name !== "string" || !/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
    throw new AuthorError(
      "wrong_name",
      `${app}: a page's name is ${describe(name)}; give it a letter, then letters, digits and underscores, e.g. "Bidding".`,
    );
  }
  const where = `${app}: page ${name}`;
  if (before.some((page) => page.name === name)) {
    throw new AuthorError("name_taken", `${where} exists already. Choose another name; to play it again, use rounds.`);
  }
  checkObject(options, "wrong_option", `${where}: its second argument`, "{ live(player, data) { ... } }");
  checkKeys(options, PAGE_OPTIONS, where);
  const { history, allowBack } = options;
  for (const key of PAGE_FUNCTIONS) {
    if (!ASYNC_HOOKS.includes(key) || !isAsyncHook(options[key])) checkFunction(options[key], `${where}: ${key}`);
  }
  if (history !== undefined && typeof history !== "boolean") {
    throw new AuthorError("wrong_option", `${where}: history is ${describe(history)}; give it true or false.`);
  }
  if (allowBack !== undefined && typeof allowBack !== "boolean") {
    throw new AuthorError("wrong_option", `${where}: allowBack is ${describe(allowBack)}; give it true or false.`);
  }
  return {
    name,
    ...checkLiveOptions(
      options,
      history === true,
      ASYNC_HOOKS.some((key) => isAsyncHook(Reflect.get(options, key))),
      where,
    ),
    history: history ?? false,
    isDisplayed: options.isDisplayed,
    varsForTemplate: options.varsForTemplate,
    jsVars: options.jsVars,
    errorMessage: options.errorMessage as PageSpec["errorMessage"],
    form: formSpec(options, spec, where),
    beforeNextPage: options.beforeNextPage,
    appAfterThisPage: options.appAfterThisPage,
    allowBack: allowBack ?? false,
    timeout: timeoutOf(options, where),
    presence: options.presence,
    wait: undefined,
  };
}

function checkTimer(app: string, name: unknown, handler: unknown, before: ReadonlyMap<string, TimerMethod>): void {
  if (typeof name !== "string" || !/^[A-Za-z][A-Za-z0-9_]{0,99}$/.test(name)) {
    throw new AuthorError(
      "wrong_name",
      `${app}: a timer's name is ${describe(name)}; give it a letter, then letters, digits and underscores, e.g. "close".`,
    );
  }
  const where = `${app}: timer ${name}`;
  if (before.has(name)) {
    throw new AuthorError(
      "name_taken",
      `${where} exists already. Give each timer one handler; it can tell by the payload.`,
    );
  }
  if (handler === undefined) {
    throw new AuthorError(
      "wrong_option",
      `${where} has no handler. Give it one: app.timer("${name}", (group) => { ... }).`,
    );
  }
  checkFunction(handler, where, "group");
}

function checkFunction(value: unknown, where: string, of = "player"): void {
  if (value === undefined) return;
  if (typeof value !== "function") {
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}; give it a function of ${of}.`);
  }
  if (value.constructor.name !== "Function") {
    throw new AuthorError(
      "must_be_sync",
      `${where} is async or a generator, but ${of === "group" ? "a timer's work" : "this"} is done in one go. Make it a plain function; only ${of === "group" ? "live" : `live, ${ASYNC_HOOKS.join(", ")}`} may wait.`,
    );
  }
}
