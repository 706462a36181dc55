import { statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Bots, isBots } from "../bots/define-bots.ts";
import { scriptLine } from "../bots/errors.ts";
import { locateIn } from "../bots/locate.ts";
import { AuthorError, messageOf } from "../client-sdk/errors.ts";

/** Where the bots of an app are written. */
export function botsFile(app: string): string {
  return `apps/${app}/bots.ts`;
}

/** Whether an app of a project has bots. */
export function hasBots(root: string, app: string): boolean {
  return statSync(join(root, botsFile(app)), { throwIfNoEntry: false })?.isFile() === true;
}

/**
 * Loads the bots of some apps of a project.
 *
 * @returns by the app's name
 * @throws AuthorError that names file and cure
 */
export async function loadBots(root: string, apps: readonly string[]): Promise<ReadonlyMap<string, Bots>> {
  const found = new Map<string, Bots>();
  for (const app of apps) found.set(app, await loadOne(root, app));
  return found;
}

async function loadOne(root: string, app: string): Promise<Bots> {
  const file = botsFile(app);
  if (!hasBots(root, app)) {
    throw new AuthorError(
      "no_bots",
      `The app ${app} has no bots: there is no ${file}. Begin it with: import app from "./index.ts"; and end it with: export default defineBots(app, async (bot) => { ... });`,
    );
  }
  let bots: unknown;
  try {
    bots = (await import(pathToFileURL(join(root, file)).href)).default;
  } catch (error) {
    if (error instanceof AuthorError) throw error;
    const stack = error instanceof Error ? error.stack : undefined;
    const place = /^(file:\S+:\d+)\n/.exec(stack ?? "")?.[1];
    const line = place === undefined ? scriptLine(stack, locateIn(root)) : locateIn(root)(`${place}:1`);
    const where = line === undefined ? "" : ` (${line})`;
    throw new AuthorError("load_failed", `${file} could not be loaded: ${messageOf(error)}${where}`, { cause: error });
  }
  if (!isBots(bots)) {
    throw new AuthorError(
      "wrong_bots",
      `${file} does not export bots. End it with: export default defineBots(app, async (bot) => { ... });`,
    );
  }
  if (bots.app !== app) {
    throw new AuthorError(
      "wrong_bots",
      `${file} defines the bots of the app ${bots.app}. Let it import app from its own "./index.ts".`,
    );
  }
  return bots;
}
