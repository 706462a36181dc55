import { describe, expect, test } from "@jest/globals";
import type { StoredUnit } from "../entities/store.ts";
import { MARK_SPAN, MessageMarkTable, ParticipantTable, WaitPageTable } from "../entities/system-tables.ts";
import type { RowChange, Values } from "../entities/tables.ts";
import {
  app,
  bid,
  bidTable,
  commit,
  DONE,
  groupTable,
  playerTable,
  StoresWithFaults,
  session,
  unit,
} from "./helpers/store-units.ts";
import { forEachStore } from "./helpers/stores.ts";

forEachStore((kit) => {
  const stores = new StoresWithFaults(kit);

  describe("sessions and reads", () => {
    test("a session of 1,000 participants has all its rows", async () => {
      const store = await stores.open({}, 0);
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
      const store = await stores.open();
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
      const store = await stores.open({}, 0);
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
      const store = await stores.open({}, 0);
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
      const store = await stores.open();
      for (const code of ["", "nobody", "x' or '1'='1", "%", "é", "a".repeat(65), "a\0b"]) {
        expect(await store.read.whereabouts(code)).toBeUndefined();
        expect(await store.read.session({ code })).toBeUndefined();
      }
    });

    test("the journal is read from a seq on, by page, and as far as asked", async () => {
      const store = await stores.open();
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
      const store = await stores.open();
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
      const store = await stores.open();
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
      const store = await stores.open();
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
      const store = await stores.open(place);
      await commit(store, unit(1, 1, [bid(1, 1)]));
      await store.close();
      const again = await stores.open(place, 0);
      expect(await again.read.rows(bidTable)).toHaveLength(1);
      expect(await commit(again, unit(1, 2))).toEqual(DONE);
    });
  });
});
