import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, stop } from "esbuild";
import express, { type Router } from "express";
import type { AppSpec } from "../entities/app-spec.ts";

/** One of our own files, kept in memory under a name that changes with its content. */
interface Asset {
  url: string;
  type: string;
  content: Buffer;
  gzipped: Buffer;
}

/** What every page loads. */
export interface Assets {
  stylesheet: string;
  liveScript: string;
  formScript: string;
  chatScript: string;
  /** Of the experimenter's monitor. */
  monitorScript: string;
  /** Of a session's data table. */
  dataScript: string;
  /** Gzipped size of the live script in bytes. */
  liveScriptSize: number;
  /** Of the designer's panel; undefined in production, where it is not served. */
  panelScript?: string | undefined;
  router: Router;
}

export interface AssetsOptions {
  root: string;
  apps: ReadonlyMap<string, AppSpec>;
  /** Sources of the scripts of live pages, of all pages, and of pages with a chat, bundled at start. */
  liveScriptSource: string;
  formScriptSource: string;
  chatScriptSource: string;
  monitorScriptSource: string;
  dataScriptSource: string;
  /** Left out in production. */
  panelScriptSource?: string | undefined;
}

/**
 * Serves `/static`: our own files under `walras/`, each app's `static/` folder under its name (`static/<app>/`, as oTree
 * has it, too), and the project's `_static/` folder, so that `_static/global/logo.png` is `/static/global/logo.png`.
 */
export async function makeAssets(options: AssetsOptions): Promise<Assets> {
  const { liveScriptSource, formScriptSource, chatScriptSource, monitorScriptSource, dataScriptSource } = options;
  const { panelScriptSource } = options;
  const sources = [
    liveScriptSource,
    formScriptSource,
    chatScriptSource,
    monitorScriptSource,
    dataScriptSource,
    ...(panelScriptSource === undefined ? [] : [panelScriptSource]),
  ];
  const [bundles, css, icon] = await Promise.all([
    bundle(sources, panelScriptSource !== undefined),
    readFile(join(import.meta.dirname, "views/walras.css")),
    readFile(join(import.meta.dirname, "views/favicon.svg")),
  ]);
  const [script = NOTHING, form = NOTHING, chat = NOTHING, monitor = NOTHING, data = NOTHING, panel] = bundles;
  const stylesheet = asset("walras", "css", "text/css; charset=utf-8", css);
  const liveScript = asset("live", "js", "text/javascript; charset=utf-8", script);
  const formScript = asset("form", "js", "text/javascript; charset=utf-8", form);
  const chatScript = asset("chat", "js", "text/javascript; charset=utf-8", chat);
  const monitorScript = asset("monitor", "js", "text/javascript; charset=utf-8", monitor);
  const dataScript = asset("data", "js", "text/javascript; charset=utf-8", data);
  const panelScript = panel && asset("panel", "js", "text/javascript; charset=utf-8", panel);
  const favicon: Asset = { ...asset("favicon", "svg", "image/svg+xml", icon), url: "/static/walras/favicon.svg" };
  const router = express.Router();
  for (const own of [
    stylesheet,
    liveScript,
    formScript,
    chatScript,
    monitorScript,
    dataScript,
    favicon,
    ...(panelScript ? [panelScript] : []),
  ]) {
    router.get(own.url, (request, response) => {
      const lasts = own === favicon ? "max-age=86400" : "max-age=31536000, immutable";
      response.set({ "Content-Type": own.type, "Cache-Control": `public, ${lasts}`, Vary: "Accept-Encoding" });
      if (request.acceptsEncodings("gzip")) response.set("Content-Encoding", "gzip").send(own.gzipped);
      else response.send(own.content);
    });
  }
  const folder = (path: string) => express.static(path, { index: false, redirect: false, dotfiles: "ignore" });
  for (const app of options.apps.keys()) {
    const own = join(options.root, "apps", app, "static");
    // oTree's apps keep their files in static/<app>/, under the same URLs.
    router.use(`/static/${app}`, folder(own), folder(join(own, app)));
  }
  router.use("/static", folder(join(options.root, "_static")));
  return {
    stylesheet: stylesheet.url,
    liveScript: liveScript.url,
    formScript: formScript.url,
    chatScript: chatScript.url,
    monitorScript: monitorScript.url,
    dataScript: dataScript.url,
    liveScriptSize: liveScript.gzipped.length,
    panelScript: panelScript?.url,
    router,
  };
}

function asset(name: string, ending: string, type: string, content: Buffer): Asset {
  const hash = createHash("sha256").update(content).digest("base64url").slice(0, 10);
  return { url: `/static/walras/${name}-${hash}.${ending}`, type, content, gzipped: gzipSync(content, { level: 9 }) };
}

const NOTHING = Buffer.alloc(0);

/** @param development false: nothing of the designer's panel stays in the scripts */
async function bundle(entries: readonly string[], development: boolean): Promise<Buffer[]> {
  const result = await build({
    entryPoints: [...entries],
    // Nothing is written; it only names the files.
    outdir: "bundled",
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2020",
    legalComments: "none",
    define: { WALRAS_DEVELOPMENT: String(development) },
    write: false,
    logLevel: "silent",
  });
  // Its service is a process of its own, which would outlive a killed server and hold on to its streams.
  await stop();
  return result.outputFiles.map(({ contents }) => Buffer.from(contents));
}
