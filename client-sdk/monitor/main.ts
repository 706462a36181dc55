/**
 * The script of the experimenter's monitor: asks the server every two seconds what has changed, and moves
 * participants on. Bundled by the server. Text is only ever text.
 */
import { element } from "../panel/element.ts";
import { failureViews } from "./failures.ts";
import { RowView } from "./row-view.ts";
import type { AdvanceAnswer, AdvanceRequest, MonitorAnswer, MonitorRow } from "./rows.ts";

/** How often the server is asked, in milliseconds, and how often if it does not answer. */
const EVERY = 2_000;
const EVERY_IN_TROUBLE = 5_000;
/** How often the times on the pages are written anew. */
const TICK = 5_000;
/** Names of changed participants that are written out. */
const MOST_NAMED = 8;

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const code = byId("monitor").dataset.session ?? "";
const body = byId("monitor").querySelector("tbody") as HTMLTableSectionElement;
const views = new Map<number, RowView>();
let token = "";
/** The server's clock, less the browser's own. */
let ahead = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let isAsking = false;

const now = (): number => Date.now() + ahead;

async function ask(): Promise<void> {
  clearTimeout(timer);
  if (isAsking) return;
  isAsking = true;
  let pause = EVERY;
  try {
    const address = `/SessionMonitor/${code}/changes?since=${encodeURIComponent(token)}`;
    const response = await fetch(address, { cache: "no-store", redirect: "manual" });
    // The login has run out, or the session has gone: the page says so when it is loaded.
    if (response.type === "opaqueredirect" || response.status === 403 || response.status === 404)
      return location.reload();
    if (!response.ok) throw new Error(String(response.status));
    show((await response.json()) as MonitorAnswer);
    byId("trouble").hidden = true;
  } catch {
    byId("trouble").hidden = false;
    pause = EVERY_IN_TROUBLE;
  } finally {
    isAsking = false;
  }
  // Nobody looks: nobody asks.
  if (!document.hidden) timer = setTimeout(ask, pause);
}

function show(answer: MonitorAnswer): void {
  token = answer.token;
  ahead = answer.now - Date.now();
  const isFirst = views.size === 0;
  const changed: number[] = [];
  for (const row of answer.rows) {
    const view = views.get(row.id);
    if (view === undefined) {
      const made = new RowView(row, (one) => void advance([one]));
      made.tick(now());
      views.set(row.id, made);
      body.append(made.line);
      made.box.addEventListener("change", choose);
    } else if (JSON.stringify(view.row) !== JSON.stringify(row)) {
      view.update(row);
      view.tick(now());
      view.flash();
      changed.push(row.id);
    }
  }
  byId("started").textContent = `${answer.started}/${answer.all} participants started.`;
  if (!isFirst && changed.length > 0) byId("updates").textContent = `Updates: ${names(changed)}`;
  if (answer.failures !== undefined) {
    const shown = failureViews(code, answer.failures, answer.moreFailures ?? 0, () => void ask());
    byId("failures").replaceChildren(...shown);
  }
  if (isFirst || changed.length > 0) {
    count();
    filter();
    choose();
  }
}

function names(ids: readonly number[]): string {
  const some = ids.slice(0, MOST_NAMED).map((id) => `P${id}`);
  return ids.length > MOST_NAMED ? `${some.join(", ")} and ${ids.length - MOST_NAMED} more` : some.join(", ");
}

/** The summary's numbers. */
function count(): void {
  const rows = [...views.values()].map(({ row }) => row);
  const parts = [
    [rows.filter(({ state }) => state === "waiting").length, "waiting"],
    [rows.filter(({ state }) => state === "failed").length, "held up by an error"],
    [rows.filter(({ connected }) => connected === false).length, "disconnected"],
    [rows.filter(({ state }) => state === "done").length, "finished"],
  ] as const;
  // A column of its own only where apps say something.
  byId("monitor").classList.toggle(
    "has-status",
    rows.some(({ status }) => status !== ""),
  );
  byId("counts").textContent = parts
    .flatMap(([n, what]) => (n === 0 ? [] : [`${n} ${what}`]))
    .join(", ")
    .replace(/.$/, "$&.");
}

// ---- the filter ----

const chosenFilter = byId<HTMLSelectElement>("filter");
const minutes = byId<HTMLInputElement>("minutes");

function isShown({ state, since, connected }: MonitorRow): boolean {
  switch (chosenFilter.value) {
    case "new":
      return state === "new";
    case "waiting":
      return state === "waiting" || state === "failed";
    case "stuck":
      return state !== "done" && since !== null && now() - since > Number(minutes.value) * 60_000;
    case "disconnected":
      return connected === false;
    case "done":
      return state === "done";
    default:
      return true;
  }
}

function filter(): void {
  byId("minutes-of").hidden = chosenFilter.value !== "stuck";
  let shown = 0;
  for (const view of views.values()) {
    const isIn = isShown(view.row);
    view.line.hidden = !isIn;
    // What cannot be seen is not chosen.
    if (!isIn) view.box.checked = false;
    if (isIn) shown += 1;
  }
  byId("shown").textContent = shown === views.size ? "" : `${shown} of ${views.size} shown`;
  byId("nobody").hidden = shown > 0;
}

function refilter(): void {
  filter();
  choose();
}
chosenFilter.addEventListener("change", refilter);
minutes.addEventListener("input", refilter);

// ---- moving on ----

const chooseAll = byId<HTMLInputElement>("choose-all");
const advanceChosen = byId<HTMLButtonElement>("advance-chosen");
const advanceSlowest = byId<HTMLButtonElement>("advance-slowest");
const result = byId("result");
const dialog = byId<HTMLDialogElement>("confirm");

function chosen(): MonitorRow[] {
  return [...views.values()].filter(({ box }) => box.checked).map(({ row }) => row);
}

function choose(): void {
  const all = [...views.values()].filter(({ line, box }) => !line.hidden && !box.disabled);
  const count = all.filter(({ box }) => box.checked).length;
  chooseAll.checked = count > 0 && count === all.length;
  chooseAll.indeterminate = count > 0 && count < all.length;
  advanceChosen.disabled = count === 0;
  advanceChosen.textContent = count === 0 ? "Advance selected" : `Advance selected (${count})`;
  advanceSlowest.disabled = slowest().length === 0;
}

chooseAll.addEventListener("change", () => {
  for (const { line, box } of views.values()) box.checked = chooseAll.checked && !line.hidden && !box.disabled;
  choose();
});

/** Who has not begun; if all have, who is furthest behind. */
function slowest(): MonitorRow[] {
  const under = [...views.values()].map(({ row }) => row).filter(({ state }) => state !== "done");
  const index = Math.min(...under.map((row) => row.index));
  return under.filter((row) => row.index === index);
}

advanceChosen.addEventListener("click", () => void advance(chosen()));
advanceSlowest.addEventListener("click", () => void advance(slowest()));

async function advance(rows: readonly MonitorRow[], confirmed = false): Promise<void> {
  if (rows.length === 0) return;
  try {
    const request: AdvanceRequest = { who: rows.map(({ id, index }) => [id, index] as const), confirmed };
    const response = await fetch(`/AdvanceSession/${code}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
      redirect: "manual",
    });
    if (response.type === "opaqueredirect") return location.reload();
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    const { confirm, done = [] } = (await response.json()) as AdvanceAnswer;
    if (confirm !== undefined) return question(confirm, () => void advance(rows, true));
    tell(done);
  } catch (error) {
    tell([{ ok: false, text: `Nobody can be moved now: ${error instanceof Error ? error.message : error}` }]);
  }
  for (const { box } of views.values()) box.checked = false;
  choose();
  void ask();
}

function tell(done: NonNullable<AdvanceAnswer["done"]>): void {
  const moved = done.filter(({ ok }) => ok);
  const lines = moved.length > MOST_NAMED ? [{ ok: true, text: `${moved.length} participants were moved on.` }] : moved;
  result.replaceChildren(
    ...[...done.filter(({ ok }) => !ok), ...lines].map(({ ok, text }) =>
      element("li", { class: ok ? "good" : "bad" }, text),
    ),
  );
}

/** Asks before something is done that concerns others as well. */
function question(sentences: readonly string[], act: () => void): void {
  byId("confirm-what").replaceChildren(...sentences.map((text) => element("li", {}, text)));
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") act();
  };
  dialog.returnValue = "";
  dialog.showModal();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void ask();
});
setInterval(() => {
  for (const view of views.values()) view.tick(now());
  // Time passes: somebody may be stuck by now.
  if (chosenFilter.value === "stuck") refilter();
}, TICK);
// Browsers keep what was chosen before a reload.
refilter();
void ask();
