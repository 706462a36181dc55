import express, { type NextFunction, type Request, type Response, type Router } from "express";
import { rateLimit } from "express-rate-limit";
import { codeOf } from "../client-sdk/errors.ts";
import type { PinnedPage } from "../entities/app-spec.ts";
import type { DatabaseOptions } from "../entities/open-store.ts";
import { orderedPages } from "../entities/page-order.ts";
import { WaitPageTable } from "../entities/system-tables.ts";
import type { Values } from "../entities/tables.ts";
import type { Game, SessionConfig } from "../rooms/calls.ts";
import type { Log } from "../rooms/log.ts";
import type { Access } from "./access.ts";
import { appsOf, botsRoutes, botsUrl, isPlayable } from "./bots-routes.ts";
import { dataTableRoutes } from "./data-table.ts";
import { entranceDesk, labOf } from "./entrances/desk-routes.ts";
import type { LabSecret, OpenLab } from "./entrances/labs.ts";
import type { ErrorPages } from "./errors.ts";
import { exportRoutes } from "./export/routes.ts";
import { setDeskPolicy } from "./headers.ts";
import type { LastSeen } from "./monitor/last-seen.ts";
import { monitorRoutes } from "./monitor/routes.ts";
import { startUrl } from "./participants.ts";
import { paymentsRoutes } from "./payments.ts";
import { isSameOrigin } from "./same-origin.ts";
import { sessionEditRoutes } from "./session-edit.ts";
import { sessionListRoutes, sessionOf } from "./session-list.ts";
import type { Templates } from "./templates.ts";

/** Wrong passwords that one address may try in {@link LOGIN_MINUTES}. */
const LOGIN_TRIES = 10;
const LOGIN_MINUTES = 5;

export interface DeskOptions {
  game: Game;
  sessionConfigs: readonly SessionConfig[];
  templates: Templates;
  pages: ErrorPages;
  access: Access;
  /** The project's folder and database, for exports. */
  root: string;
  database: DatabaseOptions;
  log: Log;
  labs: ReadonlyMap<string, OpenLab>;
  secret: LabSecret;
  lastSeen: LastSeen;
  /** URL of the monitor's script. */
  monitorScript: string;
  /** URL of the data table's script. */
  dataScript: string;
}

/** The experimenter's pages: the demo, sessions and their links, the data, the login. */
export function desk(options: DeskOptions): Router {
  const { game, sessionConfigs, templates, pages, access, log } = options;
  const router = express.Router();
  const form = express.urlencoded({ extended: false, limit: 10_000 });

  const show = (response: Response, view: string, variables: Record<string, unknown>, status = 200): void => {
    setDeskPolicy(response);
    response
      .status(status)
      .type("html")
      .send(templates.view(view, { needs_login: access.needsLogin, ...variables }));
  };

  const guard = (request: Request, response: Response, next: NextFunction): void => {
    const allowed = access.of(request);
    if (allowed === "open") {
      next();
    } else if (allowed === "login") {
      const wanted = request.method === "GET" ? `?next=${encodeURIComponent(request.originalUrl)}` : "";
      response.redirect(303, `/login${wanted}`);
    } else {
      pages.calm(response, 403, {
        title: "Only on the server's own machine",
        text: "Sessions can be created and seen only at http://localhost on the machine that runs the server. To do so from elsewhere or through a proxy, start the server with WALRAS_ADMIN_PASSWORD set to a password of your own.",
      });
    }
  };

  const own = (request: Request, response: Response, next: NextFunction): void => {
    if (isSameOrigin(request)) next();
    else
      pages.calm(response, 403, {
        title: "Not allowed",
        text: "This request did not come from a page of this server.",
      });
  };

  router.get("/", (_request, response) => response.redirect("/demo"));

  router.get("/login", (request, response) => {
    if (!access.needsLogin) return response.redirect("/demo");
    show(response, "login.html", { next: localPath(request.query.next), wrong: false });
  });

  const limit = rateLimit({
    windowMs: LOGIN_MINUTES * 60_000,
    limit: LOGIN_TRIES,
    skipSuccessfulRequests: true,
    // Behind a proxy everybody shares one allowance: a header that anyone can write must not give more.
    validate: { xForwardedForHeader: false },
    handler: (_request, response) =>
      pages.calm(response, 429, {
        title: "Too many tries",
        text: `Please wait ${LOGIN_MINUTES} minutes and try again.`,
      }),
  });
  router.post("/login", own, limit, form, (request, response) => {
    const next = localPath(request.body?.next);
    if (!access.isPassword(String(request.body?.password ?? ""))) {
      return show(response, "login.html", { next, wrong: true }, 401);
    }
    response.setHeader("Set-Cookie", access.loginCookie(request));
    response.redirect(303, next);
  });

  router.post("/logout", own, (request, response) => {
    response.setHeader("Set-Cookie", access.logoutCookie(request));
    response.redirect(303, "/login");
  });

  router.get("/demo", guard, (_request, response) => {
    const configs = sessionConfigs.map((config) => ({
      name: config.name,
      title: config.displayName ?? config.name,
      doc:
        config.doc ??
        config.appSequence
          .map((app) => game.apps.get(app)?.doc ?? "")
          .join(" ")
          .trim(),
      participants: config.numDemoParticipants,
      apps: config.appSequence.map((app) => game.apps.get(app)?.title ?? app),
      has_bots: isPlayable(options.root, config.appSequence),
    }));
    show(response, "demo.html", { configs });
  });

  router.post("/demo/:config", guard, own, form, async (request, response) => {
    const config = sessionConfigs.find((one) => one.name === request.params.config);
    if (config === undefined) return pages.notFound(response);
    const session = await game.createSession(config, { participants: config.numDemoParticipants, isDemo: true });
    const withBots = request.body?.bots !== undefined;
    response.redirect(303, withBots ? botsUrl(session.code) : `/SessionStartLinks/${session.code}`);
  });

  const session = async (request: Request, response: Response, view: string): Promise<void> => {
    const row = await game.store.read.session({ code: String(request.params.code) });
    if (row === undefined) return pages.notFound(response);
    const sequence: readonly PinnedPage[] = JSON.parse(String(row.pages));
    const host = `${request.protocol}://${request.get("host")}`;
    const rows = await game.store.read.participants(Number(row.id));
    const participants = rows.map((participant) => ({
      label: `P${participant.idInSession}`,
      path: startUrl(String(participant.code)),
      link: host + startUrl(String(participant.code)),
      ...progressOf(participant, orderedPages(sequence, participant.pageOrder)),
    }));
    const failed = (await game.store.read.rows(WaitPageTable, { sessionId: Number(row.id) }))
      .filter((wait) => wait.failedAt !== null && wait.doneAt === null)
      .map(({ actorId, page, error, stack }) => ({ actor_id: actorId, page, error, stack }));
    const columns = Math.min(4, Math.ceil(Math.sqrt(participants.length)));
    const lab = (await labOf(game, Number(row.id))) ?? "";
    show(response, view, {
      session: sessionOf(row),
      participants,
      columns,
      failed,
      join: `${host}/join/${row.code}`,
      bots: row.isDemo === true && isPlayable(root, appsOf(row)) ? botsUrl(row.code) : "",
      lab,
    });
  };
  const { root, database, labs, secret } = options;
  router.use(entranceDesk({ game, sessionConfigs, labs, secret, pages, guard, own, show }));
  router.use(exportRoutes({ root, database, apps: game.apps, log, guard, own, show }));
  router.get("/SessionStartLinks/:code", guard, (request, response) => session(request, response, "links.html"));
  router.use(sessionListRoutes({ game, guard, show }));
  router.use(sessionEditRoutes({ game, languages: templates.languages, pages, guard, own, show }));
  router.use(dataTableRoutes({ game, pages, guard, show, script: options.dataScript }));
  router.use(
    monitorRoutes({ game, pages, guard, own, show, lastSeen: options.lastSeen, script: options.monitorScript }),
  );
  router.use(paymentsRoutes({ game, languages: templates.languages, pages, guard, show }));
  router.use(botsRoutes({ root, game, pages, guard, showSession: session }));
  router.get("/SessionSplitScreen/:code", guard, (request, response) => session(request, response, "split.html"));

  router.post("/RetryWaitPage/:code", guard, own, form, async (request, response) => {
    const code = String(request.params.code);
    const row = await game.store.read.session({ code });
    const { actor, page } = request.body ?? {};
    const [failed] = await game.store.read.rows(WaitPageTable, { actorId: Number(actor) || 0, page: String(page) });
    if (row === undefined || failed?.sessionId !== row.id) return pages.notFound(response);
    // Whether it failed again shows on the page that this leads back to.
    await game.retryWaitPage(Number(actor), String(page)).catch((error: unknown) => {
      if (codeOf(error) !== "wait_page_failed") throw error;
    });
    response.redirect(303, `/SessionStartLinks/${code}`);
  });

  return router;
}

function progressOf(participant: Values, sequence: readonly PinnedPage[]): { state: string; progress: string } {
  const index = Number(participant.pageIndex);
  if (typeof participant.replacedAt === "number") {
    const { progress } = progressOf({ ...participant, replacedAt: null }, sequence);
    return { state: "replaced", progress: `Replaced by the computer: ${progress}` };
  }
  const page = sequence[index - 1];
  if (index < 1) return { state: "new", progress: "Not started" };
  if (page === undefined) return { state: "done", progress: "Finished" };
  return { state: "playing", progress: `${page.page}, page ${index} of ${sequence.length}` };
}

/** Where to go after the login: a path of this server, never another one. */
function localPath(given: unknown): string {
  return typeof given === "string" && /^\/(?![/\\])[^\s\\]*$/.test(given) ? given : "/demo";
}
