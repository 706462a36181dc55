import { cpus, totalmem } from "node:os";
import type { Figures } from "../server/figures.ts";
import { Histogram } from "./histogram.ts";
import type { PlayersSample } from "./players/process.ts";
import { addCounts, type Counts, type ErrorCount, Tally } from "./players/tally.ts";
import {
  BUSY_LIMIT,
  type Latency,
  type LoadReport,
  type Moment,
  type Phase,
  type ServerReport,
} from "./report/report.ts";
import { caveatsOf, troublesOf } from "./report/words.ts";

/** All that is looked at in one moment. */
export interface Look {
  phase: Phase;
  /** Seconds since the players began to come in. */
  at: number;
  /** By process; undefined: it has ended. */
  players: (PlayersSample | undefined)[];
  /** undefined: the server did not answer in time. */
  figures: Figures | undefined;
}

/** What the recorder is told about the run. */
export interface RunFacts {
  startedAt: Date;
  settings: LoadReport["settings"];
  server: { address: string; isOwn: boolean };
}

/** Puts a run's samples together: as moments for whoever looks on, and as the report. */
export class Recorder {
  readonly timeline: Moment[] = [];
  counts: Counts = Tally.none();
  readonly #facts: RunFacts;
  readonly #acknowledged = new Histogram();
  readonly #delivered = new Histogram();
  readonly #loopDelays = new Histogram();
  readonly #errors = new Map<string, ErrorCount>();
  readonly #busy: { admitting: Share; playing: Share }[];
  readonly #entered: { admitted: number; failed: number }[];
  #finished = 0;
  /** First and newest figures of the server, and those around the load. */
  #first: Figures | undefined;
  #last: Figures | undefined;
  #lastPlaying: Figures | undefined;
  /** It is not asked for in every moment. */
  #databaseBytes: number | null = null;
  #cpu = { microseconds: 0, milliseconds: 0 };
  /** Milliseconds of this machine's cores while playing: there were, worked, worked for us. */
  #cores = { all: 0, busy: 0, ours: 0 };
  #machine = machineTime();
  readonly #troubles = new Set<string>();

  constructor(facts: RunFacts) {
    this.#facts = facts;
    const { processes } = facts.settings;
    this.#busy = Array.from({ length: processes }, () => ({ admitting: new Share(), playing: new Share() }));
    this.#entered = Array.from({ length: processes }, () => ({ admitted: 0, failed: 0 }));
  }

  /** The admission as it stands. */
  get admitted(): { admitted: number; failed: number } {
    return {
      admitted: sum(this.#entered.map((one) => one.admitted)),
      failed: sum(this.#entered.map((one) => one.failed)),
    };
  }

  get finished(): number {
    return this.#finished;
  }

  get errors(): ErrorCount[] {
    return [...this.#errors.values()].sort((a, b) => b.count - a.count);
  }

  /** Something that spoils the run, in words. */
  trouble(what: string): void {
    this.#troubles.add(what);
  }

  /** Takes a sample in. @returns the moment that it makes */
  add({ phase, at, players, figures }: Look): Moment {
    const acknowledged = new Histogram();
    let counts = Tally.none();
    let errors = 0;
    players.forEach((sample, i) => {
      if (sample === undefined) return;
      counts = addCounts(counts, sample.counts);
      acknowledged.merge(sample.acknowledged);
      this.#delivered.merge(sample.delivered);
      for (const error of sample.errors) errors += this.#addError(error);
      if (phase !== "ending") this.#busy[i]?.[phase].add(sample.busy, sample.time);
      if (phase === "admitting") this.#entered[i] = { admitted: sample.admitted, failed: sample.failedToEnter };
    });
    this.#finished = Math.max(this.#finished, sum(players.map((sample) => sample?.finished ?? 0)));
    this.#acknowledged.merge(acknowledged.toData());
    this.counts = addCounts(this.counts, counts);
    const before = this.timeline.at(-1);
    const serverBefore = this.#cpu.microseconds;
    const server = this.#server(phase, figures);
    const machine = machineTime();
    if (phase === "playing" && figures !== undefined) {
      this.#cores.all += machine.all - this.#machine.all;
      this.#cores.busy += machine.busy - this.#machine.busy;
      this.#cores.ours += sum(players.map((sample) => sample?.cpu ?? 0));
      if (this.#facts.server.isOwn) this.#cores.ours += (this.#cpu.microseconds - serverBefore) / 1000;
    }
    this.#machine = machine;
    const moment: Moment = {
      at,
      seconds: at - (before?.at ?? 0),
      phase,
      admitted: this.admitted.admitted,
      messages: counts.messages,
      deliveries: counts.deliveries,
      errors,
      p50: quantile(acknowledged, 0.5),
      p99: quantile(acknowledged, 0.99),
      generatorBusy: Math.max(0, ...players.map((sample) => sample?.busy ?? 0)),
      ...server,
    };
    this.timeline.push(moment);
    return moment;
  }

  report(interrupted: boolean): LoadReport {
    const { settings, startedAt, server } = this.#facts;
    const of = (phase: Phase) => this.timeline.filter((moment) => moment.phase === phase);
    const total = (moments: Moment[], pick: (moment: Moment) => number) => sum(moments.map(pick));
    const playing = of("playing");
    const seconds = total(playing, (moment) => moment.seconds);
    const admitting = total(of("admitting"), (moment) => moment.seconds);
    const messages = total(playing, (moment) => moment.messages);
    const deliveries = total(playing, (moment) => moment.deliveries);
    const { admitted, failed } = this.admitted;
    const report: LoadReport = {
      kind: "walras-loadtest",
      v: 1,
      at: startedAt.toISOString(),
      verdict: "good",
      troubles: [],
      caveats: [],
      interrupted,
      settings,
      admission: { admitted, failed, seconds: admitting, perSecond: per(admitted, admitting) },
      load: {
        seconds,
        messages,
        messagesPerSecond: per(messages, seconds),
        deliveries,
        deliveriesPerSecond: per(deliveries, seconds),
        finished: this.#finished,
      },
      latency: { acknowledged: latencyOf(this.#acknowledged), delivered: latencyOf(this.#delivered) },
      counts: this.counts,
      errors: this.errors,
      server: this.#serverReport(server, messages),
      generators: this.#busy.map((one) => ({
        busy: one.playing.value,
        admittingBusy: one.admitting.value,
        saturated: one.playing.value > BUSY_LIMIT,
      })),
      machine: {
        cpu: cpus()[0]?.model.trim() ?? "",
        cores: cpus().length,
        memory: totalmem(),
        node: process.version,
        othersBusy: Math.max(0, per(this.#cores.busy - this.#cores.ours, this.#cores.all)),
      },
      timeline: this.timeline,
    };
    report.troubles = [...this.#troubles, ...troublesOf(report)];
    report.caveats = caveatsOf(report);
    if (report.troubles.length > 0) report.verdict = "errors";
    return report;
  }

  #addError(error: ErrorCount): number {
    const key = `${error.kind} ${error.code}`;
    const known = this.#errors.get(key);
    if (known === undefined) this.#errors.set(key, { ...error });
    else known.count += error.count;
    return error.kind === "put off" ? 0 : error.count;
  }

  #server(phase: Phase, figures: Figures | undefined) {
    const before = this.#last;
    if (figures === undefined) return { serverCpu: null, residentBytes: null, loopDelayMax: null };
    this.#first ??= figures;
    this.#databaseBytes = figures.database.bytes ?? this.#databaseBytes;
    this.#last = figures;
    const isSame = before?.process === figures.process;
    if (before !== undefined && !isSame) this.trouble("The server was started anew during the test.");
    const milliseconds = isSame ? figures.at - before.at : 0;
    const microseconds = isSame ? figures.cpu - before.cpu : 0;
    if (phase === "playing") {
      this.#lastPlaying = figures;
      this.#cpu.milliseconds += milliseconds;
      this.#cpu.microseconds += microseconds;
      for (const [ms, count] of figures.loopDelay?.delays ?? []) this.#loopDelays.add(ms, count);
    }
    return {
      serverCpu: milliseconds > 0 ? microseconds / 1000 / milliseconds : null,
      residentBytes: figures.memory.resident,
      loopDelayMax: figures.loopDelay?.max ?? null,
    };
  }

  #serverReport({ address, isOwn }: RunFacts["server"], messages: number): ServerReport {
    const [first, last] = [this.#first, this.#last];
    const { microseconds, milliseconds } = this.#cpu;
    const delays = this.timeline.flatMap((moment) => moment.loopDelayMax ?? []);
    return {
      address,
      isOwn,
      node: last?.node ?? null,
      cores: last?.cores ?? null,
      database: last?.database.dialect ?? null,
      synchronous: last?.database.synchronous ?? null,
      databaseBytes: this.#databaseBytes,
      databaseBytesBefore: first?.database.bytes ?? null,
      limits: last?.limits ?? null,
      cpuShare: milliseconds > 0 ? microseconds / 1000 / milliseconds : null,
      cpuMicrosecondsPerMessage: messages > 0 && microseconds > 0 ? microseconds / messages : null,
      residentBytes: (this.#lastPlaying ?? last)?.memory.resident ?? null,
      residentBytesBefore: first?.memory.resident ?? null,
      heapBytes: (this.#lastPlaying ?? last)?.memory.heap ?? null,
      loopDelayMax: delays.length === 0 ? null : Math.max(...delays),
      loopDelayP99: quantile(this.#loopDelays, 0.99),
    };
  }
}

/** Milliseconds that all cores together have had, and have worked. */
function machineTime(): { all: number; busy: number } {
  const times = cpus().map(({ times: one }) => one);
  const busy = sum(times.map((one) => one.user + one.nice + one.sys + one.irq));
  return { all: busy + sum(times.map((one) => one.idle)), busy };
}

/** A mean over time. */
class Share {
  #sum = 0;
  #time = 0;

  add(value: number, time: number): void {
    this.#sum += value * time;
    this.#time += time;
  }

  get value(): number {
    return per(this.#sum, this.#time);
  }
}

function latencyOf(histogram: Histogram): Latency {
  return {
    count: histogram.size,
    p50: quantile(histogram, 0.5),
    p95: quantile(histogram, 0.95),
    p99: quantile(histogram, 0.99),
    p999: quantile(histogram, 0.999),
    max: quantile(histogram, 1),
    histogram: histogram.toData(),
  };
}

function quantile(histogram: Histogram, q: number): number | null {
  return histogram.size === 0 ? null : histogram.quantile(q);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function per(amount: number, of: number): number {
  return of > 0 ? amount / of : 0;
}
