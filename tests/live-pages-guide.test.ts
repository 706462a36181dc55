import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { playBotsInThread } from "../server/bots-thread.ts";
import { replayCommand } from "../server/replay-command.ts";
import { startTestServer, type TestServer } from "./helpers/http.ts";

const ROOT = join(import.meta.dirname, "..");
const guide = readFileSync(join(ROOT, "docs/live-pages.md"), "utf8");
/** Code blocks behind the names of their files. */
const files = [...guide.matchAll(/^`(apps\/[^`]+)`\n\n```\w+\n([\s\S]*?)^```$/gm)];
const apps = [...new Set(files.map(([, name = ""]) => name.split("/")[1] ?? ""))];

let project: string;
let server: TestServer;
beforeAll(async () => {
  // Inside the repository, so that "walras" is found as it is from apps/.
  mkdirSync(join(ROOT, "tmp"), { recursive: true });
  project = mkdtempSync(join(ROOT, "tmp", "guide-"));
  for (const [, name = "", code = ""] of files) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), code);
  }
  const configs = apps.map((app) => ({ name: app, appSequence: [app], numDemoParticipants: app === "relay" ? 3 : 2 }));
  writeFileSync(
    join(project, "walras.config.ts"),
    `import { defineConfig } from "walras";\nexport default defineConfig({ sessionConfigs: ${JSON.stringify(configs)} });\n`,
  );
  server = await startTestServer({ WALRAS_DB: join(project, "db.sqlite3") }, project);
});
afterAll(async () => {
  await server.stop();
  rmSync(project, { recursive: true });
});

test("every piece of code in the guide stands in a file of a complete app", () => {
  expect(guide.match(/^```/gm)).toHaveLength(2 * files.length);
  expect(apps.length).toBeGreaterThan(5);
});

test("the guide's apps compile under the project's own settings", () => {
  const config = { extends: join(ROOT, "tsconfig.json"), include: [join(project, "**/*.ts")] };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  expect(() => execFileSync(process.execPath, [tsc, "--noEmit", "-p", project], { encoding: "utf8" })).not.toThrow();
});

test("the guide's bots play its apps to their end, and their groups are the same when run again", async () => {
  const said: string[] = [];
  const job = {
    root: project,
    configs: apps,
    participants: undefined,
    limit: 60,
    seed: 1,
    url: server.base,
    password: undefined,
  };
  const ok = await playBotsInThread(job, (line) => said.push(line));
  expect(ok ? "" : said.join("\n")).toBe("");
  const lines: string[] = [];
  const database = { file: join(project, "db.sqlite3") };
  const isSame = await replayCommand(project, database, ["all"], (line) => lines.push(line));
  expect(isSame ? "" : lines.join("\n")).toBe("");
}, 120_000);
