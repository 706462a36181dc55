import { expect, test } from "@jest/globals";
import { MUTANTS } from "./simulation/mutants.ts";
import { simulate } from "./simulation/simulation.ts";

/** Runs after which a bug must have shown itself. */
const RUNS = 300;

test.each(MUTANTS)("the simulation finds a bug in $module: $bug", async ({ plant }) => {
  const takeOut = plant();
  try {
    let seed = 0;
    let findings: readonly string[] = [];
    while (findings.length === 0 && seed < RUNS) findings = await run(++seed);
    expect(findings).not.toEqual([]);
  } finally {
    takeOut();
  }
});

/** A bug may also show itself as an exception. */
async function run(seed: number): Promise<readonly string[]> {
  try {
    return (await simulate(seed)).findings;
  } catch (error) {
    return [String(error)];
  }
}
