import { accessSync, constants, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { loadProject } from "../server/apps.ts";
import { loadBots } from "../server/bots-project.ts";
import { PROJECT_ROOT } from "../server/serve.ts";
import { checkLimits, processesFor, readLimits } from "./limits.ts";
import { HELP, type LoadOptions, readOptions } from "./options.ts";
import { OwnServer } from "./own-server.ts";
import { makePlan } from "./plan.ts";
import { htmlOf } from "./report/html.ts";
import type { LoadReport } from "./report/report.ts";
import { tableOf } from "./report/table.ts";
import { runLoad } from "./run.ts";
import { Target } from "./target.ts";
import { Terminal } from "./terminal.ts";

/** `npm run loadtest`. Exit status: 0 good, 1 errors in the run, 2 not called rightly. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === "help") {
    console.log(HELP);
    return;
  }
  const report = await test(options);
  console.log(tableOf(report));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report)}\n`);
  if (options.html !== undefined) {
    writeFileSync(options.html, htmlOf(report));
    console.log(`The report with charts: ${resolve(options.html)}`);
  }
  if (report.verdict !== "good") process.exitCode = 1;
}

/** @throws WalrasError where the options do not fit this project, this machine or the server */
async function test(options: LoadOptions): Promise<LoadReport> {
  for (const file of [options.json, options.html]) if (file !== undefined) checkWritable(file);
  const root = resolve(options.project ?? PROJECT_ROOT);
  const { apps, config } = await loadProject(root);
  const plan = makePlan(options, apps, config.sessionConfigs);
  await loadBots(root, plan.apps);
  const limits = readLimits();
  const processes = options.processes ?? processesFor(plan.participants, plan.groups, limits);
  checkLimits({ ...plan, processes, ownServer: options.server === undefined }, limits);

  const terminal = new Terminal();
  const stop = new AbortController();
  const onSignal = (): void => {
    // npm passes on what the terminal has sent already: only a later one is a second one.
    if (stop.signal.aborted) {
      if (performance.now() - interruptedAt > 500) process.exit(130);
      return;
    }
    interruptedAt = performance.now();
    terminal.line("Ending early. The report so far comes in a moment; Control+C once more ends without it.");
    stop.abort();
  };
  let interruptedAt = 0;
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);

  let own: OwnServer | undefined;
  try {
    if (options.server === undefined) {
      terminal.line(
        `Starting a server with an empty ${options.database === undefined ? "SQLite file" : "PostgreSQL schema"}.`,
      );
      own = await OwnServer.start(root, options.database);
    }
    const target = await Target.open(options.server ?? (own as OwnServer).url, options.password);
    const { participants } = plan;
    terminal.line(
      `${plan.groups} groups of ${plan.players} play ${options.config ?? plan.apps.join(", ")} at ${target.place.origin}.`,
    );
    return await runLoad({
      options,
      plan,
      processes,
      root,
      target,
      own,
      signal: stop.signal,
      onMoment: (moment, recorder) => terminal.progress(moment, recorder, { participants, seconds: options.seconds }),
    });
  } finally {
    terminal.clear();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    await own?.stop();
  }
}

/** Before a long run, not after it. */
function checkWritable(file: string): void {
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
  } catch {
    throw new WalrasError(
      "wrong_option",
      `${file} cannot be written: ${dirname(resolve(file))} is no folder to write in.`,
    );
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof WalrasError ? messageOf(error) : error);
  process.exitCode = 2;
});
