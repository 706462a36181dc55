import { SourceMap } from "node:module";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin, stop } from "esbuild";
import { messageOf } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { botsFile } from "./bots-project.ts";

const BOTS = join(import.meta.dirname, "../bots");

/** esbuild's service is stopped after each bundle, which must not end another one. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * The script by which the bots of some apps play in a browser. A bots.ts that cannot be bundled gives a
 * script that says so on the page.
 */
export function bundleBots(root: string, apps: readonly AppSpec[]): Promise<string> {
  const bundle = queue.then(() => bundleNow(root, apps));
  queue = bundle.catch(() => {});
  return bundle;
}

async function bundleNow(root: string, apps: readonly AppSpec[]): Promise<string> {
  const lines = [
    `import { offerBots } from ${JSON.stringify(join(BOTS, "browser.ts"))};`,
    ...apps.map(({ name }, i) => `import bots${i} from ${JSON.stringify(join(root, botsFile(name)))};`),
    `offerBots([${apps.map((_, i) => `bots${i}`).join()}]);`,
  ];
  try {
    const result = await build({
      stdin: { contents: lines.join("\n"), resolveDir: root, loader: "ts", sourcefile: "bots-page.ts" },
      bundle: true,
      format: "iife",
      target: "es2022",
      legalComments: "none",
      charset: "utf8",
      sourcemap: "external",
      outfile: "/bots.js",
      write: false,
      logLevel: "silent",
      absWorkingDir: root,
      plugins: [forBrowsers(root, apps)],
    });
    const script = result.outputFiles.find(({ path }) => path.endsWith(".js"))?.text ?? "";
    const map = result.outputFiles.find(({ path }) => path.endsWith(".map"))?.text ?? "{}";
    return `${script}\nwindow.walrasBotsLines = ${JSON.stringify(lineTable(map, script, root))};\n`;
  } catch (error) {
    return `document.getElementById("bots-result").textContent = "The bots cannot play here.";
const details = document.getElementById("bots-details");
details.hidden = false;
details.textContent = ${JSON.stringify(messageOf(error))};
`;
  } finally {
    await stop();
  }
}

/**
 * A browser has neither the server nor Node: "walras" is only defineBots, and an app's index.ts is what can
 * be known of it without running it: name, pages, rounds, roles, constants, and exported values that JSON can carry.
 */
function forBrowsers(root: string, apps: readonly AppSpec[]): Plugin {
  const indexes = new Map(apps.map((app) => [join(root, "apps", app.name, "index.ts"), app]));
  return {
    name: "walras",
    setup(builder) {
      builder.onResolve({ filter: /^walras$/ }, () => ({ path: join(BOTS, "browser-walras.ts") }));
      builder.onResolve({ filter: /(?:^\.|\/index\.ts$)/ }, ({ path, resolveDir }) => {
        const file = join(resolveDir, path);
        return indexes.has(file) ? { path: file, namespace: "app" } : undefined;
      });
      builder.onLoad({ filter: /.*/, namespace: "app" }, async ({ path }) => {
        const app = indexes.get(path);
        return app === undefined ? undefined : { contents: await standIn(app, path), loader: "js" };
      });
    },
  };
}

async function standIn(app: AppSpec, file: string): Promise<string> {
  const module: Record<string, unknown> = await import(pathToFileURL(file).href);
  const { name, constants, rounds, roles, playersPerGroup } = app;
  const pages = app.pages.map((page) => ({ name: page.name }));
  const spec = { name, rounds, roles, playersPerGroup, pages };
  const lines = [`export default ${JSON.stringify({ name, constants, spec })};`];
  for (const [key, value] of Object.entries(module)) {
    if (key === "default") continue;
    const why = `${name}: ${key} of index.ts is not there in a browser. Put it into a file of its own, which index.ts and bots.ts import.`;
    lines.push(
      typeof value === "function"
        ? `export function ${key}() { throw new Error(${JSON.stringify(why)}); }`
        : `export const ${key} = ${json(value)};`,
    );
  }
  return lines.join("\n");
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "undefined";
  } catch {
    // A circle, a BigInt.
    return "undefined";
  }
}

/** For each line of the bundle, from 1, the line of the project that it came from. */
function lineTable(map: string, script: string, root: string): string[] {
  const sources = new SourceMap(JSON.parse(map));
  const table = [""];
  for (let line = 0; line < script.split("\n").length; line++) {
    // The last column: of several places of a line, the last is what is called.
    const entry = sources.findEntry(line, 10_000);
    if (!("originalSource" in entry) || entry.generatedLine !== line) {
      table.push("");
      continue;
    }
    const file = relative(root, join("/", entry.originalSource)).replaceAll(sep, "/");
    table.push(file.startsWith("..") ? "" : `${file}:${entry.originalLine + 1}`);
  }
  return table;
}
