import type { AppSpec, PageSpec } from "../entities/app-spec.ts";
import { publishedOf } from "../entities/published.ts";

/**
 * Whether a page has a connection to its group: where it has a live method, where it waits for others,
 * and everywhere in an app that publishes fields, or that wants to know who is there (its pages without
 * a live method would look like people who have left).
 */
export function connects(app: AppSpec, page: PageSpec): boolean {
  if (page.live !== undefined || page.wait !== undefined) return true;
  return publishedOf(app) !== null || app.pages.some(({ presence }) => presence !== undefined);
}
