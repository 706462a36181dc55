/**
 * The script of a session's data table: its button reads the same rows again and marks what has become different.
 * Bundled by the server. Text is only ever text.
 */
import type { DataAnswer } from "./rows.ts";

/** Changes that are written out. */
const MOST_NAMED = 10;

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const table = byId("data");
const refresh = byId<HTMLButtonElement>("refresh");
const news = byId("news");

refresh.addEventListener("click", () => void readAgain());

async function readAgain(): Promise<void> {
  refresh.disabled = true;
  try {
    const response = await fetch(table.dataset.rows ?? "", { cache: "no-store", redirect: "manual" });
    // The login has run out, or the session has gone: the page says so when it is loaded.
    if (response.type === "opaqueredirect" || response.status === 403 || response.status === 404)
      return location.reload();
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    show((await response.json()) as DataAnswer);
  } catch (error) {
    news.textContent = `Nothing could be read: ${error instanceof Error ? error.message : error}`;
  } finally {
    refresh.disabled = false;
    refresh.focus();
  }
}

function show({ columns, rows }: DataAnswer): void {
  const lines = new Map([...table.querySelectorAll("tbody tr")].map((line) => [Number(line.id.slice(1)), line]));
  // Another app than that of the page: the server was started anew with changed fields.
  if (rows.length !== lines.size || columns.length !== table.querySelectorAll("thead th").length - 1) {
    location.reload();
    return;
  }
  const changes: string[] = [];
  let changed = 0;
  for (const { id, cells } of rows) {
    const tds = lines.get(id)?.querySelectorAll("td") ?? [];
    const own: string[] = [];
    for (const [i, text] of cells.entries()) {
      const td = tds[i];
      if (td === undefined) continue;
      const isNew = td.textContent !== text;
      td.classList.toggle("new", isNew);
      if (!isNew) continue;
      td.textContent = text;
      own.push(`${columns[i]}=${text}`);
    }
    if (own.length === 0) continue;
    changed += 1;
    changes.push(`@P${id}: ${own.join(", ")}`);
  }
  const named = changes.slice(0, MOST_NAMED).join("; ");
  const more = changes.length > MOST_NAMED ? "; …" : "";
  news.textContent = changed === 0 ? "No updates" : `Updated ${changed} row(s): ${named}${more}`;
}
