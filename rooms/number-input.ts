/** A number as a participant typed it, or why it is none: `ambiguous` could be read in two ways. */
export type TypedNumber = { readonly value: number } | { readonly problem: "not_a_number" | "ambiguous" };

/** Zeros of other scripts' digits, whose keyboards phones offer: Arabic, Persian, Devanagari, Bengali, Thai, full width. */
const ZEROS = [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0e50, 0xff10];

/**
 * Reads a number with a comma or a point as decimal mark, whatever the language: both kinds of people sit
 * in every lab. Groups of thousands are taken where they can mean nothing else; an amount of `1,500` in
 * English, which is 1.5 elsewhere, is refused rather than guessed.
 *
 * @param text as typed
 * @param locale whose decimal mark settles what is ambiguous: `1.500` is 1.5 in English
 * @param kind of an integer no fraction is expected, so that the locale's mark of thousands is clear; a float
 *   may come from a script or a number input, where a point always begins the fraction
 */
export function readNumber(text: string, locale: string, kind: "integer" | "float" | "currency"): TypedNumber {
  const typed = plain(text);
  // What scripts write, and what people may: 5, -3, 1e-7.
  if (/^[+-]?\d+(e[+-]?\d{1,3})?$/i.test(typed)) return finite(typed);
  const match = /^([+-]?)(\d*(?:[.,]\d*)*)(e[+-]?\d{1,3})?$/i.exec(typed);
  if (match === null || !/\d/.test(match[2] ?? "")) return { problem: "not_a_number" };
  const [, sign = "", digits = "", exponent = ""] = match;
  const marks = [...digits.replace(/\d/g, "")];
  const last = marks.at(-1) ?? ".";
  const others = new Set(marks.slice(0, -1));
  const [head = "", tail = ""] = split(digits, last);
  const asDecimal = () => finite(`${sign}${head.replace(/[.,]/g, "") || "0"}.${tail || "0"}${exponent}`);
  if (marks.length === 1) {
    const looksGrouped = /^[1-9]\d{0,2}$/.test(head) && /^\d{3}$/.test(tail) && exponent === "";
    if (!looksGrouped) return asDecimal();
    if (kind === "float" && last === ".") return asDecimal();
    const isLocal = last === decimalMark(locale);
    if (kind === "integer") return isLocal ? { problem: "ambiguous" } : finite(`${sign}${head}${tail}`);
    return isLocal ? asDecimal() : { problem: "ambiguous" };
  }
  // Several marks: 1,234,567 has groups only; 1,234.5 has groups and then a fraction.
  if (others.size === 1 && others.has(last)) {
    return isGrouped(digits, last) ? finite(`${sign}${digits.replaceAll(last, "")}${exponent}`) : NONE;
  }
  const [group] = others;
  return others.size === 1 && group !== undefined && isGrouped(head, group) ? asDecimal() : NONE;
}

/** The mark before the fraction in this language: `.`, or `,` for those that have another. */
export function decimalMark(locale: string): "." | "," {
  const part = new Intl.NumberFormat(locale, { numberingSystem: "latn" })
    .formatToParts(1.5)
    .find(({ type }) => type === "decimal");
  return part?.value === "." ? "." : ",";
}

const NONE = { problem: "not_a_number" } as const;

function finite(text: string): TypedNumber {
  const value = Number(text);
  return Number.isFinite(value) ? { value: value + 0 } : NONE;
}

function isGrouped(digits: string, mark: string): boolean {
  return new RegExp(`^\\d{1,3}(\\${mark}\\d{3})+$`).test(digits);
}

function split(digits: string, mark: string): [string, string] {
  const at = digits.lastIndexOf(mark);
  return at < 0 ? [digits, ""] : [digits.slice(0, at), digits.slice(at + 1)];
}

/** Western digits, `.` `,` `-`, and no blanks or apostrophes between groups. */
function plain(text: string): string {
  const western = text.replace(/\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0;
    const zero = ZEROS.find((first) => code >= first && code <= first + 9);
    return zero === undefined ? digit : String(code - zero);
  });
  return western
    .trim()
    .replace(/[\u2212\u2013\ufe63\uff0d]/g, "-")
    .replace(/[\u066b\u060c\uff0c]/g, ",")
    .replace(/[\uff0e]/g, ".")
    .replace(/[\u200e\u200f\u061c]/g, "")
    .replace(/^([+-])\s+/, "$1")
    .replace(/(?<=\d)[\s'\u2019\u066c](?=\d{3}(\D|$))/g, "");
}
