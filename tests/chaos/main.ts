/** `npm run chaos`: docs/chaos.md says what it does. */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ChaosOptions, chaos } from "./chaos.ts";
import { check } from "./checker.ts";

const FINDINGS_SHOWN = 20;

// So that the server does not outlive a run that is broken off.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
const options = readOptions();
const { seed, kills, seconds, database, directory } = options;
console.error(`chaos: seed ${seed}, ${kills} kills in ${seconds} s on ${database}, files in ${directory}`);
const result = await chaos(options);
const { figures, findings, ...counts } = check(result.history);
const { kill = 0, ...did } = result.did;
const { moneyWrong, ...bad } = figures;
// A run in which nothing happened shows nothing.
const isGood = findings.length === 0 && result.crashes === 0 && counts.acknowledged > 0 && counts.effects > 0;
const line = {
  ...counts,
  ...bad,
  moneyConserved: moneyWrong === 0,
  crashes: result.crashes,
  killsSurvived: kill,
  recoveryMedianMs: Math.round(result.recovery[result.recovery.length >> 1] ?? 0),
  recoveryWorstMs: Math.round(result.recovery.at(-1) ?? 0),
  did,
  seed,
  database,
};
if (isGood) {
  rmSync(directory, { recursive: true, force: true });
  console.log(JSON.stringify(line));
} else {
  const file = join(directory, "history.json");
  writeFileSync(file, JSON.stringify({ options, line, findings, history: result.history }));
  for (const { figure, what } of findings.slice(0, FINDINGS_SHOWN)) console.error(`${figure}: ${what}`);
  console.log(JSON.stringify({ ...line, history: file }));
}
// Said outright: whatever may still be open is not waited for.
process.exit(isGood ? 0 : 1);

function readOptions(): ChaosOptions {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: String(randomInt(1, 1_000_000)) },
      kills: { type: "string", default: "20" },
      seconds: { type: "string", default: "90" },
      groups: { type: "string", default: "20" },
      database: { type: "string", default: "sqlite" },
    },
  });
  const number = (name: "seed" | "kills" | "seconds" | "groups"): number => {
    const value = Number(values[name]);
    return Number.isSafeInteger(value) && value >= 0
      ? value
      : wrong(`--${name} is a whole number, not ${values[name]}.`);
  };
  const { database } = values;
  if (database !== "sqlite" && database !== "postgres") return wrong("--database is sqlite or postgres.");
  return {
    seed: number("seed"),
    kills: number("kills"),
    seconds: number("seconds"),
    groups: number("groups"),
    database,
    directory: mkdtempSync(join(tmpdir(), "walras-chaos-")),
  };
}

function wrong(message: string): never {
  console.error(message);
  process.exit(2);
}
