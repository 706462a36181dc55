import { randomBytes } from "node:crypto";
import express, { type Request, type Response, type Router } from "express";
import { isStorableText } from "../../client-sdk/json.ts";
import type { Claim, Claims } from "../../entities/claims.ts";
import { asLabel } from "../../entities/labels.ts";
import type { Value, Values } from "../../entities/tables.ts";
import type { Game } from "../../rooms/calls.ts";
import { type ErrorPages, speak } from "../errors.ts";
import { setDeskPolicy } from "../headers.ts";
import { startUrl } from "../participants.ts";
import type { Templates } from "../templates.ts";
import { type LabSecret, type OpenLab, sessionOf } from "./labs.ts";
import { addressOf, Newcomers } from "./newcomers.ts";

/** The hidden field that names the welcome page. */
const VISIT = "walras_visit";
/** Parameters of a link that are kept, and characters of each. */
const MOST_PARAMETERS = 20;
const LONGEST_PARAMETER = 500;
/** Parameters that are ours. */
const OWN_PARAMETERS = new Set(["participant_label", "hash", VISIT]);
/** A link by which somebody came keeps its browser for as long as a study may take, in seconds. */
const COOKIE_SECONDS = 60 * 60 * 24 * 30;
/** MTurk shows a task before it is accepted, under this assignment. */
const MTURK_PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE";

export interface EntranceOptions {
  readonly game: Game;
  readonly templates: Templates;
  readonly pages: ErrorPages;
  readonly claims: Claims;
  readonly labs: ReadonlyMap<string, OpenLab>;
  readonly secret: LabSecret;
  /** See {@link Newcomers}. */
  readonly arrivals: number;
  readonly now?: () => number;
}

/**
 * The entrances that people share: a session's own, `/join/<code>`, and the labs', `/lab/<name>`. To look
 * at one gives nobody a participant: programs that open every link they see (messengers, mail filters)
 * stop at the welcome page, and a person presses its button.
 */
export function entrances(options: EntranceOptions): Router {
  const { game, templates, pages, claims, labs, secret, now = Date.now } = options;
  const router = express.Router();
  const newcomers = new Newcomers(options.arrivals);
  const form = express.urlencoded({ extended: false, limit: 50_000 });

  const show = (response: Response, view: string, variables: Record<string, unknown>, status = 200): void => {
    setDeskPolicy(response);
    response
      .status(status)
      .type("html")
      .send(templates.view(view, variables, response.locals.language));
  };

  router.get("/join/:code", async (request, response) => {
    const session = await game.store.read.session({ code: request.params.code });
    if (session === undefined) return noSession(response);
    await welcome(request, response, session, `/join/${request.params.code}`);
  });
  router.post("/join/:code", form, async (request, response) => {
    const session = await game.store.read.session({ code: String(request.params.code) });
    if (session === undefined) return noSession(response);
    await admit(request, response, session, `/join/${request.params.code}`);
  });

  // oTree's addresses.
  router.get("/MTurkStart/:code", (request, response) => {
    response.redirect(301, `/join/${encodeURIComponent(request.params.code)}${queryOf(request)}`);
  });
  router.get("/room/:name", (request, response) => {
    response.redirect(301, `/lab/${encodeURIComponent(request.params.name)}${queryOf(request)}`);
  });

  router.get("/lab/:name", async (request, response) => {
    const lab = await letIn(request, response);
    if (lab === undefined) return;
    const session = await sessionOf(game, lab.lab.name);
    if (session !== undefined) return welcome(request, response, session, `/lab/${lab.lab.name}`);
    const label = labelOf(request);
    lab.wait(label ?? visitor(request, response), now());
    show(response, "lab-wait.html", { title: lab.lab.displayName });
  });
  router.post("/lab/:name", form, async (request, response) => {
    const lab = await letIn(request, response);
    if (lab === undefined) return;
    const session = await sessionOf(game, lab.lab.name);
    // It was closed between the welcome page and its button.
    if (session === undefined) return show(response, "lab-wait.html", { title: lab.lab.displayName });
    await admit(request, response, session, `/lab/${lab.lab.name}`, lab.labels === undefined);
  });

  return router;

  /** The lab, if this visitor may enter; else they have been told why not, or asked for their label. */
  async function letIn(request: Request, response: Response): Promise<OpenLab | undefined> {
    const lab = labs.get(String(request.params.name));
    if (lab === undefined) {
      pages.tell(response, 404, "noSuchLab");
      return undefined;
    }
    if (lab.labels === undefined) return lab;
    const { name, secureUrls, displayName } = lab.lab;
    const label = labelOf(request);
    if (secureUrls) {
      if (label === undefined || !(await secret.isRight(name, label, String(givenOf(request, "hash") ?? "")))) {
        pages.tell(response, 403, "incompleteLink");
        return undefined;
      }
    }
    if (label !== undefined && lab.labels.includes(label)) return lab;
    const wrong = label === undefined ? "" : templates.languages.of().say("labelNotFound");
    show(response, "lab-label.html", { title: displayName, action: `/lab/${name}`, wrong }, wrong === "" ? 200 : 404);
    return undefined;
  }

  /** Those who were here before go on; everybody else gets the welcome page. */
  async function welcome(request: Request, response: Response, session: Values, action: string): Promise<void> {
    const config = configOf(session);
    speak(response, config.language);
    if (isBroken(request)) return pages.tell(response, 400, "incompleteLink");
    const known = await returning(request, session);
    if (known !== undefined) return response.redirect(303, startUrl(known));
    if (givenOf(request, "assignmentId") === MTURK_PREVIEW) {
      return pages.tell(response, 200, "acceptFirst");
    }
    const fields = Object.entries(parametersOf(request, true)).map(([name, value]) => ({ name, value }));
    fields.push({ name: VISIT, value: await secret.visit(Number(session.id)) });
    show(response, "welcome.html", {
      title: config.displayName ?? templates.languages.of(config.language).say("welcome"),
      action,
      fields,
    });
  }

  /**
   * Gives the visitor a participant of their own and sends them to their first page.
   *
   * @param action of the welcome page that they come from
   * @param isOpen anybody may come, as often as they like
   */
  async function admit(
    request: Request,
    response: Response,
    session: Values,
    action: string,
    isOpen = true,
  ): Promise<void> {
    speak(response, configOf(session).language);
    const id = Number(session.id);
    let code: Value | undefined = await returning(request, session);
    if (code === undefined) {
      const visit = givenOf(request, VISIT) ?? "";
      if (!(await secret.isVisit(id, visit))) {
        // From no welcome page of ours, or from one of long ago: there is one more button to press.
        const again = new URLSearchParams(parametersOf(request, true));
        again.delete(VISIT);
        return response.redirect(303, `${action}?${again}`);
      }
      const claim: Claim = { label: labelOf(request), visit, parameters: parametersOf(request, false) };
      const before = await claims.pressed(id, visit);
      if (before === undefined && isOpen) {
        const wait = newcomers.take(id, addressOf(request));
        if (wait > 0) {
          response.set("Retry-After", String(Math.ceil(wait / 1000)));
          return pages.tell(response, 429, "manyArrivals");
        }
      }
      code = (before ?? (await claims.claim(id, claim)))?.code;
    }
    if (code === undefined) {
      return pages.tell(response, 409, "sessionFull");
    }
    setCookie(request, response, cookieOf(session), String(code));
    response.redirect(303, startUrl(String(code)));
  }

  /** The code of somebody who has a participant of this session: by their label, or else by their browser. */
  async function returning(request: Request, session: Values): Promise<string | undefined> {
    const label = labelOf(request);
    if (label !== undefined) {
      const participant = await claims.known(Number(session.id), label);
      if (participant === undefined) return undefined;
      // A label that was only laid out for them is still to be claimed, with what their link brings.
      const isClaimed = (await claims.of(Number(participant.id))) !== undefined;
      return isClaimed ? String(participant.code) : undefined;
    }
    const code = cookie(request, cookieOf(session));
    if (code === undefined) return undefined;
    const place = await game.store.read.whereabouts(code);
    return place !== undefined && place.sessionId === Number(session.id) ? code : undefined;
  }

  function noSession(response: Response): void {
    pages.tell(response, 404, "noSuchSession");
  }
}

/** The query as it came, with its question mark. */
function queryOf({ originalUrl }: Request): string {
  const at = originalUrl.indexOf("?");
  return at < 0 ? "" : originalUrl.slice(at);
}

function configOf(session: Values): { displayName?: string; language?: unknown } {
  return JSON.parse(String(session.config));
}

/** The visitor's label: of the lab, of the link, or who they are at Prolific or MTurk. */
function labelOf(request: Request): string | undefined {
  for (const name of ["participant_label", "PROLIFIC_PID", "workerId"]) {
    const label = asLabel(givenOf(request, name));
    if (label !== undefined) return label;
  }
  return undefined;
}

/** Whether the link names somebody, and cannot be meant so: cut in the middle of a character, or not filled in. */
function isBroken(request: Request): boolean {
  const given = givenOf(request, "participant_label")?.trim() ?? "";
  return given !== "" && asLabel(given) === undefined;
}

/** A parameter of the link, or of the form that carries it on. */
function givenOf(request: Request, name: string): string | undefined {
  const body = request.body as Record<string, unknown> | undefined;
  const value = body?.[name] ?? request.query[name];
  return typeof value === "string" ? value : undefined;
}

function parametersOf(request: Request, withOwn: boolean): Record<string, string> {
  const given: Record<string, unknown> = { ...request.query, ...(request.body as object | undefined) };
  const kept = Object.entries(given).flatMap(([name, value]) => {
    const isKept = (withOwn || !OWN_PARAMETERS.has(name)) && /^[A-Za-z][\w.-]{0,63}$/.test(name);
    return isKept && typeof value === "string" && isStorableText(value)
      ? [[name, value.slice(0, LONGEST_PARAMETER)]]
      : [];
  });
  return Object.fromEntries(kept.slice(0, MOST_PARAMETERS));
}

function cookieOf(session: Values): string {
  return `walras_${session.code}`;
}

/** Tells browsers at a lab's door apart. */
function visitor(request: Request, response: Response): string {
  const known = cookie(request, "walras_visitor");
  if (known !== undefined) return known;
  const fresh = randomBytes(9).toString("base64url");
  setCookie(request, response, "walras_visitor", fresh);
  return fresh;
}

function cookie(request: Request, name: string): string | undefined {
  const found = new RegExp(`(?:^|;\\s*)${name}=([\\w-]{1,64})(?:;|$)`).exec(request.get("cookie") ?? "");
  return found?.[1];
}

function setCookie(request: Request, response: Response, name: string, value: string): void {
  const isTls = request.secure || request.get("x-forwarded-proto") === "https";
  response.append(
    "Set-Cookie",
    `${name}=${value}; Path=/; Max-Age=${COOKIE_SECONDS}; HttpOnly; SameSite=Lax${isTls ? "; Secure" : ""}`,
  );
}
