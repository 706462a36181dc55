import { WalrasError } from "../client-sdk/errors.ts";
import { type AppSpec, type PageSpec, type PinnedPage, pageIdentity } from "../entities/app-spec.ts";
import { orderedPages } from "../entities/page-order.ts";
import type { Value } from "../entities/tables.ts";
import type { WaitPage } from "./wait-pages.ts";

/**
 * The page sequence of a session, pinned when it was created, as one of its groups sees it: which
 * stretch of it is the group's own. Indexes count from 1; 0 stands before the first page.
 */
export class Itinerary {
  readonly #pages: readonly PinnedPage[];
  /** Indexes of the group's first and last page. */
  readonly #first: number;
  readonly #last: number;
  readonly #specs: ReadonlyMap<string, PageSpec>;
  /** Made once for each page that is asked for: every recipient of a message asks. */
  readonly #identities = new Map<PinnedPage, string>();
  /** The sequence in the orders of participants who have one of their own, by its JSON text. */
  readonly #ordered = new Map<string, readonly PinnedPage[]>();
  /** The group's wait pages, in order; they are at the same place for everybody. */
  readonly waits: readonly WaitPage[];

  constructor(pages: readonly PinnedPage[], app: AppSpec, round: number) {
    const isOwn = (page: PinnedPage): boolean => page.app === app.name && page.round === round;
    this.#pages = pages;
    this.#first = pages.findIndex(isOwn) + 1;
    this.#last = pages.findLastIndex(isOwn) + 1;
    this.#specs = new Map(app.pages.map((page) => [page.name, page]));
    this.waits = pages.flatMap((pinned, i) => {
      const page = isOwn(pinned) ? this.#specs.get(pinned.page) : undefined;
      return page?.wait === undefined ? [] : [{ index: i + 1, identity: pageIdentity(pinned), page, wait: page.wait }];
    });
  }

  /** The session has no other pages than this group's. */
  get isWhole(): boolean {
    return this.#first === 1 && this.#last === this.#pages.length;
  }

  /** The index of the group's first page. */
  get first(): number {
    return this.#first;
  }

  /** Pages of the whole session. */
  get length(): number {
    return this.#pages.length;
  }

  /** Whether who is at this index is with this group; who has not begun is with the group of the first page. */
  owns(index: number): boolean {
    return this.reached(index) && index <= this.#last;
  }

  /** Whether this index is one of the group's, or comes after them. */
  reached(index: number): boolean {
    return Math.max(index, 1) >= this.#first;
  }

  /**
   * `app/round/Page` of any page of the session; undefined where there is none.
   *
   * @param order the participant's `pageOrder`
   */
  identity(index: number, order: Value | undefined): string | undefined {
    const page = this.#in(order)[index - 1];
    if (page === undefined) return undefined;
    let identity = this.#identities.get(page);
    if (identity === undefined) {
      identity = pageIdentity(page);
      this.#identities.set(page, identity);
    }
    return identity;
  }

  #in(order: Value | undefined): readonly PinnedPage[] {
    if (typeof order !== "string") return this.#pages;
    let pages = this.#ordered.get(order);
    if (pages === undefined) {
      pages = orderedPages(this.#pages, order);
      this.#ordered.set(order, pages);
    }
    return pages;
  }

  /** Names of the apps after this one, in order. */
  get upcomingApps(): string[] {
    return [...new Set(this.#pages.slice(this.#last).map(({ app }) => app))].filter(
      (app) => app !== this.#pages[this.#last - 1]?.app,
    );
  }

  /** Index of what follows the last round of this app. */
  get afterApp(): number {
    const own = this.#pages[this.#last - 1]?.app;
    return this.#pages.findLastIndex(({ app }) => app === own) + 2;
  }

  /** Index of the first page of an app; undefined: the session has no such app. */
  beginningOf(app: string): number | undefined {
    const at = this.#pages.findIndex((page) => page.app === app);
    return at < 0 ? undefined : at + 1;
  }

  /** What lies between the group's pages and an index after them: apps and rounds that somebody goes past. */
  skippedBefore(index: number): { app: string; round: number }[] {
    const skipped = new Map<string, { app: string; round: number }>();
    const end = this.#pages[index - 1];
    for (const { app, round } of this.#pages.slice(this.#last, Math.max(index - 1, 0))) {
      if (app !== end?.app || round !== end.round) skipped.set(`${app}/${round}`, { app, round });
    }
    return [...skipped.values()];
  }

  /** `app/round/Page` of one of the group's own pages. */
  identityOf(name: string): string {
    const own = this.#pages[this.#first - 1];
    return own === undefined ? name : pageIdentity({ ...own, page: name });
  }

  /** The group's page at an index. @throws WalrasError `page_gone` if the app has lost it since the session began */
  page(index: number, order: Value | undefined): PageSpec {
    const pinned = this.#in(order)[index - 1];
    const page = pinned === undefined ? undefined : this.#specs.get(pinned.page);
    if (page === undefined) {
      throw new WalrasError(
        "page_gone",
        `App ${pinned?.app} has no page "${pinned?.page}" any more, but this session was created with it. Put the page back, or create a new session.`,
      );
    }
    return page;
  }
}
