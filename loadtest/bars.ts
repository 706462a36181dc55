import { setTimeout as sleep } from "node:timers/promises";
import { Histogram } from "./histogram.ts";
import { admit, halt, onStage, type Stage, WARM_MESSAGES, type Work, window } from "./measure.ts";
import { auctionWith, ROWS, type Row } from "./rows.ts";
import { median, type Result } from "./table.ts";

/** One promise about speed, and whether it was kept. */
export interface Verdict {
  bar: string;
  /** What was measured, in words with numbers. */
  measured: string;
  limit: string;
  holds: boolean;
  /** The figures behind it, round by round. */
  figures: Record<string, number[]>;
}

/** A bar that needs a load of its own, beside the table's. */
export interface Bar {
  name: string;
  what: string;
  measure(work: Pick<Work, "seconds" | "warm"> & { repeat: number }): Promise<Verdict[]>;
}

type Effort = Parameters<Bar["measure"]>[0];

/** Messages a second in open loop. */
const RATE = 1_000;
const SLOW_RATE = 2_000;
/** Groups with a history that come in while others play, and milliseconds from one to the next. */
const VISITS = 6;
const VISIT_EVERY = 350;

const bareRoom = ROWS.find((row) => row.name === "bare-room") as Row;
const auction = auctionWith({});
const stageOf = (groups: number) => ({ groups, generators: 1, database: async () => "" });
const digits = (value: number, count = 1) => value.toFixed(count);

/** Open loop in a window of its own, on code that has been compiled. */
async function openLoop({ server, players }: Stage, rate: number, { warm, seconds }: Pick<Effort, "warm" | "seconds">) {
  const closed = { warm, seconds: 0.1, warmMessages: WARM_MESSAGES };
  await window(server, players, closed, (player) => player.ask("startClosed"));
  await halt(players);
  const load = (player: Stage["players"][number]) => player.ask("startOpen", rate / players.length);
  const measured = await window(server, players, { warm: Math.min(warm, 0.3), seconds, warmMessages: 0 }, load);
  return { ...measured, unanswered: await halt(players) };
}

/** Runs both sides once a round, so that a slow minute of the machine is in both. */
async function inTurns<K extends string>(
  { repeat }: Effort,
  sides: Record<K, () => Promise<Record<string, number>>>,
): Promise<Record<K, Record<string, number[]>>> {
  const names = Object.keys(sides) as K[];
  const found = names.map((): Record<string, number[]> => ({}));
  for (let round = 0; round < repeat; round++) {
    for (const [i, name] of names.entries()) {
      const all = found[i] ?? {};
      for (const [figure, value] of Object.entries(await sides[name]())) all[figure] = [...(all[figure] ?? []), value];
    }
  }
  return Object.fromEntries(names.map((name, i) => [name, found[i]])) as Record<K, Record<string, number[]>>;
}

function flat(sides: Record<string, Record<string, number[]>>): Record<string, number[]> {
  const entries = Object.entries(sides).flatMap(([side, figures]) =>
    Object.entries(figures).map(([name, values]) => [`${side} ${name}`, values] as const),
  );
  return Object.fromEntries(entries);
}

const openLoopBar: Bar = {
  name: "open-loop",
  what: `${RATE} messages a second over 250 groups, beside a bare room`,
  async measure(effort) {
    const side = (row: Row) => () =>
      onStage(row, stageOf(250), async (stage) => {
        await admit(stage.server, stage.players);
        const { latencies } = await openLoop(stage, RATE, { ...effort, seconds: effort.seconds * 2 });
        return { p50: latencies.quantile(0.5), p99: latencies.quantile(0.99) };
      });
    const found = await inTurns(effort, { bare: side(bareRoom), walras: side(auction) });
    const [bare, walras] = [median(found.bare.p99 ?? []), median(found.walras.p99 ?? [])];
    return [
      {
        bar: `p99 at ${RATE} messages/s over 250 groups, above the bare room's`,
        measured: `${digits(walras - bare)} ms (${digits(walras)} against ${digits(bare)})`,
        limit: "5 ms",
        holds: walras - bare <= 5,
        figures: flat(found),
      },
    ];
  },
};

const crowdBar: Bar = {
  name: "crowd",
  what: "2,000 participants come in, beside a bare room",
  async measure(effort) {
    const side = (row: Row) => () =>
      onStage(row, stageOf(500), async ({ server, players }) => {
        const admission = await admit(server, players);
        const { residentPerParticipant, heapPerParticipant, admittedPerSecond } = admission;
        return { kib: residentPerParticipant / 1024, heap: heapPerParticipant / 1024, admitted: admittedPerSecond };
      });
    const found = await inTurns(
      { ...effort, repeat: Math.min(effort.repeat, 2) },
      { bare: side(bareRoom), walras: side(auction) },
    );
    const [bare, walras] = [median(found.bare.kib ?? []), median(found.walras.kib ?? [])];
    const heaps = [median(found.walras.heap ?? []), median(found.bare.heap ?? [])];
    const admitted = median(found.walras.admitted ?? []);
    return [
      {
        bar: "memory of 2,000 connected participants, each, above the bare room's",
        measured: `${digits(walras - bare)} KiB (${digits(walras)} against ${digits(bare)}; of that JavaScript's heap ${heaps.map((heap) => digits(heap)).join(" against ")})`,
        limit: "20 KiB",
        holds: walras - bare <= 20,
        figures: flat(found),
      },
      {
        bar: "participants admitted",
        measured: `${digits(admitted, 0)} a second`,
        limit: "at least 250",
        holds: admitted >= 250,
        figures: { admitted: found.walras.admitted ?? [] },
      },
    ];
  },
};

const slowDiskBar: Bar = {
  name: "slow-disk",
  what: `every commit takes 10 ms longer; ${SLOW_RATE} messages a second over 50 groups`,
  async measure(effort) {
    const found = await inTurns(effort, {
      slow: () =>
        onStage(auctionWith({ commitDelay: 10 }), stageOf(50), async (stage) => {
          await admit(stage.server, stage.players);
          const run = await openLoop(stage, SLOW_RATE, { ...effort, seconds: effort.seconds * 2 });
          const { latencies, refused, unanswered, rate } = run;
          return { p50: latencies.quantile(0.5), p99: latencies.quantile(0.99), refused, unanswered, rate };
        }),
    });
    const p99 = median(found.slow.p99 ?? []);
    const refused = [...(found.slow.refused ?? []), ...(found.slow.unanswered ?? [])].reduce((a, b) => a + b, 0);
    return [
      {
        bar: `10 ms more for every commit, ${SLOW_RATE} messages/s`,
        measured: `p99 ${digits(p99)} ms, ${refused} refused`,
        limit: "60 ms, none refused",
        holds: p99 <= 60 && refused === 0,
        figures: flat(found),
      },
    ];
  },
};

const loadBar: Bar = {
  name: "load",
  what: "groups with 10,000 entries and 10,000 bids come in while 50 others play",
  async measure(effort) {
    const row = auctionWith({ history: { from: 50, entries: 10_000 } });
    const found = await inTurns(effort, {
      load: () =>
        onStage(
          row,
          stageOf(50),
          async (stage) => {
            const visitors = await stage.generator(50, 50 + VISITS);
            await admit(stage.server, stage.players);
            const seconds = (VISITS * VISIT_EVERY) / 1000;
            const calm = await openLoop(stage, RATE, { warm: effort.warm, seconds });
            const took: number[] = [];
            const visit = async () => {
              for (let i = 0; i < VISITS; i++) {
                const { seconds } = await visitors.ask("admit", 1);
                took.push(seconds * 1000);
                await sleep(Math.max(0, VISIT_EVERY - seconds * 1000));
              }
            };
            for (const player of stage.players) await player.ask("startOpen", RATE / stage.players.length);
            await sleep(300);
            for (const player of stage.players) await player.ask("sample");
            await visit();
            const latencies = new Histogram();
            for (const player of stage.players) latencies.merge((await player.ask("sample")).latencies);
            await halt(stage.players);
            const [before, after] = [calm.latencies.quantile(0.99), latencies.quantile(0.99)];
            return { worst: Math.max(...took), median: median(took), before, after, longest: latencies.quantile(1) };
          },
          VISITS,
        ),
    });
    const worst = median(found.load.worst ?? []);
    const [before, after] = [median(found.load.before ?? []), median(found.load.after ?? [])];
    return [
      {
        bar: "a group with 10,000 entries and 10,000 bids comes in (four pages and sockets)",
        measured: `${digits(worst, 0)} ms at worst, ${digits(median(found.load.median ?? []), 0)} ms in the middle`,
        limit: "300 ms",
        holds: worst <= 300,
        figures: flat(found),
      },
      {
        bar: `p99 of the others meanwhile, above what it was (${RATE} messages/s)`,
        measured: `${digits(after - before)} ms (${digits(after)} after ${digits(before)})`,
        limit: "20 ms",
        holds: after - before <= 20,
        figures: flat(found),
      },
    ];
  },
};

/** Groups in the comparison of a short with a long history. */
const OLD_GROUPS = 5;
/** More would be growth and not chance. */
const GROWTH_LIMIT = 1.1;

const historyBar: Bar = {
  name: "history",
  what: "messages of groups with 100,000 behind them, beside fresh groups",
  async measure(effort) {
    const side = (entries: number) => () =>
      onStage(auctionWith({ history: { from: 0, entries } }), stageOf(OLD_GROUPS), async ({ server, players }) => {
        await admit(server, players);
        const warmed = { ...effort, seconds: effort.seconds * 2, warmMessages: WARM_MESSAGES };
        const { cpu, messages } = await window(server, players, warmed, (player) => player.ask("startClosed"));
        await halt(players);
        return { cpu: cpu / messages };
      });
    const found = await inTurns(effort, { fresh: side(100), old: side(100_000) });
    const [fresh, old] = [median(found.fresh.cpu ?? []), median(found.old.cpu ?? [])];
    return [
      {
        bar: "the 100,000th message of a group, in CPU, by the 100th",
        measured: `${digits(old / fresh, 2)} times (${digits(old)} against ${digits(fresh)} µs)`,
        limit: `${GROWTH_LIMIT} times`,
        holds: old / fresh <= GROWTH_LIMIT,
        figures: flat(found),
      },
    ];
  },
};

/** The bars that are measured by themselves, in this order. */
export const BARS: readonly Bar[] = [slowDiskBar, loadBar, historyBar, openLoopBar, crowdBar];

/** The bars on the ratios of the table. */
export function ratioVerdicts(results: readonly Result[]): Verdict[] {
  const verdicts: Verdict[] = [];
  const ratioAt = (row: string, groups: number) => {
    const found = results.find((result) => result.row === row && result.groups === groups);
    return found === undefined || found.ratios.length === 0 ? undefined : median(found.ratios);
  };
  const figures = (row: string) =>
    Object.fromEntries(
      results.filter((result) => result.row === row).map(({ groups, ratios }) => [`${groups} groups`, ratios]),
    );
  for (const [row, limit] of [
    ["walras-auction", 2],
    ["walras-echo", 1.8],
  ] as const) {
    const all = results.flatMap(({ row: name, groups }) => (name === row ? [groups] : []));
    const ratios = all.flatMap((groups) => ratioAt(row, groups) ?? []);
    if (ratios.length === 0) continue;
    verdicts.push({
      bar: `CPU of ${row} by its floor, at ${all.join(", ")} groups`,
      measured: `${ratios.map((ratio) => digits(ratio, 2)).join(", ")} times`,
      limit: `${digits(limit)} times`,
      holds: ratios.every((ratio) => ratio <= limit),
      figures: figures(row),
    });
  }
  const [few, many] = [ratioAt("walras-auction", 10), ratioAt("walras-auction", 1000)];
  if (few !== undefined && many !== undefined) {
    verdicts.push({
      bar: "that of walras-auction at 1,000 groups by that at 10",
      measured: `${digits(many / few, 2)} times`,
      limit: "1.25 times",
      holds: many / few <= 1.25,
      figures: figures("walras-auction"),
    });
  }
  return verdicts;
}
