import type { RequestHandler, Response, Router } from "express";
import express from "express";
import { formatCurrency } from "../client-sdk/currency.ts";
import type { PinnedPage } from "../entities/app-spec.ts";
import { dueTo, sum, withParticipationFee } from "../entities/money.ts";
import { orderedPages } from "../entities/page-order.ts";
import { roundCurrency } from "../entities/values.ts";
import type { Game } from "../rooms/calls.ts";
import type { Languages } from "../rooms/languages.ts";
import type { ErrorPages } from "./errors.ts";
import { utc } from "./export/cells.ts";

export interface PaymentsOptions {
  readonly game: Game;
  readonly languages: Languages;
  readonly pages: ErrorPages;
  readonly guard: RequestHandler;
  show(response: Response, view: string, variables: Record<string, unknown>): void;
}

/** `/SessionPayments/<code>`: what everybody is to be paid, with sum and mean. */
export function paymentsRoutes({ game, languages, pages, guard, show }: PaymentsOptions): Router {
  const router = express.Router();
  router.get("/SessionPayments/:code", guard, async (request, response) => {
    const row = await game.store.read.session({ code: String(request.params.code) });
    if (row === undefined) return pages.notFound(response);
    const config = JSON.parse(String(row.config)) as Record<string, unknown>;
    const sequence = JSON.parse(String(row.pages)) as readonly PinnedPage[];
    const participants = await game.store.read.participants(Number(row.id));
    // The desk is in English; amounts in the session's money.
    const { currency, money } = languages.of("en");
    const facts = { config, formats: { currency, money } };
    const ids = participants.map(({ id }) => Number(id));
    // No group is left out.
    const payoffs = await game.store.read.payoffsElsewhere(ids, 0, currency.decimals);
    const paid = (amount: number) => formatCurrency(amount, money);
    const people = participants.map((participant) => {
      const due = dueTo(participant, payoffs.get(Number(participant.id)) ?? 0, facts);
      const replaced = typeof participant.replacedAt === "number" ? utc(participant.replacedAt) : null;
      const index = Number(participant.pageIndex);
      const pages = orderedPages(sequence, participant.pageOrder);
      return {
        ...due,
        name: `P${participant.idInSession}`,
        code: participant.code,
        label: participant.label ?? "",
        state: replaced !== null ? "replaced" : index < 1 ? "new" : index > pages.length ? "done" : "playing",
        progress:
          replaced !== null
            ? `Replaced ${replaced.slice(0, 16)} UTC`
            : index > pages.length
              ? "Finished"
              : `${index}/${pages.length}`,
      };
    });
    const total = sum(people.map((one) => one.total));
    const isPaidAsPlayed = currency.code !== null;
    show(response, "payments.html", {
      code: row.code,
      title: config.displayName ?? row.configName,
      in_points: !isPaidAsPlayed,
      fee: withParticipationFee(0, facts) === 0 ? "" : paid(withParticipationFee(0, facts)),
      people: people.map((one) => ({
        ...one,
        payoff: formatCurrency(one.payoff, currency),
        bonus: paid(one.bonus),
        total: paid(one.total),
      })),
      total: paid(total),
      // Nothing of less than one coin is paid to anybody, but a mean may show it.
      mean: people.length === 0 ? "" : paid(roundCurrency(total / people.length, money.decimals)),
      unfinished: people.filter(({ state }) => state !== "done" && state !== "replaced").length,
    });
  });
  return router;
}
