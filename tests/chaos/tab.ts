import { setTimeout as sleep } from "node:timers/promises";
import { type Env, systemEnv } from "../../client-sdk/env.ts";
import { WalrasError } from "../../client-sdk/errors.ts";
import { type HeadlessOptions, type HeadlessPage, HeadlessParticipant } from "../../client-sdk/headless.ts";
import type { Chance } from "./chance.ts";
import type { PageLoad, SentMessage, TabHistory } from "./history.ts";
import { type Message, PLAYERS } from "./project/apps/market/index.ts";

/** What tabs do, and how often. */
export const ACTIONS = { send: 70, burst: 5, cut: 4, reload: 3, wander: 2, duplicate: 2, nap: 2, wait: 10 } as const;
export type Action = keyof typeof ACTIONS;

const MESSAGES = { give: 70, echo: 10, later: 6, fail: 8, nonsense: 8 } as const;
const TELL = { everybody: 8, receiver: 3, nobody: 2 } as const;

export interface TabOptions {
  /** Begins the uid of each of its messages. */
  readonly name: string;
  readonly chance: Chance;
  onAnswer(): void;
}

/** One tab of a participant's browser: does at random what people do to pages, and writes down what it sees. */
export class Tab {
  readonly history: TabHistory;
  readonly #options: TabOptions;
  readonly #client: HeadlessParticipant;
  readonly #visited: string[] = [];
  #page: HeadlessPage | undefined;
  #load: PageLoad | undefined;
  #reloadsDone = 0;
  #awakeAt = 0;

  private constructor(options: TabOptions, participant: string, client: HeadlessParticipant) {
    this.#options = options;
    this.#client = client;
    this.history = { participant, stayed: false, unanswered: 0, sent: [], loads: [] };
    this.#look();
  }

  /** Opens a participant's link. Tries until the server answers. */
  static async open(link: string, options: TabOptions): Promise<Tab> {
    const participant = link.split("/").at(-1) ?? "";
    return Tab.#make(options, participant, (headless) => HeadlessParticipant.open(link, headless));
  }

  /** Opens a second tab with a copy of this one's storage. */
  async duplicate(options: TabOptions): Promise<Tab> {
    return Tab.#make(options, this.history.participant, (headless) => this.#client.duplicate(headless));
  }

  static async #make(
    options: TabOptions,
    participant: string,
    open: (headless: HeadlessOptions) => Promise<HeadlessParticipant>,
  ): Promise<Tab> {
    let tab: Tab | undefined;
    // Nothing is received before open has returned: that takes a turn of the loop at least.
    const onMessage = (data: unknown, seq: number) => tab?.receive(data, seq);
    const asleepFor = () => (tab === undefined ? 0 : tab.#awakeAt - systemEnv.now());
    const env: Env = { ...systemEnv, after: (ms, run) => systemEnv.after(Math.max(ms, asleepFor()), run) };
    for (;;) {
      try {
        tab = new Tab(options, participant, await open({ record: false, onMessage, env }));
        return tab;
      } catch {
        await sleep(200);
      }
    }
  }

  /** Index of the page, from 1; 0 if it has none. */
  get pageIndex(): number {
    return Number(/\/(\d+)$/.exec(this.#client.page.url)?.[1] ?? 0);
  }

  /** Does one thing, other than duplicating itself. */
  async act(action: Exclude<Action, "duplicate">): Promise<void> {
    if (this.#isStale) return this.#while(this.#client.reload());
    switch (action) {
      case "send":
        return this.send();
      case "burst":
        for (let i = 0; i < 10; i++) this.send();
        return;
      case "cut":
        return this.#client.cut();
      case "reload":
        return this.#while(this.#client.reload());
      case "wander": {
        // Back and forward: pages that were visited before lead to where the participant is now.
        const { chance } = this.#options;
        const url = this.#visited[chance.whole(0, this.#visited.length - 1)];
        return this.#while(this.#client.reload(url));
      }
      case "nap": {
        // The computer sleeps: its timers too, so that it does not come back before it wakes.
        const ms = this.#options.chance.between(500, 6_000);
        this.#awakeAt = systemEnv.now() + ms;
        this.#client.cut();
        return sleep(ms);
      }
      case "wait":
        return;
    }
  }

  /** Submits the page. */
  async goOn(): Promise<void> {
    if (this.#isStale) return this.#while(this.#client.reload());
    return this.#while(this.#client.submit());
  }

  /** liveSend, as the page does. */
  send(message: Message | object = this.#invent()): void {
    const { page } = this.#client;
    const load = this.#look();
    if (load === undefined || page.live === null || this.#client.status === "closed") return;
    const data = { uid: `${this.#options.name}-${this.history.sent.length + 1}`, ...message };
    const answer = this.#client.send(data);
    // The number that it got stands in the storage: walras.<code>.<load>.<client>.<n>
    const [, , , client = "", n] = (this.#client.storage.keys().at(-1) ?? "").split(".");
    const isTransfer = "do" in data && (data.do === "give" || data.do === "fail") && "to" in data && "amount" in data;
    const sent: SentMessage = {
      uid: data.uid,
      client,
      n: Number(n),
      page: load.page,
      data: JSON.stringify(data),
      transfer: isTransfer ? { to: Number(data.to), amount: Number(data.amount) } : null,
      answer: null,
    };
    this.history.sent.push(sent);
    const answered = (as: string) => {
      sent.answer = as;
      this.#options.onAnswer();
    };
    answer.then(
      () => answered("done"),
      (error: unknown) => {
        // `left`: nobody was there any more to be told.
        const code = error instanceof WalrasError ? error.code : String(error);
        if (code !== "left") answered(code);
      },
    );
  }

  receive(data: unknown, seq: number): void {
    this.#look()?.received.push({ seq, data: JSON.stringify(data) });
  }

  /** Goes on to the end of what it has begun, after a last cut: nothing comes behind the messages that it swallows. */
  async settle(end: number): Promise<void> {
    for (let n = 0; n < 3; n++) this.send();
    this.#client.cut();
    await this.#rest(end);
    this.history.unanswered = this.#client.unanswered;
  }

  /** Waits until everything is answered, on a page that is up to date. @param end by `performance.now()` */
  async #rest(end: number): Promise<void> {
    const left = () => Math.min(2_000, end - performance.now());
    while (left() > 0) {
      if (this.#isStale) {
        await this.#client.reload().catch(() => sleep(200));
        this.#look();
      }
      await this.#client.until(() => this.#client.unanswered === 0 || this.#isStale, left()).catch(() => {});
      if (this.#client.unanswered === 0 && !this.#isStale) return;
    }
  }

  /** Waits until everything that its group did before has arrived: then a message to itself has, too. */
  async confirm(end: number): Promise<void> {
    await this.#rest(end);
    const seen = this.#load?.received.length ?? 0;
    this.send({ do: "echo" });
    const uid = `"${this.history.sent.at(-1)?.uid}"`;
    const isBack = () => this.#load?.received.slice(seen).some(({ data }) => data.includes(uid)) === true;
    await this.#client.until(isBack, Math.max(0, end - performance.now())).catch(() => {});
    this.history.unanswered += this.#client.unanswered;
    this.history.stayed = true;
  }

  close(): void {
    this.#client.close();
  }

  /** The server wants it to load again, or there is no live page: an error page, or none at all. */
  get #isStale(): boolean {
    const { page, status, reloadRequests } = this.#client;
    return page.live === null || status === "closed" || reloadRequests > this.#reloadsDone;
  }

  /** Goes on sending while a page loads, as long as the old one lives. */
  async #while(loading: Promise<void>): Promise<void> {
    const done = loading.then(
      () => true,
      () => false,
    );
    const { chance } = this.#options;
    for (let n = chance.whole(0, 3); n > 0; n--) {
      this.send();
      await Promise.race([done, sleep(chance.between(0, 20))]);
    }
    const isLoaded = await done;
    this.#look();
    if (isLoaded) return;
    // Where nobody answers, a browser shows its own error page: the old one is gone.
    if (chance.next() < 0.5) this.#client.close();
    await sleep(chance.between(200, 1_000));
  }

  /** The record of the page that is open now. */
  #look(): PageLoad | undefined {
    const { page } = this.#client;
    if (page === this.#page) return this.#load;
    this.#page = page;
    this.#reloadsDone = this.#client.reloadRequests;
    this.#load = undefined;
    if (page.live === null) return undefined;
    const { page: identity, seq, history } = page.live;
    this.#load = {
      page: identity,
      seq,
      after: history ? 0 : seq,
      transfers: Number(/<output id="transfers">(\d+)</.exec(page.html)?.[1]),
      received: [],
    };
    this.history.loads.push(this.#load);
    if (!this.#visited.includes(page.url)) this.#visited.push(page.url);
    return this.#load;
  }

  #invent(): object {
    const { chance } = this.#options;
    const to = chance.whole(1, PLAYERS);
    const amount = chance.whole(1, 20);
    switch (chance.pick(MESSAGES)) {
      case "give":
        return { do: "give", to, amount, tell: chance.pick(TELL) };
      case "echo":
        return { do: "echo" };
      case "later":
        return { do: "later", after: chance.between(0, 5) };
      case "fail":
        return { do: "fail", to, amount };
      case "nonsense":
        return { do: "give", to, amount: -amount, tell: "everybody" };
    }
  }
}
