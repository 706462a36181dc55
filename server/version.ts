import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/** Which code runs: kept with every group's history, so that a data set tells what made it. */
export interface Version {
  /** Version of Walras. */
  readonly walras: string;
  readonly node: string;
  /** The git commit of the project, `+` behind it if files differ from it; null where there is no git. */
  readonly commit: string | null;
}

const run = promisify(execFile);

/** @param root the project's folder */
export async function versionOf(root: string): Promise<Version> {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as {
    version: string;
  };
  return { walras: version, node: process.versions.node, commit: await commitOf(root) };
}

async function commitOf(root: string): Promise<string | null> {
  const git = async (...args: string[]) => (await run("git", ["-C", root, ...args], { timeout: 5_000 })).stdout.trim();
  try {
    const commit = await git("rev-parse", "HEAD");
    const changed = await git("status", "--porcelain", "--untracked-files=no");
    return changed === "" ? commit : `${commit}+`;
  } catch {
    // No git, no repository, or no commit yet: the data set says that it is not known.
    return null;
  }
}
