import { linkDefaults } from "../../client-sdk/link.ts";
import type { AppSpec } from "../../entities/app-spec.ts";
import { createSession } from "../../entities/sessions.ts";
import { ParticipantTable, TimerTable } from "../../entities/system-tables.ts";
import type { ActorLimits } from "../../rooms/actor-world.ts";
import { outputOf, type RecordedOutput } from "../../rooms/deliveries.ts";
import { GAME_LIMITS } from "../../rooms/limits.ts";
import { Chance } from "../chaos/chance.ts";
import { check, FIGURES } from "../chaos/checker.ts";
import type { Entry, Database as Facts, TabHistory } from "../chaos/history.ts";
import market, { MONEY, PLAYERS, type Rung } from "../chaos/project/apps/market/index.ts";
import { VirtualClock } from "../helpers/virtual-clock.ts";
import { Database } from "./database.ts";
import { BLOWS, type Blow, Faults, type Happening } from "./faults.ts";
import { Network } from "./network.ts";
import { Process } from "./process.ts";
import { asSeenBy, Projection } from "./projection.ts";
import { Tab, type TabOptions } from "./tab.ts";

/** Virtual milliseconds of load, and how long everything may take to come to rest after it. */
const LOAD = 5_000;
const REST = 180_000;
/** Virtual milliseconds between two things that a tab does, on average. */
const PACE = 450;

const APPS: ReadonlyMap<string, AppSpec> = new Map([[market.spec.name, market.spec]]);

/** Who a participant is in a group. */
interface Place {
  readonly id: number;
  readonly group: number;
  readonly idInGroup: number;
}

export interface RunResult {
  readonly seed: number;
  /** What was wrong; empty in a good run. */
  readonly findings: readonly string[];
  readonly counts: ReadonlyMap<Happening, number>;
  /** The same for the same seed: everything that happened, in one number. */
  readonly fingerprint: number;
}

/** Plays one run: some participants, a network, one or two processes, a database, and faults, all by the seed. */
export async function simulate(seed: number, trace: (line: string) => void = () => {}): Promise<RunResult> {
  const { stackTraceLimit } = Error;
  // Refusals are errors, and there are many; nobody reads where they come from.
  Error.stackTraceLimit = 0;
  try {
    return await new Run(seed, trace).play();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

class Run {
  readonly #seed: number;
  readonly #clock = new VirtualClock();
  readonly #chance: Chance;
  readonly #faults: Faults;
  readonly #network: Network;
  readonly #database = new Database(APPS);
  readonly #projection = new Projection(this.#database);
  readonly #shared: boolean;
  readonly #limits: ActorLimits;
  /** Some runs have timers; the others are as they were before there were any, with the bugs that they are named for. */
  readonly #timers: boolean;
  /** Somebody is going to leave, and has not yet. */
  #leaves: boolean;
  /** Places for processes; what runs there now. */
  readonly #slots: Process[] = [];
  readonly #processes = new Map<string, Process>();
  /** By participant's code: which slot answers their requests. */
  readonly #routes = new Map<string, number>();
  readonly #tabs: Tab[] = [];
  /** By participant's code and page: nobody changes groups here. */
  readonly #places = new Map<string, Place>();
  readonly #findings: string[] = [];
  readonly #trace: (line: string) => void;
  #clients = 0;
  #hash = 0;

  constructor(seed: number, trace: (line: string) => void) {
    this.#seed = seed;
    this.#trace = (line) => {
      const text = `${this.#clock.now().toFixed(1)} ${line}`;
      for (let i = 0; i < text.length; i++) this.#hash = (Math.imul(this.#hash, 31) + text.charCodeAt(i)) | 0;
      trace(text);
    };
    this.#chance = new Chance(seed, "run");
    this.#faults = new Faults(new Chance(seed, "faults"));
    this.#network = new Network({ clock: this.#clock, chance: new Chance(seed, "network"), faults: this.#faults });
    this.#shared = this.#chance.next() < 0.7;
    this.#limits = this.#makeLimits();
    this.#timers = seed % 5 === 1 || seed % 5 === 2;
    this.#leaves = seed % 4 === 0;
  }

  async play(): Promise<RunResult> {
    const groups = this.#chance.next() < 0.35 ? 2 : 1;
    const { participants } = await createSession(this.#database.writer, {
      config: { name: "simulation", appSequence: ["market"] },
      apps: APPS,
      participants: groups * PLAYERS,
      isDemo: false,
      now: 0,
      decimals: 0,
      codes: { session: () => "session", participant: this.#names() },
    });
    for (let slot = 0; slot < (this.#shared ? 2 : 1); slot++) this.#start(slot);
    for (const { code } of participants) {
      this.#routes.set(String(code), 0);
      const tab = new Tab(this.#tabOptions(String(code)));
      this.#tabs.push(tab);
      tab.load();
    }
    await this.#clock.run(300);
    this.#faults.on = true;
    for (const tab of this.#tabs) this.#use(tab, "main");
    this.#planBlows();
    await this.#clock.run(LOAD);
    this.#faults.on = false;
    await this.#rest();
    return {
      seed: this.#seed,
      findings: [...this.#findings, ...this.#judge()],
      counts: this.#faults.counts,
      fingerprint: this.#hash,
    };
  }

  // ---- processes ----

  #start(slot: number): void {
    const id = `p${this.#processes.size + 1}`;
    const process = new Process({
      id,
      clock: this.#clock,
      chance: new Chance(this.#seed, id),
      faults: this.#faults,
      database: this.#database,
      apps: APPS,
      shared: this.#shared,
      limits: this.#limits,
      timers: this.#timers,
      ownership: GAME_LIMITS.ownership,
      log: (message, fields) =>
        this.#trace(
          `${id}: ${message} ${JSON.stringify(fields, (key, value) => (key === "stack" ? undefined : value))}`,
        ),
    });
    this.#processes.set(id, process);
    this.#slots[slot] = process;
    this.#trace(`${id} starts`);
  }

  #planBlows(): void {
    const chance = new Chance(this.#seed, "blows");
    for (const blow of Object.keys(BLOWS) as Blow[]) {
      if (!this.#faults.has(blow) || (blow === "takeover" && !this.#shared)) continue;
      const [least, most] = BLOWS[blow];
      for (let i = chance.whole(least, most); i > 0; i--) {
        this.#clock.after(chance.between(0, LOAD), () => this.#strike(blow, chance));
      }
    }
  }

  #strike(blow: Blow, chance: Chance): void {
    const slot = chance.whole(0, this.#slots.length - 1);
    const process = this.#slots[slot] as Process;
    if (process.life.ended) return;
    this.#trace(`${process.id}: ${blow}`);
    this.#leaveForGood();
    switch (blow) {
      case "crash":
        this.#faults.count(blow);
        process.life.end();
        this.#clock.after(chance.between(50, 2_000), () => this.#slots[slot] === process && this.#start(slot));
        if (chance.next() < 0.5) this.#move(chance);
        break;
      case "restart":
        this.#faults.count(blow);
        process.life.onEnd(() =>
          this.#clock.after(chance.between(50, 500), () => this.#slots[slot] === process && this.#start(slot)),
        );
        process.stop(2_000).catch((error) => this.#findings.push(`the stop of ${process.id} failed: ${error}`));
        break;
      case "pause":
        this.#faults.count(blow);
        process.life.pause();
        this.#clock.after(chance.between(500, 8_000), () => process.life.goOn());
        if (chance.next() < 0.7) this.#move(chance);
        break;
      case "takeover":
        this.#faults.count(blow);
        this.#move(chance);
        break;
      case "evict":
        // Only a group that nobody is connected to is put aside.
        process.cutAll();
        this.#clock.after(chance.between(500, 1_000), () => {
          if (!process.life.ended && process.evict() > 0) this.#faults.count(blow);
        });
        break;
    }
  }

  /** Somebody closes all their tabs just when something happens to a process: who is left to miss them? */
  #leaveForGood(): void {
    if (!this.#leaves) return;
    this.#leaves = false;
    const chance = new Chance(this.#seed, "leave");
    const { participant } = (this.#tabs[chance.whole(0, this.#tabs.length - 1)] as Tab).history;
    this.#trace(`${participant} leaves for good`);
    this.#faults.count("leftForGood");
    for (const tab of this.#tabs) if (tab.history.participant === participant && !tab.isClosed) tab.close();
  }

  /** Requests of some or all participants go to another process from now on, not all at the same moment. */
  #move(chance: Chance): void {
    if (!this.#shared) return;
    const all = chance.next() < 0.7;
    for (const [code, slot] of this.#routes) {
      if (!all && chance.next() < 0.5) continue;
      this.#clock.after(chance.between(0, all ? 200 : 2_000), () => {
        this.#trace(`${code} goes to slot ${1 - slot}`);
        this.#routes.set(code, 1 - slot);
      });
    }
  }

  // ---- people ----

  #tabOptions(code: string): TabOptions {
    const name = `${code}t${this.#tabs.length + 1}`;
    const at = ({ participant }: TabHistory, page: string) => this.#at(participant, page);
    return {
      name,
      code,
      clock: this.#clock,
      chance: new Chance(this.#seed, name),
      faults: this.#faults,
      network: this.#network,
      route: () => this.#slots[this.#routes.get(code) ?? 0] as Process,
      find: (processId) => this.#processes.get(processId) as Process,
      timers: this.#timers,
      newClientId: () => `client-${String(++this.#clients).padStart(3, "0")}`,
      // Durable before seen, at the very moment.
      watch: {
        loaded: (tab, load) => {
          this.#trace(`${name} loads ${load.page} at ${load.seq}`);
          if (this.#database.journal(at(tab, load.page).group).length < load.seq) {
            this.#findings.push(`seenTooEarly: ${name} shows ${load.page} at ${load.seq}`);
          }
        },
        received: (tab, load, seq, data) => {
          this.#trace(`${name} gets ${seq} ${data}`);
          const output = this.#database.entry(at(tab, load.page).group, seq)?.output ?? null;
          if (output === null || !output.includes(data)) {
            this.#findings.push(`seenTooEarly: ${name} gets ${seq} ${data}`);
          }
        },
        shown: (tab, load, seq, state) => {
          this.#faults.count("stateShown");
          this.#compareState(name, at(tab, load.page), seq, state);
        },
        answered: (tab, message) => {
          this.#trace(`${name} is answered ${message.client} ${message.n} ${message.uid} ${message.answer}`);
          this.#faults.count("acknowledged");
          const { id } = at(tab, message.page);
          if (this.#database.message(id, message.client, message.n) === undefined) {
            this.#findings.push(`seenTooEarly: ${message.uid} is answered ${message.answer}`);
          }
        },
      },
    };
  }

  /** Who a participant is in the group of a page. */
  #at(participant: string, page: string): Place {
    const key = `${participant}/${page}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.#findPlace(participant, page);
      this.#places.set(key, place);
    }
    return place;
  }

  #findPlace(participant: string, page: string): Place {
    const id = Number(this.#database.rows(ParticipantTable, { code: participant })[0]?.id);
    const where = { participantId: id, roundNumber: Number(page.split("/")[1]) };
    const [player] = this.#database.rows(market.spec.player.table, where);
    return { id, group: Number(player?.groupId), idInGroup: Number(player?.idInGroup) };
  }

  /** What a page shows is what was stored up to that seq, for its player. */
  #compareState(name: string, { group, idInGroup }: { group: number; idInGroup: number }, seq: number, state: unknown) {
    const stored = this.#projection.at(group, seq);
    if (stored === undefined) {
      this.#findings.push(`seenTooEarly: ${name} shows the state of ${seq}`);
    } else if (JSON.stringify(state) !== JSON.stringify(asSeenBy(stored, idInGroup))) {
      this.#findings.push(`stateWrong: ${name} shows at ${seq} ${JSON.stringify(state)}`);
    }
  }

  /** What pages show in the end is all that was stored; and those are there who have a page of the group open. */
  #compareAtRest(open: readonly Tab[]): void {
    const pages = open.flatMap((tab) => {
      const { shown } = tab;
      return shown === undefined ? [] : [{ ...this.#at(tab.history.participant, shown.page), ...shown }];
    });
    for (const page of pages) {
      const { group, idInGroup, state } = page;
      const name = `${group}/${idInGroup} at rest`;
      this.#compareState(name, page, this.#database.journal(group).length, state);
      for (const other of Object.values(state.players)) {
        const isThere = pages.some((one) => one.group === group && one.idInGroup === other.idInGroup);
        if (other.connected !== isThere) this.#findings.push(`presenceWrong: ${name} shows ${JSON.stringify(other)}`);
      }
    }
  }

  /** Somebody uses a tab until the load ends. */
  #use(tab: Tab, as: "main" | { steps: number }): void {
    const chance = new Chance(this.#seed, `use ${this.#tabs.indexOf(tab)}`);
    let left = as === "main" ? Number.POSITIVE_INFINITY : as.steps;
    const next = () =>
      this.#clock.after(chance.between(0, 2 * PACE), () => {
        if (!this.#faults.on || tab.isClosed) return;
        if (left-- <= 0) {
          // Some second tabs are closed, others stay.
          if (chance.next() < 0.5) tab.close();
          return;
        }
        if (as === "main" && this.#faults.strike("duplicateTab")) this.#duplicate(tab, chance);
        else tab.act();
        next();
      });
    next();
  }

  #duplicate(tab: Tab, chance: Chance): void {
    const other = tab.duplicate(this.#tabOptions(tab.history.participant));
    this.#tabs.push(other);
    other.load();
    this.#use(other, { steps: chance.whole(1, 10) });
  }

  // ---- the end ----

  /** All faults are over: everything must come to rest by itself. */
  async #rest(): Promise<void> {
    const end = this.#clock.now() + REST;
    const open = this.#tabs.filter((tab) => !tab.isClosed);
    // Processes go on or come back; an idle page needs this long to notice that its line is dead.
    await this.#clock.run(linkDefaults.idle + linkDefaults.probe + 6_000);
    const settled = () => open.every((tab) => tab.isSettled);
    if (!(await this.#clock.runUntil(settled, end))) {
      for (const tab of open) if (!tab.isSettled) this.#findings.push(`restless: ${tab.history.participant}`);
    } else {
      const back = open.map((tab) => tab.confirm());
      const confirmed = () => back.every((isBack) => isBack()) && settled();
      if (!(await this.#clock.runUntil(confirmed, end))) this.#findings.push("restless: a last echo did not come back");
      // Members of a group who ask different processes would take it from each other for ever.
      for (const code of this.#routes.keys()) this.#routes.set(code, 0);
      // Also what a second tab of the same participant is still waiting for.
      await this.#clock.run(10_000);
    }
    this.#compareAtRest(open);
    for (const tab of open) tab.finish();
    for (const process of this.#processes.values()) process.life.end();
    for (const { payload } of this.#database.rows(TimerTable)) this.#findings.push(`restless: the timer of ${payload}`);
  }

  #judge(): string[] {
    const histories = this.#tabs.map((tab) => tab.history);
    const facts = this.#facts(histories);
    const { figures, findings, effects } = check({ tabs: histories, database: facts, startMoney: MONEY });
    this.#faults.counts.set("effects", effects);
    this.#faults.counts.set("rung", facts.rung.length);
    for (const figure of FIGURES) if (figures[figure] > 0) this.#trace(`${figure}: ${figures[figure]}`);
    return [...findings.map(({ figure, what }) => `${figure}: ${what}`), ...this.#leftBehind(facts)];
  }

  /** What went along with a form runs before the page is left. Another tab may have left it before, and a
   * process that does not know yet that it has lost the group may have shown it again. */
  #leftBehind({ entries }: Facts): string[] {
    if (this.#shared) return [];
    const refused = new Set(
      entries.filter(({ refusal }) => refusal === "wrong_page").map(({ client, n }) => `${client} ${n}`),
    );
    return this.#tabs.flatMap(({ history, carried }) => {
      const isAlone = this.#tabs.filter((other) => other.history.participant === history.participant).length === 1;
      const left = history.sent.filter(({ uid, client, n }) => carried.has(uid) && refused.has(`${client} ${n}`));
      return isAlone ? left.map(({ uid }) => `leftBehind: ${uid}`) : [];
    });
  }

  /** What the database holds, as the checker of the chaos test wants it. */
  #facts(tabs: readonly TabHistory[]): Facts {
    const code = new Map(this.#database.rows(ParticipantTable).map((row) => [row.id, String(row.code)]));
    const players = this.#database.rows(market.spec.player.table);
    const place = new Map(players.map((row) => [row.id, Number(row.idInGroup)]));
    const sent = new Map<string, string>();
    for (const tab of tabs) for (const { client, n, data } of tab.sent) sent.set(`${client} ${n}`, data);
    const entries = [...this.#database.journals].flatMap((journal) =>
      [...journal]
        .filter((entry) => entry !== undefined)
        .map((entry): Entry => {
          const output: RecordedOutput = JSON.parse(entry.output ?? "{}");
          return {
            group: entry.actorId,
            seq: entry.seq,
            kind: entry.kind,
            participant: code.get(entry.participantId) ?? null,
            page: entry.page,
            client: entry.clientId,
            n: entry.n,
            // The input of a message that the database refused is not kept: the number tells which it was.
            input: entry.kind === "refused" ? (sent.get(`${entry.clientId} ${entry.n}`) ?? entry.input) : entry.input,
            refusal: output.e?.code ?? null,
            deliveries: outputOf(entry).map(({ to, page, text: data }) => ({ to, page, data })),
          };
        }),
    );
    const { Transfer } = market.spec.extras;
    const transfers = Transfer === undefined ? [] : this.#database.rows(Transfer.table);
    return {
      entries,
      players: players.map((row) => ({
        participant: code.get(row.participantId as number) ?? "",
        round: Number(row.roundNumber),
        group: Number(row.groupId),
        idInGroup: Number(row.idInGroup),
        money: Number(row.money),
      })),
      transfers: transfers.map((row) => ({
        group: Number(row.actorId),
        n: Number(row.n),
        uid: String(row.uid),
        from: place.get(row.player as number) ?? 0,
        to: Number(row.receiver),
        amount: Number(row.amount),
      })),
      rung: this.#database
        .rows(market.spec.group.table)
        .flatMap((row) => (JSON.parse(String(row.rung)) as Rung[]).map((rung) => ({ group: Number(row.id), ...rung }))),
      pending: this.#database
        .rows(TimerTable)
        .map((row) => ({ group: Number(row.actorId), uid: String(JSON.parse(String(row.payload))) })),
    };
  }

  #names(): () => string {
    let i = 0;
    return () => `p${++i}`;
  }

  /** Small enough in some runs that they are met. */
  #makeLimits(): ActorLimits {
    const chance = new Chance(this.#seed, "limits");
    const some = <T>(value: T, otherwise: T): T => (chance.next() < 0.4 ? value : otherwise);
    return {
      ...GAME_LIMITS,
      rate: some(8, 50),
      burst: some(4, 100),
      mailbox: some(3, 1_000),
      comeBack: 50,
      uncommittedUnits: some(chance.whole(1, 4), 64),
      gate: {
        ...some({ recentEntries: chance.whole(1, 6) }, {}),
        ...some({ catchUpEntries: chance.whole(3, 12) }, {}),
        ...some({ chunk: chance.whole(1, 8) }, {}),
        ...some({ buffered: 400, pace: 100 }, {}),
      },
    };
  }
}
