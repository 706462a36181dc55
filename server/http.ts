import type { Application } from "express";
import type { DatabaseOptions } from "../entities/open-store.ts";
import type { Game, SessionConfig } from "../rooms/calls.ts";
import type { Log } from "../rooms/log.ts";
import { Access } from "./access.ts";
import { api } from "./api.ts";
import type { Settings } from "./config.ts";
import { desk } from "./desk.ts";
import { ErrorPages } from "./errors.ts";
import { FigureReader } from "./figures.ts";
import { fixedHeaders } from "./headers.ts";
import { participantPages } from "./pages.ts";
import type { Assets } from "./static.ts";
import type { Templates } from "./templates.ts";

export interface HttpOptions {
  root: string;
  database: DatabaseOptions;
  sessionConfigs: readonly SessionConfig[];
  templates: Templates;
  assets: Assets;
  settings: Pick<Settings, "adminPassword" | "rate" | "burst" | "synchronous">;
  development: boolean;
  log: Log;
}

/** Everything that the server answers over HTTP. */
export function mountHttp(app: Application, game: Game, options: HttpOptions): void {
  const { templates, log, assets, sessionConfigs, settings } = options;
  const pages = new ErrorPages(templates, options);
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(fixedHeaders);
  app.get("/health", (_request, response) => {
    const health = game.health();
    response
      .status(health.ok ? 200 : 503)
      .set("Cache-Control", "no-store")
      .json(health);
  });
  app.use(assets.router);
  app.use(participantPages({ game, pages, log }));
  const access = new Access(settings.adminPassword);
  app.use(api({ game, sessionConfigs, access, figures: new FigureReader(game, settings), log }));
  app.use(desk({ ...options, game, pages, access }));
  app.use((_request, response) => pages.notFound(response));
  app.use(pages.handler(log));
}
