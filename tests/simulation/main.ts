/**
 * Runs of the simulation by hand: `npm run simulate -- --from 1 --runs 1000`, or one run with all that
 * happens in it: `npm run simulate -- --seed 17`.
 */
import { parseArgs } from "node:util";
import { simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: { from: { type: "string" }, runs: { type: "string" }, seed: { type: "string" } },
});
const from = Number(values.seed ?? values.from ?? 1);
const runs = values.seed === undefined ? Number(values.runs ?? 1_000) : 1;
const counts = new Map<string, number>();
const since = performance.now();
let failed = 0;
for (let seed = from; seed < from + runs; seed++) {
  const result = await simulate(seed, values.seed === undefined ? undefined : (line) => console.log(line));
  for (const [what, n] of result.counts) counts.set(what, (counts.get(what) ?? 0) + n);
  if (result.findings.length === 0) continue;
  failed += 1;
  console.log(`seed ${seed}: ${result.findings.length} findings`);
  for (const finding of result.findings.slice(0, 5)) console.log(`  ${finding}`);
}
console.log(JSON.stringify(Object.fromEntries([...counts].sort())));
console.log(`${runs} runs, ${failed} failed, ${((performance.now() - since) / 1000).toFixed(1)} s`);
process.exitCode = failed === 0 ? 0 : 1;
