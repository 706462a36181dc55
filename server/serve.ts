import { join } from "node:path";
import type { Faults } from "../entities/faults.ts";
import { openStore } from "../entities/open-store.ts";
import type { Game } from "../rooms/calls.ts";
import { startGame } from "../rooms/game.ts";
import { Languages } from "../rooms/languages.ts";
import type { Log } from "../rooms/log.ts";
import { timeoutHints } from "../rooms/timeout-hints.ts";
import { loadProject } from "./apps.ts";
import type { Settings } from "./config.ts";
import { openLabs } from "./entrances/labs.ts";
import { mountHttp } from "./http.ts";
import { makeAssets } from "./static.ts";
import { Templates } from "./templates.ts";
import { versionOf } from "./version.ts";

/** The folder of the project that this server belongs to. */
export const PROJECT_ROOT = join(import.meta.dirname, "..");

/**
 * Starts the whole server for a project.
 *
 * @param root the folder with apps/ and walras.config.ts
 * @param faults where a test breaks the store
 * @throws AuthorError or WalrasError with what is wrong and how to mend it
 */
export async function serve(root: string, settings: Settings, log: Log, faults: Faults = {}): Promise<Game> {
  const { apps, config } = await loadProject(root);
  const development = !settings.production;
  const assets = await makeAssets({
    root,
    apps,
    liveScriptSource: join(PROJECT_ROOT, "client-sdk/page.ts"),
    formScriptSource: join(PROJECT_ROOT, "client-sdk/form-script.ts"),
    chatScriptSource: join(PROJECT_ROOT, "client-sdk/chat-widget.ts"),
    monitorScriptSource: join(PROJECT_ROOT, "client-sdk/monitor/main.ts"),
    dataScriptSource: join(PROJECT_ROOT, "client-sdk/monitor/data-page.ts"),
    panelScriptSource: development ? join(PROJECT_ROOT, "client-sdk/panel/main.ts") : undefined,
  });
  const { stylesheet, liveScript, formScript, chatScript } = assets;
  const templates = new Templates({
    root,
    development,
    apps,
    stylesheet,
    liveScript,
    formScript,
    chatScript,
    languages: config.languages ?? new Languages({ language: config.language, currency: config.currency }),
  });
  templates.check();
  for (const hint of timeoutHints(apps.values())) log.warn(hint);
  const labs = openLabs(root, config.labs);
  const store = await openStore({
    databaseUrl: settings.databaseUrl,
    file: settings.sqliteFile,
    synchronous: settings.synchronous,
    apps: [...apps.values()],
    faults,
  });
  try {
    return await startGame({
      apps,
      config,
      store,
      log,
      version: JSON.stringify(await versionOf(root)),
      development,
      renderer: templates,
      host: settings.host,
      port: settings.port,
      publicAddress: settings.publicAddress,
      allowedOrigins: settings.allowedOrigins,
      limits: {
        messageBytes: settings.messageLimit,
        rate: settings.rate,
        burst: settings.burst,
        chatCharacters: settings.chatLimit,
        sockets: settings.sockets,
      },
      express: (app, game) =>
        mountHttp(app, game, {
          root,
          database: { databaseUrl: settings.databaseUrl, file: settings.sqliteFile },
          labs,
          sessionConfigs: config.sessionConfigs,
          templates,
          assets,
          settings,
          development,
          log,
        }),
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}
