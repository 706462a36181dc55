/** What the commands `npm run chaos` and `npm run chaos-pages` have in common. */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { DatabaseKind } from "./database.ts";

const FINDINGS_SHOWN = 20;

/** What every run is told. */
export interface CommandOptions {
  readonly seed: number;
  readonly kills: number;
  readonly seconds: number;
  readonly database: DatabaseKind;
  /** Made for this run. */
  readonly directory: string;
}

/**
 * Reads the options, says so, and sees to it that the server does not outlive a run that is broken off.
 *
 * @param defaults the whole numbers that the command takes, beside `seed`
 */
export function readCommand<T extends { kills: number; seconds: number }>(
  command: string,
  defaults: T,
): CommandOptions & T {
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  const numbers = { seed: randomInt(1, 1_000_000), ...defaults };
  const strings = Object.entries({ ...numbers, database: "sqlite" }).map(
    ([name, value]) => [name, { type: "string" as const, default: String(value) }] as const,
  );
  const { values } = parseArgs({ options: Object.fromEntries(strings) });
  const read = Object.keys(numbers).map((name) => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 0) wrong(`--${name} is a whole number, not ${values[name]}.`);
    return [name, value] as const;
  });
  const { database } = values;
  if (database !== "sqlite" && database !== "postgres") return wrong("--database is sqlite or postgres.");
  const directory = mkdtempSync(join(tmpdir(), `walras-${command}-`));
  // Their names are those of the defaults.
  const options = Object.fromEntries(read) as T & { seed: number };
  const { seed, kills, seconds } = options;
  console.error(`${command}: seed ${seed}, ${kills} kills in ${seconds} s on ${database}, files in ${directory}`);
  return { ...options, database: database as DatabaseKind, directory };
}

/** Says what was wrong with the options, and ends. */
export function wrong(message: string): never {
  console.error(message);
  process.exit(2);
}

/** Prints the run's line, and ends; a run that found something keeps its directory, with everything that was seen. */
export function report(run: {
  readonly isGood: boolean;
  readonly line: object;
  readonly directory: string;
  readonly findings: readonly { readonly figure: string; readonly what: string }[];
  readonly history: object;
}): never {
  const { isGood, line, directory, findings, history } = run;
  if (isGood) {
    rmSync(directory, { recursive: true, force: true });
    console.log(JSON.stringify(line));
  } else {
    const file = join(directory, "history.json");
    writeFileSync(file, JSON.stringify({ line, findings, ...history }));
    for (const { figure, what } of findings.slice(0, FINDINGS_SHOWN)) console.error(`${figure}: ${what}`);
    console.log(JSON.stringify({ ...line, history: file }));
  }
  // Said outright: whatever may still be open is not waited for.
  process.exit(isGood ? 0 : 1);
}
