/** What `npm start` runs. Everything else is imported only by a Node that can run it. */
import { nodeProblem } from "./node-version.ts";

const problem = nodeProblem(process.versions.node);
if (problem === undefined) {
  const { run } = await import("./run.ts");
  await run();
} else {
  console.error(problem);
  process.exitCode = 1;
}
