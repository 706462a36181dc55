/** What `npm start` runs. Everything else is imported only by a Node that can run it. */
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { nodeProblem } from "./node-version.ts";

const problem = nodeProblem(process.versions.node);
if (problem === undefined) {
  // From the second start on, half of the time goes.
  enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/walras"));
  const { run } = await import("./run.ts");
  await run();
} else {
  console.error(problem);
  process.exitCode = 1;
}
