import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { replayCommand } from "../server/replay-command.ts";
import { makeSession, startTestServer } from "./helpers/http.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";

const PROJECT = join(import.meta.dirname, "helpers/replay-project");

let postgres: TestPostgres;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "walras-replay-"));
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  delete process.env.REPLAY_FAULT;
});

describe.each(["sqlite", "postgres"])("a session that was stored on %s", (dialect) => {
  let database: { databaseUrl?: string; file?: string };
  let session: string;

  beforeAll(async () => {
    const file = join(folder, "replay.sqlite3");
    database = dialect === "sqlite" ? { file } : { databaseUrl: await postgres.database() };
    const env: Record<string, string> =
      database.databaseUrl === undefined ? { WALRAS_DB: file } : { DATABASE_URL: database.databaseUrl };
    let server = await startTestServer(env, PROJECT);
    const { code, participants } = await makeSession(server.base, "market");
    session = code;
    const open = () =>
      Promise.all(participants.map((one) => HeadlessParticipant.open(`${server.base}/InitializeParticipant/${one}`)));
    let [ann, bob] = (await open()) as [HeadlessParticipant, HeadlessParticipant];
    await ann.send({ type: "offer", price: 12 });
    await bob.send({ type: "offer", price: 11 });
    await expect(bob.send({ type: "offer", price: 99 })).rejects.toThrow();
    expect(await ann.send({ type: "quote" })).toEqual(expect.any(Number));
    await ann.send({ type: "wind" });
    await ann.receive((data) => (data as { ticks?: number }).ticks === 2);
    await Promise.all([ann.send({ type: "stream" }), bob.send({ type: "offer", price: 9 })]);
    // Another server goes on with the same group.
    ann.close();
    bob.close();
    await server.stop();
    server = await startTestServer(env, PROJECT);
    [ann, bob] = (await open()) as [HeadlessParticipant, HeadlessParticipant];
    await ann.send({ type: "offer", price: 8 });
    await ann.submit();
    await bob.submit();
    for (const one of [ann, bob]) {
      await one.reload(`${server.base}/InitializeParticipant/${participants[one === ann ? 0 : 1]}`);
      expect(one.page.title).toBe("Results");
      await one.submit();
    }
    await ann.send({ type: "offer", price: 7 });
    ann.close();
    await bob.send({ type: "offer", price: 6 });
    bob.close();
    await server.stop();
  });

  async function replay(...args: string[]): Promise<{ same: boolean; said: string }> {
    const lines: string[] = [];
    const same = await replayCommand(PROJECT, database, [session, ...args], (line) => lines.push(line));
    return { same, said: lines.join("\n") };
  }

  test("gives the same rows and deliveries when its journal is run again", async () => {
    const { same, said } = await replay();
    expect(said).toMatch(/^group \d+ \(market, round 1\): the same; \d+ entries run again, \d+ taken as recorded\n/);
    expect(said).toMatch(/2 groups: 2 the same, 0 differ\.$/);
    expect(same).toBe(true);
  });

  test.each([
    ["rule", /what {6}market_group \{"id":\d+\}: price\n {2}recorded {2}12\n {2}now {7}13/],
    ["chance", /what {6}market_group \{"id":\d+\}: luck/],
    ["clock", /what {6}market_group \{"id":\d+\}: soldAt/],
    ["words", /what {6}delivery \d\n {2}recorded .*"hello".*\n {2}now .*"hey"/],
    ["silent", /what {6}delivery 1/],
  ])("shows where the code went another way: %s", async (fault, expected) => {
    process.env.REPLAY_FAULT = fault;
    const { same, said } = await replay();
    expect(same).toBe(false);
    expect(said).toMatch(/at entry \d+, message of player \d on market\/1\/Trade at 20/);
    expect(said).toMatch(/input {5}\{"type":"offer","price":12\}/);
    expect(said).toMatch(expected);
  });

  test("up to an entry, and the rows as they were after it", async () => {
    process.env.REPLAY_FAULT = "rule";
    const first = Number(/at entry (\d+)/.exec((await replay()).said)?.[1]);
    expect((await replay("--upto", String(first - 1))).said).toMatch(/round 1\): the same/);
    const inspect = async (seq: number) => {
      const lines: string[] = [];
      const group = /group (\d+) \(market, round 1\)/.exec((await replay()).said)?.[1] ?? "";
      await replayCommand(PROJECT, database, [group, "--inspect", String(seq)], (line) => lines.push(line));
      return lines.join("\n");
    };
    expect(await inspect(first - 1)).toMatch(/market_group: .* price=10 /);
    expect(await inspect(first)).toMatch(/market_group: .* price=12 /);
    expect(await inspect(first)).toMatch(/market_offer: .* price=12/);
  });

  test("what is asked wrongly is told how to ask", async () => {
    await expect(replay("--inspect", "3")).rejects.toThrow(/--inspect is for one group, by its number: \d+, \d+\./);
    await expect(replay("--upto", "x")).rejects.toThrow(/--upto x: give it the seq of an entry/);
    await expect(replayCommand(PROJECT, database, ["nobody"])).rejects.toThrow(/There is no session or group nobody/);
    await expect(replayCommand(PROJECT, database, [])).rejects.toThrow(/Use it so: npm run walras -- replay/);
  });
});
