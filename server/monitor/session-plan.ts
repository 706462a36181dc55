import type { AppSpec, PageSpec, PinnedPage } from "../../entities/app-spec.ts";
import { orderedPages } from "../../entities/page-order.ts";
import type { Values } from "../../entities/tables.ts";
import type { Position } from "../../entities/watch-reads.ts";

/** Where a position is in the session's sequence. */
export interface Place {
  readonly pinned: PinnedPage;
  readonly app: AppSpec | undefined;
  /** undefined: the app has lost it since the session began. */
  readonly page: PageSpec | undefined;
}

/** A session's page sequence, for finding out who is where. */
export class SessionPlan {
  readonly id: number;
  readonly code: string;
  readonly pages: readonly PinnedPage[];
  readonly #apps: ReadonlyMap<string, AppSpec>;
  /** The sequence in the orders of participants who have one of their own, by its JSON text. */
  readonly #ordered = new Map<string, readonly PinnedPage[]>();

  constructor(session: Values, apps: ReadonlyMap<string, AppSpec>) {
    this.id = Number(session.id);
    this.code = String(session.code);
    this.pages = JSON.parse(String(session.pages));
    this.#apps = apps;
  }

  /** undefined: they have not begun, or are past the last page. */
  at({ pageIndex, pageOrder }: Pick<Position, "pageIndex" | "pageOrder">): Place | undefined {
    const pinned = this.#in(pageOrder)[pageIndex - 1];
    if (pinned === undefined) return undefined;
    const app = this.#apps.get(pinned.app);
    return { pinned, app, page: app?.pages.find(({ name }) => name === pinned.page) };
  }

  #in(order: string | null): readonly PinnedPage[] {
    if (order === null) return this.pages;
    let pages = this.#ordered.get(order);
    if (pages === undefined) {
      pages = orderedPages(this.pages, order);
      this.#ordered.set(order, pages);
    }
    return pages;
  }
}
