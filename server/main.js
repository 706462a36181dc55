/**
 * The door of all npm scripts: `main.js` is the server, `main.js dev` the one that restarts on change,
 * `main.js cli ...` the command line. Everything else is imported only by a Node that can run it.
 */
import module from "node:module";
import { join } from "node:path";
import { nodeProblem } from "./node-version.js";

const problem = nodeProblem(process.versions.node);
if (problem === undefined) {
  // From the second start on, half of the time goes.
  const cache = join(import.meta.dirname, "../node_modules/.cache/walras");
  module.enableCompileCache(cache);
  // Also of the processes that this one starts: exports, and the server that dev restarts.
  process.env.NODE_COMPILE_CACHE ??= cache;
  if (process.argv[2] === "dev") await import("./dev.ts");
  else if (process.argv[2] === "cli") await import("./cli.ts");
  else await (await import("./run.ts")).run();
} else {
  console.error(problem);
  process.exitCode = 1;
}
