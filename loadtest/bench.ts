import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startPostgres } from "../tests/helpers/postgres.ts";
import { BARS, type Bar, ratioVerdicts, type Verdict } from "./bars.ts";
import { type Figures, GROUP_SIZE, measure } from "./measure.ts";
import { ROWS, type Row } from "./rows.ts";
import { BUSY_LIMIT, median, type Result, table, verdictTable } from "./table.ts";

const HELP = `Measures Walras beside what it stands on. One run, one table, and the bars: what must hold.

  npm run bench                     everything: about 11 minutes
  npm run bench -- --quick          50 groups, one round, the four rows of the ratios, all bars: about 2 minutes
  npm run bench -- [options]

  --groups 10,100,1000   groups of ${GROUP_SIZE}, one table for each number   (10,100,1000)
  --rows NAME,NAME       only the table, with these rows             (all)
  --bars NAME,NAME       only these bars, or "all"                   (all, unless --rows or --groups are given)
  --repeat N             rounds; the rows take turns within each     (3; 2 at 1,000 groups)
  --rate N               messages a second in open loop, over all    (1000)
  --seconds N            length of each measured window              (1.5)
  --warm N               seconds of load before the first of them, at least (1.2)
  --generators N         processes that make the load                (1)
  --json FILE            all figures of all runs
  --profile DIRECTORY    a .cpuprofile per row, of the server at saturation; costs speed

Rows:
${ROWS.map((row) => `  ${row.name.padEnd(24)} ${row.what}`).join("\n")}

Bars:
${BARS.map((bar) => `  ${bar.name.padEnd(24)} ${bar.what}`).join("\n")}
`;
/** What the ratios need. */
const QUICK_ROWS = "bare-room,walras-auction,bare-echo,walras-echo";

/** Sockets from one address to one port; each takes a local port of the 28,000 that Linux gives out. */
const MOST_PARTICIPANTS = 25_000;

interface Options {
  groups: number[];
  rows: Row[];
  bars: Bar[];
  /** Undefined: as many as fit. */
  repeat: number | undefined;
  rate: number;
  seconds: number;
  warm: number;
  generators: number;
  json: string | undefined;
  profile: string | undefined;
}

/** @throws Error that names option, value and cure */
function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      groups: { type: "string" },
      rows: { type: "string" },
      bars: { type: "string" },
      quick: { type: "boolean", default: false },
      repeat: { type: "string" },
      rate: { type: "string", default: "1000" },
      seconds: { type: "string", default: "1.5" },
      warm: { type: "string", default: "1.2" },
      generators: { type: "string", default: "1" },
      json: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const number = (name: string, text: string, least: number, most: number, whole = true): number => {
    const value = Number(text);
    if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
    throw new Error(`--${name} is "${text}"; give it a ${whole ? "whole " : ""}number from ${least} to ${most}.`);
  };
  const named = <T extends { name: string }>(option: string, text: string, all: readonly T[]): T[] =>
    text.split(",").map((name) => {
      const found = all.find((one) => one.name === name);
      if (found !== undefined) return found;
      throw new Error(`--${option} names "${name}"; there are ${all.map((one) => one.name).join(", ")}.`);
    });
  const { quick } = values;
  const wantsTable = values.rows !== undefined || values.groups !== undefined;
  const allRows = quick ? QUICK_ROWS : ROWS.map((row) => row.name).join(",");
  const rows = wantsTable || values.bars === undefined ? named("rows", values.rows ?? allRows, ROWS) : [];
  const wanted = values.bars ?? (wantsTable ? undefined : "all");
  const bars = wanted === undefined ? [] : wanted === "all" ? [...BARS] : named("bars", wanted, BARS);
  const groups = (values.groups ?? (quick ? "50" : "10,100,1000"))
    .split(",")
    .map((text) => number("groups", text, 2, MOST_PARTICIPANTS / GROUP_SIZE));
  return {
    groups,
    rows,
    bars,
    repeat: values.repeat === undefined ? (quick ? 1 : undefined) : number("repeat", values.repeat, 1, 100),
    rate: number("rate", values.rate, 1, 1_000_000),
    seconds: number("seconds", values.seconds, 0.1, 600, false),
    warm: number("warm", values.warm, 0, 600, false),
    generators: number("generators", values.generators, 1, Math.min(64, ...groups)),
    json: values.json,
    profile: values.profile,
  };
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(HELP);
    return;
  }
  const { rows, repeat, json, profile } = options;
  if (profile !== undefined) mkdirSync(profile, { recursive: true });
  const needsPostgres = rows.some((row) => row.database === "postgres");
  const postgres = needsPostgres ? await startPostgres({ durable: true }) : undefined;
  const results: Result[] = [];
  const verdicts: Verdict[] = [];
  let failures = 0;
  const failed = (what: string, error: unknown): void => {
    failures += 1;
    progress("");
    console.error(`${what}: ${error instanceof Error ? error.message : error}`);
  };
  try {
    for (const groups of rows.length === 0 ? [] : options.groups) {
      const rounds = repeat ?? roundsAt(groups);
      const ofGroups = rows.map((row): Result => ({ row: row.name, groups, runs: [], ratios: [] }));
      results.push(...ofGroups);
      for (let round = 1; round <= rounds; round++) {
        const cost = new Map<string, number>();
        for (const [i, row] of rows.entries()) {
          const result = ofGroups[i] as Result;
          progress(`${groups} groups, round ${round} of ${rounds}: ${row.name}`);
          try {
            const figures = await measure(row, {
              ...options,
              groups,
              database: async () => (await postgres?.database()) ?? "",
              profile: profile === undefined ? undefined : join(profile, `${row.name}-${groups}.cpuprofile`),
            });
            result.runs.push(figures);
            cost.set(row.name, figures.cpuMicrosecondsPerMessage);
          } catch (error) {
            failed(`${row.name}, ${groups} groups`, error);
          }
        }
        addRatios(ofGroups, cost);
      }
    }
    verdicts.push(...ratioVerdicts(results));
    for (const bar of options.bars) {
      progress(`bar ${bar.name}: ${bar.what}`);
      try {
        verdicts.push(...(await bar.measure({ ...options, repeat: repeat ?? BAR_ROUNDS })));
      } catch (error) {
        failed(`bar ${bar.name}`, error);
      }
    }
  } finally {
    await postgres?.stop();
  }
  progress("");
  if (results.length > 0) print(results, options);
  if (verdicts.length > 0) console.log(`\n${verdictTable(verdicts)}`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report(results, verdicts, options), null, 2)}\n`);
  if (failures > 0) process.exitCode = 1;
}

/** Each row by its floor of the same round, so that a slow minute of the machine is in both. */
function addRatios(results: readonly Result[], cost: ReadonlyMap<string, number>): void {
  for (const result of results) {
    const floor = ROWS.find((row) => row.name === result.row)?.floor;
    const [own, below] = [cost.get(result.row), floor === undefined ? undefined : cost.get(floor)];
    if (own !== undefined && below !== undefined) result.ratios.push(own / below);
  }
}

/** Many participants take long to come in. */
function roundsAt(groups: number): number {
  return groups >= 500 ? 2 : 3;
}

const BAR_ROUNDS = 3;

function print(results: readonly Result[], { rate }: Options): void {
  console.log(table(results.filter((result) => result.runs.length > 0)));
  console.log(
    `\nMedians ± half the range of ${[...new Set(results.map(({ runs }) => runs.length))].join(" or ")} runs. messages/s and CPU at saturation (closed loop); p50 and p99 in open loop\n` +
      `at ${rate} messages a second, counted from the intended moment. × floor: CPU by that of the bare room that does the\n` +
      `same without Walras. CPU is the server process's own; a PostgreSQL server's is not in it. server and generator: shares\n` +
      `of one core; others: what everything else on the machine took of all cores. Believe a run in which that is little.`,
  );
  const marked = (pick: (run: Figures) => number) =>
    results.some(({ runs }) => runs.length > 0 && median(runs.map(pick)) > BUSY_LIMIT);
  if (marked((run) => run.generatorBusy) || marked((run) => run.admittingGeneratorBusy)) {
    console.log(`* The generator was more than ${BUSY_LIMIT * 100} % busy: the server might have done more.`);
  }
  for (const { row, groups, runs } of results) {
    const refused = runs.reduce((sum, run) => sum + run.refused, 0);
    const unanswered = runs.reduce((sum, run) => sum + run.unanswered, 0);
    if (refused + unanswered > 0)
      console.log(`! ${row}, ${groups} groups: ${refused} refused, ${unanswered} unanswered.`);
  }
}

function report(results: readonly Result[], bars: readonly Verdict[], options: Options) {
  const { rate, seconds, warm, generators } = options;
  return {
    at: new Date().toISOString(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem(), node: process.version },
    options: { rate, seconds, warm, generators, groupSize: GROUP_SIZE },
    results,
    bars,
  };
}

/** One line that is written over, where somebody looks on. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
});
