import express, { type RequestHandler, type Response, type Router } from "express";
import type { AdvanceRequest } from "../../client-sdk/monitor/rows.ts";
import type { Game } from "../../rooms/calls.ts";
import type { ErrorPages } from "../errors.ts";
import { allowScripts } from "../headers.ts";
import { Advance } from "./advance.ts";
import type { LastSeen } from "./last-seen.ts";
import { Watches } from "./watch.ts";

/** Largest body of a request to move participants on, in bytes: some for each of the 50,000 of the largest session. */
const ADVANCE_LIMIT = 2 * 1024 * 1024;

export interface MonitorOptions {
  readonly game: Game;
  readonly pages: ErrorPages;
  readonly guard: RequestHandler;
  readonly own: RequestHandler;
  readonly lastSeen: LastSeen;
  /** URL of the monitor's script. */
  readonly script: string;
  /** One of the server's own pages. */
  show(response: Response, view: string, variables: Record<string, unknown>, status?: number): void;
  now?(): number;
}

/** `/SessionMonitor/<code>`: who is where, as it changes; and moving participants on. */
export function monitorRoutes({
  game,
  pages,
  guard,
  own,
  lastSeen,
  script,
  show,
  now = Date.now,
}: MonitorOptions): Router {
  const router = express.Router();
  const watches = new Watches({ game, lastSeen, now });
  const advance = new Advance(game);

  router.get("/SessionMonitor/:code", guard, async (request, response) => {
    const session = await game.store.read.session({ code: String(request.params.code) });
    if (session === undefined) return pages.notFound(response);
    allowScripts(response);
    const { displayName } = JSON.parse(String(session.config)) as { displayName?: string };
    show(response, "monitor.html", { code: session.code, title: displayName ?? session.configName, script });
  });

  router.get("/SessionMonitor/:code/changes", guard, async (request, response) => {
    response.set("Cache-Control", "no-store");
    const watch = await watches.of(String(request.params.code));
    if (watch === undefined) return void response.status(404).json({ code: "unknown_session" });
    response.json(await watch.changes(request.query.since));
  });

  router.post(
    "/AdvanceSession/:code",
    guard,
    own,
    express.json({ limit: ADVANCE_LIMIT }),
    async (request, response) => {
      response.set("Cache-Control", "no-store");
      const watch = await watches.of(String(request.params.code));
      if (watch === undefined) return void response.status(404).json({ code: "unknown_session" });
      const asked = readRequest(request.body);
      if (asked === undefined) {
        const message = "Give it who: a list of [participant, page index], as the monitor shows them.";
        return void response.status(400).json({ code: "bad_request", message });
      }
      const answer = await advance.carryOut(watch.plan, asked);
      watch.expire();
      response.json(answer);
    },
  );

  return router;
}

/** undefined: it is none. */
function readRequest(body: unknown): AdvanceRequest | undefined {
  const { who, confirmed } = (typeof body === "object" && body !== null ? body : {}) as Partial<AdvanceRequest>;
  const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
  if (!Array.isArray(who)) return undefined;
  if (!who.every((one: unknown) => Array.isArray(one) && one.length === 2 && one.every(isCount))) return undefined;
  return { who, confirmed: confirmed === true };
}
