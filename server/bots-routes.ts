import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import type { PinnedPage } from "../entities/app-spec.ts";
import type { Values } from "../entities/tables.ts";
import type { Game } from "../rooms/calls.ts";
import { bundleBots } from "./bots-bundle.ts";
import { hasBots } from "./bots-project.ts";
import type { ErrorPages } from "./errors.ts";
import { allowScripts } from "./headers.ts";

export interface BotsRoutesOptions {
  root: string;
  game: Game;
  pages: ErrorPages;
  /** Lets only experimenters through. */
  guard: RequestHandler;
  /** Shows the session's participants in a view. */
  showSession(request: Request, response: Response, view: string): Promise<void>;
}

/** Where bots play a demo session in frames, for everybody to see. */
export function botsUrl(code: unknown): string {
  return `/SessionBots/${String(code)}`;
}

/** Whether all apps of a session have bots. */
export function isPlayable(root: string, apps: readonly string[]): boolean {
  return apps.every((app) => hasBots(root, app));
}

/** The apps of a session's page sequence, in order. */
export function appsOf(session: Values): string[] {
  const pages: readonly PinnedPage[] = JSON.parse(String(session.pages));
  return [...new Set(pages.map(({ app }) => app))];
}

/** The page on which bots play a demo session, and its script. Never for sessions of people. */
export function botsRoutes({ root, game, pages, guard, showSession }: BotsRoutesOptions): Router {
  const router = express.Router();

  const demo = async (request: Request, response: Response): Promise<Values | undefined> => {
    const session = await game.store.read.session({ code: String(request.params.code) });
    if (session === undefined) {
      pages.notFound(response);
    } else if (session.isDemo !== true) {
      pages.calm(response, 403, {
        title: "Not a demo session",
        text: "Bots play demo sessions only, so that they never mix with people's data. Start one from the demo page.",
      });
    } else if (!isPlayable(root, appsOf(session))) {
      const missing = appsOf(session).filter((app) => !hasBots(root, app));
      pages.calm(response, 404, {
        title: "There are no bots",
        text: `Write apps/${missing[0]}/bots.ts first, with: export default defineBots(app, async (bot) => { ... });`,
      });
    } else {
      return session;
    }
    return undefined;
  };

  router.get(botsUrl(":code"), guard, async (request, response) => {
    if ((await demo(request, response)) === undefined) return;
    allowScripts(response);
    await showSession(request, response, "bots.html");
  });

  router.get(`${botsUrl(":code")}/bots.js`, guard, async (request, response) => {
    const session = await demo(request, response);
    if (session === undefined) return;
    const apps = appsOf(session).flatMap((name) => game.apps.get(name) ?? []);
    response
      .set({ "Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "no-store" })
      .send(await bundleBots(root, apps));
  });

  return router;
}
