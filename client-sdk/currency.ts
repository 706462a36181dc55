import type { CurrencyFormat } from "./protocol.ts";

/** An amount in words, the same on the server, in templates and in the browser: `12 points`, `1 point`, `€3.50`. */
export function formatCurrency(amount: number, format: CurrencyFormat): string {
  const { locale, code, points } = format;
  const digits = { minimumFractionDigits: format.decimals, maximumFractionDigits: format.decimals };
  // Adding 0, and not "-0.00" for what is rounded away.
  const value = Number(amount.toFixed(Math.min(format.decimals, 20))) === 0 ? 0 : amount;
  if (code !== null) {
    return new Intl.NumberFormat(locale, { ...digits, style: "currency", currency: code }).format(value);
  }
  // "0 point" in French, "1 point", "-1 point" and "1.00 points".
  const isOne = new Intl.PluralRules(locale, digits).select(value) === "one";
  return `${new Intl.NumberFormat(locale, digits).format(value)} ${points[isOne ? 0 : 1]}`.trimEnd();
}
