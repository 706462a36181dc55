import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import type { RecordedFiring } from "../rooms/timer-turn.ts";
import { Child } from "./control.ts";
import { Histogram } from "./histogram.ts";
import type { ServerCommands } from "./servers/usage.ts";
import type { WalrasOptions } from "./servers/walras.ts";

const HELP = `How late timers fire while the server is at work: from a deadline to its handler, by the journal.

  npm run bench-timers -- [options]

  --groups N    groups, each with a timer and one of its players connected  (250)
  --every N     seconds between two firings of a group                      (0.5)
  --rate N      messages a second beside them, over all groups              (1000)
  --seconds N   length of the measured window                               (10)
`;
/** Milliseconds of load before the window: V8 has compiled what is hot. */
const WARM = 5_000;
/** Milliseconds from a deadline to its handler, of 99 in 100. */
const LIMIT = 10;

const { values } = parseArgs({
  options: {
    groups: { type: "string", default: "250" },
    every: { type: "string", default: "0.5" },
    rate: { type: "string", default: "1000" },
    seconds: { type: "string", default: "10" },
    help: { type: "boolean", default: false },
  },
});

/** @throws Error that names option, value and cure */
function number(name: "groups" | "every" | "rate" | "seconds", least: number): number {
  const value = Number(values[name]);
  if (value >= least) return value;
  throw new Error(`--${name} is "${values[name]}"; give it a number from ${least}.`);
}

async function run(): Promise<boolean> {
  const [groups, every, rate, seconds] = [
    number("groups", 1),
    number("every", 0.05),
    number("rate", 0),
    number("seconds", 1),
  ];
  const directory = mkdtempSync(join(tmpdir(), "walras-bench-"));
  const file = join(directory, "db.sqlite3");
  const options: WalrasOptions = { app: "ticks", participants: groups * 4, env: { WALRAS_DB: file } };
  const server = await Child.start<ServerCommands>(join(import.meta.dirname, "servers/walras.ts"), options);
  const players: HeadlessParticipant[] = [];
  try {
    const { port, codes } = await server.ask("place");
    for (let group = 0; group < groups; group++) {
      const link = `http://127.0.0.1:${port}/InitializeParticipant/${codes[4 * group]}`;
      players.push(await HeadlessParticipant.open(link, { record: false }));
    }
    // Groups begin when they like: all at the same moment would be a queue of the benchmark's own making.
    for (const player of players) {
      await Promise.all([player.send({ every }), sleep((1000 * every) / groups)]);
    }
    let isOn = true;
    const load = sendAll(players, rate, () => isOn);
    await sleep(WARM);
    const [from, before] = [Date.now(), await server.ask("usage")];
    await sleep(seconds * 1000);
    const [to, after] = [Date.now(), await server.ask("usage")];
    isOn = false;
    await load;
    const busy = (after.cpu - before.cpu) / 1000 / (after.at - before.at);
    return await report(file, { from, to, busy, expected: (groups * (to - from)) / 1000 / every });
  } finally {
    for (const player of players) player.close();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** An open loop: sends at its moments, whatever becomes of what was sent. */
async function sendAll(players: readonly HeadlessParticipant[], rate: number, isOn: () => boolean): Promise<void> {
  const start = performance.now();
  for (let sent = 0; isOn(); await sleep(2)) {
    for (const due = ((performance.now() - start) / 1000) * rate; sent < due; sent++) {
      players[sent % players.length]?.send(sent).catch(() => {});
    }
  }
}

interface Window {
  from: number;
  to: number;
  /** Share of a core that the server used. */
  busy: number;
  /** Deadlines in it. */
  expected: number;
}

async function report(file: string, { from, to, busy, expected }: Window): Promise<boolean> {
  const database = new DatabaseSync(file, { readOnly: true });
  const late = new Histogram();
  let missed = 0;
  // What was done in the window is to be stored, however far the database is behind.
  const newest = database.prepare("select max(at) as at from journal where kind = 'timer'");
  while (Number(newest.get()?.at) < to) await sleep(50);
  const messages = Number(
    database.prepare("select count(*) as n from journal where kind = 'message' and at >= ? and at < ?").get(from, to)
      ?.n,
  );
  const text = "select at, input from journal where kind = 'timer' and at >= ? and at < ?";
  for (const { at, input } of database.prepare(text).all(from, to)) {
    const firing = JSON.parse(String(input)) as RecordedFiring;
    late.add(Number(at) - firing.dueAt);
    missed += firing.missed ?? 0;
  }
  database.close();
  const quantile = (q: number) => late.quantile(q).toFixed(1);
  const holds = late.quantile(0.99) <= LIMIT && late.size >= 0.9 * expected;
  const load = Math.round((1000 * (late.size + messages)) / (to - from));
  console.log(`${load} units a second, messages among them; the server used ${Math.round(100 * busy)} % of a core`);
  console.log(`${late.size} firings of ${Math.round(expected)} deadlines, ${missed} missed`);
  console.log(
    `from a deadline to its handler: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, longest ${quantile(1)} ms`,
  );
  console.log(`bar: p99 of ${LIMIT} ms: ${holds ? "holds" : "DOES NOT HOLD"}`);
  return holds;
}

if (values.help) console.log(HELP);
else process.exitCode = (await run()) ? 0 : 1;
