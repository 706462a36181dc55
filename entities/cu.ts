import { formatCurrency } from "../client-sdk/currency.ts";
import { formatsOf } from "./money.ts";
import { required } from "./view.ts";

/**
 * An amount in words, as `{{ amount|cu }}` in templates and `live.cu(amount)` in the browser write it:
 * `12 points`, `1 point`, `€3.50`.
 *
 * @throws AuthorError outside of a call, where no session is known
 */
export function cu(amount: number): string {
  return formatCurrency(amount, formatsOf(required("cu").memory.session).currency);
}

/** Real money in words, as `{{ amount|money }}` in templates writes it. @throws AuthorError outside of a call */
export function money(amount: number): string {
  return formatCurrency(amount, formatsOf(required("money").memory.session).money);
}
