import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import { WalrasError } from "../client-sdk/errors.ts";
import { sqliteConnection, sqliteSource } from "../entities/data-source.ts";
import type { Faults } from "../entities/faults.ts";
import type { DatabaseOptions } from "../entities/open-store.ts";
import { createSession } from "../entities/sessions.ts";
import type { CommitOutcome, JournalEntry, Store, StoredUnit } from "../entities/store.ts";
import {
  JournalTable,
  MARK_SPAN,
  MessageMarkTable,
  ParticipantTable,
  ProbeTable,
  SessionTable,
  TimerTable,
  WaitPageTable,
} from "../entities/system-tables.ts";
import type { RowChange, Values } from "../entities/tables.ts";
import { forEachStore } from "./helpers/stores.ts";
import { testApp } from "./helpers/test-app.ts";

const app = testApp({ rounds: 2, pages: ["Bidding", "Results"] });
const { table: groupTable } = app.group;
const { table: playerTable } = app.player;
const { table: bidTable } = app.extras.Bid;

/** A journal entry with what a test does not care about filled in. */
function entry(actorId: number, seq: number, more: Partial<JournalEntry> = {}): JournalEntry {
  return {
    ...{ actorId, seq, at: 1_700_000_000_000 + seq, kind: "message", participantId: null, page: null, clientId: null },
    ...{ n: null, input: null, output: null, changes: null, seed: null, writer: "w", batch: "b", ...more },
  };
}

function unit(actorId: number, seq: number, changes: RowChange[] = [], more: Partial<JournalEntry> = {}): StoredUnit {
  return { entry: entry(actorId, seq, more), changes };
}

function bid(actorId: number, n: number, values: Values = {}): RowChange {
  return { op: "insert", table: bidTable, values: { actorId, n, amount: n, ...values } };
}

function setGroup(actorId: number, values: Values): RowChange {
  return { op: "update", table: groupTable, key: { id: actorId }, values };
}

/** A session of so many participants in groups of two; the actors of round 1 are 1, 2, 3 ... */
function session(store: Store, participants = 4) {
  return store.transact((write) =>
    createSession(write, {
      config: { name: "demo", appSequence: ["auction"], fee: 2.5 },
      apps: new Map([[app.name, app]]),
      participants,
      isDemo: true,
      now: 1_700_000_000_000,
      decimals: 2,
    }),
  );
}

async function commit(store: Store, ...units: StoredUnit[]): Promise<CommitOutcome> {
  return store.commit(units);
}

function journal(store: Store): Promise<Values[]> {
  return store.read.rows(JournalTable);
}

const DONE = { result: "done" };

forEachStore((kit) => {
  const sqlite = kit.dialect === "sqlite";
  let faults: Faults = {};
  afterEach(() => {
    faults = {};
  });

  /** A store whose faults a test may set at any time. */
  async function openWith(place: DatabaseOptions = {}, participants = 4): Promise<Store> {
    const store = await kit.open({
      ...place,
      apps: [app],
      faults: {
        beforeStatement: (sql) => faults.beforeStatement?.(sql),
        beforeCommit: () => faults.beforeCommit?.(),
        afterCommit: () => faults.afterCommit?.(),
        connected: (run) => faults.connected?.(run),
      },
    });
    if (participants > 0) await session(store, participants);
    return store;
  }

  /** Makes the next thing of this name fail, once. */
  function failOnce(name: "beforeStatement" | "beforeCommit" | "afterCommit", error: Error, sql?: RegExp): void {
    faults[name] = (text?: string) => {
      if (sql !== undefined && !sql.test(text ?? "")) return;
      delete faults[name];
      throw error;
    };
  }

  describe("values", () => {
    test.each<[string, Values]>([
      ["big and negative integers", { anInteger: -Number.MAX_SAFE_INTEGER, aLink: Number.MAX_SAFE_INTEGER }],
      ["times", { aTimestamp: 4_102_444_800_000 }],
      ["fractions", { aFloat: -0.1, anAmount: 1e21, amount: Number.MIN_VALUE }],
      ["whole numbers in fractional columns", { aFloat: 3, anAmount: -7 }],
      ["true", { aBoolean: true }],
      ["false", { aBoolean: false }],
      ["any text", { aText: `émoji 🎲, "quotes' \\ {curly},NULL\n\t`, aLongText: "x".repeat(100_000) }],
      ["empty text", { aText: "", aLongText: "NULL" }],
      ["JSON exactly as written", { aJson: '{ "b":1.0,"a":[1e2,"\\u00e9\\u0000",null] , "b":2}' }],
      ["numbers in text", { aText: "007", aJson: "1.50" }],
    ])("come back as they went: %s", async (_, values) => {
      const store = await openWith();
      expect(await commit(store, unit(1, 1, [bid(1, 1, values)]))).toEqual(DONE);
      const nothing = Object.fromEntries(bidTable.columns.map((column) => [column.name, null]));
      expect(await store.read.rows(bidTable)).toEqual([{ ...nothing, actorId: 1, n: 1, amount: 1, ...values }]);
      // And by an update, whose parameters take another way.
      const change: RowChange = { op: "update", table: bidTable, key: { actorId: 1, n: 2 }, values };
      expect(await commit(store, unit(1, 2, [bid(1, 2)]))).toEqual(DONE);
      expect(await commit(store, unit(1, 3, [change]))).toEqual(DONE);
      expect(await store.read.rows(bidTable, { n: 2 })).toEqual([
        { ...nothing, actorId: 1, n: 2, amount: 2, ...values },
      ]);
    });

    test("a column that an insert leaves out gets its initial value", async () => {
      const store = await openWith();
      const bare = { actorId: 1, n: 1 };
      expect(await commit(store, unit(1, 1, [{ op: "insert", table: bidTable, values: bare }]))).toEqual(DONE);
      expect(await store.read.rows(bidTable)).toMatchObject([{ ...bare, amount: null }]);
      expect(await store.read.rows(groupTable, { id: 1 })).toMatchObject([{ extraCount: 0 }]);
    });

    test("a journal entry comes back whole", async () => {
      const store = await openWith();
      const full = { participantId: 1, page: "auction/1/Bidding", clientId: "c", n: 1, input: "[1]", output: "{}" };
      const written = entry(1, 1, { ...full, changes: "[]", seed: 2 ** 40, writer: "me", batch: "7" });
      expect(await store.commit([{ entry: written, changes: [] }])).toEqual(DONE);
      expect(await store.read.journal(1, 0, 10)).toEqual([written]);
    });

    test.each<[string, RowChange[]]>([
      ["text with NUL", [bid(1, 1, { aText: "a\0b" })]],
      ["half a surrogate pair", [bid(1, 1, { aJson: '"\ud800"' })]],
      ["an integer beyond the safe ones", [bid(1, 1, { anInteger: 2 ** 63 })]],
      ["a fraction in an integer column", [setGroup(1, { extraCount: 1.5 })]],
      ["not a number", [bid(1, 1, { aFloat: Number.NaN })]],
      ["a text in a number column", [bid(1, 1, { amount: "12" })]],
      ["an unknown column", [setGroup(1, { noSuch: 1 })]],
      [
        "null where it may not be",
        [{ op: "insert", table: TimerTable, values: { actorId: 1, n: 1, name: null, dueAt: 1 } }],
      ],
      ["a row that exists", [bid(2, 1)]],
      ["a row that is inserted twice", [bid(1, 1), bid(1, 1)]],
    ])("are refused as data, and nothing of the batch stays: %s", async (_, changes) => {
      const store = await openWith();
      await commit(store, unit(2, 1, [bid(2, 1)]));
      const outcome = await commit(store, unit(2, 2, [bid(2, 2)]), unit(1, 1, changes));
      expect(outcome).toMatchObject({ result: "data", error: { message: expect.anything() } });
      expect(await journal(store)).toMatchObject([{ actorId: 2, seq: 1 }]);
      expect(await store.read.rows(bidTable)).toMatchObject([{ actorId: 2, n: 1 }]);
      expect(await commit(store, unit(2, 2, [bid(2, 2)]))).toEqual(DONE);
    });

    test("an update of a row that is not there names table and key", async () => {
      const store = await openWith();
      const there: RowChange = { op: "update", table: bidTable, key: { actorId: 1, n: 1 }, values: { amount: 5 } };
      const gone: RowChange = { ...there, key: { actorId: 1, n: 77 } };
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
      const outcome = await commit(store, unit(1, 2, [there, gone]));
      const error = expect.objectContaining({ code: "row_missing", message: expect.stringMatching(/auction_bid.*77/) });
      expect(outcome).toEqual({ result: "data", error });
      expect(await store.read.rows(bidTable)).toMatchObject([{ amount: 1 }]);
    });
  });

  describe("a batch", () => {
    test("writes only the last of a row's changes", async () => {
      const store = await openWith();
      const statements: string[] = [];
      faults.beforeStatement = (sql) => void statements.push(sql);
      const units = Array.from({ length: 100 }, (_, i) => {
        return unit(1, i + 1, [bid(1, i + 1), setGroup(1, { highestBid: i + 1, extraCount: i + 1 })]);
      });
      expect(await store.commit(units)).toEqual(DONE);
      expect(statements.filter((sql) => sql.startsWith("update"))).toHaveLength(1);
      expect(await store.read.rows(groupTable, { id: 1 })).toMatchObject([{ highestBid: 100, extraCount: 100 }]);
      expect(await store.read.rows(bidTable)).toHaveLength(100);
      expect((await journal(store)).map((row) => row.seq)).toEqual(units.map((each) => each.entry.seq));
    });

    test("adds up what happens to one row", async () => {
      const store = await openWith();
      const key = (n: number) => ({ actorId: 1, n });
      const update = (n: number, values: Values): RowChange => ({ op: "update", table: bidTable, key: key(n), values });
      const remove = (n: number): RowChange => ({ op: "delete", table: bidTable, key: key(n) });
      expect(await commit(store, unit(1, 1, [bid(1, 1), bid(1, 2), bid(1, 3, { aText: "old" })]))).toEqual(DONE);
      const outcome = await commit(
        store,
        unit(1, 2, [bid(1, 4), update(1, { aText: "a" }), update(2, { aText: "b" }), remove(3)]),
        unit(1, 3, [
          update(4, { amount: 44 }),
          update(1, { aJson: "[]" }),
          remove(2),
          bid(1, 5),
          bid(1, 3, { amount: 33 }),
        ]),
        unit(1, 4, [remove(5), update(3, { aBoolean: true })]),
      );
      expect(outcome).toEqual(DONE);
      expect(await store.read.rows(bidTable)).toMatchObject([
        { n: 1, amount: 1, aText: "a", aJson: "[]" },
        { n: 3, amount: 33, aText: null, aBoolean: true },
        { n: 4, amount: 44 },
      ]);
    });

    test("of many groups with different columns is one transaction", async () => {
      const store = await openWith();
      const outcome = await commit(
        store,
        unit(2, 1, [setGroup(2, { extraCount: 2 })]),
        unit(1, 1, [setGroup(1, { highestBid: 1 })]),
        unit(1, 2, [setGroup(1, {})]),
      );
      expect(outcome).toEqual(DONE);
      expect(await store.read.rows(groupTable)).toMatchObject([
        { highestBid: 1, extraCount: 0 },
        { extraCount: 2 },
        {},
        {},
      ]);
    });

    test("is not seen by readers before it is whole", async () => {
      const store = await openWith();
      let during: Values[] | undefined;
      faults.beforeCommit = async () => {
        during = await store.read.rows(bidTable);
      };
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
      expect(during).toEqual([]);
      expect(await store.read.rows(bidTable)).toHaveLength(1);
    });

    test("that comes while another is open is turned away", async () => {
      const store = await openWith();
      let second: Promise<CommitOutcome> | undefined;
      faults.beforeCommit = async () => {
        second ??= commit(store, unit(2, 1));
        await second;
      };
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
      expect(await second).toMatchObject({ result: "io", error: { code: "two_writers" } });
    });
  });

  describe("the fence", () => {
    test("stops a writer that lost its place, with everything in its batch", async () => {
      const store = await openWith();
      expect(await commit(store, unit(1, 1, [], { writer: "winner" }))).toEqual(DONE);
      const other = unit(2, 1, [bid(2, 1)], { writer: "loser" });
      const late = unit(1, 1, [bid(1, 1), setGroup(1, { highestBid: 9 })], { writer: "loser" });
      expect(await commit(store, other, late, unit(1, 2))).toEqual({ result: "stale", actorIds: [1] });
      expect(await journal(store)).toMatchObject([{ actorId: 1, seq: 1, writer: "winner" }]);
      expect(await store.read.rows(bidTable)).toEqual([]);
      expect(await commit(store, other)).toEqual(DONE);
    });

    test("names every actor that lost, and lost before doubled", async () => {
      const store = await openWith();
      await commit(store, unit(1, 1), unit(2, 1), unit(3, 1, [], { participantId: 1, clientId: "c", n: 1 }));
      const doubled = unit(3, 2, [], { participantId: 1, clientId: "c", n: 1 });
      const outcome = await commit(store, doubled, unit(2, 1), unit(1, 1));
      expect(outcome).toEqual({ result: "stale", actorIds: [1, 2] });
    });

    test("tells a lost place from a row that the winner wrote, too", async () => {
      const store = await openWith();
      await commit(store, unit(1, 1, [bid(1, 1)], { writer: "winner" }));
      const outcome = await commit(store, unit(1, 1, [bid(1, 1)], { writer: "loser" }));
      expect(outcome).toEqual({ result: "stale", actorIds: [1] });
    });

    test("finds a client's number that is in the journal of another group", async () => {
      const store = await openWith();
      const number = { participantId: 1, clientId: "c", n: 1 };
      await commit(store, unit(1, 1, [], number));
      const again = unit(2, 1, [bid(2, 1)], number);
      const other = unit(3, 1, [], { ...number, n: 2 });
      expect(await commit(store, again, other)).toEqual({ result: "duplicate", units: [again] });
      expect(await journal(store)).toHaveLength(1);
      expect(await commit(store, other)).toEqual(DONE);
    });

    test("finds a number that comes twice in one batch, and blames the later one", async () => {
      const store = await openWith();
      const number = { participantId: 1, clientId: "c", n: 1 };
      const [first, second] = [unit(1, 1, [], number), unit(1, 2, [], number)];
      expect(await commit(store, first, second)).toEqual({ result: "duplicate", units: [second] });
      expect(await journal(store)).toEqual([]);
    });

    test("a client's numbers only rise, over batches and groups", async () => {
      const store = await openWith();
      const number = (n: number, clientId = "c", participantId = 1) => ({ participantId, clientId, n });
      const many = [unit(1, 1, [], number(1)), unit(1, 2, [], number(2)), unit(1, 3, [], number(9, "d"))];
      expect(await commit(store, ...many)).toEqual(DONE);
      const [low, next] = [unit(2, 1, [], number(2)), unit(2, 2, [], number(3))];
      expect(await commit(store, low, next)).toEqual({ result: "duplicate", units: [low] });
      expect(await store.read.lastNumber(1, "c")).toBe(2);
      const others = [unit(3, 1, [], number(2, "e")), unit(3, 2, [], number(1, "c", 2)), unit(3, 3, [], number(-1))];
      expect(await commit(store, ...others, unit(3, 4, [], number(4)), unit(3, 5, [], number(6)))).toEqual(DONE);
      const numbers = [await store.read.lastNumber(1, "c"), await store.read.lastNumber(1, "d")];
      expect([...numbers, await store.read.lastNumber(2, "c")]).toEqual([6, 9, 1]);
    });

    test("does not mind entries without a number", async () => {
      const store = await openWith();
      const outcome = await commit(store, unit(1, 1, [], { participantId: 1 }), unit(1, 2, [], { participantId: 1 }));
      expect(outcome).toEqual(DONE);
    });
  });

  describe("failures", () => {
    test("an error before COMMIT leaves nothing, and the next attempt has a new connection", async () => {
      let connections = 0;
      faults.connected = () => {
        connections += 1;
      };
      const store = await openWith();
      const before = connections;
      failOnce("beforeCommit", new Error("pulled the plug"));
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toMatchObject({
        result: "io",
        error: { message: "pulled the plug" },
      });
      expect(await journal(store)).toEqual([]);
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
      expect(connections).toBe(before + 1);
    });

    test("an error between two statements leaves nothing", async () => {
      const store = await openWith();
      failOnce(
        "beforeStatement",
        Object.assign(new Error("cut"), { code: "ECONNRESET" }),
        /^insert into "auction_bid"/,
      );
      expect(await commit(store, unit(1, 1, [setGroup(1, { highestBid: 1 }), bid(1, 1)]))).toMatchObject({
        result: "io",
      });
      expect(await journal(store)).toEqual([]);
      expect(await store.read.rows(groupTable, { id: 1 })).toMatchObject([{ highestBid: null }]);
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
    });

    test("an unknown outcome is settled by the owners of its entries", async () => {
      const store = await openWith();
      const mine = [unit(1, 1, [], { writer: "me", batch: "b1" }), unit(2, 1, [], { writer: "me", batch: "b1" })];
      failOnce("afterCommit", new Error("the answer is lost"));
      expect(await store.commit(mine)).toMatchObject({ result: "unknown", error: { message: "the answer is lost" } });
      const asked = [...mine.map((each) => each.entry), entry(1, 2)];
      const owners = await store.owners(asked);
      expect(owners.toSorted((a, b) => a.actorId - b.actorId)).toEqual([
        { actorId: 1, seq: 1, writer: "me", batch: "b1" },
        { actorId: 2, seq: 1, writer: "me", batch: "b1" },
      ]);
      expect(await commit(store, unit(1, 2))).toEqual(DONE);
    });

    test("a probe writes, and leaves nothing behind", async () => {
      const store = await openWith();
      await store.probe();
      await store.probe();
      expect(await store.read.rows(ProbeTable)).toEqual([]);
    });

    test("a read-only database is io, and the probe fails until it can be written again", async () => {
      const readOnly = sqlite ? "pragma query_only = 1" : "set default_transaction_read_only = on";
      const store = await openWith();
      faults.connected = (run) => void run(readOnly);
      failOnce("beforeCommit", new Error("so that it connects again"));
      await commit(store, unit(1, 1));
      expect(await commit(store, unit(1, 1))).toMatchObject({
        result: "io",
        error: { code: sqlite ? "SQLITE_READONLY" : "25006" },
      });
      await expect(store.probe()).rejects.toThrow();
      faults = {};
      await store.probe();
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
    });

    test("a transaction that fails leaves nothing and says why", async () => {
      const store = await openWith();
      const work = store.transact(async (write) => {
        await write.insert(SessionTable, [
          { code: "x", configName: "x", config: "{}", pages: "[]", createdAt: 1, isDemo: false },
        ]);
        throw new WalrasError("changed_my_mind", "No.");
      });
      await expect(work).rejects.toThrow("No.");
      expect(await store.read.sessions(10)).toHaveLength(1);
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
    });
  });

  describe("sessions and reads", () => {
    test("a session of 1,000 participants has all its rows", async () => {
      const store = await openWith({}, 0);
      const made = await session(store, 1_000);
      expect(await store.read.session({ code: String(made.session.code) })).toEqual(made.session);
      expect(await store.read.participants(Number(made.session.id))).toEqual(made.participants);
      const players = await store.read.rows(playerTable, { roundNumber: 2 });
      expect(players).toHaveLength(1_000);
      expect(players[3]).toMatchObject({ participantId: 4, idInGroup: 2, groupId: 502, payoff: 0, valuation: null });
      const groups = await store.read.rows(groupTable);
      expect(groups).toHaveLength(1_000);
      expect(groups[501]).toMatchObject({ id: 502, roundNumber: 2, idInSubsession: 2, extraCount: 0 });
      expect(await store.read.actor(502)).toEqual({ id: 502, app: "auction", round: 2, sessionId: 1 });
    });

    test("a group is loaded with everything that its actor holds", async () => {
      const store = await openWith();
      await commit(store, unit(2, 1, [bid(2, 1), bid(2, 2)]), unit(2, 2), unit(1, 1, [bid(1, 1)]));
      const rows = await store.read.group(2, app);
      expect(rows).toMatchObject({
        seq: 2,
        group: { id: 2, roundNumber: 1, idInSubsession: 2 },
        players: [
          { participantId: 3, idInGroup: 1 },
          { participantId: 4, idInGroup: 2 },
        ],
        participants: [{ id: 3 }, { id: 4 }],
        session: { id: 1, configName: "demo", isDemo: true },
        subsession: { app: "auction", roundNumber: 1 },
      });
      expect(rows.extras.get("auction_bid")).toMatchObject([{ n: 1 }, { n: 2 }]);
      await expect(store.read.group(99, app)).rejects.toThrow(/99 in auction_group/);
    });

    test("a participant is found by code, wherever the pages have taken them", async () => {
      const store = await openWith({}, 0);
      const { participants } = await session(store);
      const third = participants[2] as Values;
      const at = async (pageIndex: number) => {
        const seq = ((await store.read.newestSeqs([2])).get(2) ?? 0) + 1;
        const move: RowChange = { op: "update", table: ParticipantTable, key: { id: 3 }, values: { pageIndex } };
        await commit(store, unit(2, seq, [move]));
        return (await store.read.whereabouts(String(third.code)))?.actorId;
      };
      expect(await store.read.whereabouts(String(third.code))).toEqual({
        participant: third,
        sessionId: 1,
        actorId: 2,
        page: { app: "auction", round: 1, page: "Bidding" },
      });
      expect([await at(1), await at(2), await at(3), await at(4), await at(5)]).toEqual([2, 2, 4, 4, null]);
    });

    test("whoever watches sees where everybody is, with their groups, and what has failed", async () => {
      const store = await openWith({}, 0);
      const { participants } = await session(store);
      const move: RowChange = {
        op: "update",
        table: ParticipantTable,
        key: { id: 3 },
        values: { pageIndex: 1, pageAt: 1234, label: "Ann", status: "slow" },
      };
      const here: RowChange = { op: "update", table: playerTable, key: { id: 3 }, values: { connected: true } };
      const failed = { actorId: 2, page: "auction/1/Wait", sessionId: 1, timedOut: false, failedAt: 5, error: "no" };
      const done = { ...failed, page: "auction/1/Other", doneAt: 6 };
      const waits = [failed, done].map((values): RowChange => ({ op: "insert", table: WaitPageTable, values }));
      await commit(store, unit(2, 1, [move, here, ...waits]));
      const positions = await store.read.positions(1);
      expect(positions).toHaveLength(participants.length);
      expect(positions[2]).toEqual({
        ...{ id: 3, idInSession: 3, code: participants[2]?.code, label: "Ann", status: "slow" },
        ...{ pageIndex: 1, pageOrder: null, pageAt: 1234, isReplaced: false },
      });
      expect(positions[0]).toMatchObject({ pageIndex: 0, pageAt: null, label: null, status: null });
      const seats = await store.read.seats(app, 1, [3]);
      expect(seats.sort((a, b) => a.participantId - b.participantId)).toEqual([
        { participantId: 3, groupId: 2, idInSubsession: 2, connected: true },
        { participantId: 4, groupId: 2, idInSubsession: 2, connected: false },
      ]);
      expect(await store.read.seats(app, 1, [])).toEqual([]);
      const round = await store.read.rowsOfRound(app, 2, [3, 1]);
      expect(round.players.map(({ participantId }) => participantId).sort()).toEqual([1, 3]);
      expect(round.players[0]).toMatchObject({ roundNumber: 2, payoff: 0 });
      expect(round.groups.map(({ idInSubsession }) => idInSubsession).sort()).toEqual([1, 2]);
      expect(await store.read.rowsOfRound(app, 2, [])).toEqual({ players: [], groups: [] });
      expect(await store.read.failedWaits(1)).toMatchObject([{ actorId: 2, page: "auction/1/Wait", error: "no" }]);
      expect(await store.read.failedWaits(2)).toEqual([]);
    });

    test("whatever is no code finds nobody", async () => {
      const store = await openWith();
      for (const code of ["", "nobody", "x' or '1'='1", "%", "é", "a".repeat(65), "a\0b"]) {
        expect(await store.read.whereabouts(code)).toBeUndefined();
        expect(await store.read.session({ code })).toBeUndefined();
      }
    });

    test("the journal is read from a seq on, by page, and as far as asked", async () => {
      const store = await openWith();
      const pages = ["auction/1/Bidding", "auction/1/Results"];
      const units = Array.from({ length: 6 }, (_, i) =>
        unit(1, i + 1, [], { page: pages[i % 2], output: i === 2 ? null : "{}" }),
      );
      await store.commit(units);
      const seqs = async (...args: [number, number, string?]) => {
        return (await store.read.journal(1, ...args)).map((each) => each.seq);
      };
      expect(await seqs(0, 10)).toEqual([1, 2, 4, 5, 6]);
      expect(await seqs(2, 2)).toEqual([4, 5]);
      expect(await seqs(1, 10, pages[0])).toEqual([5]);
    });

    test("a message is found from the mark at or before its number, and only there", async () => {
      const store = await openWith();
      const message = (actorId: number, seq: number, n: number, clientId = "c") =>
        unit(actorId, seq, [], { participantId: 1, clientId, n });
      const marked = (one: StoredUnit): StoredUnit => {
        const { participantId, clientId, n, actorId, seq } = one.entry;
        const values = { participantId, clientId, n, actorId, seq };
        return { ...one, changes: [{ op: "insert", table: MessageMarkTable, values }] };
      };
      const span = MARK_SPAN;
      const units = [
        ...[marked(message(1, 1, 1)), marked(message(1, 2, 1, "d")), message(1, 3, 2), message(1, span, 3)],
        ...[marked(message(1, span + 1, 4)), marked(message(2, 1, 5)), message(2, 2, 7), marked(message(2, 9, -4))],
      ];
      expect(await store.commit(units)).toEqual(DONE);
      for (const { entry } of units) {
        expect(await store.read.message(1, entry.clientId as string, entry.n as number)).toMatchObject(entry);
      }
      for (const n of [6, 8, -5, -1]) expect(await store.read.message(1, "c", n)).toBeUndefined();
      expect(await store.read.message(2, "c", 1)).toBeUndefined();
    });

    test("newest seqs and client numbers", async () => {
      const store = await openWith();
      await commit(store, unit(1, 1, [], { participantId: 1, clientId: "c", n: 7 }), unit(1, 2), unit(2, 1));
      expect(await store.read.newestSeqs([1, 2, 3])).toEqual(
        new Map([
          [1, 2],
          [2, 1],
          [3, 0],
        ]),
      );
      expect(await store.read.newestSeqs([])).toEqual(new Map());
      expect([await store.read.lastNumber(1, "c"), await store.read.lastNumber(2, "c")]).toEqual([7, 0]);
      expect(await store.read.message(1, "c", 6)).toBeUndefined();
    });

    test("earlier rounds of a participant, oldest first", async () => {
      const store = await openWith();
      expect(await store.read.payoffsElsewhere([3, 4], 0, 2)).toEqual(
        new Map([
          [3, 0],
          [4, 0],
        ]),
      );
      expect(await store.read.earlierPlayers(3, app, 1)).toEqual([]);
      expect(await store.read.earlierPlayers(3, app, 2)).toMatchObject([{ roundNumber: 1, groupId: 2 }]);
    });

    test("what was committed is there after closing and opening again", async () => {
      const place = await kit.fresh();
      const store = await openWith(place);
      await commit(store, unit(1, 1, [bid(1, 1)]));
      await store.close();
      const again = await openWith(place, 0);
      expect(await again.read.rows(bidTable)).toHaveLength(1);
      expect(await commit(again, unit(1, 2))).toEqual(DONE);
    });
  });

  if (sqlite) {
    test.each([
      ["FULL", 2],
      ["NORMAL", 1],
    ] as const)(
      "PRAGMA synchronous of the connection that commits is %s when asked for",
      async (synchronous, level) => {
        let checks = 0;
        const store = await kit.open({
          synchronous,
          apps: [app],
          faults: {
            connected(run) {
              checks += 1;
              run(`create temp table live (synchronous integer check (synchronous = ${level}))`);
              run("insert into live select synchronous from pragma_synchronous");
            },
          },
        });
        expect(await commit(store, unit(1, 1))).toEqual(DONE);
        expect(checks).toBe(1);
      },
    );

    test("PRAGMA synchronous is FULL when nothing is asked for", async () => {
      faults.connected = (run) => {
        run("create temp table live (synchronous integer check (synchronous = 2))");
        run("insert into live select synchronous from pragma_synchronous");
      };
      expect(await commit(await openWith(), unit(1, 1))).toEqual(DONE);
    });

    test("a commit answers at once", async () => {
      const store = await openWith();
      expect(store.commit([unit(1, 1)])).toEqual(DONE);
    });

    test("a full disk is io, and the probe fails until there is room", async () => {
      const place = await kit.fresh();
      const small = await openWith(place);
      await small.close();
      let pages = 1;
      faults.connected = (run) => void run(`pragma max_page_count = ${pages}`);
      const store = await openWith(place, 0);
      const large = unit(1, 1, [bid(1, 1, { aLongText: "x".repeat(1_000_000) })]);
      expect(await commit(store, large)).toMatchObject({ result: "io", error: { code: "SQLITE_FULL" } });
      expect(await journal(store)).toEqual([]);
      await expect(store.probe()).rejects.toThrow("full");
      pages = 1_000_000;
      failOnce("beforeStatement", new Error("so that it connects again"));
      await commit(store, unit(1, 1));
      await store.probe();
      expect(await commit(store, large)).toEqual(DONE);
    });

    test("somebody else's lock on the file is io, and passes", async () => {
      const place = await kit.fresh();
      const store = await openWith(place);
      const source = sqliteSource(String(place.file), [], { role: "lock" });
      await source.initialize();
      const shell = sqliteConnection(source);
      shell.exec("begin immediate");
      expect(await commit(store, unit(1, 1))).toMatchObject({ result: "io", error: { code: "SQLITE_BUSY" } });
      shell.exec("rollback");
      await source.destroy();
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
    });
  } else {
    test("a serialization failure is tried again", async () => {
      const store = await openWith();
      failOnce("beforeCommit", Object.assign(new Error("could not serialize"), { code: "40001" }));
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
      faults.beforeCommit = () => {
        throw Object.assign(new Error("could not serialize"), { code: "40001" });
      };
      expect(await commit(store, unit(1, 2))).toMatchObject({
        result: "io",
        error: { message: "could not serialize" },
      });
      faults = {};
      expect(await journal(store)).toHaveLength(1);
    });

    /** Somebody else's transaction, which holds a group's row until it is ended. */
    async function rival(place: DatabaseOptions, ...statements: string[]): Promise<Client> {
      const client = new Client({ connectionString: place.databaseUrl });
      await client.connect();
      for (const statement of ["begin", ...statements]) await client.query(statement);
      return client;
    }

    /** Waits until the store's writer waits for a lock. */
    async function writerIsBlocked(): Promise<void> {
      const blocked =
        "select 1 from pg_stat_activity where application_name = 'walras writer' and wait_event_type = 'Lock'";
      while ((await kit.server().query(blocked)).length === 0);
    }

    const killWriter =
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'walras writer'";

    test("a deadlock with somebody else is survived", async () => {
      const place = await kit.fresh();
      const store = await openWith(place);
      // Each holds the row that the other wants next; the rival is in no hurry to find out.
      const other = await rival(
        place,
        "set deadlock_timeout = '1s'",
        "update auction_group set extra_count = 5 where id = 2",
      );
      const outcome = commit(store, unit(1, 1, [setGroup(1, { highestBid: 1 }), setGroup(2, { highestBid: 1 })]));
      await writerIsBlocked();
      await other.query("update auction_group set extra_count = 5 where id = 1").catch(() => {});
      await other.query("commit");
      await other.end();
      expect(await outcome).toEqual(DONE);
      expect(await store.read.rows(groupTable, { highestBid: 1 })).toHaveLength(2);
    });

    test("two stores on one database: exactly one of them gets a seq", async () => {
      const place = await kit.fresh();
      const stores = [await openWith(place), await openWith(place, 0)];
      for (let seq = 1; seq <= 20; seq++) {
        const outcomes = await Promise.all(
          stores.map((store, i) => commit(store, unit(1, seq, [bid(1, seq)], { writer: `w${i}` }))),
        );
        expect(outcomes.map((outcome) => outcome.result).toSorted()).toEqual(["done", "stale"]);
      }
      expect(await (stores[0] as Store).read.rows(bidTable)).toHaveLength(20);
    });

    test("a connection that the server ends while idle costs one attempt at most", async () => {
      const store = await openWith();
      await commit(store, unit(1, 1));
      const ours = "pid in (select pid from pg_stat_activity where application_name like 'walras %')";
      await kit.server().query(`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`);
      const first = await commit(store, unit(1, 2));
      expect(["done", "io"]).toContain(first.result);
      if (first.result === "io") expect(await commit(store, unit(1, 2))).toEqual(DONE);
      await store.read.sessions(1).catch(() => {});
      expect(await journal(store)).toHaveLength(2);
    });

    test("a connection that ends before COMMIT was sent is io", async () => {
      const place = await kit.fresh();
      const store = await openWith(place);
      const other = await rival(place, "update auction_group set extra_count = 5 where id = 1");
      const outcome = commit(store, unit(1, 1, [setGroup(1, { highestBid: 1 })]));
      await writerIsBlocked();
      await kit.server().query(killWriter);
      expect(await outcome).toMatchObject({ result: "io", error: { code: "57P01" } });
      await other.end();
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
    });

    test("a COMMIT without an answer is unknown, and its outcome can be looked up", async () => {
      const store = await openWith();
      faults.beforeCommit = async () => {
        delete faults.beforeCommit;
        await kit.server().query(killWriter);
      };
      const mine = unit(1, 1);
      expect(await store.commit([mine])).toMatchObject({ result: "unknown" });
      expect(await store.owners([mine.entry])).toEqual([]);
      expect(await store.commit([mine])).toEqual(DONE);
    });

    test("a transaction that the server still holds for a connection cut in the network is ended first", async () => {
      const place = await kit.fresh();
      await using wire = await cuttable(String(place.databaseUrl));
      const store = await openWith({ databaseUrl: wire.url });
      faults.beforeCommit = () => {
        delete faults.beforeCommit;
        wire.cut();
      };
      const mine = unit(1, 1, [bid(1, 1)]);
      expect(await store.commit([mine])).toMatchObject({ result: "unknown" });
      const held =
        "select 1 from pg_stat_activity where application_name = 'walras writer' and state like 'idle in tr%'";
      expect(await kit.server().query(held)).toHaveLength(1);
      expect(await store.owners([mine.entry])).toEqual([]);
      expect(await kit.server().query(held)).toHaveLength(0);
      expect(await store.commit([mine])).toEqual(DONE);
    });

    test("a server that stops in the middle of a transaction is not waited for", async () => {
      const place = await kit.fresh();
      const [stopped, other] = [await openWith(place), await openWith(place, 0)];
      faults.connected = (run) => run("set idle_in_transaction_session_timeout = 100") as Promise<void>;
      failOnce("beforeCommit", new Error("so that it connects again"));
      await commit(stopped, unit(9, 1));
      let goOn: () => void = () => {};
      const inTransaction = new Promise<void>((reached) => {
        faults.beforeCommit = () => {
          delete faults.beforeCommit;
          reached();
          return new Promise((resolve) => {
            goOn = resolve;
          });
        };
      });
      const outcome = commit(stopped, unit(1, 1, [], { writer: "stopped" }));
      await inTransaction;
      expect(await commit(other, unit(1, 1, [], { writer: "other" }))).toEqual(DONE);
      goOn();
      expect(await outcome).toMatchObject({ result: "unknown" });
      expect(await stopped.owners([entry(1, 1)])).toMatchObject([{ writer: "other" }]);
      expect(await commit(stopped, unit(1, 1))).toEqual({ result: "stale", actorIds: [1] });
    });

    test("a server that is gone is io, and the store comes back with it", async () => {
      const store = await openWith();
      await commit(store, unit(1, 1));
      await kit.server().halt();
      expect(await commit(store, unit(1, 2))).toMatchObject({ result: "io" });
      await expect(store.probe()).rejects.toThrow();
      await expect(store.read.sessions(1)).rejects.toThrow();
      await kit.server().start();
      await store.probe();
      expect(await commit(store, unit(1, 2))).toEqual(DONE);
      expect(await journal(store)).toHaveLength(2);
    });
  }
});

/** A wire to a PostgreSQL server that can be cut so that only our end notices. */
async function cuttable(databaseUrl: string) {
  const url = new URL(databaseUrl);
  const target = Number(url.port);
  const near = new Set<Socket>();
  const far = new Set<Socket>();
  const relay = createServer((socket) => {
    const server = connect(target, "127.0.0.1");
    near.add(socket);
    far.add(server);
    socket.on("data", (data) => server.write(data)).on("error", () => {});
    server.on("data", (data) => !socket.destroyed && socket.write(data)).on("error", () => {});
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  url.port = String((relay.address() as AddressInfo).port);
  return {
    url: url.href,
    cut() {
      for (const socket of near) socket.destroy();
      near.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of [...near, ...far]) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
}
