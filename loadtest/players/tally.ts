import { Histogram, type HistogramData } from "../histogram.ts";

/**
 * What is counted at the wire, by {@link PageWatch}. All but `admitted` start again with each sample.
 *
 * A message is one number of one page load (`clientId`, `n`). A delivery is what one unit (`seq`) of a
 * group sent to one page load, be it one message to `liveRecv` or several.
 */
export interface Counts {
  /** Messages that have their final answer, done or refused. */
  messages: number;
  /** Of those, the ones that were refused for good. */
  refused: number;
  /** Refusals after which the client sends the same message again: too fast, busy, halted. */
  putOff: number;
  /** Messages to `liveRecv` that came for the first time. */
  deliveries: number;
  /**
   * Messages without a final answer {@link LOST_AFTER_MS} after they were due, when their page closed or the
   * run ended.
   */
  messagesLost: number;
  /** Messages with a second final answer on the wire: they were carried out, or at least answered, twice. */
  messagesDuplicated: number;
  /**
   * Deliveries that a page should have had and had not when it closed or the run ended: a delivery named
   * them as its predecessor (`p`) and no catch-up brought them; or, in the last check, a new connection of a
   * quiet page brought what should have come over the old one.
   */
  deliveriesLost: number;
  /** Deliveries with a `seq` that this page had had already. (The client drops them; `liveRecv` sees them once.) */
  deliveriesDuplicated: number;
  /** Holes that showed by a `p`. The client takes a new connection for each; what is not lost, catch-up filled. */
  gaps: number;
  /** Connections beyond a page's first; those of the last check are not among them. */
  reconnects: number;
  /**
   * Turns of an open loop that were due and never began, since those before them took too long. The time that
   * they waited is in no latency.
   */
  unsent: number;
  /** Messages whose page was left before their answer came: its form took them along. */
  leftWithForm: number;
  /** Pages that took part in the last check for lost deliveries. */
  audited: number;
}

/** Unanswered for so long, a message is lost, in milliseconds. */
export const LOST_AFTER_MS = 5_000;

/** Errors of one kind. */
export interface ErrorCount {
  /** `refused`: a message for good; `put off`: for now; `bot`: a script failed; `page`: a link did not open. */
  kind: "refused" | "put off" | "bot" | "page";
  code: string;
  count: number;
  /** The first of them, as it would be told to the bot's author. */
  example: string;
}

function noCounts(): Counts {
  return {
    messages: 0,
    refused: 0,
    putOff: 0,
    deliveries: 0,
    messagesLost: 0,
    messagesDuplicated: 0,
    deliveriesLost: 0,
    deliveriesDuplicated: 0,
    gaps: 0,
    reconnects: 0,
    unsent: 0,
    leftWithForm: 0,
    audited: 0,
  };
}

/** Adds what was counted, field by field. */
export function addCounts(sum: Counts, more: Counts): Counts {
  const total = { ...sum };
  for (const name of Object.keys(more) as (keyof Counts)[]) total[name] += more[name];
  return total;
}

/** What has happened since the sample before. */
export interface TallySample {
  counts: Counts;
  /** From the moment at which a message was due to its final answer, in milliseconds. */
  acknowledged: HistogramData;
  /** From the same moment to the last of its deliveries, at whichever member of the group that is. */
  delivered: HistogramData;
  errors: ErrorCount[];
}

/** What one process of players counts. */
export class Tally {
  counts: Counts = noCounts();
  acknowledged = new Histogram();
  delivered = new Histogram();
  readonly #errors = new Map<string, ErrorCount>();

  static readonly none: () => Counts = noCounts;

  error(kind: ErrorCount["kind"], code: string, example: string): void {
    const key = `${kind} ${code}`;
    const known = this.#errors.get(key);
    if (known === undefined) this.#errors.set(key, { kind, code, count: 1, example });
    else known.count += 1;
  }

  take(): TallySample {
    const sample: TallySample = {
      counts: this.counts,
      acknowledged: this.acknowledged.toData(),
      delivered: this.delivered.toData(),
      errors: [...this.#errors.values()],
    };
    this.counts = noCounts();
    this.acknowledged = new Histogram();
    this.delivered = new Histogram();
    this.#errors.clear();
    return sample;
  }
}
