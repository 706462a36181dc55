import type { PageFacts } from "../client-sdk/protocol.ts";
import { Failure } from "./errors.ts";

/** A page as a bot sees it. */
export interface View {
  readonly url: string;
  /** HTTP status; undefined where a browser does not tell. */
  readonly status: number | undefined;
  readonly html: string;
  /** It has a connection, by which it learns that its participant has moved on. */
  readonly connected: boolean;
  readonly place: Place;
}

/** Where a participant is. */
export type Place =
  | {
      readonly kind: "page";
      readonly app: string;
      readonly round: number;
      readonly page: string;
      readonly facts: PageFacts;
    }
  | { readonly kind: "finished" }
  /** An error, a login, a page of a session that says nothing to bots. */
  | { readonly kind: "other" };

/** Reads a page's HTML. */
export function readView(url: string, status: number | undefined, html: string): View {
  return { url, status, html, connected: /<script\b[^>]*\bid="walras-live"/i.test(html), place: readPlace(url, html) };
}

function readPlace(url: string, html: string): Place {
  const json = /<script\b[^>]*\bid="walras-bot"[^>]*>([\s\S]*?)<\/script>/i.exec(html)?.[1];
  if (json !== undefined) {
    const facts: PageFacts = JSON.parse(json);
    const [app = "", round = "1", page = ""] = facts.page.split("/");
    return { kind: "page", app, round: Number(round), page, facts };
  }
  return /^\/OutOfRangeNotification\//.test(new URL(url).pathname) ? { kind: "finished" } : { kind: "other" };
}

/** Whether two pages are the same step of the session. */
export function isSamePage(a: Place, b: Place): boolean {
  return a.kind === "page" && b.kind === "page" && a.facts.index === b.facts.index;
}

/** A page as errors name it. */
export function nameOf({ place, status, html }: View): string {
  if (place.kind === "page") return `page ${place.page} of ${place.app}`;
  if (place.kind === "finished") return "the end of the session";
  return `a page that is none of the app's (status ${status ?? "unknown"}): ${readText(html).slice(0, 500)}`;
}

/** Refuses a page that is none of the session's. */
export function checkPage(view: View): void {
  if (view.place.kind !== "other") return;
  if (view.status !== 200) throw new Failure(`the server answered with ${nameOf(view)}`);
  throw new Failure("the page does not say which one it is. Bots play demo sessions only; see npm run walras -- bots");
}

/** What a person reads on a page: no tags, scripts, styles; every run of blanks is one. */
export function readText(html: string): string {
  const body = html.slice(Math.max(0, html.search(/<body\b/i)));
  return decodeEntities(
    body
      .replace(/<!--[\s\S]*?-->/g, "")
      .replace(/<(script|style|template)\b[\s\S]*?<\/\1\s*>/gi, " ")
      // Inside a line, a word may change its look: no blank there.
      .replace(/<\/?(?:a|b|i|u|em|strong|span|small|code|sub|sup|mark|abbr)\b[^>]*>/gi, "")
      .replace(/<[^>]*>/g, " "),
  )
    .replace(/\s+/g, " ")
    .trim();
}

/** The page's js_vars. */
export function readJsVars(html: string): Record<string, unknown> {
  const json = /<script\b[^>]*>var js_vars = ([\s\S]*?);<\/script>/i.exec(html)?.[1];
  return json === undefined ? {} : JSON.parse(json);
}

/** What the page says is wrong with a form: the text of its alerts and of its fields' errors. */
export function readErrors(html: string): string {
  const found = html.matchAll(
    /<([a-z]+)\b[^>]*(?:\bclass="[^"]*\b(?:otree-form-errors|form-control-errors|alert-danger)\b[^"]*")[^>]*>([\s\S]*?)<\/\1\s*>/gi,
  );
  const texts = [...found].map((match) => readText(match[2] ?? "")).filter((text) => text !== "");
  return [...new Set(texts)].join(" ");
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  euro: "€",
  pound: "£",
  ndash: "–",
  mdash: "—",
  hellip: "…",
  times: "×",
  middot: "·",
};

/** Text out of HTML text or an attribute value. */
export function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{1,31}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
