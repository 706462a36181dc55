import type { HistogramData } from "../histogram.ts";
import { barChart, escapeHtml, lineChart, logAxis, niceAxis, type Series, spanAxis } from "./charts.ts";
import { amount, bytes, count, percent, seconds, time, timeTick } from "./format.ts";
import { BUSY_LIMIT, type Latency, type LoadReport, type Moment } from "./report.ts";
import { SCRIPT, STYLE } from "./style.ts";
import { sentences } from "./words.ts";

/** The report as one page that needs nothing but itself. */
export function htmlOf(report: LoadReport): string {
  const { settings, verdict } = report;
  const name = settings.config ?? settings.apps.join(", ");
  const good = verdict === "good";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>Load test of ${escapeHtml(name)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>Load test of ${escapeHtml(name)}</h1>
<span class="badge ${good ? "good" : "bad"}">${good ? "All was well" : "Not well"}</span>
<p>${escapeHtml(headline(report))}</p>
</header>
${notes(report.troubles, "bad")}
<p class="summary">${escapeHtml(sentences(report).join(" "))}</p>
${tiles(report)}
${notes(report.caveats, "")}
<h2>How long messages took</h2>
<div class="charts">${distribution(report.latency.acknowledged)}${percentiles(report)}</div>
<h2>Over time</h2>
<div class="charts">${overTime(report)}</div>
${errorTable(report)}
<h2>All figures</h2>
<div class="facts">${latencyTable(report)}${facts(report).map(factTable).join("")}</div>
<footer>Walras load test, report version ${report.v}. Latencies are right to 1 %. Times count from the moment at which a message was due${settings.loop === "open" ? ", also if it was sent later because the one before it was still waiting" : ""}.</footer>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function headline({ at, settings, server }: LoadReport): string {
  const { groups, players, participants, rate } = settings;
  const loop = rate === null ? "closed loop" : `open loop, ${amount(rate)} messages/s each`;
  const where = server.isOwn ? "a server of its own" : server.address;
  const when = `${at.slice(0, 16).replace("T", " ")} UTC`;
  return `${count(groups, "group")} of ${players} (${count(participants, "participant")}), ${loop}, ${seconds(settings.seconds)}, against ${where}. ${when}`;
}

function notes(texts: readonly string[], kind: string): string {
  if (texts.length === 0) return "";
  return `<div class="note ${kind}">${texts.map((text) => `<p>${escapeHtml(text)}</p>`).join("")}</div>`;
}

function tiles({ load, latency, server, counts, errors, admission }: LoadReport): string {
  const lost = counts.messagesLost + counts.deliveriesLost + counts.messagesDuplicated + counts.deliveriesDuplicated;
  const failed = errors.reduce((sum, { kind, count: number }) => sum + (kind === "put off" ? 0 : number), 0);
  const list: [value: string, name: string, bad?: boolean][] = [
    [amount(load.messagesPerSecond), "messages a second"],
    [amount(load.deliveriesPerSecond), "deliveries a second"],
    [time(latency.acknowledged.p50), "half were answered within"],
    [time(latency.acknowledged.p99), "99 of 100 within"],
    [percent(server.cpuShare), "of a core, server CPU"],
    [amount(admission.perSecond), "participants admitted a second"],
    [amount(lost), "lost or duplicated", lost > 0],
    [amount(failed), "errors", failed > 0],
  ];
  const one = ([value, name, bad]: (typeof list)[number]) =>
    `<div class="tile${bad ? " bad" : ""}"><b>${escapeHtml(value)}</b><span>${escapeHtml(name)}</span></div>`;
  return `<div class="tiles">${list.map(one).join("")}</div>`;
}

/** The upper edge of a histogram's bucket; see {@link Latency}. */
const edge = (bucket: number) => 0.001 * 1.01 ** bucket;
/** So many bars, over however many decades. */
const BARS = 48;

function distribution(latency: Latency): string {
  const { histogram, p50, p99, max } = latency;
  if (histogram.length === 0 || p50 === null || p99 === null || max === null) return "";
  const least = edge((histogram[0]?.[0] ?? 1) - 1);
  const x = logAxis(least, max, timeTick);
  const width = (x.to / x.from) ** (1 / BARS);
  const counts = barsOf(histogram, x.from, width);
  const largest = Math.max(...counts);
  const share = (value: number) => `${((value / latency.count) * 100).toFixed(value === 0 ? 0 : 1)} %`;
  return barChart({
    title: "Distribution",
    about: "Share of messages by the time until they were acknowledged, on a logarithmic scale.",
    color: "one",
    x,
    y: niceAxis(largest / latency.count, percentTick),
    bars: counts.map((value, i) => {
      const [from, to] = [x.from * width ** i, x.from * width ** (i + 1)];
      return { from, to, value: value / latency.count, text: `${time(from)} to ${time(to)}: ${share(value)}` };
    }),
    marks: [
      { at: p50, name: `p50 ${time(p50)}` },
      { at: p99, name: `p99 ${time(p99)}` },
    ],
  });
}

function barsOf(histogram: HistogramData, from: number, width: number): number[] {
  const bars = new Array<number>(BARS).fill(0);
  for (const [bucket, number] of histogram) {
    const bar = Math.floor(Math.log(edge(bucket - 0.5) / from) / Math.log(width));
    const i = Math.min(BARS - 1, Math.max(0, bar));
    bars[i] = (bars[i] ?? 0) + number;
  }
  return bars;
}

/** From the median on; drawn by their nines. */
const QUANTILES = [0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99999];

function percentiles({ latency }: LoadReport): string {
  const { acknowledged, delivered } = latency;
  if (acknowledged.count === 0) return "";
  // Beyond that there are too few messages to speak of.
  const quantiles = QUANTILES.filter((q) => (1 - q) * acknowledged.count >= 1);
  const nines = (q: number) => -Math.log10(1 - q);
  const at = quantiles.map(nines);
  const curve = (name: string, color: string, one: Latency): Series => ({
    name,
    color,
    values: quantiles.map((q) => quantileOf(one.histogram, one.count, q)),
  });
  const series = [curve("acknowledged", "one", acknowledged), curve("last delivery", "two", delivered)];
  const values = series.flatMap((one) => one.values.flatMap((value) => value ?? []));
  const ticks = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].filter((q) => q <= (quantiles.at(-1) ?? 0));
  return lineChart({
    title: "By percentile",
    about: "How long the slowest 10 %, 1 %, 0.1 % of messages took at least.",
    x: {
      from: nines(0.5),
      to: Math.max(1, at.at(-1) ?? 1),
      ticks: ticks.map(nines),
      label: (value) => `${Number(((1 - 10 ** -value) * 100).toFixed(3))} %`,
    },
    y: logAxis(Math.min(...values), Math.max(...values), timeTick),
    at,
    series,
    show: time,
    showX: (value) => `${Number(((1 - 10 ** -value) * 100).toFixed(3))} % took at most`,
  });
}

function quantileOf(histogram: HistogramData, size: number, q: number): number | null {
  let rank = Math.max(1, Math.ceil(q * size));
  for (const [bucket, number] of histogram) {
    rank -= number;
    if (rank <= 0) return edge(bucket);
  }
  return null;
}

function overTime(report: LoadReport): string {
  // Where a phase ends there is a moment as short as chance has it, too short for a rate.
  const lengths = report.timeline.map(({ seconds: length }) => length).sort((a, b) => a - b);
  const usual = lengths[Math.floor(lengths.length / 2)] ?? 0;
  const moments = report.timeline.filter(({ seconds: length }) => length > usual / 4);
  const end = moments.at(-1)?.at ?? 1;
  const at = moments.map((moment) => moment.at);
  const x = spanAxis(0, end, (value) => `${value} s`);
  const bands = bandsOf(moments);
  const chart = (
    title: string,
    about: string,
    show: (value: number) => string,
    lines: [name: string, color: string, pick: (moment: Moment) => number | null][],
    tick = show,
  ): string => {
    const series = lines.map(([name, color, pick]): Series => ({ name, color, values: moments.map(pick) }));
    const known = series.flatMap(({ values }) => values.flatMap((value) => value ?? []));
    if (known.length === 0) return "";
    const y = niceAxis(Math.max(...known), tick);
    return lineChart({ title, about, x, y, at, series, bands, show, showX: (value) => `${value.toFixed(1)} s` });
  };
  const perSecond = (value: number) => `${amount(value)} /s`;
  return [
    chart(
      "Throughput",
      "Messages acknowledged, and their deliveries to all members, a second.",
      perSecond,
      [
        ["messages", "one", (moment) => moment.messages / moment.seconds],
        ["deliveries", "two", (moment) => moment.deliveries / moment.seconds],
      ],
      amount,
    ),
    chart(
      "Latency",
      "From due to acknowledged, by when the answer came.",
      time,
      [
        ["p50", "one", (moment) => moment.p50],
        ["p99", "two", (moment) => moment.p99],
      ],
      timeTick,
    ),
    chart("CPU", `Shares of one core. A generator above ${BUSY_LIMIT * 100} % may be the limit itself.`, percent, [
      ["server", "one", (moment) => moment.serverCpu],
      ["busiest generator", "two", (moment) => moment.generatorBusy],
    ]),
    chart(
      "Event loop of the server",
      "How late it was: all groups wait so long.",
      time,
      [["longest delay", "two", (moment) => moment.loopDelayMax]],
      timeTick,
    ),
    chart(
      "Memory of the server",
      "Resident, with everything that the process holds.",
      (value) => `${amount(value)} MiB`,
      [["resident", "one", (moment) => (moment.residentBytes === null ? null : moment.residentBytes / 2 ** 20)]],
    ),
    chart("Participants", "Those who have come in, over the first sessions.", amount, [
      ["in", "three", (moment) => moment.admitted],
    ]),
    report.errors.length === 0
      ? ""
      : chart(
          "Errors",
          "Bots that failed and messages that were refused, a second.",
          perSecond,
          [["errors", "two", (moment) => moment.errors / moment.seconds]],
          amount,
        ),
  ].join("");
}

/** Grey: before and after the load. */
function bandsOf(moments: readonly Moment[]): { from: number; to: number; name: string }[] {
  const playing = moments.filter((moment) => moment.phase === "playing");
  const [first, last, end] = [playing[0], playing.at(-1), moments.at(-1)];
  if (first === undefined || last === undefined || end === undefined) return [];
  return [
    { from: 0, to: first.at - first.seconds, name: "participants come in" },
    { from: last.at, to: end.at, name: "the last ones end" },
  ];
}

function errorTable({ errors }: LoadReport): string {
  if (errors.length === 0) return "";
  const rows = errors.map(
    ({ kind, code, count: number, example }) =>
      `<tr><td class="n">${amount(number)}</td><td>${escapeHtml(kind)}</td><td>${escapeHtml(code)}</td><td><pre>${escapeHtml(example.slice(0, 2_000))}</pre></td></tr>`,
  );
  return `<h2>Errors</h2><div class="scroll"><table class="stack"><thead><tr><th class="n">times</th><th>what</th><th>code</th><th>the first of them</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function latencyTable({ latency }: LoadReport): string {
  const quantiles = [
    ["p50", "p50"],
    ["p95", "p95"],
    ["p99", "p99"],
    ["p99.9", "p999"],
    ["max", "max"],
  ] as const;
  const rows = quantiles.map(
    ([name, key]) =>
      `<tr><th scope="row">${name}</th><td class="n">${time(latency.acknowledged[key])}</td><td class="n">${time(latency.delivered[key])}</td></tr>`,
  );
  const head = `<thead><tr><th>latency</th><th class="n">acknowledged</th><th class="n">last delivery</th></tr></thead>`;
  const number = `<tr><th scope="row">messages</th><td class="n">${amount(latency.acknowledged.count)}</td><td class="n">${amount(latency.delivered.count)}</td></tr>`;
  return `<div class="scroll"><table>${head}<tbody>${rows.join("")}${number}</tbody></table></div>`;
}

function facts({ settings, counts, server, generators, machine, load, admission }: LoadReport): [string, string][][] {
  const limits = server.limits;
  return [
    [
      ["messages lost", amount(counts.messagesLost)],
      ["messages duplicated", amount(counts.messagesDuplicated)],
      ["deliveries lost", amount(counts.deliveriesLost)],
      ["deliveries duplicated", amount(counts.deliveriesDuplicated)],
      ["refused for good", amount(counts.refused)],
      ["put off, sent again", amount(counts.putOff)],
      ["due and never sent", amount(counts.unsent)],
      ["holes that catch-up filled", amount(counts.gaps)],
      ["new connections", amount(counts.reconnects)],
      ["pages checked at the end", amount(counts.audited)],
    ],
    [
      ["server CPU", `${percent(server.cpuShare)} of one core`],
      [
        "CPU a message",
        server.cpuMicrosecondsPerMessage === null ? "–" : `${amount(server.cpuMicrosecondsPerMessage)} µs`,
      ],
      ["memory", `${bytes(server.residentBytes)}, ${bytes(server.residentBytesBefore)} before`],
      ["heap", bytes(server.heapBytes)],
      ["event loop late by", `${time(server.loopDelayP99)} (p99), ${time(server.loopDelayMax)} (max)`],
      ["database", server.database === "sqlite" ? `SQLite, ${server.synchronous}` : (server.database ?? "–")],
      ["its size", `${bytes(server.databaseBytes)}, ${bytes(server.databaseBytesBefore)} before`],
      [
        "limit for each participant",
        limits === null ? "–" : `${amount(limits.rate)} messages/s, ${amount(limits.burst)} at once`,
      ],
      ["Node", server.node ?? "–"],
    ],
    [
      ["messages", `${amount(load.messages)} in ${seconds(load.seconds)}`],
      ["deliveries", amount(load.deliveries)],
      ["admitted", `${amount(admission.admitted)} in ${seconds(admission.seconds)}`],
      ["played to the end", amount(load.finished)],
      ["generators", generators.map((one) => `${percent(one.busy)}${one.saturated ? " (limit)" : ""}`).join(", ")],
      ["seed", String(settings.seed)],
      ["machine", `${machine.cpu}, ${count(machine.cores, "core")}, ${bytes(machine.memory)}`],
      ["others on it took", `${percent(machine.othersBusy)} of its cores`],
      ["its Node", machine.node],
    ],
  ];
}

function factTable(rows: [string, string][]): string {
  const lines = rows.map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td class="n">${escapeHtml(value)}</td></tr>`,
  );
  return `<div class="scroll"><table class="list"><tbody>${lines.join("")}</tbody></table></div>`;
}

function percentTick(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}
