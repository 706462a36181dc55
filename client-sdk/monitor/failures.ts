import { element } from "../panel/element.ts";
import type { MonitorFailure } from "./rows.ts";

/**
 * Wait pages whose function has failed, each with what it threw and a button to run it again.
 *
 * @param code the session's
 * @param more how many others there are
 * @param onRetried something may have become different
 */
export function failureViews(
  code: string,
  failures: readonly MonitorFailure[],
  more: number,
  onRetried: () => void,
): HTMLElement[] {
  const views: HTMLElement[] = failures.map(({ actor, page, error, stack }) => {
    const retry = element("button", { type: "button", class: "btn", "aria-label": `Retry ${page}` }, "Retry");
    retry.addEventListener("click", async () => {
      retry.disabled = true;
      const form = new URLSearchParams({ actor: String(actor), page });
      // It leads to a page, which is not wanted here: what has become of it shows by itself.
      await fetch(`/RetryWaitPage/${code}`, { method: "POST", body: form, redirect: "manual" }).catch(() => {});
      retry.disabled = false;
      onRetried();
    });
    const what = ` (group ${actor}): what runs when everybody has arrived has failed, and its participants wait.`;
    const text = element(
      "div",
      {},
      element("p", {}, element("b", {}, page), what),
      element("p", {}, element("code", {}, error)),
      element("details", {}, element("summary", {}, "Stack"), element("pre", {}, stack)),
    );
    return element("div", { class: "alert alert-danger wait-failed" }, text, retry);
  });
  if (more > 0) views.push(element("p", {}, `And ${more} more.`));
  return views;
}
