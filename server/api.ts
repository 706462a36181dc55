import express, { type ErrorRequestHandler, type Request, type Response, type Router } from "express";
import { codeOf, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { asLabel, LABEL_RULE } from "../entities/labels.ts";
import { nearestName } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import type { Game, SessionConfig } from "../rooms/calls.ts";
import type { Log } from "../rooms/log.ts";
import type { Access } from "./access.ts";
import { withValues } from "./entrances/session-parameters.ts";
import { statusOf } from "./errors.ts";
import type { FigureReader } from "./figures.ts";
import { startUrl } from "./participants.ts";
import { isSameOrigin } from "./same-origin.ts";

/** Most participants of a session that is made here. */
const MOST_PARTICIPANTS = 50_000;

/** Mistakes of the caller; everything else has the status that it has anywhere. */
const CALLERS = [
  "unknown_config",
  "unknown_app",
  "app_twice",
  "no_apps",
  "wrong_number_of_participants",
  "wrong_parameter",
  "bad_request",
];

export interface ApiOptions {
  game: Game;
  sessionConfigs: readonly SessionConfig[];
  access: Access;
  figures: FigureReader;
  log: Log;
}

/** What `POST /api/sessions` takes: the name of a session config, or apps in their order. */
export type NewSessionRequest = {
  participants: number;
  displayName?: string;
  /** Parameters of the session config with other values for this session. */
  parameters?: Readonly<Record<string, unknown>>;
  /** Labels of the participants, in their order: who comes with one of them by `/join` gets this place. */
  labels?: readonly string[];
  /** A demo session, which bots can play; its data are nobody's. Default: false. */
  isDemo?: boolean;
} & ({ config: string } | { apps: readonly string[] });

/** What it answers, with status 201. */
export interface NewSessionAnswer {
  code: string;
  /** The participants' start links without the host, in their order: groups are blocks of them. */
  links: string[];
}

/**
 * The desk for programs, in JSON, open to whom the desk is open: load testers make their sessions and
 * read the server's figures here. Refusals are `{ code, message }`.
 */
export function api({ game, sessionConfigs, access, figures, log }: ApiOptions): Router {
  const router = express.Router();
  router.use("/api", (request, response, next) => {
    response.set("Cache-Control", "no-store");
    const allowed = access.of(request);
    if (allowed === "open" && isSameOrigin(request)) next();
    else if (allowed === "login")
      refuse(response, 401, "login_needed", "Log in first, by a POST of `password` to /login.");
    else
      refuse(
        response,
        403,
        "not_allowed",
        "This is open only on the server's own machine, unless the server was started with WALRAS_ADMIN_PASSWORD.",
      );
  });

  router.get("/api/figures", async (request, response) => {
    response.json(await figures.read(request.query.database === "size"));
  });

  router.post("/api/sessions", express.json({ limit: 100_000 }), async (request: Request, response: Response) => {
    const { config, participants } = readRequest(request.body, sessionConfigs, game);
    const isDemo: unknown = request.body.isDemo ?? false;
    if (typeof isDemo !== "boolean") throw bad(`isDemo is ${JSON.stringify(isDemo)}; give it true or false`);
    const labels = labelsOf(request.body.labels, participants);
    const session = await game.createSession(config, { participants, isDemo, labels });
    const rows = await game.store.read.participants(Number(session.id));
    response.status(201).json({
      code: String(session.code),
      links: rows.map((row) => startUrl(String(row.code))),
    } satisfies NewSessionAnswer);
  });

  const failed: ErrorRequestHandler = (error, request, response, next) => {
    if (response.headersSent) return next(error);
    const status = CALLERS.includes(codeOf(error)) ? 400 : statusOf(error);
    // What Express' body parser throws has no code of ours.
    const code = status < 500 && codeOf(error) === "error" ? "bad_request" : codeOf(error);
    if (status >= 500)
      log.error("request failed", { method: request.method, route: request.path, status, code, error });
    refuse(response, status, code, messageOf(error));
  };
  router.use("/api", failed);
  return router;
}

/** @throws WalrasError `bad_request`, `unknown_config` or `unknown_app` */
function readRequest(
  body: unknown,
  sessionConfigs: readonly SessionConfig[],
  game: Game,
): { config: SessionConfig; participants: number } {
  const {
    config: name,
    apps,
    participants,
    displayName,
    parameters,
  } = (body ?? {}) as Partial<Record<string, unknown>>;
  if (!Number.isSafeInteger(participants) || Number(participants) < 1 || Number(participants) > MOST_PARTICIPANTS) {
    throw bad(`participants is ${JSON.stringify(participants)}; give it a whole number from 1 to ${MOST_PARTICIPANTS}`);
  }
  if (displayName !== undefined && typeof displayName !== "string") throw bad("displayName is no text; leave it out");
  if (
    parameters !== undefined &&
    (typeof parameters !== "object" || parameters === null || Array.isArray(parameters))
  ) {
    throw bad('parameters is no object; give it values by name, e.g. { "endowment": 50 }');
  }
  const values = { ...parameters };
  const shown = displayName === undefined ? {} : { displayName: displayName.slice(0, 200) };
  const count = Number(participants);
  if (typeof name === "string") {
    const config = sessionConfigs.find((one) => one.name === name);
    if (config !== undefined) return { config: withValues({ ...config, ...shown }, values), participants: count };
    throw unknown(
      "session config",
      name,
      sessionConfigs.map((one) => one.name),
      "unknown_config",
    );
  }
  if (!Array.isArray(apps) || apps.length === 0 || !apps.every((app) => typeof app === "string")) {
    throw bad('give it config, the name of a session config, or apps, such as ["auction"]');
  }
  const names: string[] = apps;
  for (const app of names) if (!game.apps.has(app)) throw unknown("app", app, [...game.apps.keys()], "unknown_app");
  return {
    config: withValues(
      { name: names.join("_").slice(0, 100), ...shown, appSequence: names, numDemoParticipants: count },
      values,
    ),
    participants: count,
  };
}

/** @throws WalrasError `bad_request` */
function labelsOf(given: unknown, participants: number): string[] {
  if (given === undefined) return [];
  if (!Array.isArray(given) || given.length > participants) {
    throw bad(`labels is no array of at most ${participants} labels, one for each participant; leave it out`);
  }
  const labels = given.map((text: unknown, i) => {
    const label = asLabel(text);
    if (label === undefined) throw bad(`labels[${i}] is ${describe(text)}. ${LABEL_RULE}`);
    return label;
  });
  if (new Set(labels).size < labels.length) throw bad("labels has a label twice");
  return labels;
}

function unknown(what: string, name: string, known: readonly string[], code: string): WalrasError {
  const meant = nearestName(name, known);
  const hint = meant === undefined ? `There are: ${known.join(", ")}.` : `Did you mean ${meant}?`;
  return new WalrasError(code, `There is no ${what} ${name} on this server. ${hint}`);
}

function bad(what: string): WalrasError {
  return new WalrasError("bad_request", `POST /api/sessions: ${what}.`);
}

function refuse(response: Response, status: number, code: string, message: string): void {
  response.status(status).json({ code, message });
}
