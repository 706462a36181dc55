import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, PinnedPage } from "./app-spec.ts";
import { describe } from "./values.ts";

/** For whom a page order is asked for. */
export interface OrderedFor {
  /** 1, 2, 3 ... in the session. */
  readonly idInSession: number;
  readonly roundNumber: number;
  /** The session config's parameters. */
  readonly config: Readonly<Record<string, unknown>>;
  /** A random number, 0 ≤ x < 1. */
  random(): number;
}

/**
 * In which order a participant sees the pages of an app. "random": what lies between wait pages is shuffled,
 * anew in each round. A list of blocks: the blocks change places, each order equally often, the same in all
 * rounds. A function: the pages that it names, in the order in which they are to come.
 */
export type PageOrder = "random" | readonly (readonly string[])[] | ((participant: OrderedFor) => readonly string[]);

/** A participant's own orders: names of pages by `app/round`. */
type Orders = Record<string, string[]>;

/** More orders than this are drawn at random instead of in turn: 5 blocks have 120. */
const MOST_BLOCKS = 5;

/**
 * The pages of a session as one participant gets to see them.
 *
 * @param pages the session's sequence
 * @param orders the participant's `pageOrder`: JSON text, or null for the session's own order
 */
export function orderedPages(pages: readonly PinnedPage[], orders: unknown): readonly PinnedPage[] {
  if (typeof orders !== "string") return pages;
  const own = JSON.parse(orders) as Orders;
  const places = new Map<string, number>();
  return pages.map((page) => {
    const stretch = `${page.app}/${page.round}`;
    const names = Object.hasOwn(own, stretch) ? own[stretch] : undefined;
    if (names === undefined) return page;
    const place = places.get(stretch) ?? 0;
    places.set(stretch, place + 1);
    return { ...page, page: names[place] ?? page.page };
  });
}

/**
 * The orders of all participants of a new session, each as JSON text; null where nothing is reordered.
 *
 * @param randomOf gives a participant's dice
 * @throws AuthorError `wrong_page_order`
 */
export function drawOrders(
  apps: readonly AppSpec[],
  participants: number,
  config: Readonly<Record<string, unknown>>,
  randomOf: (what: string) => () => number,
): (string | null)[] {
  const ordered = apps.filter((app) => app.pageOrder !== undefined);
  if (ordered.length === 0) return Array.from({ length: participants }, () => null);
  const turns = new Map(ordered.map((app) => [app, balancedTurns(app, participants, randomOf)]));
  return Array.from({ length: participants }, (_, i) => {
    const orders: Orders = {};
    for (const app of ordered) {
      const blocks = turns.get(app)?.[i];
      for (let round = 1; round <= app.rounds; round++) {
        const random = randomOf(`${app.name}/${round}/order/${i + 1}`);
        orders[`${app.name}/${round}`] = orderOf(app, blocks, {
          idInSession: i + 1,
          roundNumber: round,
          config,
          random,
        });
      }
    }
    return JSON.stringify(orders);
  });
}

/** @throws AuthorError `wrong_page_order` for an order that cannot be */
export function checkPageOrder(app: AppSpec): void {
  const { pageOrder } = app;
  if (typeof pageOrder === "function" && pageOrder.constructor.name !== "Function") {
    throw wrong(
      app,
      "is async or a generator, but the orders are drawn at once. Fetch what it needs when the server starts, or put it into the session config",
    );
  }
  if (pageOrder === undefined || pageOrder === "random" || typeof pageOrder === "function") return;
  const isBlocks = Array.isArray(pageOrder) && pageOrder.every((block) => Array.isArray(block));
  if (!isBlocks) {
    throw wrong(
      app,
      `is ${describe(pageOrder)}; give it "random", blocks such as [["A", "B"], ["C"]], or a function of participant`,
    );
  }
  place(app, pageOrder.flat());
}

/** Which order of the blocks each participant gets: in every run of as many as there are orders, each comes once. */
function balancedTurns(
  app: AppSpec,
  participants: number,
  randomOf: (what: string) => () => number,
): (readonly string[])[] | undefined {
  const { pageOrder } = app;
  if (typeof pageOrder !== "object") return undefined;
  const random = randomOf(`${app.name}/blocks`);
  const all = pageOrder.length <= MOST_BLOCKS ? permutations(pageOrder) : undefined;
  const turns: (readonly string[])[] = [];
  while (turns.length < participants) {
    const next = all === undefined ? [shuffled(pageOrder, random)] : shuffled(all, random);
    turns.push(...next.map((order) => order.flat()));
  }
  return turns;
}

function orderOf(app: AppSpec, blocks: readonly string[] | undefined, participant: OrderedFor): string[] {
  if (blocks !== undefined) return place(app, blocks);
  const { pageOrder } = app;
  if (typeof pageOrder !== "function") return shuffledBetweenWaits(app, participant.random);
  const names: unknown = pageOrder(participant);
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
    throw wrong(app, `gave ${describe(names)}; return an array of page names`);
  }
  return place(app, names);
}

/** The app's pages, with these among them in this order: they take the places that they have together. */
function place(app: AppSpec, names: readonly string[]): string[] {
  for (const [i, name] of names.entries()) {
    const page = app.pages.find((one) => one.name === name);
    const known = app.pages.map((one) => one.name).join(", ");
    if (page === undefined)
      throw wrong(app, `names ${describe(name)}, which is no page of the app. Its pages are ${known}`);
    if (page.wait !== undefined)
      throw wrong(app, `names ${name}, a wait page: the group meets there at one point, so it keeps its place`);
    if (names.indexOf(name) !== i) throw wrong(app, `names ${name} twice`);
  }
  const places = app.pages.flatMap((page, i) => (names.includes(page.name) ? [i] : []));
  const first = places.at(0) ?? 0;
  const last = places.at(-1) ?? 0;
  const between = app.pages.slice(first, last).find((page) => page.wait !== undefined);
  if (between !== undefined) {
    throw wrong(
      app,
      `moves pages across the wait page ${between.name}; order those before it and those after it by themselves`,
    );
  }
  const order = app.pages.map((page) => page.name);
  for (const [i, at] of places.entries()) order[at] = names[i] ?? "";
  return order;
}

function shuffledBetweenWaits(app: AppSpec, random: () => number): string[] {
  const order: string[] = [];
  let run: string[] = [];
  for (const page of app.pages) {
    if (page.wait === undefined) run.push(page.name);
    else {
      order.push(...shuffled(run, random), page.name);
      run = [];
    }
  }
  return [...order, ...shuffled(run, random)];
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((first, i) => permutations(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));
}

function wrong(app: AppSpec, what: string): AuthorError {
  return new AuthorError("wrong_page_order", `${app.name}: pageOrder ${what}.`);
}
