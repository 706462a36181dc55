import { messageOf } from "../errors.ts";
import type { LiveStatus } from "../live-client.ts";
import { element } from "./element.ts";
import { EntryLine } from "./entry-line.ts";
import type { Entry, StoredFields } from "./record.ts";
import { STYLE } from "./style.ts";

/** Lines that are kept. */
const KEPT = 500;

const STATUS_TEXTS: Record<LiveStatus, string> = {
  connecting: "connecting",
  open: "connected",
  lost: "connection lost",
  halted: "server cannot save",
  resting: "too many tabs",
  closed: "closed",
};

export interface PanelActions {
  /** @param payload JSON text */
  send(payload: string): void;
  restart(): Promise<void>;
  startOver(): Promise<void>;
  isOpen: boolean;
  remember(isOpen: boolean): void;
}

/**
 * The panel on the screen. It lives in a shadow root behind the page's body, so that the page's styles and its own
 * do not meet, and lies over the page; only while it is open, the page gets longer by its height, so that
 * everything can be scrolled out from under it.
 */
export class PanelView {
  private readonly document: Document;
  private readonly actions: PanelActions;
  private readonly host: HTMLElement;
  private readonly lines = new Map<number, EntryLine>();
  private isOpen: boolean;
  private faults = 0;
  private last: string | undefined;

  private readonly tab = element("button", { type: "button", class: "tab" });
  private readonly panel = element("section", {
    class: "panel",
    id: "panel",
    "aria-label": "Walras: panel for designers",
  });
  private readonly status = element("span", { class: "status", role: "status" });
  private readonly log = element("div", { class: "log", tabindex: "0", role: "log", "aria-label": "Messages" });
  private readonly fields = element("div", { class: "fields", tabindex: "0", role: "region", "aria-label": "Fields" });
  private readonly input = element("textarea", {
    rows: "1",
    spellcheck: "false",
    "aria-label": "Message to send, as JSON",
    placeholder: 'Send by hand, as JSON: {"type": "offer", "price": 4}',
  });
  private readonly problem = element("p", { class: "problem", role: "alert" });
  private readonly again = element("button", { type: "button", disabled: "" }, "Last again");

  constructor(document: Document, actions: PanelActions) {
    this.document = document;
    this.actions = actions;
    this.isOpen = actions.isOpen;
    this.host = element("walras-panel", {});
    // The page's own rules, such as `* { position: relative }`, come before those of :host.
    const place = "all: initial !important; display: block !important; position: static !important;";
    this.host.style.cssText = place;
    // Closed: what looks for "the button" of a page, be it an app's script or a test with Playwright, finds only its own.
    const root = this.host.attachShadow({ mode: "closed" });
    root.append(element("style", {}, STYLE), this.tab, this.panel);
    // Keys that are meant for the panel are not for the page's shortcuts.
    for (const type of ["keydown", "keypress", "keyup", "input", "change"]) {
      root.addEventListener(type, (event) => event.stopPropagation());
    }
    this.build();
    this.apply();
  }

  /** Puts it into the page, whose body is there by now. */
  attach(): void {
    this.document.documentElement.append(this.host);
    this.apply();
    this.log.scrollTop = this.log.scrollHeight;
    this.document.defaultView?.addEventListener("resize", () => this.apply());
  }

  /** A new line, or one that has changed. */
  show(entry: Entry): void {
    const known = this.lines.get(entry.id);
    if (known !== undefined) {
      if (known.update(entry)) this.fault();
      return;
    }
    const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 30;
    const line = new EntryLine(entry);
    this.lines.set(entry.id, line);
    this.log.append(line.element);
    if (this.lines.size > KEPT) {
      const [oldest] = this.lines;
      oldest?.[1].element.remove();
      if (oldest !== undefined) this.lines.delete(oldest[0]);
    }
    if (entry.kind === "out" && entry.json !== undefined) {
      this.last = entry.json;
      this.again.disabled = false;
      this.again.title = entry.json.slice(0, 200);
    }
    if (line.isFault) this.fault();
    if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  showFields({ group, player, changed, seq }: StoredFields): void {
    const table = (model: string, values: Record<string, unknown>) => {
      const rows = Object.entries(values).map(([name, value]) => {
        const isNew = changed.has(`${model}.${name}`);
        const text = value === null ? "not set" : JSON.stringify(value);
        return element(
          "tr",
          isNew ? { class: "changed" } : {},
          element("th", { scope: "row" }, name),
          element("td", value === null ? { class: "unset" } : {}, text),
        );
      });
      const body = rows.length > 0 ? element("table", {}, ...rows) : element("p", { class: "none" }, "No fields.");
      return [element("h3", {}, model), body];
    };
    const note = element("p", { class: "none" }, `As stored after entry ${seq} of the group's journal.`);
    this.fields.replaceChildren(...table("group", group), ...table("player", player), note);
  }

  showStatus(status: LiveStatus): void {
    this.status.textContent = STATUS_TEXTS[status];
    this.status.dataset.status = status;
  }

  private build(): void {
    const button = (text: string, title: string, act: () => void) => {
      const made = element("button", { type: "button", title }, text);
      made.addEventListener("click", act);
      return made;
    };
    const work = (act: () => Promise<void>) => () => {
      this.problem.textContent = "";
      act().catch((error: unknown) => this.complain(messageOf(error)));
    };
    const views = (["messages", "fields"] as const).map((name) => {
      const made = button(name === "messages" ? "Messages" : "Fields", `Show the ${name}`, () => choose(name));
      made.className = "view";
      return [name, made] as const;
    });
    const choose = (chosen: string) => {
      this.panel.dataset.view = chosen;
      for (const [name, made] of views) made.setAttribute("aria-pressed", String(name === chosen));
    };
    choose("messages");

    this.tab.addEventListener("click", () => this.toggle(true));
    const close = button("Close", "Close the panel (Escape)", () => this.toggle(false));
    const head = element(
      "header",
      {},
      element("strong", {}, "Walras"),
      this.status,
      ...views.map(([, made]) => made),
      element("span", { class: "gap" }),
      button(
        "Restart group",
        "End the group on the server, as a crash would; it loads again from the database",
        work(this.actions.restart),
      ),
      button("Start over", "A new demo session of the same config", work(this.actions.startOver)),
      button("Clear", "Take all lines away", () => this.clear()),
      close,
    );
    const send = button("Send", "Send it to the page's live method (Ctrl+Enter)", () => this.send(this.input.value));
    send.className = "main";
    this.again.addEventListener("click", () => {
      if (this.last !== undefined) this.send(this.last);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.send(this.input.value);
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle(false);
    });
    this.fields.append(element("p", { class: "none" }, "The fields come with the connection."));
    const body = element("div", { class: "body" }, this.log, this.fields);
    const foot = element("footer", {}, element("div", { class: "send" }, this.input, send, this.again), this.problem);
    this.panel.append(head, body, foot);
  }

  private send(text: string): void {
    this.problem.textContent = "";
    try {
      JSON.parse(text);
    } catch (error) {
      this.complain(text.trim() === "" ? "Write what to send, as JSON." : `This is not JSON: ${messageOf(error)}`);
      this.input.focus();
      return;
    }
    this.actions.send(text);
  }

  private complain(text: string): void {
    this.problem.textContent = text;
  }

  private clear(): void {
    for (const line of this.lines.values()) line.element.remove();
    this.lines.clear();
    this.faults = 0;
    this.apply();
  }

  private fault(): void {
    this.faults += 1;
    this.apply();
  }

  private toggle(isOpen: boolean): void {
    this.isOpen = isOpen;
    this.actions.remember(isOpen);
    this.apply();
    if (isOpen) {
      this.log.scrollTop = this.log.scrollHeight;
      this.input.focus({ preventScroll: true });
    } else {
      this.tab.focus({ preventScroll: true });
    }
  }

  private apply(): void {
    this.tab.hidden = this.isOpen;
    this.panel.hidden = !this.isOpen;
    this.tab.setAttribute("aria-expanded", String(this.isOpen));
    this.tab.setAttribute("aria-controls", "panel");
    const faults = this.faults === 0 ? [] : [element("span", { class: "faults" }, String(this.faults))];
    this.tab.replaceChildren("Walras", ...faults);
    const count = this.faults === 1 ? "1 error" : `${this.faults} errors`;
    this.tab.setAttribute("aria-label", `Open the panel for designers${this.faults > 0 ? `, ${count}` : ""}`);
    this.host.style.setProperty("height", this.isOpen ? `${this.panel.offsetHeight}px` : "0", "important");
  }
}
