import express, { type RequestHandler, type Response, type Router } from "express";
import { isStorableText } from "../client-sdk/json.ts";
import type { Values } from "../entities/tables.ts";
import type { Game } from "../rooms/calls.ts";
import type { SessionEdit } from "../rooms/edit-session.ts";
import type { Languages } from "../rooms/languages.ts";
import { readNumber } from "../rooms/number-input.ts";
import type { ErrorPages } from "./errors.ts";
import { sessionOf } from "./session-list.ts";

/** Longest texts, in characters. */
const LABEL_LENGTH = 200;
const COMMENT_LENGTH = 5_000;
/** Bytes of the form. */
const FORM_LIMIT = 100_000;

export interface SessionEditOptions {
  readonly game: Game;
  readonly languages: Languages;
  readonly pages: ErrorPages;
  readonly guard: RequestHandler;
  readonly own: RequestHandler;
  /** One of the server's own pages. */
  show(response: Response, view: string, variables: Record<string, unknown>, status?: number): void;
}

/** `/SessionEditProperties/<code>`: label, comment, what is paid, and whether the session is put aside. */
export function sessionEditRoutes(options: SessionEditOptions): Router {
  const { game, languages, pages, guard, own, show } = options;
  const router = express.Router();
  // The desk is in English; amounts in the session's money.
  const { currency, money } = languages.of("en");
  const inPoints = currency.code === null;

  const page = (response: Response, row: Values, given: Given, wrong = "", saved = false): void =>
    show(
      response,
      "edit.html",
      {
        ...{ session: sessionOf(row), given, wrong, saved, in_points: inPoints, money: money.code ?? "" },
        ...{ label_length: LABEL_LENGTH, comment_length: COMMENT_LENGTH },
      },
      wrong === "" ? 200 : 422,
    );

  router.get("/SessionEditProperties/:code", guard, async (request, response) => {
    const row = await game.store.read.session({ code: String(request.params.code) });
    if (row === undefined) return pages.notFound(response);
    page(response, row, givenOf(row), "", request.query.saved === "1");
  });

  const form = express.urlencoded({ extended: false, limit: FORM_LIMIT });
  router.post("/SessionEditProperties/:code", guard, own, form, async (request, response) => {
    const row = await game.store.read.session({ code: String(request.params.code) });
    if (row === undefined) return pages.notFound(response);
    const given = textsOf(request.body, givenOf(row));
    const edit = readEdit(given, inPoints ? "" : givenOf(row).perPoint);
    if (typeof edit === "string") return page(response, row, given, edit);
    await game.editSession(Number(row.id), edit);
    response.redirect(303, `/SessionEditProperties/${row.code}?saved=1`);
  });

  return router;
}

/** The form's inputs as they are typed. */
interface Given {
  readonly label: string;
  readonly comment: string;
  readonly fee: string;
  readonly perPoint: string;
  readonly archived: boolean;
}

function givenOf(row: Values): Given {
  const config = JSON.parse(String(row.config)) as Record<string, unknown>;
  const { participationFee = 0, realWorldCurrencyPerPoint = 1 } = config;
  return {
    label: String(row.label ?? ""),
    comment: String(row.comment ?? ""),
    fee: String(participationFee),
    perPoint: String(realWorldCurrencyPerPoint),
    archived: row.archivedAt !== null,
  };
}

function textsOf(body: unknown, before: Given): Given {
  const text = (name: string, otherwise: string): string => {
    const value: unknown = typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
    return typeof value === "string" ? value.replace(/\r\n?/g, "\n").trim() : otherwise;
  };
  return {
    label: text("label", before.label),
    comment: text("comment", before.comment),
    fee: text("participation_fee", before.fee),
    perPoint: text("real_world_currency_per_point", before.perPoint),
    archived: text("archived", "") === "1",
  };
}

/** @param otherwise what a point is worth where there is no such input; "": there is one. @returns or what is wrong */
function readEdit(given: Given, otherwise: string): SessionEdit | string {
  const { label, comment, archived } = given;
  if (label.length > LABEL_LENGTH) return `The label has more than ${LABEL_LENGTH} characters.`;
  if (comment.length > COMMENT_LENGTH) return `The comment has more than ${COMMENT_LENGTH} characters.`;
  if (![label, comment].every(isStorableText)) return "The label or the comment has characters that cannot be stored.";
  const fee = amountOf(given.fee);
  if (fee === undefined) return "The participation fee is no number from 0.";
  const perPoint = amountOf(otherwise === "" ? given.perPoint : otherwise);
  if (perPoint === undefined) return "What a point is worth is no number from 0.";
  return {
    ...{ label: label === "" ? null : label, comment: comment === "" ? null : comment, archived },
    ...{ participationFee: fee, realWorldCurrencyPerPoint: perPoint },
  };
}

function amountOf(text: string): number | undefined {
  const read = readNumber(text, "en", "float");
  return "value" in read && Number.isFinite(read.value) && read.value >= 0 ? read.value : undefined;
}
