import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import type { DataAnswer } from "../client-sdk/monitor/rows.ts";
import { JournalTable, ParticipantTable } from "../entities/system-tables.ts";
import { replayCommand } from "../server/replay-command.ts";
import { Desk } from "./helpers/desk.ts";
import { ask, startTestServer, type TestServer } from "./helpers/http.ts";
import { rowsOf } from "./helpers/rows.ts";

const PROJECT = join(import.meta.dirname, "helpers/watch-project");

let folder: string;
let server: TestServer;
const file = () => join(folder, "watch.sqlite3");
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "walras-watch-"));
  server = await startTestServer({ WALRAS_DB: file() }, PROJECT);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const study = () => Desk.open(server, "study");

describe("the monitor", () => {
  test("shows where everybody is, and who has not started", async () => {
    const desk = await study();
    await desk.enter(1);
    await desk.enter(2);
    await desk.submit(2, { age: "30" });
    const before = Date.now();
    const { rows, started, all, isWhole } = await desk.changes();
    expect([started, all, isWhole]).toEqual([2, 4, true]);
    expect(
      rows.map(({ id, state, index, pages, app, round, page }) => [id, state, index, pages, app, round, page]),
    ).toEqual([
      [1, "playing", 1, 4, "study", 1, "Form"],
      [2, "playing", 2, 4, "study", 1, "Play"],
      [3, "new", 0, 4, "", 0, ""],
      [4, "new", 0, 4, "", 0, ""],
    ]);
    expect(rows[0]?.code).toBe(desk.codes[0]);
    // Since when they are on their page; who has not begun is on none.
    expect(rows[1]?.since).toBeGreaterThan(before - 10_000);
    expect(rows[2]?.since).toBeNull();
  });

  test("gives only what has changed since, and everything to whoever brings a strange token", async () => {
    const desk = await study();
    const first = await desk.changes();
    await desk.enter(3);
    const row = await desk.sees(3, { page: "Form" });
    const next = await desk.changes(first.token);
    expect(next).toMatchObject({ isWhole: false, started: 1, rows: [row] });
    expect(await desk.changes(next.token)).toMatchObject({ isWhole: false, rows: [] });
    for (const strange of ["", "x", `${next.token}0`, "other.1"]) {
      expect(await desk.changes(strange)).toMatchObject({ isWhole: true, rows: { length: 4 } });
    }
  });

  test("says for whom somebody waits, and who is connected", async () => {
    const desk = await study();
    await ask(await desk.enter(2));
    // A page without a connection has just been asked for.
    await desk.sees(2, { page: "Form", connected: true });
    await desk.enter(1);
    await desk.submit(1, { age: "30" });
    const one = await HeadlessParticipant.open(desk.link(1));
    await desk.sees(1, { page: "Play", connected: true, waitingFor: "" });
    await one.send(101);
    await one.submit();
    await desk.sees(1, { page: "Wait", state: "waiting", waitingFor: "P2", connected: true, status: "bid 101" });
    one.close();
    await desk.sees(1, { page: "Wait", connected: false });
  });

  test("counts those who are missing where all groups wait, and names a lobby as such", async () => {
    const desk = await Desk.open(server, "together");
    await desk.enter(1);
    await desk.submit(1);
    await desk.sees(1, { state: "waiting", waitingFor: "P2, P3, P4" });
    const lobby = await Desk.open(server, "meeting");
    await lobby.enter(2);
    await lobby.sees(2, { state: "waiting", waitingFor: "a group to form" });
  });

  test("loads no group, however often it is looked at", async () => {
    const desk = await study();
    const { actors } = server.game.health();
    await desk.changes();
    await ask(`${server.base}/SessionMonitor/${desk.code}`);
    expect(server.game.health().actors).toBe(actors);
  });

  test("is the experimenter's alone, and names are only ever text", async () => {
    const desk = await study();
    const page = await ask(`${server.base}/SessionMonitor/${desk.code}`);
    expect(page.text).toContain("A &lt;b&gt;study&lt;/b&gt;");
    expect(page.headers["content-security-policy"]).toContain("script-src 'self'; connect-src 'self'");
    expect((await ask(`${server.base}/SessionMonitor/none`)).status).toBe(404);
    expect((await ask(`${server.base}/SessionMonitor/none/changes`)).status).toBe(404);
    // Through a proxy, without a password.
    const headers = { "x-forwarded-for": "10.0.0.7" };
    expect((await ask(`${server.base}/SessionMonitor/${desk.code}/changes`, { headers })).status).toBe(403);
    expect((await desk.post({ who: [[1, 0]] }, headers)).status).toBe(403);
    expect((await desk.post({ who: [[1, 0]] }, { origin: "http://elsewhere.example" })).status).toBe(403);
    expect((await desk.changes()).started).toBe(0);
    for (const wrong of [{}, { who: 1 }, { who: [[1]] }, { who: [["1", 0]] }, { who: [[1, -1]] }]) {
      expect((await desk.post(wrong)).status).toBe(400);
    }
  });

  test("shows what failed on a wait page, until it has been retried", async () => {
    const desk = await study();
    for (const id of [1, 2]) {
      await desk.enter(id);
      await desk.submit(id, { age: "30" });
    }
    const one = await HeadlessParticipant.open(desk.link(1));
    one.close();
    process.env.WATCH_FAULT = "wait";
    await desk.advance([[1, 2]]);
    await desk.advance([[2, 2]]);
    const row = await desk.sees(1, { state: "failed" });
    const { failures } = await desk.changes();
    expect(failures).toMatchObject([{ page: "study/1/Wait", error: "thirteen <i>" }]);
    // It is not the missing who keep them waiting.
    expect(await desk.advance([[1, row.index]], true)).toMatchObject({
      done: [{ ok: false, text: expect.stringContaining("Retry it") }],
    });
    const form = { actor: String(failures?.[0]?.actor), page: "study/1/Wait" };
    const retry = () => ask(`${server.base}/RetryWaitPage/${desk.code}`, { form });
    expect((await retry()).status).toBe(303);
    expect((await desk.changes()).failures).toHaveLength(1);
    delete process.env.WATCH_FAULT;
    await retry();
    await desk.sees(1, { page: "Results" });
    expect((await desk.changes()).failures).toEqual([]);
  });
});

describe("the data table", () => {
  const rows = async (desk: Desk, query = "") => {
    const answer = await ask(`${server.base}/SessionData/${desk.code}/rows${query}`);
    return JSON.parse(answer.text) as DataAnswer;
  };

  test("has the rows of an app and round as they are now, in snake_case, with long values cut", async () => {
    const desk = await study();
    await desk.enter(1);
    await desk.submit(1, { age: "30" });
    await desk.enter(2);
    const before = await rows(desk);
    expect(before.columns).toEqual([
      ...["player.id_in_group", "player.payoff", "player.age", "player.note", "player.left"],
      ...["group.id_in_subsession", "group.runs", "group.missing", "group.highest_bid"],
    ]);
    expect(before.rows).toHaveLength(4);
    expect(before.rows[0]).toEqual({ id: 1, cells: ["1", "0", "30", "fee 5", "Form:false ", "1", "0", "", "0"] });
    const one = await HeadlessParticipant.open(desk.link(1));
    await one.send(101);
    await one.submit();
    one.close();
    await desk.advance([[2, 1]]);
    await desk.advance([[2, 2]]);
    await desk.sees(2, { page: "Results" });
    const after = await rows(desk, "?app=study&round=1");
    expect(after.rows[0]?.cells).toEqual(["1", "101", "30", "fee 5", "Form:false Play:false ", "1", "1", "", "101"]);
    await desk.advance([[1, 4]]);
    expect((await rows(desk)).rows[0]?.cells[4]).toBe("Form:false Play:false Results:…");
  });

  test("shows values as text, on a page of its own, to the experimenter alone", async () => {
    const desk = await study();
    await desk.enter(1);
    await desk.submit(1, { age: "30", note: "<script>" });
    const one = await HeadlessParticipant.open(desk.link(1));
    await one.send(5);
    one.close();
    const page = await ask(`${server.base}/SessionData/${desk.code}`);
    expect([
      page.status,
      page.text.includes("<td>fee 5</td>"),
      page.text.includes('aria-current="page">study 1'),
    ]).toEqual([200, true, true]);
    for (const path of ["/none", `/${desk.code}?app=study&round=2`, `/${desk.code}/rows?app=other&round=1`]) {
      expect((await ask(`${server.base}/SessionData${path}`)).status).toBe(404);
    }
    const headers = { "x-forwarded-for": "10.0.0.7" };
    expect((await ask(`${server.base}/SessionData/${desk.code}/rows`, { headers })).status).toBe(403);
  });
});

describe("advancing", () => {
  test("starts who has not begun", async () => {
    const desk = await study();
    expect(
      await desk.advance([
        [1, 0],
        [3, 0],
      ]),
    ).toEqual({
      done: [
        { ok: true, text: "P1 has begun." },
        { ok: true, text: "P3 has begun." },
      ],
    });
    expect((await desk.changes()).rows.map(({ page }) => page)).toEqual(["Form", "", "Form", ""]);
  });

  test("ends a form page as if its time were up, however little is filled in", async () => {
    const desk = await study();
    await desk.enter(1);
    expect(await desk.advance([[1, 1]])).toEqual({ done: [{ ok: true, text: "P1 was moved on from study/1/Form." }] });
    expect((await rowsOf(server, desk.code, "study")).players[0]).toMatchObject({ left: "Form:true ", age: null });
    expect(await desk.pageOf(1)).toBe("Play");
  });

  test("ends a live page past its own check, and its open browser moves on", async () => {
    const desk = await study();
    await desk.enter(1);
    await desk.submit(1, { age: "30" });
    let reloads = 0;
    const one = await HeadlessParticipant.open(desk.link(1), { onReload: () => (reloads += 1) });
    await one.send(7);
    await desk.advance([[1, 2]]);
    while (reloads === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await one.reload(desk.link(1));
    expect(one.page.title).toBe("Please wait");
    one.close();
    expect((await rowsOf(server, desk.code, "study")).players[0]).toMatchObject({ left: "Form:false Play:true " });
  });

  test("lets a group go on from a wait page without the missing, after it was said what will happen", async () => {
    const desk = await study();
    await desk.advance([
      [1, 0],
      [2, 0],
    ]);
    await desk.advance([[1, 1]]);
    await desk.advance([[1, 2]]);
    const { confirm } = await desk.advance([[1, 3]]);
    expect(confirm).toEqual(["P1 goes on from study/1/Wait without P2, who will go past it later."]);
    expect((await rowsOf(server, desk.code, "study")).groups[0]).toMatchObject({ runs: 0 });
    const [answer] = await Promise.all([desk.advance([[1, 3]], true), desk.advance([[1, 3]], true)]);
    expect(answer).toMatchObject({ done: [{ ok: true }] });
    await desk.sees(1, { page: "Results" });
    expect((await rowsOf(server, desk.code, "study")).groups[0]).toMatchObject({ runs: 1, missing: "2" });
    // Who comes later goes past it.
    await desk.advance([[2, 1]]);
    await desk.advance([[2, 2]]);
    expect(await desk.pageOf(2)).toBe("Results");
    expect((await rowsOf(server, desk.code, "study")).groups[0]).toMatchObject({ runs: 1 });
  });

  test("moves those first who are missing, so that nobody who was chosen is left behind", async () => {
    const desk = await study();
    await desk.advance([
      [1, 0],
      [2, 0],
    ]);
    await desk.advance([
      [1, 1],
      [2, 1],
    ]);
    await desk.advance([[1, 2]]);
    const both = [
      [1, 3],
      [2, 2],
    ] as const;
    expect(await desk.advance(both)).toEqual({ confirm: [expect.stringContaining("without P2")] });
    await desk.advance(both, true);
    await desk.sees(2, { page: "Results" });
    expect((await rowsOf(server, desk.code, "study")).groups[0]).toMatchObject({ runs: 1, missing: "" });
  });

  test("lets all who wait go on where all groups wait, and forms a group in a lobby", async () => {
    const desk = await Desk.open(server, "together");
    for (const id of [1, 2, 3]) {
      await desk.enter(id);
      await desk.submit(id);
    }
    const { confirm } = await desk.advance([
      [1, 2],
      [3, 2],
    ]);
    expect(confirm).toEqual(["All who wait on together/1/All (P1, P2, P3) go on without P4."]);
    await desk.advance(
      [
        [1, 2],
        [3, 2],
      ],
      true,
    );
    for (const id of [1, 2, 3]) await desk.sees(id, { page: "End" });
    expect((await rowsOf(server, desk.code, "together")).groups.map(({ runs }) => runs)).toEqual([1, 1]);
    await desk.enter(4);
    await desk.submit(4);
    expect(await desk.pageOf(4)).toBe("End");

    const lobby = await Desk.open(server, "meeting");
    const people = await Promise.all([1, 2].map((id) => HeadlessParticipant.open(lobby.link(id))));
    await lobby.sees(2, { page: "Lobby", connected: true });
    expect((await lobby.advance([[1, 1]])).confirm).toEqual([expect.stringContaining("however few")]);
    await lobby.advance([[1, 1]], true);
    await lobby.sees(1, { page: "End" });
    await lobby.sees(2, { page: "End" });
    for (const one of people) one.close();
  });

  test("takes them past the last page, and refuses who has finished", async () => {
    const desk = await study();
    for (const index of [0, 1, 2])
      await desk.advance([
        [1, index],
        [2, index],
      ]);
    await desk.sees(1, { page: "Results" });
    await desk.advance([[1, 4]]);
    await desk.sees(1, { state: "done", page: "" });
    expect(await desk.pageOf(1)).toBe("finished");
    const left = "Form:true Play:true Results:true ";
    expect((await rowsOf(server, desk.code, "study")).players[0]).toMatchObject({ left });
    expect(
      await desk.advance([
        [1, 5],
        [9, 1],
      ]),
    ).toEqual({
      done: [
        { ok: false, text: "There is no P9 in this session." },
        { ok: false, text: "P1 has finished." },
      ],
    });
  });

  test("says what the app's own code threw, and leaves the participant where they are", async () => {
    const desk = await study();
    await desk.enter(1);
    process.env.WATCH_FAULT = "Form";
    const { done } = await desk.advance([[1, 1]]);
    delete process.env.WATCH_FAULT;
    expect(done).toEqual([{ ok: false, text: "P1 is still on study/1/Form: Form cannot be left" }]);
    expect((await rowsOf(server, desk.code, "study")).players[0]).toMatchObject({ left: "" });
    await desk.advance([[1, 1]]);
    expect(await desk.pageOf(1)).toBe("Play");
  });

  test("does nothing the second time, and nothing to who has moved on by themselves", async () => {
    const desk = await study();
    await desk.enter(1);
    await Promise.all([desk.advance([[1, 1]]), desk.advance([[1, 1]]), desk.advance([[1, 1]])]);
    expect(await desk.pageOf(1)).toBe("Play");
    expect(await desk.advance([[1, 1]])).toEqual({ done: [{ ok: false, text: "P1 had moved on already." }] });
    const [row] = (await rowsOf(server, desk.code, "study")).players;
    expect(row?.left).toBe("Form:true ");
    const entries = await server.game.store.read.rows(JournalTable, { actorId: row?.groupId ?? null, kind: "advance" });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ page: "study/1/Form", participantId: row?.participantId });
  });

  test("works for groups that are not loaded, and the next run of the server replays all of it", async () => {
    const desk = await study();
    await desk.enter(1);
    await server.stop();
    server = await startTestServer({ WALRAS_DB: file() }, PROJECT);
    const again = Object.assign(Object.create(Desk.prototype), { ...desk, server }) as Desk;
    expect(server.game.health().actors).toBe(0);
    await again.advance([
      [1, 1],
      [3, 0],
    ]);
    expect(await again.pageOf(1)).toBe("Play");
    expect(server.game.health().actors).toBeGreaterThan(0);
    await server.stop();
    const lines: string[] = [];
    const same = await replayCommand(PROJECT, { file: file() }, ["all"], (line) => lines.push(line));
    expect(lines.at(-1)).toMatch(/ 0 differ/);
    expect(same).toBe(true);
    server = await startTestServer({ WALRAS_DB: file() }, PROJECT);
    const people = await server.game.store.read.rows(ParticipantTable);
    // The time at which somebody came to a page is stored with the move.
    expect(people.every(({ pageIndex, pageAt }) => (pageIndex === 0) === (pageAt === null))).toBe(true);
  });
});
