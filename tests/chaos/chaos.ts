import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../helpers/free-port.ts";
import { Chance } from "./chance.ts";
import { type DatabaseKind, openPlace, readDatabase } from "./database.ts";
import { makeFaults } from "./faults.ts";
import type { History } from "./history.ts";
import { Player } from "./player.ts";
import { MONEY, PLAYERS, ROUNDS } from "./project/apps/market/index.ts";
import { ServerProcess } from "./server-process.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly kills: number;
  /** Length of the load; faults that take longer make it longer. */
  readonly seconds: number;
  readonly groups: number;
  readonly database: DatabaseKind;
  /** Gets the server's log and the SQLite file. */
  readonly directory: string;
}

export interface ChaosResult {
  readonly history: History;
  /** Deaths of the server that nobody ordered. */
  readonly crashes: number;
  /** From each kill until each participant next got an answer, in milliseconds, ascending; but for those
   * whom the next fault hit first. */
  readonly recovery: number[];
  /** What was done to pages and to the server, how often. */
  readonly did: Record<string, number>;
}

/** Pages of each round. */
const PAGES = 2;
/** Milliseconds between two things that a tab does. */
const PACE = 150;
/** How long a fault waits, at most, until the one before it is overcome, in milliseconds. */
const LOAD_AGAIN = 15_000;
/** How long everything may take to come to rest, in milliseconds. The machine may be busy. */
const REST = 90_000;

/**
 * Plays, breaks things, lets everything come to rest, and gathers what there is to compare.
 *
 * @throws if a server does not come back after a fault
 */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, kills, seconds, groups, directory } = options;
  const place = await openPlace(options.database, directory);
  const port = String(await freePort());
  const env = { ...place.env, PORT: port, HOST: "127.0.0.1", CHAOS_GROUPS: String(groups), WALRAS_PRODUCTION: "0" };
  const server = new ServerProcess(env, join(directory, "server.log"));
  const recovery = new Recovery(server);
  try {
    server.start();
    await server.ready();
    const links = await createSession(server.url);
    let begun = performance.now();
    const players = links.map((_, i) => {
      const group = Math.floor(i / PLAYERS) + 1;
      const turns = pageTurns(seed, group, seconds);
      const player: Player = new Player({
        name: `g${group}p${(i % PLAYERS) + 1}`,
        seed,
        pace: PACE,
        target: () => 1 + turns.filter((at) => performance.now() - begun >= at).length,
        onAnswer: () => recovery.answered(player),
      });
      return player;
    });
    await Promise.all(players.map((player, i) => player.open(links[i] ?? "")));

    begun = performance.now();
    let isOver = false;
    const load = Promise.all(players.map((player) => player.play(() => !isOver)));
    const faults = makeFaults(seed, kills, seconds);
    for (const fault of faults) {
      await sleep(Math.max(0, begun + fault.at - performance.now()));
      if (fault.rest !== null) {
        await server.ready();
        await Promise.race([recovery.isUnderLoad, sleep(LOAD_AGAIN)]);
        await sleep(fault.rest);
      }
      const goOn = fault.stall > 0 ? await place.stall() : undefined;
      await sleep(fault.stall);
      recovery.begin(fault.kind === "kill", players);
      await server.suffer(fault);
      await goOn?.();
    }
    await sleep(Math.max(0, begun + seconds * 1000 - performance.now()));
    await server.ready();
    isOver = true;
    await load;

    const end = performance.now() + REST;
    const tabs = players.flatMap((player) => player.main ?? []);
    await Promise.all(tabs.map((tab) => tab.settle(end)));
    await Promise.all(tabs.map((tab) => tab.confirm(end)));
    for (const tab of tabs) tab.close();
    // The last kill: what was only in memory is not there when the database is read.
    await server.end("SIGKILL");
    const database = await readDatabase(place);
    const all = players.flatMap((player) => player.tabs.map((tab) => tab.history));
    return {
      history: { tabs: all, database, startMoney: MONEY },
      crashes: server.crashes,
      recovery: recovery.times.sort((a, b) => a - b),
      did: sum([...players.map((player) => player.did), ...faults.map((fault) => ({ [fault.kind]: 1 }))]),
    };
  } finally {
    await server.close();
    await place.close();
  }
}

/** How long participants are without answers after a fault. */
class Recovery {
  /** Of kills, in milliseconds. */
  readonly times: number[] = [];
  /** Half of the participants have answers again. */
  isUnderLoad: Promise<void> = Promise.resolve();
  readonly #server: ServerProcess;
  #isKill = false;
  #since = 0;
  #waiting = new Set<Player>();
  #half = 0;
  #tell = () => {};

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  /** The clock begins; whoever still waited had the next fault come in between. */
  begin(isKill: boolean, players: readonly Player[]): void {
    this.#isKill = isKill;
    this.#since = performance.now();
    this.#waiting = new Set(players);
    this.#half = players.length / 2;
    this.isUnderLoad = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  answered(player: Player): void {
    // What the killed process had said before does not count.
    if (this.#isKill && this.#server.readyAt < this.#since) return;
    if (!this.#waiting.delete(player)) return;
    if (this.#isKill) this.times.push(performance.now() - this.#since);
    if (this.#waiting.size <= this.#half) this.#tell();
  }
}

/** When a group is to go on to its next page, in milliseconds from the beginning. */
function pageTurns(seed: number, group: number, seconds: number): number[] {
  const chance = new Chance(seed, `pages of group ${group}`);
  const turns = Math.min(ROUNDS * PAGES - 1, Math.ceil(seconds / 10));
  return Array.from({ length: turns }, () => chance.between(0, 0.95) * seconds * 1000);
}

/** Creates the session as the experimenter does, and returns the participants' links. */
async function createSession(url: string): Promise<string[]> {
  const response = await fetch(`${url}/demo/market`, { method: "POST" });
  const html = await response.text();
  const paths = new Set(html.match(/\/InitializeParticipant\/[\w-]+/g));
  if (!response.ok || paths.size === 0) throw new Error(`No session: ${response.status} ${html.slice(0, 500)}`);
  return [...paths].map((path) => url + path);
}

function sum(records: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const record of records) for (const key in record) total[key] = (total[key] ?? 0) + (record[key] ?? 0);
  return total;
}
