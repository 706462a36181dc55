import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { codeOf, messageOf } from "../../client-sdk/errors.ts";
import { LabSessionTable } from "../../entities/system-tables.ts";
import type { Game, SessionConfig } from "../../rooms/calls.ts";
import type { ErrorPages } from "../errors.ts";
import { type LabSecret, type OpenLab, sessionOf, setSession } from "./labs.ts";

/** Most participants of a session that is made on the page. */
const MOST_PARTICIPANTS = 50_000;

export interface EntranceDeskOptions {
  readonly game: Game;
  readonly sessionConfigs: readonly SessionConfig[];
  readonly labs: ReadonlyMap<string, OpenLab>;
  readonly secret: LabSecret;
  readonly pages: ErrorPages;
  readonly guard: RequestHandler;
  readonly own: RequestHandler;
  /** One of the server's own pages. */
  show(response: Response, view: string, variables: Record<string, unknown>, status?: number): void;
  readonly now?: () => number;
}

/** Where the experimenter makes sessions, and opens and closes the labs. */
export function entranceDesk(options: EntranceDeskOptions): Router {
  const { game, sessionConfigs, labs, secret, pages, guard, own, show, now = Date.now } = options;
  const router = express.Router();
  const form = express.urlencoded({ extended: false, limit: 10_000 });

  const createPage = (response: Response, given: Record<string, string>, wrong: string): void => {
    const configs = sessionConfigs.map((config) => ({
      name: config.name,
      title: config.displayName ?? config.name,
      is_chosen: config.name === given.config,
    }));
    const rooms = [...labs.values()].map(({ lab }) => ({
      name: lab.name,
      title: lab.displayName,
      is_chosen: lab.name === given.lab,
    }));
    const { participants = "" } = given;
    show(response, "create-session.html", { configs, labs: rooms, participants, wrong }, wrong === "" ? 200 : 422);
  };

  router.get("/create_session", guard, (request, response) => createPage(response, textsOf(request.query), ""));

  router.post("/create_session", guard, own, form, async (request, response) => {
    const given = textsOf(request.body);
    const config = sessionConfigs.find(({ name }) => name === given.config);
    const participants = Number(given.participants);
    const lab = given.lab === undefined || given.lab === "" ? undefined : labs.get(given.lab);
    if (config === undefined) return createPage(response, given, "Please choose a game.");
    if (!(Number.isSafeInteger(participants) && participants >= 1 && participants <= MOST_PARTICIPANTS)) {
      return createPage(response, given, `Please give a number of participants from 1 to ${MOST_PARTICIPANTS}.`);
    }
    try {
      const session = await game.createSession(config, { participants, isDemo: false });
      if (lab !== undefined) await setSession(game, lab.lab.name, Number(session.id), now());
      response.redirect(303, `/SessionStartLinks/${session.code}`);
    } catch (error) {
      if (codeOf(error) !== "wrong_number_of_participants") throw error;
      createPage(response, given, messageOf(error));
    }
  });

  router.get("/labs", guard, async (_request, response) => {
    const list = [];
    for (const { lab, labels } of labs.values()) {
      const session = await sessionOf(game, lab.name);
      list.push({ name: lab.name, title: lab.displayName, labels: labels?.length ?? 0, session: session?.code ?? "" });
    }
    show(response, "labs.html", { labs: list });
  });

  router.get("/labs/:name", guard, async (request, response) => {
    const lab = labs.get(String(request.params.name));
    if (lab === undefined) return pages.notFound(response);
    const { name, displayName, secureUrls } = lab.lab;
    const base = `${request.protocol}://${request.get("host")}/lab/${name}`;
    const links: { label: string; link: string }[] = [];
    for (const label of lab.labels ?? []) {
      const hash = secureUrls ? `&hash=${await secret.hash(name, label)}` : "";
      links.push({ label, link: `${base}?participant_label=${encodeURIComponent(label)}${hash}` });
    }
    const session = await sessionOf(game, name);
    const waiting = lab.waiting(now());
    show(response, "lab.html", {
      ...{ name, title: displayName, link: secureUrls ? "" : base, links },
      session: session?.code ?? "",
      waiting: waiting.length,
      who: lab.labels === undefined ? "" : waiting.join(", "),
    });
  });

  router.post("/labs/:name/close", guard, own, async (request, response) => {
    const lab = labs.get(String(request.params.name));
    if (lab === undefined) return pages.notFound(response);
    await setSession(game, lab.lab.name, null, now());
    response.redirect(303, `/labs/${lab.lab.name}`);
  });

  return router;
}

/** The lab that leads to a session now; undefined: none. */
export async function labOf(game: Pick<Game, "store">, sessionId: number): Promise<string | undefined> {
  for (const { lab } of await game.store.read.rows(LabSessionTable, { sessionId })) {
    const open = await sessionOf(game, String(lab));
    if (Number(open?.id) === sessionId) return String(lab);
  }
  return undefined;
}

function textsOf(given: Request["query"] | unknown): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of ["config", "participants", "lab"]) {
    const value: unknown = typeof given === "object" && given !== null ? Reflect.get(given, name) : undefined;
    if (typeof value === "string") texts[name] = value;
  }
  return texts;
}
