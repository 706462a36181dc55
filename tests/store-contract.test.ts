import { describe, expect, test } from "@jest/globals";
import { WalrasError } from "../client-sdk/errors.ts";
import type { CommitOutcome } from "../entities/store.ts";
import { ProbeTable, SessionTable, TimerTable } from "../entities/system-tables.ts";
import type { RowChange, Values } from "../entities/tables.ts";
import {
  bid,
  bidTable,
  commit,
  DONE,
  entry,
  groupTable,
  journal,
  StoresWithFaults,
  setGroup,
  unit,
} from "./helpers/store-units.ts";
import { forEachStore } from "./helpers/stores.ts";

forEachStore((kit) => {
  const stores = new StoresWithFaults(kit);
  const sqlite = kit.dialect === "sqlite";

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
      const store = await stores.open();
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
      const store = await stores.open();
      const bare = { actorId: 1, n: 1 };
      expect(await commit(store, unit(1, 1, [{ op: "insert", table: bidTable, values: bare }]))).toEqual(DONE);
      expect(await store.read.rows(bidTable)).toMatchObject([{ ...bare, amount: null }]);
      expect(await store.read.rows(groupTable, { id: 1 })).toMatchObject([{ extraCount: 0 }]);
    });

    test("a journal entry comes back whole", async () => {
      const store = await stores.open();
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
      const store = await stores.open();
      await commit(store, unit(2, 1, [bid(2, 1)]));
      const outcome = await commit(store, unit(2, 2, [bid(2, 2)]), unit(1, 1, changes));
      expect(outcome).toMatchObject({ result: "data", error: { message: expect.anything() } });
      expect(await journal(store)).toMatchObject([{ actorId: 2, seq: 1 }]);
      expect(await store.read.rows(bidTable)).toMatchObject([{ actorId: 2, n: 1 }]);
      expect(await commit(store, unit(2, 2, [bid(2, 2)]))).toEqual(DONE);
    });

    test("an update of a row that is not there names table and key", async () => {
      const store = await stores.open();
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
      const store = await stores.open();
      const statements: string[] = [];
      stores.faults.beforeStatement = (sql) => void statements.push(sql);
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
      const store = await stores.open();
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
      const store = await stores.open();
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
      const store = await stores.open();
      let during: Values[] | undefined;
      stores.faults.beforeCommit = async () => {
        during = await store.read.rows(bidTable);
      };
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
      expect(during).toEqual([]);
      expect(await store.read.rows(bidTable)).toHaveLength(1);
    });

    test("that comes while another is open is turned away", async () => {
      const store = await stores.open();
      let second: Promise<CommitOutcome> | undefined;
      stores.faults.beforeCommit = async () => {
        second ??= commit(store, unit(2, 1));
        await second;
      };
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
      expect(await second).toMatchObject({ result: "io", error: { code: "two_writers" } });
    });
  });

  describe("the fence", () => {
    test("stops a writer that lost its place, with everything in its batch", async () => {
      const store = await stores.open();
      expect(await commit(store, unit(1, 1, [], { writer: "winner" }))).toEqual(DONE);
      const other = unit(2, 1, [bid(2, 1)], { writer: "loser" });
      const late = unit(1, 1, [bid(1, 1), setGroup(1, { highestBid: 9 })], { writer: "loser" });
      expect(await commit(store, other, late, unit(1, 2))).toEqual({ result: "stale", actorIds: [1] });
      expect(await journal(store)).toMatchObject([{ actorId: 1, seq: 1, writer: "winner" }]);
      expect(await store.read.rows(bidTable)).toEqual([]);
      expect(await commit(store, other)).toEqual(DONE);
    });

    test("names every actor that lost, and lost before doubled", async () => {
      const store = await stores.open();
      await commit(store, unit(1, 1), unit(2, 1), unit(3, 1, [], { participantId: 1, clientId: "c", n: 1 }));
      const doubled = unit(3, 2, [], { participantId: 1, clientId: "c", n: 1 });
      const outcome = await commit(store, doubled, unit(2, 1), unit(1, 1));
      expect(outcome).toEqual({ result: "stale", actorIds: [1, 2] });
    });

    test("tells a lost place from a row that the winner wrote, too", async () => {
      const store = await stores.open();
      await commit(store, unit(1, 1, [bid(1, 1)], { writer: "winner" }));
      const outcome = await commit(store, unit(1, 1, [bid(1, 1)], { writer: "loser" }));
      expect(outcome).toEqual({ result: "stale", actorIds: [1] });
    });

    test("finds a client's number that is in the journal of another group", async () => {
      const store = await stores.open();
      const number = { participantId: 1, clientId: "c", n: 1 };
      await commit(store, unit(1, 1, [], number));
      const again = unit(2, 1, [bid(2, 1)], number);
      const other = unit(3, 1, [], { ...number, n: 2 });
      expect(await commit(store, again, other)).toEqual({ result: "duplicate", units: [again] });
      expect(await journal(store)).toHaveLength(1);
      expect(await commit(store, other)).toEqual(DONE);
    });

    test("finds a number that comes twice in one batch, and blames the later one", async () => {
      const store = await stores.open();
      const number = { participantId: 1, clientId: "c", n: 1 };
      const [first, second] = [unit(1, 1, [], number), unit(1, 2, [], number)];
      expect(await commit(store, first, second)).toEqual({ result: "duplicate", units: [second] });
      expect(await journal(store)).toEqual([]);
    });

    test("a client's numbers only rise, over batches and groups", async () => {
      const store = await stores.open();
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
      const store = await stores.open();
      const outcome = await commit(store, unit(1, 1, [], { participantId: 1 }), unit(1, 2, [], { participantId: 1 }));
      expect(outcome).toEqual(DONE);
    });
  });

  describe("failures", () => {
    test("an error before COMMIT leaves nothing, and the next attempt has a new connection", async () => {
      let connections = 0;
      stores.faults.connected = () => {
        connections += 1;
      };
      const store = await stores.open();
      const before = connections;
      stores.failOnce("beforeCommit", new Error("pulled the plug"));
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toMatchObject({
        result: "io",
        error: { message: "pulled the plug" },
      });
      expect(await journal(store)).toEqual([]);
      expect(await commit(store, unit(1, 1, [bid(1, 1)]))).toEqual(DONE);
      expect(connections).toBe(before + 1);
    });

    test("an error between two statements leaves nothing", async () => {
      const store = await stores.open();
      stores.failOnce(
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
      const store = await stores.open();
      const mine = [unit(1, 1, [], { writer: "me", batch: "b1" }), unit(2, 1, [], { writer: "me", batch: "b1" })];
      stores.failOnce("afterCommit", new Error("the answer is lost"));
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
      const store = await stores.open();
      await store.probe();
      await store.probe();
      expect(await store.read.rows(ProbeTable)).toEqual([]);
    });

    test("a read-only database is io, and the probe fails until it can be written again", async () => {
      const readOnly = sqlite ? "pragma query_only = 1" : "set default_transaction_read_only = on";
      const store = await stores.open();
      stores.faults.connected = (run) => void run(readOnly);
      stores.failOnce("beforeCommit", new Error("so that it connects again"));
      await commit(store, unit(1, 1));
      expect(await commit(store, unit(1, 1))).toMatchObject({
        result: "io",
        error: { code: sqlite ? "SQLITE_READONLY" : "25006" },
      });
      await expect(store.probe()).rejects.toThrow();
      stores.faults = {};
      await store.probe();
      expect(await commit(store, unit(1, 1))).toEqual(DONE);
    });

    test("a transaction that fails leaves nothing and says why", async () => {
      const store = await stores.open();
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
});
