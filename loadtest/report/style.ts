/** Of the report page. Everything is in the page itself: it opens without a network. */
export const STYLE = `
:root { color-scheme: light dark;
  --paper: #f7f7f5; --card: #ffffff; --ink: #1b1f24; --soft: #5d6570; --line: #e2e3e0; --grid: #ecece9; --band: #f1f1ee;
  --one: #2f6fd0; --two: #d9730d; --three: #1f8a70; --good: #15803d; --bad: #c02626; --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --card: #1c2026; --ink: #e8eaed; --soft: #9aa3ae; --line: #2d333b; --grid: #272c34; --band: #22272e;
  --one: #6ea5f5; --two: #f0a04b; --three: #4fc3a1; --good: #4ade80; --bad: #f87171; --warn: #e0b341; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0.75rem; }
h3 { font-size: 1rem; margin: 0; }
header { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; }
header p { flex-basis: 100%; margin: 0; color: var(--soft); }
.badge { padding: 0.15rem 0.7rem; border-radius: 1rem; font-weight: 600; font-size: 0.875rem; border: 1px solid; }
.badge.good { color: var(--good); } .badge.bad { color: var(--bad); }
.summary { font-size: 1.05rem; max-width: 68ch; }
.note { border-left: 3px solid var(--warn); background: var(--card); padding: 0.6rem 1rem; border-radius: 0 0.5rem 0.5rem 0;
  margin: 0.75rem 0; max-width: 76ch; } .note.bad { border-color: var(--bad); }
.note p { margin: 0.25rem 0; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.75rem; margin: 1.5rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; padding: 0.8rem 1rem; }
.tile b { display: block; font-size: 1.6rem; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile span { color: var(--soft); font-size: 0.875rem; } .tile.bad b { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
.chart { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; padding: 1rem; min-width: 0; }
.chart figcaption p { margin: 0.1rem 0 0.4rem; color: var(--soft); font-size: 0.875rem; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1.1rem; margin: 0 0 0.4rem; padding: 0; font-size: 0.875rem; }
.legend li::before { content: ""; display: inline-block; width: 0.9rem; height: 0.2rem; border-radius: 1px; vertical-align: middle; margin-right: 0.4rem; background: currentColor; }
.legend li { color: var(--ink); } .legend .one::before { background: var(--one); } .legend .two::before { background: var(--two); } .legend .three::before { background: var(--three); }
.plot { display: grid; grid-template-columns: 3.4rem 1fr; grid-template-rows: 12rem 1.5rem; margin-top: 0.5rem; }
.area { position: relative; grid-column: 2; grid-row: 1; border-bottom: 1px solid var(--soft); }
.area svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.y, .x { position: relative; color: var(--soft); font-size: 0.75rem; font-variant-numeric: tabular-nums; }
.y { grid-column: 1; grid-row: 1; } .x { grid-column: 2; grid-row: 2; }
.y span { position: absolute; right: 0.5rem; transform: translateY(-50%); white-space: nowrap; }
.x span { position: absolute; top: 0.3rem; transform: translateX(-50%); white-space: nowrap; }
.x .first { transform: none; } .x .last { transform: translateX(-100%); }
.grid, .curve, .mark { vector-effect: non-scaling-stroke; fill: none; }
.grid { stroke: var(--grid); } .band { fill: var(--band); } .mark { stroke: var(--soft); stroke-dasharray: 3 3; }
.curve { stroke-width: 1.75; stroke-linejoin: round; }
.curve.one { stroke: var(--one); } .curve.two { stroke: var(--two); } .curve.three { stroke: var(--three); }
.bar.one { fill: var(--one); opacity: 0.85; }
.marks span { position: absolute; font-size: 0.75rem; padding-left: 0.3rem; white-space: nowrap; color: var(--ink); pointer-events: none;
  text-shadow: 0 0 3px var(--card), 0 0 3px var(--card), 0 0 3px var(--card); }
.marks .left { transform: translateX(-100%); padding: 0 0.3rem 0 0; }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--soft); display: none; pointer-events: none; }
.tip { position: absolute; top: 0.25rem; display: none; pointer-events: none; z-index: 1; background: var(--ink); color: var(--paper);
  border-radius: 0.35rem; padding: 0.3rem 0.55rem; font-size: 0.78rem; line-height: 1.4; white-space: pre; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.45rem 1rem; border-top: 1px solid var(--line); vertical-align: top; font-weight: 400; }
tr:first-child > * { border-top: 0; } thead th { color: var(--soft); font-size: 0.875rem; white-space: nowrap; }
th[scope=row] { color: var(--soft); white-space: nowrap; } td.n, th.n { text-align: right; white-space: nowrap; } .list td.n { white-space: normal; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 0.82rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { color: var(--soft); font-size: 0.875rem; margin-top: 2.5rem; }
@media (max-width: 40rem) { main { padding: 1.25rem 0.9rem 3rem; } h1 { font-size: 1.4rem; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 0.5rem; } .tile b { font-size: 1.3rem; } .tile { padding: 0.6rem 0.75rem; }
  .chart { padding: 0.8rem 0.7rem; } .plot { grid-template-columns: 2.9rem 1fr; grid-template-rows: 10rem 1.5rem; }
  th, td { padding: 0.4rem 0.7rem; } .stack, .stack tbody, .stack tr, .stack td { display: block; } .stack thead { display: none; }
  .stack td { border: 0; padding: 0.1rem 0.7rem; text-align: left; } .stack tr { border-top: 1px solid var(--line); padding: 0.4rem 0; } }
@media print { body { background: none; } .chart, .tile { break-inside: avoid; } }
`;

/** Shows the values under the pointer or the finger. The charts are whole without it. */
export const SCRIPT = `
for (const chart of document.querySelectorAll(".chart")) {
  const points = JSON.parse(chart.dataset.points);
  const area = chart.querySelector(".area"), cursor = area.querySelector(".cursor"), tip = area.querySelector(".tip");
  const hide = () => { cursor.style.display = tip.style.display = "none"; };
  const show = (event) => {
    const box = area.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * 100;
    let near = null;
    for (const point of points) if (near === null || Math.abs(point.x - x) < Math.abs(near.x - x)) near = point;
    if (near === null) return hide();
    cursor.style.left = near.x + "%";
    tip.textContent = near.text.join("\\n");
    cursor.style.display = tip.style.display = "block";
    const left = near.x / 100 * box.width;
    tip.style.left = (left > box.width / 2 ? Math.max(0, left - tip.offsetWidth - 8) : Math.min(left + 8, box.width - tip.offsetWidth)) + "px";
  };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", hide);
}
`;
