import type { CurrencyFormat } from "./protocol.ts";

/** An amount in words, the same on the server, in templates and in the browser: `12 points`, `1 point`, `€3.50`. */
export function formatCurrency(amount: number, format: CurrencyFormat): string {
  const digits = { minimumFractionDigits: format.decimals, maximumFractionDigits: format.decimals };
  if (format.code !== null) {
    return new Intl.NumberFormat(format.locale, { ...digits, style: "currency", currency: format.code }).format(amount);
  }
  const [one, many] = format.points;
  return `${new Intl.NumberFormat(format.locale, digits).format(amount)} ${amount === 1 ? one : many}`;
}
