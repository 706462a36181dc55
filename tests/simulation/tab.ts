import { WalrasError } from "../../client-sdk/errors.ts";
import { LiveClient, storagePrefix } from "../../client-sdk/live-client.ts";
import type { GroupState } from "../../client-sdk/live-state.ts";
import { MemoryStorage } from "../../client-sdk/outbox.ts";
import type { PageLive, Send } from "../../client-sdk/protocol.ts";
import type { Chance } from "../chaos/chance.ts";
import type { PageLoad, SentMessage, TabHistory } from "../chaos/history.ts";
import { PLAYERS } from "../chaos/project/apps/market/index.ts";
import type { VirtualClock } from "../helpers/virtual-clock.ts";
import type { Faults } from "./faults.ts";
import { Life } from "./life.ts";
import type { Network } from "./network.ts";
import type { Process, Response } from "./process.ts";

export interface TabOptions {
  readonly name: string;
  /** The participant's code. */
  readonly code: string;
  readonly clock: VirtualClock;
  readonly chance: Chance;
  readonly faults: Faults;
  readonly network: Network;
  /** Where requests of this participant go at present. */
  route(): Process;
  /** Where a seat's connection goes. */
  find(processId: string): Process;
  newClientId(): string;
  /** It also sets timers. */
  readonly timers: boolean;
  /** Told at once what the page sees, so that it can be compared with the database of that moment. */
  watch: {
    loaded(tab: TabHistory, load: PageLoad): void;
    received(tab: TabHistory, load: PageLoad, seq: number, data: string): void;
    answered(tab: TabHistory, message: SentMessage): void;
    /** The published state has come or changed: it is that of this seq. */
    shown(tab: TabHistory, load: PageLoad, seq: number, state: GroupState): void;
  };
}

/** Pages of the session's sequence that tabs go through, from 1. */
const LAST_PAGE = 8;

/** One page, from when it was loaded until the next one begins to come. */
interface Page {
  readonly life: Life;
  readonly index: number;
  readonly live: PageLive;
  readonly load: PageLoad;
  readonly client: LiveClient;
  isStale: boolean;
  isSubmitted: boolean;
}

/** A tab of a participant's browser, with the client that runs in browsers. */
export class Tab {
  readonly history: TabHistory;
  readonly #options: TabOptions;
  readonly #storage: MemoryStorage;
  #page: Page | undefined;
  #index = 0;
  #loading = false;
  #closed = false;
  #sent = 0;
  /** The uids of what went along with the first submit of each page, and was sent there. */
  readonly carried = new Set<string>();

  constructor(options: TabOptions, storage = new MemoryStorage()) {
    this.#options = options;
    this.#storage = storage;
    this.history = { participant: options.code, stayed: false, unanswered: 0, sent: [], loads: [] };
  }

  get pageIndex(): number {
    return this.#page?.index ?? 0;
  }

  /** A second tab, with a copy of this one's storage, on the same page. */
  duplicate(options: TabOptions): Tab {
    const tab = new Tab(options, this.#storage.copy());
    tab.#index = this.#index;
    return tab;
  }

  /** Loads a page: the start link (0) or the one at an index. The old page lives until the new one begins to come. */
  load(index = this.#index, submit = false): void {
    if (this.#loading || this.#closed) return;
    this.#loading = true;
    this.#navigate(index, submit).then(
      (page) => {
        this.#loading = false;
        if (this.#closed) return;
        this.#leave();
        if (page !== undefined) this.#enter(page.index, page.live, page.transfers);
        else this.#again();
      },
      () => {
        this.#loading = false;
        if (this.#closed) return;
        // Where nobody answers, a browser shows its own error page, or somebody stops the loading before it does.
        if (this.#options.chance.next() < 0.5) this.#leave();
        this.#again();
      },
    );
  }

  /** liveSend of something that people do. */
  send(): void {
    const { chance, faults } = this.#options;
    const to = chance.whole(1, PLAYERS);
    const amount = chance.whole(1, 20);
    if (faults.strike("throwing")) this.#send({ do: "fail", to, amount });
    else if (faults.strike("nonsense")) this.#send({ do: "give", to, amount: -amount, tell: "everybody" });
    else if (this.#options.timers && chance.next() < 0.15) this.#send({ do: "later", after: chance.between(0, 4) });
    else if (chance.next() < 0.15) this.#send({ do: "echo" });
    else this.#send({ do: "give", to, amount, tell: chance.pick({ everybody: 8, receiver: 3, nobody: 2 }) });
  }

  /** Does one thing. */
  act(): void {
    const { chance, faults } = this.#options;
    if (this.#page === undefined || this.#page.isStale) this.load();
    else if (faults.strike("reload")) this.load();
    else if (faults.strike("pageKilled")) {
      // The browser's process dies and comes back with what the storage has.
      this.#leave();
      this.load();
    } else if (faults.strike("wander")) this.load(chance.whole(0, this.#index));
    else if (this.#index < LAST_PAGE && faults.strike("submit")) this.goOn();
    else if (faults.strike("burst")) for (let i = 0; i < 8; i++) this.send();
    else this.send();
  }

  /** Submits the page, with the outbox. */
  goOn(): void {
    if (this.#page === undefined || this.#page.isStale || this.#index >= LAST_PAGE) return;
    const { outbox } = this.#page.client;
    if (outbox.size > 0) this.#options.faults.count("submitWithOutbox");
    if (!this.#page.isSubmitted) {
      for (const { p, d } of JSON.parse(outbox.toJson()) as Send[]) {
        if (p === this.#page.load.page) this.carried.add((d as { uid: string }).uid);
      }
    }
    this.#page.isSubmitted = true;
    this.load(this.#index, true);
  }

  /** Everything that was sent is answered, on a page that is up to date. */
  get isSettled(): boolean {
    const page = this.#page;
    return !this.#loading && page !== undefined && !page.isStale && page.client.outbox.size === 0;
  }

  /** Sends a message to itself. @returns whether it has come back, and with it everything before */
  confirm(): () => boolean {
    let uid = this.#send({ do: "echo" });
    let load = this.#page?.load;
    return () => {
      if (this.#page?.load !== load && this.isSettled) {
        // The page was told to load again after it was sent: what came before that is not due to the new one.
        uid = this.#send({ do: "echo" });
        load = this.#page?.load;
      }
      const last = this.#page?.load.received.at(-1);
      return (
        last?.data === JSON.stringify({ uid }) ||
        this.#page?.load.received.some(({ data }) => data.includes(`"${uid}"`)) === true
      );
    };
  }

  /** What the open page shows; undefined: there is none. */
  get shown(): { page: string; state: GroupState } | undefined {
    return this.#page && { page: this.#page.load.page, state: this.#page.client.state.value };
  }

  /** The end: what is open now stays as it is. */
  finish(): void {
    if (this.#closed) return;
    this.history.stayed = true;
    this.history.unanswered = Math.max(this.#page?.client.outbox.size ?? 0, this.#storage.keys().length);
    this.close();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.#leave();
  }

  #send(message: object): string {
    const page = this.#page;
    const uid = `${this.#options.name}-${++this.#sent}`;
    if (page === undefined) return uid;
    const before = page.client.outbox.size;
    const data = { uid, ...message };
    const answer = page.client.send(data);
    if (page.client.outbox.size === before) return uid;
    // The number that it got stands in the storage: walras.<code>.<load>.<client>.<n>
    const [, , , client = "", n] = (this.#storage.keys().at(-1) ?? "").split(".");
    const isTransfer = "to" in data && "amount" in data;
    const sent: SentMessage = {
      uid,
      client,
      n: Number(n),
      page: page.load.page,
      data: JSON.stringify(data),
      transfer: isTransfer ? { to: Number(data.to), amount: Number(data.amount) } : null,
      answer: null,
    };
    this.history.sent.push(sent);
    const answered = (as: string) => {
      sent.answer = as;
      this.#options.watch.answered(this.history, sent);
    };
    answer.then(
      () => answered("done"),
      (error: unknown) => {
        // `left`: nobody was there any more to be told.
        const code = error instanceof WalrasError ? error.code : String(error);
        if (code !== "left") answered(code);
      },
    );
    return uid;
  }

  /** Follows redirects. Undefined: there is no live page at the end. */
  async #navigate(
    index: number,
    submit: boolean,
  ): Promise<{ index: number; live: PageLive; transfers: number } | undefined> {
    const { code } = this.#options;
    const outbox = submit ? JSON.parse(this.#page?.client.outbox.toJson() ?? "[]") : [];
    let at = index;
    let response = await this.#request((process) =>
      submit ? process.submit(code, at, outbox) : at === 0 ? process.open(code) : process.view(code, at),
    );
    for (let hops = 0; response.kind === "redirect" && hops < 20; hops++) {
      at = response.index;
      response = await this.#request((process) => (at === 0 ? process.open(code) : process.view(code, at)));
    }
    return response.kind === "page" && response.live !== null
      ? { index: at, live: response.live, transfers: response.transfers }
      : undefined;
  }

  #request(handle: (process: Process) => Promise<Response>): Promise<Response> {
    const { network, clock, route } = this.#options;
    const process = route();
    return network.request(new Life(clock), process.life, () => handle(process));
  }

  #enter(index: number, live: PageLive, transfers: number): void {
    const { clock, chance, code, network, faults, find, newClientId, watch } = this.#options;
    const life = new Life(clock);
    const load: PageLoad = {
      page: live.page,
      after: live.history ? 0 : live.seq,
      seq: live.seq,
      transfers,
      received: [],
    };
    this.#index = index;
    if (this.#storage.keys().length > 0) faults.count("inherited");
    if (this.history.loads.some(({ page }) => page.split("/")[1] !== live.page.split("/")[1]))
      faults.count("roundChanged");
    this.history.loads.push(load);
    watch.loaded(this.history, load);
    let opened = 0;
    const client = new LiveClient({
      live,
      env: { now: () => clock.now(), random: chance.next, after: life.after },
      clientId: newClientId(),
      storage: this.#storage,
      prefix: storagePrefix(`/p/${code}/market`),
      openSocket: (seat, on) => {
        const process = find(seat.processId);
        return network.connect(life, process.life, on, (line) => process.accept(line, seat.sessionId));
      },
      fetchSeat: () => {
        const process = this.#options.route();
        return network.request(life, process.life, () => process.seat(code, index));
      },
      onMessage: (data, seq) => {
        const text = JSON.stringify(data);
        load.received.push({ seq, data: text });
        watch.received(this.history, load, seq, text);
      },
      onStatus: (status) => {
        if (status === "open" && opened++ > 0) faults.count("reconnected");
      },
      onReload: () => {
        if (page.isStale) return;
        page.isStale = true;
        life.after(chance.between(0, 300), () => this.load());
      },
      report: () => {},
    });
    const page: Page = { life, index, live, load, client, isStale: false, isSubmitted: false };
    this.#page = page;
    client.state.onChange((state) => watch.shown(this.history, load, client.state.seq, state));
    client.start();
  }

  /** The page's script stops, wherever it is. */
  #leave(): void {
    this.#page?.life.end();
    this.#page = undefined;
  }

  /** There is nothing to see: somebody presses reload. */
  #again(): void {
    const { clock, chance } = this.#options;
    if (this.#page !== undefined && !this.#page.isStale) return;
    clock.after(chance.between(200, 2_000), () => {
      if (this.#page === undefined || this.#page.isStale) this.load();
    });
  }
}
