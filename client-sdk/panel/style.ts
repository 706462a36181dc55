/** The panel's own stylesheet: nothing of the page's comes in, and nothing of it goes out. */
export const STYLE = `
:host { --ink: #e8edf2; --soft: #9fb0c0; --line: #33414f; --ground: #18212b; --raised: #223040;
  --accent: #7cc0ee; --good: #7bd4a2; --bad: #ff9d8f; --warm: #f2c879; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button, textarea { font: inherit; color: inherit; }
button { padding: 4px 10px; border: 1px solid var(--line); border-radius: 6px; background: var(--raised); cursor: pointer; white-space: nowrap; }
button:hover { border-color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
button.main { background: #1f5f8b; border-color: #1f5f8b; color: #fff; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.tab, .panel { position: fixed; z-index: 2147482000; color: var(--ink); background: var(--ground);
  font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.tab { right: 12px; bottom: 0; padding: 3px 12px 4px; border-bottom: 0; border-radius: 8px 8px 0 0; opacity: .82; }
.tab:hover, .tab:focus-visible { opacity: 1; }
.faults { display: inline-block; min-width: 18px; margin-left: 7px; padding: 0 5px; border-radius: 9px;
  background: #b3321f; color: #fff; font-weight: 600; text-align: center; }
.panel { z-index: 2147483001; left: 0; right: 0; bottom: 0; height: 42vh; min-height: 240px; max-height: 90vh;
  display: flex; flex-direction: column; border-top: 1px solid #000; box-shadow: 0 -4px 24px rgb(0 0 0 / .28);
  padding-bottom: env(safe-area-inset-bottom, 0px); text-align: left; direction: ltr; color-scheme: dark; }
header { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; padding: 6px 12px; background: var(--raised); }
header button { background: var(--ground); }
.gap { flex: 1; }
.status { margin-right: 6px; color: var(--soft); }
.status::before { content: "● "; color: var(--warm); }
.status[data-status=open]::before { color: var(--good); }
.status[data-status=halted]::before, .status[data-status=lost]::before, .status[data-status=closed]::before { color: var(--bad); }
.view { display: none; }
.body { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) minmax(240px, 30%); }
.log, .fields { overflow: auto; overscroll-behavior: contain; min-height: 0; }
.fields { padding: 6px 12px 10px; border-left: 1px solid var(--line); }
details { border-bottom: 1px solid rgb(255 255 255 / .06); }
summary { display: flex; gap: 8px; align-items: baseline; padding: 3px 12px; cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:hover { background: rgb(255 255 255 / .05); }
summary:focus-visible { outline-offset: -2px; }
code, pre, time { font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
time { color: var(--soft); flex: none; }
.sign { flex: none; width: 1em; text-align: center; font-weight: 700; color: var(--soft); }
.text { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: pre; }
.facts { flex: none; color: var(--soft); font-size: 12px; }
.is-out .sign { color: var(--accent); }
.is-in .sign, .is-state .sign { color: var(--good); }
.is-fields .sign { color: var(--warm); }
.is-note code { color: var(--soft); font-family: inherit; }
.is-error .sign, .is-refused .sign, .is-error code, .reason { color: var(--bad); }
.reason { margin-left: 10px; }
.more { padding: 2px 12px 8px 36px; }
.more .reason { margin: 0 0 4px; overflow-wrap: anywhere; }
h3, h4 { margin: 8px 0 2px; font-size: 12px; font-weight: 600; color: var(--soft); }
h3 { font-size: 13px; color: var(--ink); }
pre { margin: 0; padding: 6px 8px; overflow: auto; max-height: 260px; border-radius: 6px; background: #0f161d; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.source { white-space: pre; overflow-wrap: normal; }
pre.source span { display: block; min-width: max-content; }
.it { color: #fff; background: #5c1f17; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 1px 6px; text-align: left; vertical-align: top; font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
th { padding-left: 0; color: var(--soft); font-weight: 400; white-space: nowrap; }
td { width: 100%; overflow-wrap: anywhere; white-space: pre-wrap; }
.unset { color: var(--soft); font-style: italic; }
.changed td { color: var(--warm); animation: flash 1.2s; }
@keyframes flash { from { background: rgb(242 200 121 / .45); } }
.none { margin: 6px 0; color: var(--soft); font-size: 12px; }
footer { border-top: 1px solid var(--line); padding: 8px 12px; }
.send { display: flex; gap: 6px; align-items: flex-start; }
textarea { flex: 1; min-width: 0; height: 31px; min-height: 31px; padding: 4px 8px; border: 1px solid var(--line); border-radius: 6px;
  background: #0f161d; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; resize: vertical; }
textarea::placeholder { color: #7d8d9c; }
.problem { margin: 5px 0 0; color: var(--bad); }
.problem:empty { display: none; }
@media (max-width: 720px) {
  .panel { height: 66vh; }
  .view { display: inline-block; }
  .view[aria-pressed=true] { background: #1f5f8b; border-color: #1f5f8b; color: #fff; }
  .gap { flex-basis: 100%; height: 0; }
  .body { grid-template-columns: minmax(0, 1fr); }
  .panel[data-view=messages] .body > .fields, .panel[data-view=fields] .body > .log { display: none; }
  .body > .fields { border-left: 0; }
  summary { flex-wrap: wrap; gap: 0 8px; }
  .text { order: 1; flex: 1 0 100%; white-space: pre-wrap; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; }
  .facts { flex: 1; text-align: right; }
  .reason { display: block; margin-left: 0; }
  .more { padding-left: 12px; }
  textarea { font-size: 16px; }
}
@media (pointer: coarse) { button { min-height: 40px; } summary { padding-block: 8px; } textarea { height: 40px; min-height: 40px; } }
@media (prefers-reduced-motion: reduce) { .changed td { animation: none; } }
@media print { .tab, .panel { display: none; } }
`;
