/**
 * The window for designers at the lower edge of live pages: a script of its own, which only development servers
 * have (server/designer-panel.ts). It comes right behind the page's data, before any script of the author.
 */
import { systemEnv } from "../env.ts";
import { messageOf } from "../errors.ts";
import { PanelRecord } from "./record.ts";
import { PanelView } from "./view.ts";

/** Where the panel asks the server for things. */
const url = document.currentScript?.dataset.url ?? "";
// Per participant: the frames of a split screen share one storage.
const OPEN_KEY = `walras-panel${url}`;

if (!isPlayedByBots()) begin();

function begin(): void {
  const record = new PanelRecord({
    now: systemEnv.now,
    wall: Date.now,
    onEntry: (entry) => view.show(entry),
    onFields: (fields) => view.showFields(fields),
  });
  const view = new PanelView(document, {
    send: (payload) => {
      // What became of it shows on its line.
      window.live.send(JSON.parse(payload)).catch(() => {});
    },
    restart: async () => {
      await post("restart");
      record.note("The group was ended. It loads again from the database when the page comes back.");
    },
    startOver: async () => {
      const { session } = await post("start-over");
      const split = "/SessionSplitScreen/";
      const window = topWindow(split);
      window.location.href = `${window === self ? "/SessionStartLinks/" : split}${session}`;
    },
    isOpen: recall(),
    remember,
  });
  window.walrasPanel = record;
  addEventListener("error", (event) => {
    const where = event.filename ? `${event.filename.replace(location.origin, "")}:${event.lineno}` : undefined;
    record.fault(event.message, event.error ?? undefined, where);
  });
  addEventListener("unhandledrejection", ({ reason }) => record.fault("A promise was rejected:", reason));
  document.addEventListener("DOMContentLoaded", () => {
    view.attach();
    let wasOpen = false;
    window.live.onStatus((status) => {
      view.showStatus(status);
      if (status === "lost" && wasOpen) record.lost();
      wasOpen = status === "open";
    });
  });
}

async function post(what: "restart" | "start-over"): Promise<{ session?: string }> {
  const response = await fetch(`${url}/${what}`, { method: "POST", headers: { accept: "application/json" } });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Error(answer.message ?? `The server answered ${response.status}.`);
}

/** The page around this one if it shows all participants of the session, else this one. */
function topWindow(path: string): Window {
  try {
    return top?.location.pathname.startsWith(path) ? top : self;
  } catch {
    return self;
  }
}

/** Bots that play in frames leave no room for it. */
function isPlayedByBots(): boolean {
  try {
    return window.parent !== window && window.parent.walrasOnlooker !== undefined;
  } catch {
    return false;
  }
}

function recall(): boolean {
  try {
    return sessionStorage.getItem(OPEN_KEY) === "1";
  } catch {
    return false;
  }
}

function remember(isOpen: boolean): void {
  try {
    sessionStorage.setItem(OPEN_KEY, isOpen ? "1" : "0");
  } catch (error) {
    console.warn(`Walras: the panel's place is not remembered: ${messageOf(error)}`);
  }
}
