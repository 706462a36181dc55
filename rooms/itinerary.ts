import { WalrasError } from "../client-sdk/errors.ts";
import { type AppSpec, type PageSpec, type PinnedPage, pageIdentity } from "../entities/app-spec.ts";
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
  /** The group's wait pages, in order. */
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

  /** `app/round/Page` of any page of the session; undefined where there is none. */
  identity(index: number): string | undefined {
    const page = this.#pages[index - 1];
    return page === undefined ? undefined : pageIdentity(page);
  }

  /** `app/round/Page` of one of the group's own pages. */
  identityOf(name: string): string {
    const own = this.#pages[this.#first - 1];
    return own === undefined ? name : pageIdentity({ ...own, page: name });
  }

  /** The group's page at an index. @throws WalrasError `page_gone` if the app has lost it since the session began */
  page(index: number): PageSpec {
    const pinned = this.#pages[index - 1];
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
