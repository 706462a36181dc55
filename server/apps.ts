import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { checkPageOrder } from "../entities/page-order.ts";
import { groupMultiple } from "../entities/participant-count.ts";
import { nearestName } from "../entities/suggest.ts";
import type { Config } from "../rooms/walras-config.ts";

/** What a project is made of. */
export interface Project {
  root: string;
  config: Config;
  /** By name, in alphabetical order. */
  apps: ReadonlyMap<string, AppSpec>;
}

const CONFIG_FILE = "walras.config.ts";

/**
 * Loads walras.config.ts and every `apps/<name>/index.ts` of a project.
 *
 * @throws AuthorError that names file and cure
 */
export async function loadProject(root: string): Promise<Project> {
  const apps = new Map<string, AppSpec>();
  for (const name of appFolders(root)) apps.set(name, await loadApp(root, name));
  const config = await load(root, CONFIG_FILE);
  if (!isConfig(config)) {
    throw new AuthorError(
      "wrong_config",
      `${CONFIG_FILE} does not export a configuration. End it with: export default defineConfig({ sessionConfigs: [...] });`,
    );
  }
  for (const session of config.sessionConfigs) {
    const sequence: AppSpec[] = [];
    for (const name of session.appSequence) {
      const app = apps.get(name);
      if (app === undefined) {
        const meant = nearestName(name, [...apps.keys()]);
        throw new AuthorError(
          "unknown_app",
          `${CONFIG_FILE}: session config ${session.name} names the app ${name}, but there is no apps/${name}/index.ts.${meant === undefined ? "" : ` Did you mean ${meant}?`}`,
        );
      }
      sequence.push(app);
    }
    const multiple = groupMultiple(sequence);
    if (session.numDemoParticipants % multiple !== 0) {
      throw new AuthorError(
        "wrong_config",
        `${CONFIG_FILE}: session config ${session.name} has numDemoParticipants ${session.numDemoParticipants}, but the groups of its apps need a multiple of ${multiple}.`,
      );
    }
  }
  return { root, config, apps };
}

function appFolders(root: string): string[] {
  const folder = join(root, "apps");
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new AuthorError("no_apps", `There is no folder apps/ in ${root}. Put each app into apps/<name>/index.ts.`);
  }
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^[._]/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}

async function loadApp(root: string, name: string): Promise<AppSpec> {
  const file = `apps/${name}/index.ts`;
  const app = await load(root, file);
  if (!isApp(app)) {
    throw new AuthorError(
      "wrong_app",
      `${file} does not export an app. Begin it with: const app = defineApp({ name: "${name}" }); and end it with: export default app;`,
    );
  }
  if (app.spec.name !== name) {
    throw new AuthorError(
      "wrong_app",
      `${file} defines an app named ${app.spec.name}. Folder and name must be the same: rename one of them.`,
    );
  }
  if (app.spec.pages.length === 0) {
    throw new AuthorError(
      "wrong_app",
      `${file} has no page. Add one: app.page("Welcome"), with apps/${name}/Welcome.html.`,
    );
  }
  checkPageOrder(app.spec);
  return app.spec;
}

/** The default export of a module of the project. */
async function load(root: string, file: string): Promise<unknown> {
  const path = join(root, file);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new AuthorError("file_missing", `There is no file ${file} in ${root}.`);
  }
  try {
    const module: { default?: unknown } = await import(pathToFileURL(path).href);
    return module.default;
  } catch (error) {
    if (error instanceof AuthorError) throw error;
    throw new AuthorError("load_failed", `${file} could not be loaded: ${messageOf(error)}`, { cause: error });
  }
}

function isApp(value: unknown): value is { spec: AppSpec } {
  if (typeof value !== "object" || value === null || !("spec" in value)) return false;
  const { spec } = value;
  return typeof spec === "object" && spec !== null && "pages" in spec && Array.isArray(spec.pages);
}

function isConfig(value: unknown): value is Config {
  return (
    typeof value === "object" &&
    value !== null &&
    "sessionConfigs" in value &&
    Array.isArray(value.sessionConfigs) &&
    "currency" in value &&
    typeof value.currency === "object"
  );
}
