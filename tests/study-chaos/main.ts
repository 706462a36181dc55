/** `npm run chaos-pages`: docs/chaos.md says what it does. */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FIGURES } from "./checker.ts";
import { PLAYERS } from "./project/apps/study/index.ts";
import { type StudyOptions, study, summary } from "./study.ts";

const FINDINGS_SHOWN = 20;

// So that the server does not outlive a run that is broken off.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
const options = readOptions();
const { seed, kills, seconds, database, directory } = options;
console.error(`chaos-pages: seed ${seed}, ${kills} kills in ${seconds} s on ${database}, files in ${directory}`);
const result = await study(options);
const { line, isGood } = summary(result, FIGURES);
if (isGood) {
  rmSync(directory, { recursive: true, force: true });
  console.log(JSON.stringify({ ...line, seed, database }));
} else {
  const file = join(directory, "history.json");
  writeFileSync(file, JSON.stringify({ options, line, ...result }));
  for (const { figure, what } of result.findings.slice(0, FINDINGS_SHOWN)) console.error(`${figure}: ${what}`);
  console.log(JSON.stringify({ ...line, seed, database, history: file }));
}
// Said outright: whatever may still be open is not waited for.
process.exit(isGood ? 0 : 1);

function readOptions(): StudyOptions {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: String(randomInt(1, 1_000_000)) },
      kills: { type: "string", default: "10" },
      seconds: { type: "string", default: "60" },
      participants: { type: "string", default: "40" },
      database: { type: "string", default: "sqlite" },
    },
  });
  const number = (name: "seed" | "kills" | "seconds" | "participants"): number => {
    const value = Number(values[name]);
    return Number.isSafeInteger(value) && value >= 0
      ? value
      : wrong(`--${name} is a whole number, not ${values[name]}.`);
  };
  const { database } = values;
  if (database !== "sqlite" && database !== "postgres") return wrong("--database is sqlite or postgres.");
  const participants = number("participants");
  if (participants === 0 || participants % PLAYERS !== 0) return wrong(`--participants is a multiple of ${PLAYERS}.`);
  return {
    ...{ seed: number("seed"), kills: number("kills"), seconds: number("seconds"), participants, database },
    directory: mkdtempSync(join(tmpdir(), "walras-chaos-pages-")),
  };
}

function wrong(message: string): never {
  console.error(message);
  process.exit(2);
}
