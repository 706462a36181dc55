/**
 * Charts as HTML with inline SVG: only the curves are SVG, stretched to whatever width there is, and all
 * text is HTML beside it, so that it stays readable on a phone.
 */

/** Text for HTML, in content and attributes alike. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

export interface Series {
  name: string;
  /** A CSS colour variable's name: `one`, `two`, `three`. */
  color: string;
  /** One for each x; null: not known. */
  values: readonly (number | null)[];
}

export interface Axis {
  /** From left to right, or from bottom to top. */
  from: number;
  to: number;
  ticks: readonly number[];
  label(value: number): string;
  isLog?: boolean;
}

export interface ChartOptions {
  title: string;
  /** What it shows, in a sentence. */
  about: string;
  x: Axis;
  y: Axis;
}

/** Height and width of the drawing's own coordinates; it is stretched. */
const SIZE = 1000;

/** A curve for each series over common x. @param bands grey spans of x, e.g. before the load began */
export function lineChart(
  options: ChartOptions & {
    at: readonly number[];
    series: readonly Series[];
    bands?: readonly { from: number; to: number; name: string }[];
    /** A value as a reader of one point sees it. */
    show(value: number): string;
    showX(value: number): string;
  },
): string {
  const { x, y, at, series, bands = [] } = options;
  const areas = bands.map(({ from, to, name }) => {
    const [left, right] = [place(x, from), place(x, to)];
    return `<rect class="band" x="${left}" y="0" width="${round(right - left)}" height="${SIZE}"><title>${escapeHtml(name)}</title></rect>`;
  });
  const curves = series.map(({ color, values }) => {
    const d = path(at.map((value, i) => [place(x, value), drawn(y, values[i] ?? null)]));
    return `<path class="curve ${color}" d="${d}"/>`;
  });
  const points = at.map((value, i) => ({
    x: round((place(x, value) / SIZE) * 100),
    text: [options.showX(value), ...series.map((one) => `${one.name}: ${showOr(options.show, one.values[i] ?? null)}`)],
  }));
  return frame(options, legend(series), areas.join("") + grid(y) + curves.join(""), JSON.stringify(points));
}

/** Bars from edge to edge, and lines that mark places on x. */
export function barChart(
  options: ChartOptions & {
    color: string;
    bars: readonly { from: number; to: number; value: number; text: string }[];
    marks: readonly { at: number; name: string }[];
  },
): string {
  const { x, y, color, bars } = options;
  const rects = bars.map(({ from, to, value }) => {
    const [left, right, top] = [place(x, from), place(x, to), drawn(y, value) ?? SIZE];
    return `<rect class="bar ${color}" x="${left}" y="${top}" width="${round(Math.max(1, right - left - 1.5))}" height="${round(SIZE - top)}"/>`;
  });
  const lines = options.marks.map(({ at }) => {
    const left = place(x, at);
    return `<path class="mark" d="M${left} 0V${SIZE}"/>`;
  });
  const points = bars.map(({ from, to, text }) => ({
    x: round((place(x, x.isLog ? Math.sqrt(from * to) : (from + to) / 2) / SIZE) * 100),
    text: [text],
  }));
  // Each on a line of its own: they may be close together.
  const names = options.marks.map(({ at, name }, i) => {
    const left = place(x, at) / 10;
    const side = left > 70 ? ` class="left"` : "";
    return `<span${side} style="left:${round(left)}%;top:${round(i * 1.35)}em">${escapeHtml(name)}</span>`;
  });
  const marks = `<div class="marks">${names.join("")}</div>`;
  return frame(options, "", grid(y) + rects.join("") + lines.join(""), JSON.stringify(points), marks);
}

/** Round numbers up to a little above the largest value, from 0. */
export function niceAxis(largest: number, label: (value: number) => string, wanted = 4): Axis {
  const step = niceStep(Math.max(largest, 1e-9) / wanted);
  const count = Math.max(1, Math.ceil((largest * 1.02) / step));
  return { from: 0, to: count * step, ticks: Array.from({ length: count + 1 }, (_, i) => i * step), label };
}

/** Ticks at round numbers between two given ends. */
export function spanAxis(from: number, to: number, label: (value: number) => string, wanted = 6): Axis {
  const step = niceStep((to - from) / wanted);
  const first = Math.ceil(from / step);
  const ticks = Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) => (first + i) * step);
  return { from, to, ticks, label };
}

/** Powers of ten, and 2 and 5 times them where few powers would be. */
export function logAxis(least: number, largest: number, label: (value: number) => string): Axis {
  const [from, to] = [least / 1.15, Math.max(largest * 1.15, least * 3)];
  const decades = Math.log10(to / from);
  const steps = decades > 2.2 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    for (const step of steps) {
      const tick = step * 10 ** power;
      if (tick >= from && tick <= to) ticks.push(tick);
    }
  }
  return { from, to, ticks, label, isLog: true };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10) * power;
}

/** 0 to SIZE along an axis. */
function place({ from, to, isLog }: Axis, value: number): number {
  const part = isLog ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
  return round(Math.min(1, Math.max(0, part)) * SIZE);
}

/** From above, as SVG counts. */
function drawn(y: Axis, value: number | null): number | null {
  return value === null ? null : round(SIZE - place(y, value));
}

/** A path with a hole where a point is not known. */
function path(points: readonly (readonly [number, number | null])[]): string {
  let isOpen = false;
  return points
    .map(([x, y]) => {
      const command = y === null ? "" : `${isOpen ? "L" : "M"}${x} ${y}`;
      isOpen = y !== null;
      return command;
    })
    .join("");
}

function grid(y: Axis): string {
  return y.ticks.map((tick) => `<path class="grid" d="M0 ${drawn(y, tick)}H${SIZE}"/>`).join("");
}

function legend(series: readonly Series[]): string {
  const items = series.map(({ name, color }) => `<li class="${color}">${escapeHtml(name)}</li>`);
  return `<ul class="legend">${items.join("")}</ul>`;
}

function frame({ title, about, x, y }: ChartOptions, key: string, drawing: string, points: string, over = ""): string {
  const ys = y.ticks.map(
    (tick) => `<span style="top:${round((drawn(y, tick) ?? 0) / 10)}%">${escapeHtml(y.label(tick))}</span>`,
  );
  const xs = x.ticks.map((tick) => {
    const left = place(x, tick) / 10;
    const side = left < 4 ? ` class="first"` : left > 96 ? ` class="last"` : "";
    return `<span${side} style="left:${round(left)}%">${escapeHtml(x.label(tick))}</span>`;
  });
  return `<figure class="chart" data-points="${escapeHtml(points)}">
<figcaption><h3>${escapeHtml(title)}</h3><p>${escapeHtml(about)}</p>${key}</figcaption>
<div class="plot"><div class="y" aria-hidden="true">${ys.join("")}</div>
<div class="area"><svg viewBox="0 0 ${SIZE} ${SIZE}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(`${title}. ${about}`)}">${drawing}</svg>${over}<i class="cursor"></i><div class="tip"></div></div>
<div class="x" aria-hidden="true">${xs.join("")}</div></div>
</figure>`;
}

function showOr(show: (value: number) => string, value: number | null): string {
  return value === null ? "–" : show(value);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
