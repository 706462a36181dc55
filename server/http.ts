import type { Application } from "express";
import { Claims } from "../entities/claims.ts";
import type { DatabaseOptions } from "../entities/open-store.ts";
import type { Game, SessionConfig } from "../rooms/calls.ts";
import type { Log } from "../rooms/log.ts";
import { Access } from "./access.ts";
import { api } from "./api.ts";
import type { Settings } from "./config.ts";
import { DesignerPanel } from "./designer-panel.ts";
import { desk } from "./desk.ts";
import { LabSecret, type OpenLab } from "./entrances/labs.ts";
import { entrances } from "./entrances/routes.ts";
import { ErrorPages } from "./errors.ts";
import { FigureReader } from "./figures.ts";
import { fixedHeaders } from "./headers.ts";
import { LastSeen } from "./monitor/last-seen.ts";
import { participantPages } from "./pages.ts";
import type { Assets } from "./static.ts";
import type { Templates } from "./templates.ts";

export interface HttpOptions {
  root: string;
  database: DatabaseOptions;
  sessionConfigs: readonly SessionConfig[];
  labs: ReadonlyMap<string, OpenLab>;
  templates: Templates;
  assets: Assets;
  settings: Pick<Settings, "adminPassword" | "rate" | "burst" | "arrivals" | "synchronous">;
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
  const { store, transact } = game;
  const claims = new Claims({ store, transact, now: Date.now });
  const secret = new LabSecret(game);
  const access = new Access(settings.adminPassword);
  const script = options.development ? assets.panelScript : undefined;
  const panel = script === undefined ? undefined : new DesignerPanel({ game, access, script });
  if (panel !== undefined) app.use(panel.router);
  const lastSeen = new LastSeen();
  app.use("/p/:code", (request, _response, next) => {
    lastSeen.seen(request.params.code);
    next();
  });
  app.use(participantPages({ game, pages, claims, templates, log, panel }));
  app.use(entrances({ game, templates, pages, claims, labs: options.labs, secret, arrivals: settings.arrivals }));
  app.use(api({ game, sessionConfigs, access, figures: new FigureReader(game, settings), log }));
  app.use(
    desk({
      ...options,
      game,
      lastSeen,
      pages,
      access,
      secret,
      monitorScript: assets.monitorScript,
      dataScript: assets.dataScript,
    }),
  );
  app.use((_request, response) => pages.notFound(response));
  app.use(pages.handler(log));
}
