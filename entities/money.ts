import { AuthorError } from "../client-sdk/errors.ts";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { SessionFacts } from "./memory.ts";
import type { Values } from "./tables.ts";
import { roundCurrency } from "./values.ts";

/** Amounts of a {@link currencyRange}. */
const MOST_STEPS = 10_000;

/** How a session writes values. */
export interface Formats {
  /** Amounts of the game: points, or money. */
  readonly currency: CurrencyFormat;
  /** What participants are paid. */
  readonly money: CurrencyFormat;
  /** What true and false are called. Default: "Yes" and "No". */
  readonly texts?: { readonly yes: string; readonly no: string };
}

/** A sum of amounts that is exact: `sum([0.1, 0.2])` is 0.3. */
export function sum(amounts: Iterable<number>): number {
  // Ten decimals is the most that a currency may have.
  let total = 0;
  for (const amount of amounts) total = roundCurrency(total + amount, 10);
  return total;
}

/**
 * The amounts from one to another, both included as far as the steps reach: `currencyRange(0, 1, 0.25)` is
 * 0, 0.25, 0.5, 0.75, 1. For the choices of a currency field.
 *
 * @throws AuthorError `wrong_option` for a step that leads nowhere, or to more than 10,000 amounts
 */
export function currencyRange(first: number, last: number, step: number): number[] {
  const where = `currencyRange(${first}, ${last}, ${step})`;
  if (![first, last, step].every(Number.isFinite) || step === 0 || (last !== first && last > first !== step > 0)) {
    throw new AuthorError(
      "wrong_option",
      `${where}: give it three numbers, with a step that leads from the first to the last.`,
    );
  }
  // Worked out from the first each time, so that the error of a double does not add up.
  const count = Math.floor(Number(((last - first) / step).toPrecision(12))) + 1;
  if (count > MOST_STEPS) {
    throw new AuthorError(
      "wrong_option",
      `${where} has ${count} amounts, and at most ${MOST_STEPS} make sense. Use a larger step.`,
    );
  }
  return Array.from({ length: count }, (_, i) => roundCurrency(first + i * step, 10));
}

/** A session's config as apps read it, of its JSON text: what everybody is paid is there also where nobody has set it. */
export function configOf(text: string): Record<string, unknown> {
  return { participationFee: 0, realWorldCurrencyPerPoint: 1, ...(JSON.parse(text) as Record<string, unknown>) };
}

/** What a payoff is worth in real money, rounded to what can be paid. */
export function inRealWorldCurrency(payoff: number, session: Pick<SessionFacts, "config" | "formats">): number {
  const { currency, money: paid } = formatsOf(session);
  const perPoint = currency.code === null ? numberOf(session.config.realWorldCurrencyPerPoint, 1) : 1;
  return roundCurrency(payoff * perPoint, paid.decimals);
}

/** What a participant is paid: the payoff in real money, and the fee for taking part. */
export function withParticipationFee(payoff: number, session: Pick<SessionFacts, "config" | "formats">): number {
  const fee = numberOf(session.config.participationFee, 0);
  return roundCurrency(inRealWorldCurrency(payoff, session) + fee, formatsOf(session).money.decimals);
}

/** What somebody is to be paid; all but the payoff in real money. */
export interface Due {
  readonly payoff: number;
  readonly bonus: number;
  readonly fee: number;
  readonly total: number;
}

/**
 * What a participant is to be paid: the payoff and the participation fee. Who was replaced by the computer gets what
 * they had earned until then with that fee, or the session config's `replacedFee` in place of both; who never came,
 * nothing.
 *
 * @param participant their row
 * @param payoff over all apps and rounds
 */
export function dueTo(participant: Values, payoff: number, session: Pick<SessionFacts, "config" | "formats">): Due {
  const isReplaced = typeof participant.replacedAt === "number";
  if (isReplaced && participant.startedAt === null) return { payoff: 0, bonus: 0, fee: 0, total: 0 };
  const counted = isReplaced ? numberOf(participant.replacedPayoff, 0) : payoff;
  const { replacedFee } = session.config;
  if (isReplaced && typeof replacedFee === "number") {
    return { payoff: counted, bonus: 0, fee: replacedFee, total: replacedFee };
  }
  const fee = withParticipationFee(0, session);
  return {
    payoff: counted,
    bonus: inRealWorldCurrency(counted, session),
    fee,
    total: withParticipationFee(counted, session),
  };
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}

/** The formats of a session; of one without, whole points in English. */
export function formatsOf({ formats }: Pick<SessionFacts, "formats">): Formats {
  return formats ?? { currency: POINTS, money: { ...POINTS, decimals: 2, points: ["", ""] } };
}

const POINTS: CurrencyFormat = { locale: "en", code: null, decimals: 0, points: ["point", "points"] };
