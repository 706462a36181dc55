import type { Verdict } from "./bars.ts";
import type { Figures } from "./measure.ts";
import { ROWS, type Row } from "./rows.ts";

/** All runs of one row at one number of groups. */
export interface Result {
  row: string;
  groups: number;
  runs: Figures[];
  /** CPU per message by that of the floor in the same round. */
  ratios: number[];
}

/** A generator that was busier than this may have been the limit. */
export const BUSY_LIMIT = 0.9;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

interface Column {
  title: string;
  /** A figure of each run. */
  of(result: Result): number[];
  show(value: number): string;
  /** Whether the generator was the limit in this column. */
  marked?(result: Result): boolean;
}

const each =
  (pick: (figures: Figures) => number) =>
  ({ runs }: Result): number[] =>
    runs.map(pick);
const digits = (count: number) => (value: number) => value.toFixed(count);
const percent = (value: number) => `${Math.round(value * 100)} %`;
const saturated = (pick: (figures: Figures) => number) => (result: Result) => median(each(pick)(result)) > BUSY_LIMIT;

const COLUMNS: readonly Column[] = [
  {
    title: "messages/s",
    of: each((run) => run.messagesPerSecond),
    show: digits(0),
    marked: saturated((run) => run.generatorBusy),
  },
  { title: "CPU µs/message", of: each((run) => run.cpuMicrosecondsPerMessage), show: digits(1) },
  { title: "× floor", of: ({ ratios }) => ratios, show: digits(2) },
  { title: "p50 ms", of: each((run) => run.p50), show: digits(1) },
  { title: "p99 ms", of: each((run) => run.p99), show: digits(1) },
  { title: "KiB/participant", of: each((run) => run.residentPerParticipant / 1024), show: digits(1) },
  {
    title: "admitted/s",
    of: each((run) => run.admittedPerSecond),
    show: digits(0),
    marked: saturated((run) => run.admittingGeneratorBusy),
  },
  { title: "delivered", of: each((run) => run.acceptedShare), show: percent },
  { title: "server", of: each((run) => run.serverBusy), show: percent },
  { title: "generator", of: each((run) => run.generatorBusy), show: percent },
  { title: "others", of: each((run) => run.others), show: percent },
];

/** A table as Markdown, padded so that it reads in a terminal too: medians, ± half the range over the runs. */
export function table(results: readonly Result[]): string {
  const head = ["groups", "row", ...COLUMNS.map((column) => column.title)];
  const body = results.map((result) => [
    String(result.groups),
    nameOf(result.row),
    ...COLUMNS.map((column) => cell(column, result)),
  ]);
  return markdown(head, body, (i) => i === 1);
}

/** The bars, as Markdown. */
export function verdictTable(verdicts: readonly Verdict[]): string {
  const body = verdicts.map(({ bar, measured, limit, holds }) => [bar, measured, limit, holds ? "yes" : "NO"]);
  return markdown(["bar", "measured", "at most", "holds"], body, () => true);
}

function markdown(head: readonly string[], body: readonly string[][], isText: (column: number) => boolean): string {
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((cells) => (cells[i] ?? "").length)));
  const pad = (text: string, i: number) => (isText(i) ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0));
  const line = (cells: readonly string[]) => `| ${cells.map(pad).join(" | ")} |`;
  const rule = widths.map((width, i) => (isText(i) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

function nameOf(name: string): string {
  const row: Row | undefined = ROWS.find((one) => one.name === name);
  return `${name} (${row?.what})`;
}

function cell(column: Column, result: Result): string {
  const values = column.of(result);
  if (values.length === 0) return "";
  const spread = (Math.max(...values) - Math.min(...values)) / 2;
  const range = values.length > 1 && !column.show(1).endsWith("%") ? ` ±${column.show(spread)}` : "";
  return `${column.show(median(values))}${range}${column.marked?.(result) ? " *" : ""}`;
}
