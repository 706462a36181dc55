import { expect, test } from "@jest/globals";
import { check, FIGURES, type Figure } from "./chaos/checker.ts";
import type { Entry, History, PageLoad, SentMessage, TransferRow } from "./chaos/history.ts";

/** A history that can be written to. */
type Draft<T> = T extends object ? { -readonly [K in keyof T]: Draft<T[K]> } : T;

const PAGE = "market/1/Trade";

function give(uid: string, to: number, amount: number, sent: Partial<SentMessage>): Draft<SentMessage> {
  const data = JSON.stringify({ uid, do: "give", to, amount });
  return { uid, client: "", n: 0, page: PAGE, data, transfer: { to, amount }, answer: "done", ...sent };
}

function echo(uid: string, sent: Partial<SentMessage>): Draft<SentMessage> {
  const data = JSON.stringify({ uid, do: "echo" });
  return { uid, client: "", n: 0, page: PAGE, data, transfer: null, answer: "done", ...sent };
}

function later(uid: string, sent: Partial<SentMessage>): Draft<SentMessage> {
  return { ...echo(uid, sent), data: JSON.stringify({ uid, do: "later", after: 2 }) };
}

function entryOf(message: SentMessage, seq: number, participant: string, changes: Partial<Entry> = {}): Draft<Entry> {
  const { page, client, n, data: input } = message;
  return {
    ...{ group: 1, seq, kind: "message", participant, page, client, n, input, refusal: null, deliveries: [] },
    ...(changes as Draft<Partial<Entry>>),
  };
}

function loaded(seq: number): Draft<Entry> {
  const nothing = { participant: null, page: null, client: null, n: null, input: null, refusal: null };
  return { group: 1, seq, kind: "loaded", ...nothing, deliveries: [] };
}

/**
 * Two players of one group. A gives, is refused, hears itself, gives without hearing the answer, loads
 * the page again and gives once more; B gives and hears itself. The server was killed once. A second
 * tab of A is closed before its only message arrives.
 */
function goodHistory(): Draft<History> {
  const a1 = give("a1", 2, 5, { client: "A1", n: 1 });
  const b1 = give("b1", 1, 3, { client: "B1", n: 1 });
  const a2 = give("a2", 2, 9, { client: "A1", n: 2, answer: "failed" });
  const a3 = echo("a3", { client: "A1", n: 3 });
  const a4 = give("a4", 2, 1, { client: "A1", n: 4, answer: null });
  const a5 = give("a5", 2, 4, { client: "A2", n: 1 });
  const b2 = echo("b2", { client: "B1", n: 2 });
  const told = (uid: string, transfers: number, money: number[]) => JSON.stringify({ uid, transfers, money });
  const toldOfA1 = told("a1", 1, [95, 105]);
  const toldOfB1 = told("b1", 2, [98, 102]);
  const toldOfA5 = told("a5", 4, [93, 107]);
  const heard = (uid: string) => JSON.stringify({ uid });
  const load = (seq: number, transfers: number, received: PageLoad["received"]) =>
    ({ page: PAGE, after: seq, seq, transfers, received }) as Draft<PageLoad>;
  const row = (n: number, uid: string, from: number, to: number, amount: number): Draft<TransferRow> => ({
    ...{ group: 1, n, uid, from, to, amount },
  });
  return {
    startMoney: 100,
    tabs: [
      {
        participant: "A",
        stayed: true,
        unanswered: 0,
        sent: [a1, a2, a3, a4, a5],
        loads: [
          load(1, 0, [
            { seq: 2, data: toldOfA1 },
            { seq: 3, data: toldOfB1 },
            { seq: 5, data: heard("a3") },
          ]),
          load(7, 3, [{ seq: 8, data: toldOfA5 }]),
        ],
      },
      {
        participant: "B",
        stayed: true,
        unanswered: 0,
        sent: [b1, b2],
        loads: [
          load(1, 0, [
            { seq: 2, data: toldOfA1 },
            { seq: 8, data: toldOfA5 },
            { seq: 9, data: heard("b2") },
          ]),
        ],
      },
      {
        participant: "A",
        stayed: false,
        unanswered: 0,
        sent: [give("a6", 2, 7, { client: "A3", n: 1, answer: null })],
        loads: [load(4, 2, [])],
      },
    ],
    database: {
      players: [
        { participant: "A", round: 1, group: 1, idInGroup: 1, money: 93 },
        { participant: "B", round: 1, group: 1, idInGroup: 2, money: 107 },
      ],
      entries: [
        loaded(1),
        entryOf(a1, 2, "A", { deliveries: [{ to: [1, 2], page: PAGE, data: toldOfA1 }] }),
        entryOf(b1, 3, "B", { deliveries: [{ to: [1], page: PAGE, data: toldOfB1 }] }),
        entryOf(a2, 4, "A", { kind: "refused", refusal: "failed" }),
        entryOf(a3, 5, "A", { deliveries: [{ to: [1], page: PAGE, data: heard("a3") }] }),
        loaded(6),
        entryOf(a4, 7, "A"),
        entryOf(a5, 8, "A", { deliveries: [{ to: [1, 2], page: PAGE, data: toldOfA5 }] }),
        entryOf(b2, 9, "B", { deliveries: [{ to: [2], page: PAGE, data: heard("b2") }] }),
      ],
      transfers: [row(1, "a1", 1, 2, 5), row(2, "b1", 2, 1, 3), row(3, "a4", 1, 2, 1), row(4, "a5", 1, 2, 4)],
      rung: [],
      pending: [],
    },
  };
}

/** The same, and then B sets two timers, of which one fires for A and B. */
function withTimers(history: Draft<History>): Draft<History> {
  const b3 = later("b3", { client: "B1", n: 3 });
  const b4 = later("b4", { client: "B1", n: 4 });
  const data = '{"rung":"b3","n":1}';
  const nothing = { participant: null, page: null, client: null, n: null, input: "{}", refusal: null };
  const fired = { group: 1, seq: 12, kind: "timer", ...nothing, deliveries: [{ to: [1, 2], page: PAGE, data }] };
  history.database.entries.push(entryOf(b3, 10, "B"), entryOf(b4, 11, "B"), fired);
  history.database.rung.push({ group: 1, uid: "b3", due: 2_000, fired: 2_003 });
  history.database.pending.push({ group: 1, uid: "b4" });
  of(history.tabs, ({ participant }) => participant === "B").sent.push(b3, b4);
  load(history, 1, 0).received.push({ seq: 12, data });
  load(history, 0, 1).received.push({ seq: 12, data });
  return history;
}

test("a good history with timers passes", () => {
  expect(check(withTimers(goodHistory())).findings).toEqual([]);
});

test("a good history passes", () => {
  const { findings, ...counts } = check(goodHistory());
  expect(findings).toEqual([]);
  expect(counts).toEqual({
    sent: 8,
    acknowledged: 6,
    effects: 4,
    figures: Object.fromEntries(FIGURES.map((figure) => [figure, 0])),
  });
});

/** Looks something up that must be there. */
function of<T>(list: readonly T[], matches: (item: T) => boolean): T {
  const found = list.find(matches);
  if (found === undefined) throw new Error("the good history has changed");
  return found;
}
const entry = ({ database }: Draft<History>, seq: number) => of(database.entries, (one) => one.seq === seq);
const rung = ({ database }: Draft<History>) => of(database.rung, () => true);
const sent = ({ tabs }: Draft<History>, uid: string) =>
  of(
    tabs.flatMap((tab) => tab.sent),
    (one) => one.uid === uid,
  );
const row = ({ database }: Draft<History>, uid: string) => of(database.transfers, (one) => one.uid === uid);
const load = ({ tabs }: Draft<History>, tab: number, n: number) => tabs[tab]?.loads[n] as Draft<PageLoad>;

const PLANTS: [what: string, figure: Figure, plant: (history: Draft<History>) => void][] = [
  [
    "an acknowledged message that the journal does not have",
    "lost",
    (h) => h.database.entries.splice(h.database.entries.indexOf(entry(h, 9)), 1),
  ],
  [
    "a message without an answer, of a tab that stayed, that the journal does not have",
    "lost",
    (h) => {
      h.database.entries.splice(h.database.entries.indexOf(entry(h, 7)), 1);
    },
  ],
  [
    "a row that is gone",
    "lost",
    (h) => {
      h.database.transfers.splice(3, 1);
    },
  ],
  ["a message under two entries", "duplicated", (h) => h.database.entries.push({ ...entry(h, 8), seq: 10, n: 2 })],
  [
    "a number under two entries",
    "duplicated",
    (h) => h.database.entries.push({ ...entry(h, 9), seq: 10, input: null }),
  ],
  ["a row twice", "duplicated", (h) => h.database.transfers.push({ ...row(h, "a5"), n: 5 })],
  ["two entries with one seq", "duplicated", (h) => h.database.entries.push(loaded(6))],
  ["a delivery that came twice", "duplicated", (h) => load(h, 0, 1).received.push(...load(h, 0, 1).received)],
  [
    "two messages of a tab that changed places",
    "outOfOrder",
    (h) => {
      const [first, second] = [entry(h, 7), entry(h, 8)];
      first.seq = 8;
      second.seq = 7;
    },
  ],
  [
    "two rows that changed places",
    "outOfOrder",
    (h) => {
      row(h, "a1").n = 2;
      row(h, "b1").n = 1;
    },
  ],
  ["deliveries that came in another order", "outOfOrder", (h) => load(h, 1, 0).received.reverse()],
  [
    "an entry that nobody sent",
    "invented",
    (h) => h.database.entries.push(entryOf(echo("x1", { client: "X", n: 1 }), 10, "A")),
  ],
  ["a row that nobody sent", "invented", (h) => h.database.transfers.push({ ...row(h, "a5"), n: 5, uid: "x1" })],
  ["a message that arrived as another", "invented", (h) => (entry(h, 9).input = '{"uid":"b2","do":"echo","x":1}')],
  ["a message under another's name", "invented", (h) => (entry(h, 9).participant = "A")],
  ["a row of another amount", "invented", (h) => (row(h, "a5").amount = 40)],
  [
    "a row of a message that was refused",
    "invented",
    (h) => h.database.transfers.push({ group: 1, n: 5, uid: "a2", from: 1, to: 2, amount: 9 }),
  ],
  ["done, told as refused", "answersChanged", (h) => (sent(h, "b2").answer = "wrong_page")],
  ["refused, told as done", "answersChanged", (h) => (sent(h, "a2").answer = "done")],
  ["a refusal for another reason than the journal's", "answersChanged", (h) => (sent(h, "a2").answer = "invalid")],
  ["a refusal that nobody wrote down", "answersChanged", (h) => (sent(h, "a6").answer = "invalid")],
  [
    "a delivery that was seen and is not stored",
    "seenNotStored",
    (h) => load(h, 1, 0).received.push({ seq: 10, data: '{"uid":"a6"}' }),
  ],
  ["a delivery with another content", "seenNotStored", (h) => (of(load(h, 1, 0).received, () => true).data = "1")],
  [
    "a delivery of somebody else",
    "seenNotStored",
    (h) => load(h, 1, 0).received.splice(1, 0, load(h, 0, 0).received[1] as never),
  ],
  ["a page rendered ahead of the database", "seenNotStored", (h) => (load(h, 0, 1).transfers = 4)],
  ["a page rendered at a seq that there is not", "seenNotStored", (h) => (load(h, 2, 0).seq = 10)],
  [
    "a state that was told and that the rows do not give",
    "seenNotStored",
    (h) => {
      const wrong = JSON.stringify({ uid: "a5", transfers: 4, money: [94, 106] });
      of(entry(h, 8).deliveries, () => true).data = wrong;
      of(load(h, 0, 1).received, () => true).data = wrong;
      of(load(h, 1, 0).received, ({ seq }) => seq === 8).data = wrong;
    },
  ],
  ["a delivery that is missing between two", "gaps", (h) => load(h, 1, 0).received.splice(1, 1)],
  ["the last delivery missing on a page that stayed", "gaps", (h) => load(h, 1, 0).received.pop()],
  ["a page rendered without what was there", "gaps", (h) => (load(h, 0, 1).transfers = 2)],
  ["a journal with a hole", "holes", (h) => (entry(h, 9).seq = 10)],
  ["rows with a hole", "holes", (h) => (row(h, "a5").n = 5)],
  ["a client's messages with a hole", "holes", (h) => (entry(h, 9).n = sent(h, "b2").n = 3)],
  ["a message that is never answered", "unanswered", (h) => (of(h.tabs, () => true).unanswered = 1)],
  ["a timer that is gone without having fired", "lost", (h) => withTimers(h).database.pending.pop()],
  ["a timer that fired twice", "duplicated", (h) => h.database.rung.push(...[rung(withTimers(h)), rung(h)].slice(1))],
  [
    "a timer that has fired and is pending",
    "duplicated",
    (h) => withTimers(h).database.pending.push({ group: 1, uid: "b3" }),
  ],
  ["a timer that nobody has set", "invented", (h) => (rung(withTimers(h)).uid = "b2")],
  ["a timer of another group", "invented", (h) => (rung(withTimers(h)).group = 2)],
  ["a timer that fired too early", "early", (h) => (rung(withTimers(h)).fired = 1_999)],
  ["a delivery of a timer that is missing", "gaps", (h) => load(withTimers(h), 1, 0).received.pop()],
  [
    "a delivery of a timer to another page",
    "seenNotStored",
    (h) => (of(entry(withTimers(h), 12).deliveries, () => true).page = "market/1/Deal"),
  ],
  ["money out of nothing", "moneyWrong", (h) => (of(h.database.players, () => true).money += 1)],
  [
    "money in the wrong pocket",
    "moneyWrong",
    (h) => {
      for (const player of h.database.players) player.money = 100;
    },
  ],
];

test.each(PLANTS)("the checker reports %s as %s", (_, figure, plant) => {
  const history = goodHistory();
  plant(history);
  expect(check(history).figures[figure]).toBeGreaterThan(0);
});

test("every figure can be reported", () => {
  expect(new Set(PLANTS.map(([, figure]) => figure))).toEqual(new Set(FIGURES));
});

test("what a closed tab sent may be missing, and what a page missed after it was left is no gap", () => {
  const history = goodHistory();
  history.tabs.pop();
  load(history, 0, 0).received.pop();
  expect(check(history).findings).toEqual([]);
});
