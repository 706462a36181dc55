import type { HistogramData } from "../histogram.ts";
import type { Counts, ErrorCount } from "../players/tally.ts";

/**
 * The result of a load test, as `--json` writes it. Times are milliseconds, sizes bytes, shares of one
 * core from 0 (above 1 where several cores were used) unless a name says otherwise; null: not known.
 */
export interface LoadReport {
  kind: "walras-loadtest";
  /** Raised when a field changes its meaning or goes; new ones may come without that. */
  v: 1;
  /** ISO 8601: when the players came in. */
  at: string;
  /** `good`: no bot failed, nothing was lost or doubled, the server lived. It is what the exit status tells. */
  verdict: "good" | "errors";
  /** What makes it `errors`, in words. */
  troubles: string[];
  /** What a reader should know before believing the figures, in words: a saturated generator, for example. */
  caveats: string[];
  /** It was ended early, by Control+C or because the server went away. */
  interrupted: boolean;
  settings: {
    apps: string[];
    config: string | null;
    groups: number;
    players: number;
    participants: number;
    seconds: number;
    loop: "closed" | "open";
    /** Messages a second and participant; null in a closed loop. */
    rate: number | null;
    arrivals: "random" | "even" | null;
    seed: number;
    processes: number;
  };
  admission: {
    /** Participants of the first sessions who came in: link, page and, for a live page, its connection. */
    admitted: number;
    failed: number;
    seconds: number;
    perSecond: number;
  };
  load: {
    /** Length of the time in which turns began. */
    seconds: number;
    /** Messages with their final answer in that time, and what a second and a core's microseconds that makes. */
    messages: number;
    messagesPerSecond: number;
    deliveries: number;
    deliveriesPerSecond: number;
    /** Participants whose script came to its end in the whole run. */
    finished: number;
  };
  latency: {
    /** From the moment at which a message was due (closed loop: sent) to its final answer. Over the whole run. */
    acknowledged: Latency;
    /** From the same moment to the last of its deliveries, at whichever member of the group that came; messages
     * without deliveries are not in it. */
    delivered: Latency;
  };
  /** Counted over the whole run, the last check included; what each means stands at {@link Counts}. */
  counts: Counts;
  /** By kind and code, most frequent first. */
  errors: ErrorCount[];
  server: ServerReport;
  /** The processes that made the load. `busy`: share of their core while playing, at most 1. */
  generators: { busy: number; admittingBusy: number; saturated: boolean }[];
  /** The machine that made the load. `othersBusy`: share of all its cores that neither the generators nor the own
   * server used while playing. */
  machine: { cpu: string; cores: number; memory: number; node: string; othersBusy: number };
  timeline: Moment[];
}

/** Times in milliseconds, to 1 %; null: there was nothing to measure. */
export interface Latency {
  count: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  p999: number | null;
  max: number | null;
  /** Bucket and count; bucket b holds times up to 0.001 × 1.01^b ms. */
  histogram: HistogramData;
}

export interface ServerReport {
  /** `own`: started for this test and gone; else its address. */
  address: string;
  isOwn: boolean;
  node: string | null;
  cores: number | null;
  database: "sqlite" | "postgres" | null;
  synchronous: string | null;
  databaseBytes: number | null;
  databaseBytesBefore: number | null;
  /** Messages a second and at once that it takes from one participant. */
  limits: { rate: number; burst: number } | null;
  /** In the time in which turns began: all threads of the server process, all its work, pages included, by the number
   * of messages; a PostgreSQL's CPU is not in it. */
  cpuShare: number | null;
  cpuMicrosecondsPerMessage: number | null;
  /** At the end of that time, and before anybody came. */
  residentBytes: number | null;
  residentBytesBefore: number | null;
  heapBytes: number | null;
  /** How late the event loop was, over the whole run; the p99 over the time in which turns began. */
  loopDelayMax: number | null;
  loopDelayP99: number | null;
}

/** What happened in one interval of the run. */
export interface Moment {
  /** Seconds since the players began to come in, at the interval's end. */
  at: number;
  seconds: number;
  phase: Phase;
  admitted: number;
  messages: number;
  deliveries: number;
  errors: number;
  p50: number | null;
  p99: number | null;
  /** Of the busiest generator. */
  generatorBusy: number;
  serverCpu: number | null;
  residentBytes: number | null;
  loopDelayMax: number | null;
}

/** `ending`: the time is up, and scripts go on to their end. */
export type Phase = "admitting" | "playing" | "ending";

/** A generator that was busier than this may have been the limit. */
export const BUSY_LIMIT = 0.9;
/** What others took of the machine's cores is worth a word from here on. */
export const OTHERS_LIMIT = 0.15;
