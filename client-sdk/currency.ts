import { AuthorError } from "./errors.ts";
import type { CurrencyFormat } from "./protocol.ts";

/**
 * What cu(), `|cu` and live.cu take for an amount: a number, or a text that is one, as inputs hold it.
 *
 * @throws AuthorError `not_a_number`: "NaN points" is nothing to show to a participant
 */
export function toAmount(value: unknown, where: string): number {
  const amount = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof amount === "number" && Number.isFinite(amount)) return amount;
  const shown = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  throw new AuthorError("not_a_number", `${where} needs a number and got ${shown}.`);
}

/** Digits that a double has for sure. What computing leaves behind them is no part of the amount. */
const SURE_DIGITS = 15;

/**
 * Rounds an amount to decimal places, half away from zero, as people do on paper: the decimal text that is
 * shown for the number is what gets rounded, so 1.005 gives 1.01 and -1.005 gives -1.01. (The double nearest
 * to 1.005 is a little less, which `Math.round(1.005 * 100) / 100` turns into 1.) What was computed counts as
 * what it would be on paper, too: 3.3 + 0.05 is 3.3499999999999996 in doubles, and gives 3.4 with one place.
 *
 * @param value a finite number
 * @param decimals 0 or more; Infinity leaves the value as it is
 */
export function roundCurrency(value: number, decimals: number): number {
  const exact = digitsOf(value);
  // Adding 0 turns -0, which no database keeps, into 0.
  if (exact.scale <= decimals) return value + 0;
  const sure = digitsOf(Number(value.toPrecision(SURE_DIGITS)));
  // Of huge amounts, those digits end before the places that are kept.
  const { digits, scale } = exact.digits.length - exact.scale + decimals < SURE_DIGITS ? sure : exact;
  if (scale <= decimals) return Math.sign(value) * Number(`${digits}e-${scale}`) + 0;
  const unit = 10n ** BigInt(scale - decimals);
  const rounded = (BigInt(digits) + unit / 2n) / unit;
  return Math.sign(value) * Number(`${rounded}e-${decimals}`) + 0;
}

/** |value| = digits / 10^scale */
function digitsOf(value: number): { digits: string; scale: number } {
  const [mantissa = "0", exponent = "0"] = Math.abs(value).toString().split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  return { digits: whole + fraction, scale: fraction.length - Number(exponent) };
}

/** An amount in words, the same on the server, in templates and in the browser: `12 points`, `1 point`, `€3.50`. */
export function formatCurrency(amount: number, format: CurrencyFormat): string {
  const { locale, code, points } = format;
  const digits = { minimumFractionDigits: format.decimals, maximumFractionDigits: format.decimals };
  const value = roundCurrency(amount, format.decimals);
  if (code !== null) {
    return new Intl.NumberFormat(locale, { ...digits, style: "currency", currency: code }).format(value);
  }
  // "0 point" in French, "1 point", "-1 point" and "1.00 points".
  const isOne = new Intl.PluralRules(locale, digits).select(value) === "one";
  return `${new Intl.NumberFormat(locale, digits).format(value)} ${points[isOne ? 0 : 1]}`.trimEnd();
}
