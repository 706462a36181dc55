import nunjucks from "nunjucks";
import { formatCurrency, roundCurrency, toAmount } from "../client-sdk/currency.ts";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { Say } from "../rooms/languages.ts";
import { EN, type TextKey } from "../rooms/texts/en.ts";

const { SafeString } = nunjucks.runtime;

/** Walras' own texts by what they say in English. */
const KEYS = new Map<string, TextKey>(Object.entries(EN).map(([key, text]) => [text, key as TextKey]));

/** Values of a template's context that filters need. */
export interface FilterContext {
  lookup(name: string): unknown;
}

/** What `|json` gives: JSON that neither closes a script element nor breaks a line of JavaScript. HTML
 * places escape it like any text, script places take it as it is. */
class JsonText {
  readonly text: string;
  constructor(value: unknown) {
    this.text = scriptJson(value);
  }
  toString(): string {
    return this.text;
  }
}

/** JSON that may stand inside a script element. */
export function scriptJson(value: unknown): string {
  return escapeCodes(JSON.stringify(value) ?? "null", /[<>&\u2028\u2029]/g);
}

function escapeCodes(text: string, characters: RegExp): string {
  return text.replace(characters, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}

/** A value as JavaScript: text as the inside of a string literal of any quotes, all else as its literal. */
function inScript(value: unknown): unknown {
  if (value instanceof SafeString) return value;
  if (value instanceof JsonText) return new SafeString(value.text);
  if (typeof value === "string") return new SafeString(escapeCodes(value, /[\\"'`$<>&\n\r\u2028\u2029]/g));
  return new SafeString(scriptJson(value));
}

function rounded(digits: number): (this: FilterContext, value: unknown) => string {
  return (value) => {
    // As amounts are: 1.005 to 1.01, which toFixed does not.
    const number = roundCurrency(toAmount(value, `the filter to${digits}`), digits);
    return new Intl.NumberFormat("en", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      useGrouping: false,
      // -0.001 is 0.00, not -0.00.
      signDisplay: "negative",
    }).format(number);
  };
}

function cu(this: FilterContext, value: unknown): string {
  return formatCurrency(toAmount(value, "the filter cu"), this.lookup("walras_currency") as CurrencyFormat);
}

/** Filters beyond, or in place of, those of nunjucks. `this` is the template's context. */
export const FILTERS: Readonly<Record<string, (this: FilterContext, value: unknown, argument?: unknown) => unknown>> = {
  cu,
  // As oTree had it before version 5.
  c: cu,
  money(value) {
    return formatCurrency(toAmount(value, "the filter money"), this.lookup("walras_money") as CurrencyFormat);
  },
  json: (value) => new JsonText(value),
  // What Walras itself says, in the language of the session; all else is the author's own, who wrote it in that already.
  gettext(value) {
    const key = KEYS.get(String(value));
    return key === undefined ? value : (this.lookup("walras_say") as Say)(key);
  },
  default: (value, fallback) => value ?? fallback,
  linebreaksbr(value) {
    const text = value instanceof SafeString ? String(value) : escapeHtml(String(value ?? ""));
    return new SafeString(text.replace(/\r\n?|\n/g, "<br>"));
  },
  linebreaks(value) {
    const text = value instanceof SafeString ? String(value) : escapeHtml(String(value ?? ""));
    const paragraphs = text.replace(/\r\n?/g, "\n").split(/\n{2,}/);
    return new SafeString(paragraphs.map((lines) => `<p>${lines.replaceAll("\n", "<br>")}</p>`).join(""));
  },
  to0: rounded(0),
  to1: rounded(1),
  to2: rounded(2),
  to3: rounded(3),
  to4: rounded(4),
  in_script: inScript,
  in_handler: (value) => String(inScript(value)),
  in_unquoted: (value) =>
    new SafeString(
      (value instanceof SafeString ? String(value) : escapeHtml(String(value ?? ""))).replace(
        /[\s=`/]/g,
        (char) => `&#${char.charCodeAt(0)};`,
      ),
    ),
};
