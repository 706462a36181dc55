import type { Database, Entry, History, PageLoad, PlayerRow, TabHistory, TransferRow } from "./history.ts";

/** What can be wrong; each figure of a good run is 0. */
export const FIGURES = [
  /** Answered as done, or sent by a tab that stayed to the end, and not in the database. */
  "lost",
  /** In the database, or in a page, more than once. */
  "duplicated",
  /** Took effect, or came to a page, in another order than it was sent. */
  "outOfOrder",
  /** In the database, and not what anybody sent. */
  "invented",
  /** A page was told something else than the journal says. */
  "answersChanged",
  /** A page showed or received what the database does not have. */
  "seenNotStored",
  /** A delivery that a page should have had. */
  "gaps",
  /** Numbers missing in a group's journal, among its rows, or among a client's messages. */
  "holes",
  /** Without an answer at the end, though everything had come to rest. */
  "unanswered",
  /** A timer that fired before its time. */
  "early",
  /** Money made or gone, or a balance that its transfers do not explain. */
  "moneyWrong",
] as const;
export type Figure = (typeof FIGURES)[number];

export interface Verdict {
  /** Messages sent, answered in any way, and carried out with a row. */
  sent: number;
  acknowledged: number;
  effects: number;
  figures: Record<Figure, number>;
  findings: { figure: Figure; what: string }[];
}

/** Compares what pages saw with what the database holds. Trusts neither. */
export function check({ tabs, database, startMoney }: History): Verdict {
  const findings: Verdict["findings"] = [];
  const report: Report = (figure, what) => findings.push({ figure, what });
  const facts = new Facts(database, report);
  checkNumbers(facts, report);
  checkMessages(tabs, facts, report);
  checkMoney(facts, startMoney, report);
  checkTimers(database, facts, report);
  for (const tab of tabs) {
    checkOrder(tab, facts, report);
    for (const load of tab.loads) checkPage(tab, load, facts, report);
    for (let n = 1; n <= tab.unanswered; n++) report("unanswered", `a message of ${tab.participant}`);
  }
  const sent = tabs.flatMap((tab) => tab.sent);
  return {
    sent: sent.length,
    acknowledged: sent.filter((message) => message.answer !== null).length,
    effects: database.transfers.length,
    figures: Object.fromEntries(
      FIGURES.map((figure) => [figure, findings.filter((finding) => finding.figure === figure).length]),
    ) as Verdict["figures"],
    findings,
  };
}

type Report = (figure: Figure, what: string) => void;

/** The database, sorted for looking things up. */
class Facts {
  /** Messages, carried out or refused, by uid: the first where there are several. */
  readonly messages = new Map<string, Entry>();
  readonly transfers = new Map<string, TransferRow>();
  /** By group, and by seq or n within it. */
  readonly entriesOf: ReadonlyMap<number, Entry[]>;
  readonly transfersOf: ReadonlyMap<number, TransferRow[]>;
  readonly playersOf: ReadonlyMap<number, PlayerRow[]>;
  readonly #players = new Map<string, PlayerRow>();

  constructor({ entries, transfers, players }: Database, report: Report) {
    this.entriesOf = Map.groupBy(entries, (entry) => entry.group);
    this.transfersOf = Map.groupBy(transfers, (transfer) => transfer.group);
    this.playersOf = Map.groupBy(players, (player) => player.group);
    for (const list of this.entriesOf.values()) list.sort((a, b) => a.seq - b.seq);
    for (const list of this.transfersOf.values()) list.sort((a, b) => a.n - b.n);
    for (const list of this.playersOf.values()) list.sort((a, b) => a.idInGroup - b.idInGroup);
    for (const player of players) this.#players.set(`${player.participant} ${player.round}`, player);
    for (const entry of entries.filter(isMessage)) {
      const uid = uidOf(entry);
      if (this.messages.has(uid)) report("duplicated", `message ${uid} at ${at(entry)}`);
      else this.messages.set(uid, entry);
    }
    for (const transfer of transfers) {
      if (this.transfers.has(transfer.uid)) report("duplicated", `the row of ${transfer.uid}`);
      else this.transfers.set(transfer.uid, transfer);
    }
  }

  /** Who a participant is on a page. */
  player(participant: string, page: string): PlayerRow | undefined {
    return this.#players.get(`${participant} ${page.split("/")[1]}`);
  }
}

/** Everything that is counted is counted 1, 2, 3 ... */
function checkNumbers({ entriesOf, transfersOf }: Facts, report: Report): void {
  const count = (what: string, numbers: number[]): void => {
    numbers.sort((a, b) => a - b);
    let last = 0;
    for (const n of numbers) {
      if (n === last) report("duplicated", `${what}: number ${n}`);
      else if (n !== last + 1) report("holes", `${what}: ${n} after ${last}`);
      last = n;
    }
  };
  for (const [group, entries] of entriesOf) {
    count(
      `journal of group ${group}`,
      entries.map((entry) => entry.seq),
    );
  }
  for (const [group, transfers] of transfersOf) {
    count(
      `rows of group ${group}`,
      transfers.map((transfer) => transfer.n),
    );
  }
  const messages = [...entriesOf.values()].flat().filter(isMessage);
  for (const [client, own] of Map.groupBy(messages, (entry) => `${entry.participant} ${entry.client}`)) {
    count(
      `client ${client}`,
      own.map((entry) => entry.n ?? 0),
    );
  }
}

/** Each message against its journal entry and its row, both ways. */
function checkMessages(tabs: readonly TabHistory[], facts: Facts, report: Report): void {
  const known = new Set<string>();
  for (const tab of tabs) {
    for (const message of tab.sent) {
      const { uid, answer, transfer } = message;
      known.add(uid);
      const entry = facts.messages.get(uid);
      const row = facts.transfers.get(uid);
      if (entry === undefined) {
        if (answer === "done" || (answer === null && tab.stayed)) report("lost", `${uid} (${answer ?? "no answer"})`);
        else if (answer !== null) report("answersChanged", `${uid}: told ${answer}, and the journal has nothing`);
        if (row !== undefined) report("invented", `${uid} has a row without an entry`);
        continue;
      }
      const stands = entry.refusal ?? "done";
      if (answer !== null && answer !== stands) {
        report("answersChanged", `${uid}: told ${answer}, and ${at(entry)} says ${stands}`);
      }
      const isSame =
        entry.participant === tab.participant &&
        entry.client === message.client &&
        entry.n === message.n &&
        entry.page === message.page &&
        entry.input === message.data;
      if (!isSame) report("invented", `${at(entry)} is not ${uid} as it was sent`);
      const isDue = transfer !== null && entry.kind === "message";
      if (isDue && row === undefined) report("lost", `the row of ${uid}`);
      if (row === undefined) continue;
      const from = facts.player(tab.participant, message.page);
      const isRight =
        isDue &&
        row.group === entry.group &&
        row.group === from?.group &&
        row.from === from.idInGroup &&
        row.to === transfer.to &&
        row.amount === transfer.amount;
      if (!isRight) report("invented", `the row of ${uid}, which was sent as ${message.data} and is ${stands}`);
    }
  }
  for (const [uid, entry] of facts.messages) {
    if (!known.has(uid)) report("invented", `${at(entry)}, ${entry.input}`);
  }
  for (const uid of facts.transfers.keys()) if (!known.has(uid)) report("invented", `the row of ${uid}`);
}

/** What a tab sent first took effect first. */
function checkOrder(tab: TabHistory, facts: Facts, report: Report): void {
  const newest = new Map<number, number>();
  for (const { uid } of tab.sent) {
    const entry = facts.messages.get(uid);
    if (entry === undefined) continue;
    if (entry.seq < (newest.get(entry.group) ?? 0)) report("outOfOrder", `${uid} at ${at(entry)}`);
    newest.set(entry.group, Math.max(entry.seq, newest.get(entry.group) ?? 0));
  }
}

/** What a page showed and received is what the journal says was due to it, from its beginning on. */
function checkPage(tab: TabHistory, load: PageLoad, facts: Facts, report: Report): void {
  const player = facts.player(tab.participant, load.page);
  const entries = facts.entriesOf.get(player?.group ?? 0) ?? [];
  const where = `${tab.participant} on ${load.page} from ${load.seq}`;
  if (player === undefined || load.seq > (entries.at(-1)?.seq ?? 0)) {
    report("seenNotStored", `${where}: that page itself`);
    return;
  }
  const shown = (facts.transfersOf.get(player.group) ?? []).filter(
    ({ uid }) => (facts.messages.get(uid)?.seq ?? 0) <= load.seq,
  ).length;
  if (load.transfers > shown) report("seenNotStored", `${where} showed ${load.transfers} transfers of ${shown}`);
  if (load.transfers < shown) report("gaps", `${where} showed only ${load.transfers} transfers of ${shown}`);

  const due = new Map<number, string>();
  for (const { seq, deliveries } of entries) {
    if (seq <= load.after) continue;
    for (const { to, page, data } of deliveries) {
      if (page === load.page && to.includes(player.idInGroup)) due.set(seq, data);
    }
  }
  const seen = new Set<number>();
  let newest = 0;
  for (const { seq, data } of load.received) {
    if (due.get(seq) !== data) report("seenNotStored", `${where}: ${seq} ${data}`);
    if (seen.has(seq)) report("duplicated", `${where}: ${seq}`);
    else if (seq < newest) report("outOfOrder", `${where}: ${seq} after ${newest}`);
    seen.add(seq);
    newest = Math.max(newest, seq);
  }
  const isComplete = tab.stayed && load === tab.loads.at(-1);
  for (const seq of due.keys()) {
    if (!seen.has(seq) && (isComplete || seq < newest)) report("gaps", `${where}: ${seq}`);
  }
}

/** Each timer that was set fires once, in its group and not before its time; whatever else becomes of who set it. */
function checkTimers(database: Database, facts: Facts, report: Report): void {
  const { rung, pending } = database;
  const set = new Map<string, Entry>();
  for (const [uid, entry] of facts.messages) {
    if (entry.kind === "message" && entry.input?.includes('"do":"later"') === true) set.set(uid, entry);
  }
  const seen = new Map<string, number>();
  for (const { uid, group, due, fired } of rung) {
    seen.set(uid, (seen.get(uid) ?? 0) + 1);
    if (set.get(uid)?.group !== group) report("invented", `the timer of ${uid} in group ${group}`);
    if (fired < due) report("early", `the timer of ${uid}, due at ${due}, at ${fired}`);
  }
  for (const { uid, group } of pending) {
    if (set.get(uid)?.group !== group) report("invented", `a pending timer of ${uid} in group ${group}`);
    if (seen.has(uid)) report("duplicated", `the timer of ${uid} has fired and is pending`);
  }
  for (const { kind, refusal, input } of database.entries) {
    if (kind !== "timer" || refusal === null) continue;
    // The database refused what the firing changed.
    const { payload: uid } = JSON.parse(input ?? "{}") as { payload: string };
    seen.set(uid, (seen.get(uid) ?? 0) + 1);
  }
  const waiting = new Set(pending.map(({ uid }) => uid));
  for (const [uid, entry] of set) {
    const times = seen.get(uid) ?? 0;
    if (times > 1) report("duplicated", `the timer of ${uid} fired ${times} times`);
    if (times === 0 && !waiting.has(uid)) report("lost", `the timer that ${at(entry)} has set`);
  }
}

/** Plays the transfers again: balances, and what was told of them at the time. */
function checkMoney({ playersOf, transfersOf, messages }: Facts, startMoney: number, report: Report): void {
  for (const [group, players] of playersOf) {
    const money = players.map(() => startMoney);
    let last = 0;
    for (const { n, uid, from, to, amount } of transfersOf.get(group) ?? []) {
      money[from - 1] = (money[from - 1] ?? 0) - amount;
      money[to - 1] = (money[to - 1] ?? 0) + amount;
      const entry = messages.get(uid);
      if (entry === undefined) continue;
      if (entry.seq < last) report("outOfOrder", `the row of ${uid} is number ${n}, and its entry ${at(entry)}`);
      last = entry.seq;
      const told = JSON.stringify({ uid, transfers: n, money });
      for (const { data } of entry.deliveries) {
        if (data !== told) report("seenNotStored", `${at(entry)} told ${data}, and the rows say ${told}`);
      }
    }
    for (const { participant, idInGroup, money: has } of players) {
      const should = money[idInGroup - 1];
      if (has !== should) report("moneyWrong", `${participant} in group ${group} has ${has} in place of ${should}`);
    }
    const sum = players.reduce((total, player) => total + player.money, 0);
    if (sum !== startMoney * players.length) report("moneyWrong", `group ${group} has ${sum} together`);
  }
}

function isMessage(entry: Entry): boolean {
  return entry.kind === "message" || entry.kind === "refused";
}

function uidOf(entry: Entry): string {
  try {
    return String(JSON.parse(entry.input ?? "null")?.uid);
  } catch {
    return String(entry.input);
  }
}

function at(entry: Entry): string {
  return `${entry.kind} ${entry.group}/${entry.seq}`;
}
