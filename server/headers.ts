import type { RequestHandler, Response } from "express";
import helmet from "helmet";

/**
 * helmet's headers, without those that only make sense over TLS: labs run on plain http in the local
 * network, where HSTS would lock browsers out and Chromium warns of the isolation headers. A proxy
 * that speaks TLS adds HSTS itself. The content policy is set by each kind of page.
 */
export const fixedHeaders: RequestHandler = helmet({
  contentSecurityPolicy: false,
  strictTransportSecurity: false,
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
});

/**
 * For participants' pages. Scripts run if their tag stood in the template's source (the nonce) or if they
 * are files of this server; not 'strict-dynamic', by which a script tag that a page's own code makes out of
 * a participant's text would run. `onclick="…"` works, because templates escape what they put there. Pictures, sounds
 * and frames may come from anywhere, since experiments show such things. No upgrade-insecure-requests.
 */
export function setPagePolicy(response: Response, nonce: string): void {
  response.setHeader(
    "Content-Security-Policy",
    policy({
      "default-src": "'self'",
      "script-src": `'self' 'nonce-${nonce}'`,
      "script-src-attr": "'unsafe-inline'",
      "style-src": "'self' 'unsafe-inline' https:",
      "img-src": "* data: blob:",
      "media-src": "* data: blob:",
      "font-src": "'self' data: https:",
      "frame-src": "*",
      "connect-src": "'self' ws: wss:",
      "worker-src": "'self' blob:",
      "object-src": "'none'",
      "base-uri": "'none'",
      "form-action": "'self'",
      "frame-ancestors": "'self'",
    }),
  );
  keepPrivate(response, "no-referrer");
}

/** Lets one of the server's own pages load scripts that are files of this server; before its policy is set. */
export function allowScripts(response: Response): void {
  response.locals.hasScripts = true;
}

/**
 * For the server's own pages, which have no scripts unless {@link allowScripts} was called. Their referrer policy lets the browser name the
 * origin of a form, which is checked against forgery; `no-referrer` would send `Origin: null`.
 */
export function setDeskPolicy(response: Response): void {
  response.setHeader(
    "Content-Security-Policy",
    policy({
      "default-src": "'none'",
      ...(response.locals.hasScripts === true ? { "script-src": "'self'", "connect-src": "'self'" } : {}),
      "style-src": "'self'",
      "img-src": "'self'",
      "frame-src": "'self'",
      "base-uri": "'none'",
      "form-action": "'self'",
      "frame-ancestors": "'self'",
    }),
  );
  keepPrivate(response, "same-origin");
}

/** The URL and the page hold a participant's code, or lead to it. */
function keepPrivate(response: Response, referrer: string): void {
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Referrer-Policy", referrer);
}

function policy(directives: Readonly<Record<string, string>>): string {
  return Object.entries(directives)
    .map(([name, sources]) => `${name} ${sources}`)
    .join("; ");
}
