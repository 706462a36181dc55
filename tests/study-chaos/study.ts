import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Chance } from "../chaos/chance.ts";
import { type DatabaseKind, openPlace } from "../chaos/database.ts";
import { ServerProcess } from "../chaos/server-process.ts";
import { freePort } from "../helpers/free-port.ts";
import { Road } from "../helpers/road.ts";
import { checkStudy, type Finding, readStudy, type StudyData } from "./checker.ts";
import { PAGES, Person, type PersonHistory } from "./person.ts";

export interface StudyOptions {
  readonly seed: number;
  readonly kills: number;
  /** Length of the attack. */
  readonly seconds: number;
  /** A multiple of 4. */
  readonly participants: number;
  readonly database: DatabaseKind;
  /** 2: two server processes live on the same database; participants are led from the one to the other. Default: 1. */
  readonly servers?: number;
  /** Gets the servers' logs and the SQLite file. */
  readonly directory: string;
}

export interface StudyResult {
  readonly findings: readonly Finding[];
  readonly people: readonly PersonHistory[];
  readonly data: StudyData;
  readonly rounds: number;
  /** Kills before the last participant had come to the end. */
  readonly kills: number;
  /** Deaths of the server that nobody ordered. */
  readonly crashes: number;
  /** Rows that hooks have left. */
  readonly runs: number;
  /** Groups whose journals, run again, have given the same. */
  readonly replayed: number;
}

/** Seconds that a round takes, on average. */
const ROUND = 12;
/** How long everybody may take to come to the end after the last kill, in milliseconds. The machine may be busy. */
const REST = 120_000;

/**
 * Has participants walk a study against a real server that is killed again and again, until all are at the end,
 * kills it a last time, and checks what is stored against what they did and saw.
 *
 * @throws if a server does not come back after a kill
 */
export async function study(options: StudyOptions): Promise<StudyResult> {
  const { seed, kills, seconds, participants, directory } = options;
  const rounds = Math.max(2, Math.ceil(seconds / ROUND));
  const place = await openPlace(options.database, directory);
  const size = { STUDY_PARTICIPANTS: String(participants), STUDY_ROUNDS: String(rounds) };
  const env = { ...place.env, ...size, HOST: "127.0.0.1", WALRAS_PRODUCTION: "0", NODE_OPTIONS: "" };
  const servers: ServerProcess[] = [];
  for (let i = 0; i < (options.servers ?? 1); i++) {
    const own = { ...env, PORT: String(await freePort()) };
    const log = join(directory, i === 0 ? "server.log" : `server-${i + 1}.log`);
    servers.push(new ServerProcess(own, log, join(import.meta.dirname, "server.ts")));
  }
  const [first] = servers as [ServerProcess, ...ServerProcess[]];
  const road = await Road.to(portOf(first));
  try {
    for (const server of servers) server.start();
    await Promise.all(servers.map((server) => server.ready()));
    const links = await createSession(road.base);
    const begun = performance.now();
    let pages = 0;
    let end = Number.POSITIVE_INFINITY;
    const mayGive = (round: number) => performance.now() - begun >= ((round - 1) / rounds) * seconds * 1000;
    const people = links.map(
      (link, i) => new Person(link, new Chance(seed, `person ${i + 1}`), mayGive, () => void pages++),
    );
    const all = Promise.all(people.map((person) => person.walk(() => performance.now() > end)));
    const isRunning = () => people.some(({ history }) => history.end === undefined);
    const chance = new Chance(seed, "kills");
    let killed = 0;
    let server = first;
    for (let i = 0; i < kills; i++) {
      const at = ((i + chance.next()) / kills) * seconds * 1000;
      await sleep(Math.max(0, begun + at - performance.now()));
      // Not before it has shown some pages, but for the few that hit it while it starts.
      const isEarly = chance.next() < 0.1;
      const shown = pages + chance.whole(1, participants);
      if (!isEarly) await server.ready();
      for (const until = performance.now() + 5_000; !isEarly && pages < shown && performance.now() < until; ) {
        await sleep(5);
      }
      if (isRunning()) killed += 1;
      const before = server;
      server = servers.find((other) => other !== before) ?? before;
      if (server !== before) {
        // The other one goes on with everybody, while this one still lives, or is only just dead.
        await server.ready();
        road.redirect(portOf(server));
        await sleep(chance.next() < 0.5 ? 0 : chance.between(0, 2_000));
      }
      await before.suffer({ kind: "kill", at, rest: null, ms: 0, stall: 0 });
    }
    await server.ready();
    end = Math.max(performance.now(), begun + seconds * 1000) + REST;
    await all;
    // Those whom the computer has replaced have seen all that they will see: it walks on alone.
    const onTheirWay = `select id from participant where page_index <= ${rounds * PAGES + 1}`;
    while ((await place.query(onTheirWay)).length > 0 && performance.now() < end) await sleep(100);
    for (const one of servers) await one.end("SIGKILL");
    const data = await readStudy(place);
    const { replayed, different } = await replay({ ...process.env, ...env });
    const histories = people.map(({ history }) => history);
    return {
      findings: [...checkStudy(histories, data), ...different],
      people: histories,
      data,
      rounds,
      kills: killed,
      crashes: servers.reduce((sum, one) => sum + one.crashes, 0),
      runs: data.runs.length,
      replayed,
    };
  } finally {
    for (const one of servers) await one.close();
    await road.close();
    await place.close();
  }
}

/** Runs the groups' journals again, in a process of its own. */
async function replay(env: NodeJS.ProcessEnv): Promise<{ replayed: number; different: Finding[] }> {
  const script = join(import.meta.dirname, "replay.ts");
  const { code, stdout, stderr } = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [script], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
  const replayed = Number(/(\d+) the same, \d+ differ/.exec(stdout)?.[1] ?? 0);
  if (code === 0) return { replayed, different: [] };
  const lines = stdout.split("\n").filter((line) => line !== "" && !/^group.*: the same/.test(line));
  const what = `${lines.slice(0, 8).join(" | ")} ${stderr.slice(0, 500)}`;
  return { replayed, different: [{ figure: "replayDiffers", what }] };
}

function portOf(server: ServerProcess): number {
  return Number(new URL(server.url).port);
}

/** Creates the session as the experimenter does, and returns the participants' links. */
async function createSession(url: string): Promise<string[]> {
  const response = await fetch(`${url}/demo/study`, { method: "POST" });
  const html = await response.text();
  const paths = new Set(html.match(/\/InitializeParticipant\/[\w-]+/g));
  if (!response.ok || paths.size === 0) throw new Error(`No session: ${response.status} ${html.slice(0, 500)}`);
  return [...paths].map((path) => url + path);
}

/** The figures of a run for its summary line, and whether all is well. */
export function summary({ findings, people, data, ...counts }: StudyResult, figures: readonly string[]) {
  const did: Record<string, number> = {};
  const errors: Record<string, number> = {};
  for (const person of people) {
    for (const [what, n] of Object.entries(person.did)) did[what] = (did[what] ?? 0) + n;
    for (const [status, n] of Object.entries(person.errors)) errors[status] = (errors[status] ?? 0) + n;
  }
  const posts = people.flatMap((person) => person.posts);
  const line = {
    participants: people.length,
    ...counts,
    replaced: data.participants.filter((row) => row.replaced_at !== null).length,
    timedOut: data.waits.filter((row) => Boolean(row.timed_out)).length,
    posts: posts.length,
    acknowledged: posts.filter((post) => post.acknowledged).length,
    ...Object.fromEntries(figures.map((name) => [name, findings.filter(({ figure }) => figure === name).length])),
    did,
    errors,
  };
  // A run in which nothing happened shows nothing.
  const isGood =
    findings.length === 0 && counts.crashes === 0 && line.acknowledged > 0 && counts.runs > 0 && counts.replayed > 0;
  return { line, isGood };
}
