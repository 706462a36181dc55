import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { SessionFacts } from "./memory.ts";
import { roundCurrency } from "./values.ts";

/** How a session writes amounts. */
export interface MoneyFormats {
  /** Amounts of the game: points, or money. */
  readonly currency: CurrencyFormat;
  /** What participants are paid. */
  readonly money: CurrencyFormat;
}

/** A sum of amounts that is exact: `sum([0.1, 0.2])` is 0.3. */
export function sum(amounts: Iterable<number>): number {
  // Ten decimals is the most that a currency may have.
  let total = 0;
  for (const amount of amounts) total = roundCurrency(total + amount, 10);
  return total;
}

/** What a payoff is worth in real money, rounded to what can be paid. */
export function inRealWorldCurrency(payoff: number, session: Pick<SessionFacts, "config" | "formats">): number {
  const { currency, money: paid } = formatsOf(session);
  const perPoint = currency.code === null ? numberOf(session.config.realWorldCurrencyPerPoint, 1) : 1;
  return roundCurrency(product(payoff, perPoint), paid.decimals);
}

/** What a participant is paid: the payoff in real money, and the fee for taking part. */
export function withParticipationFee(payoff: number, session: Pick<SessionFacts, "config" | "formats">): number {
  const fee = numberOf(session.config.participationFee, 0);
  return roundCurrency(inRealWorldCurrency(payoff, session) + fee, formatsOf(session).money.decimals);
}

/** 3 × 0.35 is 1.05, not a little less: the error of a double must not decide how a half is rounded. */
function product(a: number, b: number): number {
  return roundCurrency(Number((a * b).toPrecision(15)), 10);
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}

/** The formats of a session; of one without, whole points in English. */
export function formatsOf({ formats }: Pick<SessionFacts, "formats">): MoneyFormats {
  return formats ?? { currency: POINTS, money: { ...POINTS, decimals: 2, points: ["", ""] } };
}

const POINTS: CurrencyFormat = { locale: "en", code: null, decimals: 0, points: ["point", "points"] };
