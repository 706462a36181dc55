import express, { type RequestHandler, type Response, type Router } from "express";
import type { PinnedPage } from "../entities/app-spec.ts";
import type { Values } from "../entities/tables.ts";
import type { Game, SessionConfig } from "../rooms/calls.ts";

/** Sessions that the list shows. */
const LISTED = 200;

export interface SessionListOptions {
  readonly game: Game;
  readonly guard: RequestHandler;
  /** One of the server's own pages. */
  show(response: Response, view: string, variables: Record<string, unknown>): void;
}

/** `/sessions`: the newest sessions and how far they are; `?archived=1`: those that were put aside. */
export function sessionListRoutes({ game, guard, show }: SessionListOptions): Router {
  const router = express.Router();
  router.get("/sessions", guard, async (request, response) => {
    const archived = request.query.archived === "1";
    const rows = await game.store.read.sessions(LISTED, archived);
    const sessions = [];
    // One after the other, so that a long list is no long pause for those who play.
    for (const row of rows) {
      await new Promise((resolve) => setImmediate(resolve));
      sessions.push({ ...sessionOf(row), ...(await progressOf(game, row)) });
    }
    show(response, "sessions.html", { sessions, archived, is_cut: sessions.length === LISTED });
  });
  return router;
}

async function progressOf({ store }: Pick<Game, "store">, row: Values): Promise<{ size: number; progress: string }> {
  const pages = JSON.parse(String(row.pages)) as readonly PinnedPage[];
  const begun = await store.read.progress(Number(row.id), 1);
  const ended = await store.read.progress(Number(row.id), pages.length + 1);
  const finished = ended.all - ended.behind;
  if (begun.behind === begun.all) return { size: begun.all, progress: "not started" };
  if (finished === begun.all) return { size: begun.all, progress: "all finished" };
  return { size: begun.all, progress: `${begun.all - begun.behind} started, ${finished} finished` };
}

/** What every page about a session says of it. */
export function sessionOf(row: Values): Record<string, unknown> {
  const config: Partial<SessionConfig> = JSON.parse(String(row.config));
  return {
    code: row.code,
    title: config.displayName ?? row.configName,
    config: row.configName,
    is_demo: row.isDemo === true,
    label: row.label ?? "",
    comment: row.comment ?? "",
    archived: row.archivedAt !== null,
    created: `${new Date(Number(row.createdAt)).toISOString().slice(0, 16).replace("T", " ")} UTC`,
  };
}
