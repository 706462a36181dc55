import { element } from "../panel/element.ts";
import type { MonitorRow } from "./rows.ts";

/** What stands in place of a page. */
const STATES: Readonly<Record<MonitorRow["state"], string>> = {
  new: "Not started",
  playing: "",
  waiting: "Waiting",
  failed: "Failed",
  done: "Finished",
};

/** One participant's line in the table; it is changed in place, so that the focus stays where it is. */
export class RowView {
  readonly line: HTMLTableRowElement;
  readonly box: HTMLInputElement;
  readonly #cells = new Map<string, HTMLTableCellElement>();
  readonly #advance: HTMLButtonElement;
  #row: MonitorRow;

  /** @param onAdvance asked to move this participant on */
  constructor(row: MonitorRow, onAdvance: (row: MonitorRow) => void) {
    this.#row = row;
    const name = `P${row.id}`;
    this.box = element("input", { type: "checkbox", "aria-label": `Choose ${name}` });
    this.#advance = element(
      "button",
      { type: "button", class: "btn btn-sm", "aria-label": `Advance ${name}` },
      "Advance",
    );
    this.#advance.addEventListener("click", () => onAdvance(this.#row));
    this.line = element("tr", {});
    const cell = (kind: string, ...content: (Node | string)[]) => {
      const made = element("td", { class: kind }, ...content);
      this.#cells.set(kind, made);
      this.line.append(made);
    };
    cell("choose", this.box);
    cell("who", element("b", {}, name));
    for (const kind of ["code", "label", "status", "step", "app", "round", "page", "dot", "for", "time"]) cell(kind);
    cell("act", this.#advance);
    this.update(row);
  }

  get row(): MonitorRow {
    return this.#row;
  }

  update(row: MonitorRow): void {
    this.#row = row;
    const { index, pages, state, connected } = row;
    this.line.className = state;
    const page = state === "playing" || state === "waiting" || state === "failed" ? row.page : STATES[state];
    this.#set("code", row.code);
    this.#cell("code").title = row.code;
    this.#set("label", row.label);
    this.#set("status", row.status);
    this.#set("step", state === "done" ? `${pages}/${pages}` : `${index}/${pages}`);
    this.#set("app", row.app);
    this.#set("round", row.round === 0 ? "" : String(row.round));
    this.#set("page", page);
    this.#set("for", state === "failed" ? "an error, see above" : row.waitingFor);
    const dot = this.#cell("dot");
    const said = connected === null ? "" : connected ? "connected" : "disconnected";
    if (dot.dataset.said !== said) {
      dot.dataset.said = said;
      dot.replaceChildren(
        ...(said === "" ? [] : [element("span", { class: said, role: "img", "aria-label": said, title: said })]),
      );
    }
    this.#advance.hidden = state === "done";
    this.box.disabled = state === "done";
    if (state === "done") this.box.checked = false;
    this.#advance.textContent = state === "new" ? "Start" : "Advance";
    this.#advance.setAttribute("aria-label", `${state === "new" ? "Start" : "Advance"} P${row.id}`);
  }

  /** @param now by the server's clock */
  tick(now: number): void {
    const { since } = this.#row;
    this.#set("time", since === null ? "" : timeText(now - since));
  }

  /** It has just changed. */
  flash(): void {
    this.line.classList.remove("fresh");
    // The animation begins anew.
    void this.line.offsetWidth;
    this.line.classList.add("fresh");
  }

  #cell(kind: string): HTMLTableCellElement {
    return this.#cells.get(kind) as HTMLTableCellElement;
  }

  #set(kind: string, text: string): void {
    const cell = this.#cell(kind);
    if (cell.textContent !== text) cell.textContent = text;
  }
}

/** `10 s`, `2 min`, `1 h 5 min`. @param ms that have passed */
export function timeText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds - (seconds % 5)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
