import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "./control.ts";
import type { GeneratorCommands, GeneratorOptions, Sample } from "./generator.ts";
import { Histogram } from "./histogram.ts";
import { type Row, serverFile } from "./rows.ts";
import type { ServerCommands, Usage } from "./servers/usage.ts";

export const GROUP_SIZE = 4;

/** By then V8 has compiled what is hot. */
export const WARM_MESSAGES = 10_000;

/** How one row is measured. */
export interface Work {
  groups: number;
  /** Messages a second in open loop. */
  rate: number;
  /** Seconds of each of the two measured windows. */
  seconds: number;
  /** Seconds of load before the first of them, at least; longer until there were so many messages that the
   * server's code is compiled, but not for ever. */
  warm: number;
  /** Processes that make the load. */
  generators: number;
  /** Makes an empty database; for rows on PostgreSQL. */
  database(): Promise<string>;
  /** Write a .cpuprofile of the window at saturation here. */
  profile?: string | undefined;
}

/** The figures of one run of one row. */
export interface Figures {
  /** At saturation: everybody sends again when the own message came back. */
  messagesPerSecond: number;
  deliveriesPerMessage: number;
  cpuMicrosecondsPerMessage: number;
  /** Share of the messages that were delivered, an auction's accepted bids. */
  acceptedShare: number;
  /** Shares of one core at saturation. */
  serverBusy: number;
  generatorBusy: number;
  /** Share of all cores that neither of them used: others on the machine, and a PostgreSQL server. */
  others: number;
  /** Open loop, from the intended moment to the own copy or answer, in milliseconds. */
  p50: number;
  p99: number;
  openMessagesPerSecond: number;
  openCpuMicrosecondsPerMessage: number;
  /** Bytes more than before they came, after a collection. */
  residentPerParticipant: number;
  heapPerParticipant: number;
  admittedPerSecond: number;
  admittingGeneratorBusy: number;
  refused: number;
  unanswered: number;
}

/** The processes of one run. */
export interface Stage {
  server: Child<ServerCommands>;
  players: Child<GeneratorCommands>[];
  /** One more generator, for the groups from `from` to `to` (not included). */
  generator(from: number, to: number): Promise<Child<GeneratorCommands>>;
}

/**
 * Fresh processes for a row: a server, and generators that play the first `groups` groups between them.
 *
 * @param more groups that the session has beyond those
 */
export async function onStage<T>(
  row: Row,
  work: Pick<Work, "groups" | "generators" | "database">,
  use: (stage: Stage) => Promise<T>,
  more = 0,
): Promise<T> {
  const { groups, generators } = work;
  const directory = mkdtempSync(join(tmpdir(), "walras-bench-"));
  const children: Child<object>[] = [];
  const start = async <C extends object>(file: string, args: unknown): Promise<Child<C>> => {
    const child = await Child.start<C>(file, args);
    children.push(child);
    return child;
  };
  try {
    const session = {
      participants: (groups + more) * GROUP_SIZE,
      sqliteFile: join(directory, "bench.sqlite3"),
      databaseUrl: row.database === "postgres" ? await work.database() : "",
    };
    const server = await start<ServerCommands>(serverFile(row), row.args(session));
    const { port, codes } = await server.ask("place");
    const generator = (from: number, to: number) => {
      const options: GeneratorOptions = { way: row.way, port, codes, from, to, groupSize: GROUP_SIZE };
      return start<GeneratorCommands>(join(import.meta.dirname, "generator.ts"), options);
    };
    const share = (part: number) => Math.floor((groups * part) / generators);
    const players = await Promise.all(Array.from({ length: generators }, (_, i) => generator(share(i), share(i + 1))));
    return await use({ server, players, generator });
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

/** One run of one row: fresh processes, admission, a window at saturation, a window in open loop. */
export async function measure(row: Row, work: Work): Promise<Figures> {
  return onStage(row, work, async ({ server, players }) => {
    const admission = await admit(server, players);
    const warmed = { ...work, warmMessages: WARM_MESSAGES };
    const saturation = await window(server, players, warmed, (player) => player.ask("startClosed"), work.profile);
    let unanswered = await halt(players);
    const open = await window(server, players, { ...work, warm: Math.min(work.warm, 0.3), warmMessages: 0 }, (player) =>
      player.ask("startOpen", work.rate / players.length),
    );
    unanswered += await halt(players);
    return {
      messagesPerSecond: saturation.rate,
      deliveriesPerMessage: saturation.deliveries / saturation.messages,
      cpuMicrosecondsPerMessage: saturation.cpu / saturation.messages,
      acceptedShare: saturation.accepted / saturation.messages,
      serverBusy: saturation.serverBusy,
      generatorBusy: saturation.generatorBusy,
      others: saturation.others,
      p50: open.latencies.quantile(0.5),
      p99: open.latencies.quantile(0.99),
      openMessagesPerSecond: open.rate,
      openCpuMicrosecondsPerMessage: open.cpu / open.messages,
      ...admission,
      refused: saturation.refused + open.refused,
      unanswered,
    };
  });
}

/** The first group warms the way up and is not counted. */
export async function admit(server: Child<ServerCommands>, players: Child<GeneratorCommands>[]) {
  const [first] = players;
  await first?.ask("admit", 1);
  const before = await server.ask("memory");
  const admitted = await Promise.all(players.map((player) => player.ask("admit", Number.MAX_SAFE_INTEGER)));
  const after = await server.ask("memory");
  const participants = sum(admitted.map((each) => each.participants));
  return {
    residentPerParticipant: (after.resident - before.resident) / participants,
    heapPerParticipant: (after.heap - before.heap) / participants,
    admittedPerSecond: participants / Math.max(...admitted.map((each) => each.seconds)),
    admittingGeneratorBusy: Math.max(...admitted.map((each) => each.busy)),
  };
}

/** Starts a load, lets it run warm, and gives what happened in the time after that. */
export async function window(
  server: Child<ServerCommands>,
  players: Child<GeneratorCommands>[],
  { warm, warmMessages, seconds }: Pick<Work, "warm" | "seconds"> & { warmMessages: number },
  begin: (player: Child<GeneratorCommands>) => Promise<unknown>,
  profile?: string,
) {
  const look = (): Promise<[Usage, ...Sample[]]> =>
    Promise.all([server.ask("usage"), ...players.map((player) => player.ask("sample"))]);
  await Promise.all(players.map(begin));
  let messages = 0;
  for (let tries = 0; tries === 0 || (tries < 6 && messages < warmMessages); tries++) {
    await sleep(warm);
    const [, ...samples] = await look();
    messages += sum(samples.map((sample) => sample.messages));
  }
  if (profile !== undefined) await server.ask("profileStart");
  const [before] = await look();
  const machine = busyTime();
  await sleep(seconds);
  const [after, ...samples] = await look();
  const all = busyTime() - machine;
  if (profile !== undefined) await server.ask("profileStop", profile);
  const latencies = new Histogram();
  for (const sample of samples) latencies.merge(sample.latencies);
  const cpu = after.cpu - before.cpu;
  const time = after.at - before.at;
  const own = cpu / 1000 + sum(samples.map((sample) => sample.cpu));
  return {
    latencies,
    cpu,
    messages: sum(samples.map((sample) => sample.messages)),
    rate: sum(samples.map((sample) => (sample.messages / sample.time) * 1000)),
    accepted: sum(samples.map((sample) => sample.accepted)),
    deliveries: sum(samples.map((sample) => sample.deliveries)),
    refused: sum(samples.map((sample) => sample.refused)),
    others: Math.max(0, (all - own) / time / cpus().length),
    serverBusy: cpu / 1000 / time,
    generatorBusy: Math.max(...samples.map((sample) => sample.busy)),
  };
}

export async function halt(players: Child<GeneratorCommands>[]): Promise<number> {
  return sum(await Promise.all(players.map((player) => player.ask("halt"))));
}

/** Milliseconds that all cores together have worked. */
function busyTime(): number {
  return sum(cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq));
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
