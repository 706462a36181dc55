import type { AppSpec, PageSpec } from "../entities/app-spec.ts";

/**
 * Whether a page has a connection to its group: where it has a live method, where it waits for
 * others, and everywhere in an app that wants to know who is there. Its pages without a live method would look like people who have left.
 */
export function connects(app: AppSpec, page: PageSpec): boolean {
  return page.live !== undefined || page.wait !== undefined || app.pages.some(({ presence }) => presence !== undefined);
}
