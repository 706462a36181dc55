import express, { type Request, type Response, type Router } from "express";
import { formatCurrency } from "../client-sdk/currency.ts";
import { codeOf, WalrasError } from "../client-sdk/errors.ts";
import { BOT_PARAMETER, type PageLive, Refusal, type SeatAnswer } from "../client-sdk/protocol.ts";
import type { Claims } from "../entities/claims.ts";
import { asLabel } from "../entities/labels.ts";
import { dueTo } from "../entities/money.ts";
import type { Entry, Game, Reply } from "../rooms/calls.ts";
import type { Log } from "../rooms/log.ts";
import type { DesignerPanel } from "./designer-panel.ts";
import { completionOf } from "./entrances/completion.ts";
import { type ErrorPages, RETRY_SECONDS, speak } from "./errors.ts";
import { formBody, readForm } from "./form-body.ts";
import { setDeskPolicy, setPagePolicy } from "./headers.ts";
import { endUrl, type Found, Participants, pageUrl, seatUrl } from "./participants.ts";
import { isSameOrigin } from "./same-origin.ts";
import { scriptJson } from "./template-filters.ts";
import type { Templates } from "./templates.ts";

/** Largest form, in bytes. */
const FORM_LIMIT = 2 * 1024 * 1024;

export interface ParticipantPagesOptions {
  game: Game;
  pages: ErrorPages;
  claims: Claims;
  templates: Templates;
  log: Log;
  /** Left out in production. */
  panel?: DesignerPanel | undefined;
}

/** In the address of a page that loads itself again for want of scripts. */
const NO_SCRIPT = "noscript";

/** The pages that participants walk through, with oTree's URLs. */
export function participantPages({ game, pages, claims, templates, log, panel }: ParticipantPagesOptions): Router {
  const router = express.Router();
  const participants = new Participants(game);

  router.get("/InitializeParticipant/:code", async (request, response) => {
    const found = await player(request, response);
    if (found === undefined) return;
    // Programs that look ahead do not begin anybody's study.
    if (request.method === "HEAD" || isAhead(request)) return void response.status(204).end();
    const entry = await entryOf(request, found);
    const answer = await participants.ask(found, (participantId) => ({ kind: "start", participantId, entry }));
    await send(response, answer.found, answer.reply);
  });

  router.get("/p/:code/:app/:page/:index", async (request, response) => {
    const found = await player(request, response);
    if (found === undefined) return;
    const pageIndex = indexOf(request, found);
    if (pageIndex === undefined) return elsewhere(response, found);
    const answer = await participants.ask(found, (participantId) => ({
      ...{ kind: "view", participantId, pageIndex },
      ...(request.query[NO_SCRIPT] === undefined ? {} : { noScript: true }),
    }));
    await send(response, answer.found, answer.reply, pageIndex);
  });

  // For pages without a connection, which ask it now and then: one read, and no group is loaded for it.
  router.get("/p/:code/at", async (request, response) => {
    response.set("Cache-Control", "no-store");
    const place = await game.store.read.whereabouts(String(request.params.code));
    if (place === undefined) return void response.status(404).json({ code: "unknown_participant" });
    response.json({ index: Number(place.participant.pageIndex) });
  });

  // No check of the origin: pages say no-referrer, so that browsers call it `null`, and only the
  // participant's own page knows the code in the URL.
  router.post("/p/:code/:app/:page/:index", ...formBody(FORM_LIMIT), async (request: Request, response: Response) => {
    const found = await player(request, response);
    if (found === undefined) return;
    const pageIndex = indexOf(request, found);
    if (pageIndex === undefined) return elsewhere(response, found);
    const body = readForm(request.body);
    const answer = await participants.ask(found, (participantId) => ({
      kind: "submit",
      participantId,
      pageIndex,
      ...body,
    }));
    await send(response, answer.found, answer.reply, pageIndex);
  });

  router.post("/p/:code/:app/:page/:index/seat", async (request, response) => {
    response.set("Cache-Control", "no-store");
    if (!isSameOrigin(request)) return void response.status(403).json({ code: "foreign_origin" });
    try {
      const found = await participants.find(request.params.code);
      if (found === undefined) return void response.status(404).json({ code: "unknown_participant" });
      const pageIndex = indexOf(request, found);
      const answer = await participants.ask(found, (participantId) => ({ kind: "whereabouts", participantId }));
      const inspects = panel?.isFor(request, found) === true;
      response.json(await seatAnswer(answer.found, answer.reply, pageIndex, inspects));
    } catch (error) {
      warn("no seat", error);
      response
        .status(503)
        .set("Retry-After", String(RETRY_SECONDS))
        .json({ code: codeOf(error) });
    }
  });

  router.get("/OutOfRangeNotification/:code", async (request, response) => {
    const found = await find(request, response);
    if (found === undefined) return;
    if (found.isReplaced) return showReplaced(response, found);
    if (found.actorId !== null) return elsewhere(response, found);
    const { say } = templates.languages.of(found.language);
    await showEnd(response, found, { title: say("finishedTitle"), text: say("finishedText"), paid: "" });
  });

  return router;

  /** Who asks too fast shall not fill the log too. */
  function warn(what: string, error: unknown): void {
    if (codeOf(error) !== Refusal.TOO_FAST) log.warn(what, { code: codeOf(error), error });
  }

  /** What is known of somebody who begins: from the entrance by which they came, or from their own link. */
  async function entryOf(request: Request, found: Found): Promise<Entry> {
    const claim = await claims.of(found.id);
    if (claim !== undefined) return { ...claim };
    const { participant_label: label, [BOT_PARAMETER]: bot } = request.query;
    return {
      ...(asLabel(label) === undefined ? {} : { label: asLabel(label) }),
      // Nobody's data but a demo's say that a bot made them.
      ...(found.isDemo && bot !== undefined ? { parameters: { [BOT_PARAMETER]: "1" } } : {}),
    };
  }

  /** The participant whose page it is; undefined: there is none, as the response says. */
  async function find(request: Request, response: Response): Promise<Found | undefined> {
    const found = await participants.find(String(request.params.code));
    if (found === undefined) unknown(response);
    else speak(response, found.language);
    return found;
  }

  /** As {@link find}, if they still play themselves. */
  async function player(request: Request, response: Response): Promise<Found | undefined> {
    const found = await find(request, response);
    if (found?.isReplaced !== true) return found;
    await placeTaken(response, found);
    return undefined;
  }

  /** The computer plays in their place: whoever looks is led to the page that says so, whoever acts gets it at once. */
  async function placeTaken(response: Response, found: Found): Promise<void> {
    response.set({ "Cache-Control": "no-store", "Referrer-Policy": "no-referrer" });
    if (response.req.method === "GET") return response.redirect(303, endUrl(found.code));
    response.status(409);
    await showReplaced(response, found);
  }

  async function showReplaced(response: Response, found: Found): Promise<void> {
    const { say, currency, money } = templates.languages.of(found.language);
    const [row, session] = await Promise.all([
      game.store.read.participant(found.id),
      game.store.read.session({ id: found.sessionId }),
    ]);
    const config = JSON.parse(String(session?.config ?? "{}")) as Record<string, unknown>;
    const { total } = dueTo(row ?? {}, 0, { config, formats: { currency, money } });
    const paid = total > 0 ? say("replacedPaid", { amount: formatCurrency(total, money) }) : "";
    const words = { title: say("replacedTitle"), text: say("replacedText"), paid };
    await showEnd(response, { ...found, isReplaced: true }, words);
  }

  async function showEnd(response: Response, found: Found, words: Record<string, string>): Promise<void> {
    const session = await game.store.read.session({ id: found.sessionId });
    const completion = completionOf(JSON.parse(String(session?.config ?? "{}")), found);
    setDeskPolicy(response);
    response.type("html").send(templates.view("finished.html", { ...words, ...completion }, found.language));
  }

  function unknown(response: Response): void {
    pages.tell(response, 404, "unknownParticipant");
  }

  /** Redirects to where the participant really is. */
  async function elsewhere(response: Response, found: Found): Promise<void> {
    const answer = await participants.ask(found, (participantId) => ({ kind: "whereabouts", participantId }));
    await send(response, answer.found, answer.reply);
  }

  async function send(response: Response, found: Found, reply: Reply | "finished", pageIndex = 0): Promise<void> {
    response.set({ "Cache-Control": "no-store", "Referrer-Policy": "no-referrer" });
    if (reply === "finished") return response.redirect(303, endUrl(found.code));
    switch (reply.kind) {
      case "goto":
      case "at":
        return response.redirect(303, pageUrl(found, reply.pageIndex));
      case "page": {
        setPagePolicy(response, reply.nonce);
        const script = panel?.isFor(response.req, found) ? panel.tag(found) : "";
        const { live } = reply;
        const html = live === null ? reply.html : await seated(found, { ...reply, live }, pageIndex, script);
        response.status(reply.status).type("html").send(html);
        return;
      }
      case "refused":
        // Replaced just now.
        if (reply.code === Refusal.REPLACED) return placeTaken(response, found);
        return pages.refused(response, reply);
      case "elsewhere":
        throw new WalrasError("busy", "The participant is moving to another group.", { retry: true });
    }
  }

  /**
   * The page with a seat in it, so that its script needs one handshake and no other request.
   *
   * @param panel tag of the script of the designer's panel, or empty
   */
  async function seated(
    found: Found,
    page: { html: string; live: PageLive; seatSlot: string | null },
    pageIndex: number,
    panel: string,
  ) {
    let seat: PageLive["seat"] = null;
    try {
      if (found.actorId !== null) seat = await game.seat(found.actorId, found.id, pageIndex, panel !== "");
    } catch (error) {
      // The page's script asks for one itself.
      warn("no seat with the page", error);
    }
    const parts = page.html.split(page.seatSlot ?? "");
    if (page.seatSlot === null || parts.length !== 2) {
      throw new WalrasError("seat_slot", "A live page was rendered without a place for its seat, or with several.");
    }
    const live = scriptJson({ ...page.live, seat, seatUrl: seatUrl(found, pageIndex) } satisfies PageLive);
    // Behind the page's data and before whatever else the page's template has: the tag that the data stands in ends
    // here, and the template closes the panel's in its place.
    return parts.join(panel === "" ? live : `${live}</script>\n${panel.replace("</script>", "")}`);
  }

  async function seatAnswer(
    found: Found,
    reply: Reply | "finished",
    pageIndex: number | undefined,
    inspects: boolean,
  ): Promise<SeatAnswer> {
    if (reply !== "finished" && reply.kind === "refused") {
      if (reply.code === Refusal.REPLACED) return { seat: null, reload: true };
      throw new WalrasError(reply.code, reply.message, { retry: reply.retry });
    }
    const isThere = reply !== "finished" && reply.kind === "at" && reply.pageIndex === pageIndex;
    if (!isThere || pageIndex === undefined || found.actorId === null) return { seat: null, reload: true };
    return { seat: await game.seat(found.actorId, found.id, pageIndex, inspects) };
  }
}

/** Programs that open the links in messages, to show what is behind them. */
const PREVIEWS =
  /^WhatsApp\/|facebookexternalhit|Facebot|Slackbot|TelegramBot|Twitterbot|Discordbot|LinkedInBot|SkypeUriPreview|Googlebot|bingbot|BingPreview|Applebot/i;

/** A browser fetches the page before anybody has asked for it, or a messenger that shows what its links lead to. */
function isAhead(request: Request): boolean {
  if (PREVIEWS.test(request.get("user-agent") ?? "")) return true;
  return /prefetch|prerender/.test(`${request.get("sec-purpose") ?? ""} ${request.get("purpose") ?? ""}`);
}

/** The page that the URL names, if app, page and index agree with the session's sequence. */
function indexOf(request: Request, found: Found): number | undefined {
  const { app, page, index } = request.params;
  if (typeof index !== "string" || !/^[1-9]\d{0,8}$/.test(index)) return undefined;
  const pinned = found.pages[Number(index) - 1];
  return pinned?.app === app && pinned?.page === page ? Number(index) : undefined;
}
