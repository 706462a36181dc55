import type { Recorder } from "./recorder.ts";
import type { Moment } from "./report/report.ts";
import { progressOf } from "./report/table.ts";

/** Without a terminal that can write over a line, so often one is added, in milliseconds. */
const PLAIN_EVERY_MS = 5_000;

/** Says on stderr how it goes, so that stdout has only the report. */
export class Terminal {
  readonly #stream = process.stderr;
  #printedAt = Number.NEGATIVE_INFINITY;
  #phase = "";

  line(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  progress(moment: Moment, recorder: Recorder, plan: { participants: number; seconds: number }): void {
    const text = progressOf(moment, recorder, plan);
    if (this.#stream.isTTY) {
      // A line that wraps could not be written over.
      this.#stream.write(`\r\x1b[K${text.slice(0, Math.max(20, this.#stream.columns - 1))}`);
      return;
    }
    const now = performance.now();
    if (now - this.#printedAt < PLAIN_EVERY_MS && this.#phase === moment.phase) return;
    this.#printedAt = now;
    this.#phase = moment.phase;
    this.#stream.write(`${text}\n`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write("\r\x1b[K");
  }
}
