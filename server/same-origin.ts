import type { Request } from "express";

/**
 * Whether a request that changes something was made by one of our own pages, or by no browser at all
 * (every browser names the origin of a POST). Sec-Fetch-Site cannot be forged by a page, but browsers
 * send it only over TLS and on localhost, so that labs on plain http rely on Origin.
 */
export function isSameOrigin(request: Request): boolean {
  const site = request.get("sec-fetch-site");
  if (site !== undefined) return site === "same-origin" || site === "none";
  const origin = request.get("origin");
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === request.get("host");
}
