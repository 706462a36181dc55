import express, { type RequestHandler, type Response, type Router } from "express";
import { codeOf, messageOf } from "../../client-sdk/errors.ts";
import { groupMultiple } from "../../entities/participant-count.ts";
import { LabSessionTable } from "../../entities/system-tables.ts";
import type { Game, SessionConfig } from "../../rooms/calls.ts";
import type { ErrorPages } from "../errors.ts";
import { type LabSecret, lastSessionOf, type OpenLab, sessionOf, setSession } from "./labs.ts";
import { parametersOf, withParameters } from "./session-parameters.ts";

/** Most participants of a session that is made on the page. */
const MOST_PARTICIPANTS = 50_000;

/** What parameters that every game has are called on the page. */
const LABELS: Readonly<Record<string, string>> = {
  realWorldCurrencyPerPoint: "Real money for a point",
  participationFee: "Participation fee",
  replacedFee: "For who is replaced by the computer",
};

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
  // A new session's parameters are in it, those of all games.
  const form = express.urlencoded({ extended: false, limit: 200_000 });

  const createPage = (response: Response, body: unknown, wrong: string): void => {
    const given = textsOf(body);
    const configs = sessionConfigs.map((config) => ({
      name: config.name,
      title: config.displayName ?? config.name,
      doc: config.doc ?? "",
      is_chosen: config.name === given.config,
      multiple: groupMultiple(config.appSequence.flatMap((name) => game.apps.get(name) ?? [])),
      parameters: parametersOf(config).map(({ name, kind, value }) => {
        const input = `${config.name}/${name}`;
        const typed = textOf(body, input) ?? (value === true ? "1" : String(value));
        return { name: LABELS[name] ?? name, kind, input, value: typed, checked: typed === "1" };
      }),
    }));
    const rooms = [...labs.values()].map(({ lab }) => ({
      name: lab.name,
      title: lab.displayName,
      is_chosen: lab.name === given.lab,
    }));
    const { participants = "" } = given;
    show(response, "create-session.html", { configs, labs: rooms, participants, wrong }, wrong === "" ? 200 : 422);
  };

  router.get("/create_session", guard, (request, response) => createPage(response, request.query, ""));

  router.post("/create_session", guard, own, form, async (request, response) => {
    const given = textsOf(request.body);
    const config = sessionConfigs.find(({ name }) => name === given.config);
    const participants = Number(given.participants);
    const lab = given.lab === undefined || given.lab === "" ? undefined : labs.get(given.lab);
    if (config === undefined) return createPage(response, request.body, "Please choose a game.");
    if (!(Number.isSafeInteger(participants) && participants >= 1 && participants <= MOST_PARTICIPANTS)) {
      return createPage(response, request.body, `Please give a number of participants from 1 to ${MOST_PARTICIPANTS}.`);
    }
    try {
      const chosen = withParameters(config, (name) => textOf(request.body, `${config.name}/${name}`));
      const session = await game.createSession(chosen, { participants, isDemo: false });
      if (lab !== undefined) await setSession(game, lab.lab.name, Number(session.id), now());
      response.redirect(303, `/SessionStartLinks/${session.code}`);
    } catch (error) {
      if (!["wrong_number_of_participants", "wrong_parameter"].includes(codeOf(error))) throw error;
      createPage(response, request.body, messageOf(error));
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
      last: session === undefined ? ((await lastSessionOf(game, name))?.code ?? "") : "",
      waiting: waiting.length,
      who: lab.labels === undefined ? "" : waiting.join(", "),
    });
  });

  // Closed by mistake, or for a while.
  router.post("/labs/:name/reopen", guard, own, async (request, response) => {
    const lab = labs.get(String(request.params.name));
    const last = lab === undefined ? undefined : await lastSessionOf(game, lab.lab.name);
    if (lab === undefined || last === undefined) return pages.notFound(response);
    await setSession(game, lab.lab.name, Number(last.id), now());
    response.redirect(303, `/labs/${lab.lab.name}`);
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

function textsOf(given: unknown): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of ["config", "participants", "lab"]) {
    const value = textOf(given, name);
    if (value !== undefined) texts[name] = value;
  }
  return texts;
}

/** A field of a form or query; of several of the same name the last one, as of a box after its hidden input. */
function textOf(given: unknown, name: string): string | undefined {
  if (typeof given !== "object" || given === null || !Object.hasOwn(given, name)) return undefined;
  const found: unknown = Reflect.get(given, name);
  const value: unknown = Array.isArray(found) ? found.at(-1) : found;
  return typeof value === "string" ? value : undefined;
}
