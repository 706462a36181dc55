import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import type { Database, History, PageLoad, SentMessage, TabHistory } from "../chaos/history.ts";
import type { Message } from "../chaos/project/apps/market/index.ts";
import { watchErrors } from "../helpers/browser.ts";
import { type Marked, type Note, record } from "./recorder.ts";

/** How long anything may take, in milliseconds. The machine may be busy. */
const PATIENCE = 30_000;

/** A participant's browser: a profile of its own, whose tabs are watched. */
export class Participant {
  readonly code: string;
  readonly context: BrowserContext;
  readonly tabs: Tab[] = [];
  /** How many uids were given out. */
  marks = 0;

  private constructor(code: string, context: BrowserContext) {
    this.code = code;
    this.context = context;
  }

  /**
   * Opens the participant's link in a first tab.
   *
   * @param prepare runs in each page before its first script
   */
  static async open(
    browser: Browser,
    link: string,
    { prepare, ...options }: BrowserContextOptions & { prepare?: () => void } = {},
  ): Promise<Participant> {
    const context = await browser.newContext(options);
    const participant = new Participant(link.split("/").at(-1) ?? "", context);
    await context.exposeBinding("walrasNote", ({ page }, note: Note) => participant.tabOf(page).note(note));
    if (prepare !== undefined) await context.addInitScript(prepare);
    await context.addInitScript(record);
    context.on("page", (page) => participant.tabOf(page));
    const page = await context.newPage();
    await page.goto(link);
    return participant;
  }

  /** The first tab. */
  get main(): Tab {
    return this.tabs[0] as Tab;
  }

  tabOf(page: Page): Tab {
    const known = this.tabs.find((tab) => tab.page === page);
    if (known !== undefined) return known;
    const tab = new Tab(page, this);
    this.tabs.push(tab);
    return tab;
  }
}

type Sent = Omit<SentMessage, "answer"> & { answer: string | null; readonly load: string };
type Load = Omit<PageLoad, "received"> & { readonly id: string; readonly received: string[] };

/** One tab, and what its pages said of themselves. */
export class Tab {
  readonly page: Page;
  readonly errors: string[];
  /** What it asked the server for to show: `METHOD path`. */
  readonly navigations: string[] = [];
  /** What it said on its sockets. */
  readonly frames: string[] = [];
  readonly sent: Sent[] = [];
  readonly loads: Load[] = [];
  readonly #owner: Participant;
  #unanswered = 0;

  constructor(page: Page, owner: Participant) {
    this.page = page;
    this.#owner = owner;
    this.errors = watchErrors(page);
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => this.frames.push(payload.toString()));
    });
    page.on("request", (request) => {
      if (request.isNavigationRequest()) {
        this.navigations.push(`${request.method()} ${new URL(request.url()).pathname.replace(owner.code, "CODE")}`);
      }
    });
  }

  note(note: Note): void {
    switch (note.kind) {
      case "loaded": {
        const { load: id, page, seq, history, transfers } = note;
        this.loads.push({ id, page, seq, after: history ? 0 : seq, transfers, received: [] });
        return;
      }
      case "sent": {
        const data: Message = JSON.parse(note.data);
        const transfer = "to" in data ? { to: data.to, amount: data.amount } : null;
        const { kind: _, ...sent } = note;
        this.sent.push({ ...sent, transfer, answer: null });
        return;
      }
      case "answered": {
        const sent = this.sent.find(({ uid }) => uid === note.uid);
        if (sent !== undefined) sent.answer = note.answer;
        return;
      }
      case "received":
        this.loads.find(({ id }) => id === note.load)?.received.push(note.data);
    }
  }

  /** A message that nobody else sends. */
  mark(message: DistributiveOmit<Message, "uid">): Marked {
    this.#owner.marks += 1;
    return { ...message, uid: `${this.#owner.code}-${this.#owner.marks}` };
  }

  /** So much money to player 2, of which everybody is told. */
  give(amount: number): Marked {
    return this.mark({ do: "give", to: 2, amount, tell: "everybody" });
  }

  /** Sends from the page; does not wait for the answers. */
  async send(...messages: Marked[]): Promise<void> {
    await this.page.evaluate((all) => {
      for (const message of all) window.recorder.send(message);
    }, messages);
  }

  /** A second tab with a copy of this one's sessionStorage, as of now; still empty. */
  async duplicate(): Promise<Tab> {
    // Not at once with its address: the first page of a new window shares the global object of the empty
    // one before it, in which the recorder has nothing to record.
    const [page] = await Promise.all([
      this.page.waitForEvent("popup"),
      this.page.evaluate(() => void window.open("about:blank")),
    ]);
    return this.#owner.tabOf(page);
  }

  /** Waits until a page of this name has been loaded and said so. */
  async on(name: string): Promise<void> {
    await this.page.waitForURL(new RegExp(`/market/${name}/\\d+$`), { timeout: PATIENCE });
    await this.page.waitForFunction(() => window.recorder !== undefined && window.live?.status === "open");
  }

  /** Waits until the page has noticed that its connection is gone: from then on nothing goes out on the old one. */
  async cutOff(): Promise<void> {
    await this.page.waitForFunction(() => window.live?.status !== "open");
  }

  /** Waits until the page that is open has an answer to all that it sent. */
  async answered(): Promise<void> {
    await until("everything is answered", () =>
      this.sent.every(({ load, answer }) => load !== this.loads.at(-1)?.id || answer !== null),
    );
  }

  /** Waits until the page has received, or been answered, everything that was sent before. */
  async confirm(): Promise<void> {
    const echo = this.mark({ do: "echo" });
    await this.send(echo);
    const isBack = () => this.loads.at(-1)?.received.some((data) => data.includes(`"${echo.uid}"`));
    await until(`${echo.uid} comes back`, () => isBack() === true);
    await this.answered();
    // What was taken over from earlier loads of the page, and still waits.
    this.#unanswered = await this.page.evaluate(() => {
      try {
        return Object.keys(sessionStorage).filter((key) => key.split(".").length === 5).length;
      } catch {
        return 0;
      }
    });
  }

  /** For the checker, which knows deliveries by their seq; pages do not see it, so that the journal gives it. */
  history({ entries }: Database): TabHistory {
    const seqOf = (page: string, data: string): number =>
      entries.find((entry) => entry.page === page && entry.deliveries.some((delivery) => delivery.data === data))
        ?.seq ?? 0;
    return {
      participant: this.#owner.code,
      stayed: !this.page.isClosed(),
      unanswered: this.#unanswered,
      sent: this.sent,
      loads: this.loads.map(({ received, ...load }) => ({
        ...load,
        received: received.map((data) => ({ seq: seqOf(load.page, data), data })),
      })),
    };
  }
}

type DistributiveOmit<T, K extends string> = T extends unknown ? Omit<T, K> : never;

/** What is left behind by some participants, who have a database of many sessions: the part that is theirs. */
export function historyOf(participants: readonly Participant[], all: Database, startMoney: number): History {
  const codes = new Set(participants.map(({ code }) => code));
  const groups = new Set(all.players.filter(({ participant }) => codes.has(participant)).map(({ group }) => group));
  const ours = ({ group }: { group: number }) => groups.has(group);
  const database = {
    players: all.players.filter(ours),
    entries: all.entries.filter(ours),
    transfers: all.transfers.filter(ours),
    rung: all.rung.filter(ours),
    pending: all.pending.filter(ours),
  };
  return { tabs: participants.flatMap(({ tabs }) => tabs).map((tab) => tab.history(database)), database, startMoney };
}

/** Waits until something is so. @throws that it never was */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`It did not happen that ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
