/** What `npm run dev` runs: the server, started anew whenever a file of the project changes. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, watch } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const WATCHED = [
  "apps",
  "bots",
  "server",
  "rooms",
  "entities",
  "client-sdk",
  "_templates",
  "index.ts",
  "walras.config.ts",
];
/** Templates, pictures and the like are read anew by themselves. */
const RESTARTS = /\.(ts|js|css)$/;
/** Editors write a file in several steps. */
const QUIET_MS = 150;

let child: ChildProcess | undefined;
let timer: NodeJS.Timeout | undefined;
let isStopping = false;

function start(): void {
  // Without an IPC channel: Colyseus' process would spin if its parent died and left it one.
  child = spawn(process.execPath, [join(ROOT, "server/main.js")], { stdio: "inherit", cwd: ROOT });
  child.once("exit", (code) => {
    child = undefined;
    if (isStopping) process.exit(code ?? 0);
    if (code !== 0 && timer === undefined) console.log("dev: the server has ended; waiting for a change.");
  });
}

function restart(file: string): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = undefined;
    console.log(`\ndev: ${file} has changed, starting again.`);
    if (child === undefined) return start();
    child.once("exit", start);
    child.kill("SIGTERM");
  }, QUIET_MS);
}

for (const name of WATCHED) {
  const path = join(ROOT, name);
  if (!existsSync(path)) continue;
  watch(path, { recursive: true }, (_event, file) => {
    const changed = file === null || file === name ? name : join(name, file);
    if (RESTARTS.test(changed) && !isStopping) restart(changed);
  });
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    isStopping = true;
    clearTimeout(timer);
    // Control+C reaches the child as well; a SIGTERM to this process alone does not.
    if (child === undefined) process.exit(0);
    if (signal === "SIGTERM") child.kill("SIGTERM");
  });
}
start();
