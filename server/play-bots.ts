import { headlessTab } from "../bots/headless-tab.ts";
import type { BotHooks } from "../bots/hooks.ts";
import { locateIn } from "../bots/locate.ts";
import { type BotsOutcome, caseOf, describeErrors, runBots } from "../bots/run-bots.ts";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { SessionConfig } from "../rooms/calls.ts";
import { loadProject } from "./apps.ts";
import { loadBots } from "./bots-project.ts";
import { DeskClient } from "./desk-client.ts";

/** What is to be played; plain data, since it may go to another thread. */
export interface BotsJob {
  /** The folder of the project, whose bots play. */
  root: string;
  /** Names of session configs. */
  configs: readonly string[];
  /** Participants of each session; default: the config's numDemoParticipants. */
  participants?: number | undefined;
  /** The server on which they play. */
  url: string;
  /** That server's WALRAS_ADMIN_PASSWORD, if it asks for one. */
  password?: string | undefined;
  /** The longest that one session may take, in seconds. */
  limit: number;
  seed: number;
}

/** What goes wrong with the server, and so with every session. */
const NO_SERVER = ["unreachable", "no_walras", "login_needed", "wrong_password", "not_allowed"];

/** Session configs that are played side by side: games of the clock mostly wait. */
const AT_ONCE = 4;

/**
 * Plays each session config once for each of its bots' cases, and reports each session when it has ended.
 *
 * @param print gets the report, in pieces of one or more lines
 * @returns whether all bots came to the end
 */
export async function playBots(job: BotsJob, print: (text: string) => void, hooks?: BotHooks): Promise<boolean> {
  const { config } = await loadProject(job.root);
  const desk = new DeskClient(job.url, job.password);
  const start = performance.now();
  let sessions = 0;
  const failures = new Set<string>();
  const waiting = [...job.configs];
  const playNext = async (): Promise<void> => {
    const name = waiting.shift();
    if (name === undefined) return;
    const found = config.sessionConfigs.find((one) => one.name === name);
    if (found === undefined) throw new WalrasError("unknown_config", `There is no session config ${name}.`);
    try {
      const played = await playConfig(found, job, desk, print, hooks);
      sessions += played.sessions;
      if (!played.passed) failures.add(name);
    } catch (error) {
      if (!(error instanceof WalrasError) || NO_SERVER.includes(error.code)) throw error;
      print(`${name}: FAILED\n${indent(messageOf(error))}\n`);
      failures.add(name);
    }
    return playNext();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, playNext));
  const failed = job.configs.filter((name) => failures.has(name));
  const time = `${seconds(performance.now() - start)} s`;
  if (failed.length === 0) {
    print(
      `All bots came to the end: ${count(job.configs.length, "session config")}, ${count(sessions, "session")}, ${time}.`,
    );
  } else {
    print(
      `FAILED: ${failed.join(", ")} (${failed.length} of ${count(job.configs.length, "session config")}, ${time}).`,
    );
    if (sessions > 0) print(`The same again: --seed ${job.seed}`);
  }
  return failed.length === 0;
}

async function playConfig(
  config: SessionConfig,
  job: BotsJob,
  desk: DeskClient,
  print: (text: string) => void,
  hooks: BotHooks | undefined,
): Promise<{ sessions: number; passed: boolean }> {
  const bots = await loadBots(job.root, config.appSequence);
  const sessions = Math.max(1, ...[...bots.values()].map(({ cases }) => cases.length));
  const participants = job.participants ?? config.numDemoParticipants;
  let passed = true;
  for (let caseNumber = 0; caseNumber < sessions; caseNumber++) {
    const cases = [...bots.values()].map((one) => caseOf(one, caseNumber)).filter((one) => one !== "");
    const title = [config.name, count(participants, "participant"), ...(cases.length === 0 ? [] : [cases.join(", ")])];
    const { links } = await desk.createSession({ config: config.name, participants, isDemo: true });
    const outcome = await runBots({
      participants: links.map((link) => headlessTab(link)),
      bots,
      caseNumber,
      seed: job.seed,
      limitMs: job.limit * 1000,
      hooks,
      locate: locateIn(job.root),
    });
    print(report(title.join(" · "), outcome));
    if (outcome.errors.length > 0) passed = false;
  }
  return { sessions, passed };
}

/** What became of one session, in a few lines. */
function report(title: string, { outcomes, errors, ms }: BotsOutcome): string {
  const visits = new Map<string, number>();
  for (const page of outcomes.flatMap((one) => one.visited)) visits.set(page, (visits.get(page) ?? 0) + 1);
  const pages = new Map<string, { rounds: number; visits: number }>();
  for (const [identity, number] of visits) {
    const [app = "", , page = ""] = identity.split("/");
    const known = pages.get(`${app}/${page}`) ?? { rounds: 0, visits: 0 };
    pages.set(`${app}/${page}`, { rounds: known.rounds + 1, visits: known.visits + number });
  }
  const width = Math.max(0, ...[...pages.keys()].map((page) => page.length));
  const rows = [...pages].map(([page, { rounds, visits }]) => {
    const inRounds = rounds === 1 ? "" : ` in ${rounds} rounds`;
    return `  ${page.padEnd(width)}  ${count(visits, "visit")}${inRounds}`;
  });
  const sum = (of: "sent" | "received") => outcomes.reduce((total, one) => total + one[of], 0);
  const messages = `${count(sum("sent"), "message")} sent, ${sum("received")} received`;
  const lost = outcomes.filter((one) => one.error !== undefined).length;
  const result =
    errors.length === 0 ? "ok" : lost === 0 ? "FAILED" : `FAILED (${lost} of ${count(outcomes.length, "bot")})`;
  const lines = [`${title}: ${result}`, ...rows, `  ${messages}, ${seconds(ms)} s`];
  if (errors.length > 0) lines.push("", indent(describeErrors(errors)));
  return `${lines.join("\n")}\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}
