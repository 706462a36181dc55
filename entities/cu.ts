import { formatCurrency, toAmount } from "../client-sdk/currency.ts";
import { required } from "./current-view.ts";
import { formatsOf, inRealWorldCurrency } from "./money.ts";

/**
 * An amount in words, as `{{ amount|cu }}` in templates and `live.cu(amount)` in the browser write it:
 * `12 points`, `1 point`, `€3.50`.
 *
 * @throws AuthorError outside of a call, where no session is known; `not_a_number`
 */
export function cu(amount: number): string {
  return formatCurrency(toAmount(amount, "cu"), formatsOf(required("cu").memory.session).currency);
}

/**
 * Real money in words, as `{{ amount|money }}` in templates writes it.
 *
 * @throws AuthorError outside of a call; `not_a_number`
 */
export function money(amount: number): string {
  return formatCurrency(toAmount(amount, "money"), formatsOf(required("money").memory.session).money);
}

/**
 * What points are worth in real money, by the session config's `realWorldCurrencyPerPoint`, rounded to what
 * can be paid. Where people play for money, that is the amount itself.
 *
 * @throws AuthorError outside of a call; `not_a_number`
 */
export function toRealWorldCurrency(amount: number): number {
  const where = "toRealWorldCurrency";
  return inRealWorldCurrency(toAmount(amount, where), required(where).memory.session);
}
