import type { Recorder } from "../recorder.ts";
import { amount, bytes, count, percent, seconds, time } from "./format.ts";
import { BUSY_LIMIT, type Latency, type LoadReport, type Moment } from "./report.ts";

/** The report for a terminal. @param most errors of so many kinds are shown */
export function tableOf(report: LoadReport, most = 10): string {
  const { settings, admission, load, latency, counts, server, generators } = report;
  const rows: [name: string, value: string][] = [
    [
      "admitted",
      `${amount(admission.perSecond)} participants/s (${amount(admission.admitted)} in ${seconds(admission.seconds)})`,
    ],
    ["messages", `${amount(load.messagesPerSecond)} /s (${amount(load.messages)} in ${seconds(load.seconds)})`],
    ["deliveries", `${amount(load.deliveriesPerSecond)} /s`],
    ["played to the end", count(load.finished, "participant")],
  ];
  const latencies = [
    ["", "p50", "p95", "p99", "p99.9", "max"],
    ["sent to acknowledged", ...cells(latency.acknowledged)],
    ["sent to last delivery", ...cells(latency.delivered)],
  ];
  const checks: [string, string][] = [
    ["lost", `${count(counts.messagesLost, "message")}, ${count(counts.deliveriesLost, "delivery", "deliveries")}`],
    [
      "duplicated",
      `${count(counts.messagesDuplicated, "message")}, ${count(counts.deliveriesDuplicated, "delivery", "deliveries")}`,
    ],
    ["reconnected", `${count(counts.reconnects, "time")}, ${count(counts.gaps, "hole")} in what came`],
  ];
  const figures: [string, string][] = [
    [
      "server CPU",
      `${percent(server.cpuShare)} of one core, ${amount(server.cpuMicrosecondsPerMessage)} µs a message${server.database === "postgres" ? " (without PostgreSQL's own)" : ""}`,
    ],
    ["server memory", `${bytes(server.residentBytes)} (${bytes(server.residentBytesBefore)} before)`],
    ["event loop late by", `${time(server.loopDelayP99)} (p99), ${time(server.loopDelayMax)} (max)`],
    ["database", `${bytes(server.databaseBytes)} ${databaseOf(report)}`],
    [
      "generators",
      `${generators.map((one) => `${percent(one.busy)}${one.busy > BUSY_LIMIT ? " *" : ""}`).join(", ")} busy`,
    ],
  ];
  const width = Math.max(...[...rows, ...checks, ...figures].map(([name]) => name.length));
  const list = (pairs: [string, string][]) => pairs.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  const loop = settings.loop === "open" ? `open loop, ${settings.rate} messages/s each` : "closed loop";
  return [
    `${settings.config ?? settings.apps.join(", ")}: ${count(settings.groups, "group")} of ${settings.players}, ${loop}${report.interrupted ? ", ended early" : ""}`,
    "",
    ...list(rows),
    "",
    ...columns(latencies),
    "",
    ...list(checks),
    "",
    ...list(figures),
    ...errorLines(report, most),
    "",
    ...report.caveats.map((text) => `${text.includes("generator,") ? "*" : "-"} ${text}`),
    report.verdict === "good" ? "All was well." : `NOT WELL: ${report.troubles.join(" ")}`,
  ].join("\n");
}

function databaseOf({ server }: LoadReport): string {
  if (server.database === null) return "";
  return server.database === "sqlite" ? `(SQLite, ${server.synchronous})` : "(PostgreSQL)";
}

function cells({ p50, p95, p99, p999, max }: Latency): string[] {
  return [p50, p95, p99, p999, max].map(time);
}

function columns(lines: string[][]): string[] {
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines.map(
    (line) =>
      `  ${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`,
  );
}

function errorLines({ errors }: LoadReport, most: number): string[] {
  if (errors.length === 0) return [];
  const shown = errors.slice(0, most).flatMap(({ kind, code, count: number, example }) => {
    const text = example.length > 1_000 ? `${example.slice(0, 1_000)}…` : example;
    return [`  ${amount(number)} × ${kind}, ${code}: ${text.split("\n").join("\n      ")}`];
  });
  const more = errors.length > most ? [`  and ${errors.length - most} more kinds of errors`] : [];
  return ["", "  errors", ...shown, ...more];
}

const BAR = 20;

/** One line that tells how it goes. */
export function progressOf(
  moment: Moment,
  recorder: Recorder,
  plan: { participants: number; seconds: number },
): string {
  const { phase } = moment;
  const wrong = recorder.errors.reduce((sum, error) => sum + (error.kind === "put off" ? 0 : error.count), 0);
  const errors = wrong === 0 ? "" : `  ${count(wrong, "error")}`;
  if (phase === "admitting") {
    const { admitted, failed } = recorder.admitted;
    const done = (admitted + failed) / plan.participants;
    return `${bar(done)} ${amount(admitted)} of ${amount(plan.participants)} participants are in, ${amount(moment.at > 0 ? admitted / moment.at : 0)} a second${errors}`;
  }
  const playing = recorder.timeline.filter((one) => one.phase === "playing");
  const played = playing.reduce((sum, one) => sum + one.seconds, 0);
  if (phase === "ending") {
    return `${bar(1)} time is up: ${amount(recorder.finished)} participants have come to the end${errors}`;
  }
  const clock = `${seconds(played)} of ${seconds(plan.seconds)}`;
  const figures = [
    `${amount(moment.messages / moment.seconds)} messages/s`,
    `${amount(moment.deliveries / moment.seconds)} deliveries/s`,
    `p50 ${time(moment.p50)}`,
    `p99 ${time(moment.p99)}`,
    `server ${percent(moment.serverCpu)}`,
  ];
  return `${bar(played / plan.seconds)} ${clock}  ${figures.join("  ")}${errors}`;
}

function bar(done: number): string {
  const full = Math.round(BAR * Math.min(1, Math.max(0, done)));
  return `[${"█".repeat(full)}${"·".repeat(BAR - full)}]`;
}
