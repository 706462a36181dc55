import { expect, test } from "@jest/globals";
import { createSession, SECRET_CODES } from "../entities/sessions.ts";
import type { Writer } from "../entities/store.ts";
import type { Values } from "../entities/tables.ts";
import { testApp } from "./helpers/test-app.ts";

const solo = testApp({ name: "survey", playersPerGroup: 1, pages: ["Form"] });
const pairs = testApp({ name: "ultimatum", playersPerGroup: 2, rounds: 2, pages: ["Offer", "Answer"] });
const threes = testApp({ name: "market", playersPerGroup: 3 });
const whole = testApp({ name: "vote", playersPerGroup: "all" });
const apps = new Map([solo, pairs, threes, whole].map((app) => [app.name, app]));

/** Creates a session in memory. */
async function create(appSequence: string[], participants: number) {
  const tables = new Map<string, Values[]>();
  const write: Writer = {
    async update() {},
    async insert(table, rows) {
      const all = tables.get(table.name) ?? [];
      tables.set(table.name, all);
      const ids = rows.map((_, i) => all.length + i + 1);
      all.push(...rows.map((row, i) => ({ id: ids[i] ?? null, ...row })));
      return ids;
    },
  };
  const config = { name: "demo", appSequence, fee: 2.5 };
  const made = await createSession(write, { config, apps, participants, isDemo: false, now: 5, decimals: 2 });
  return { ...made, rows: (table: string) => tables.get(table) ?? [] };
}

test("groups are blocks of participants in order, the same in every round", async () => {
  const { rows } = await create(["ultimatum"], 4);
  const players = rows("ultimatum_player").map((row) => [
    row.roundNumber,
    row.participantId,
    row.groupId,
    row.idInGroup,
  ]);
  expect(players).toEqual([
    [1, 1, 1, 1],
    [1, 2, 1, 2],
    [1, 3, 2, 1],
    [1, 4, 2, 2],
    [2, 1, 3, 1],
    [2, 2, 3, 2],
    [2, 3, 4, 1],
    [2, 4, 4, 2],
  ]);
  expect(rows("actor").map((row) => [row.app, row.roundNumber])).toEqual([
    ["ultimatum", 1],
    ["ultimatum", 1],
    ["ultimatum", 2],
    ["ultimatum", 2],
  ]);
});

test("one app has everybody alone, another everybody together, and actors are numbered over both", async () => {
  const { rows } = await create(["survey", "vote"], 5);
  expect(rows("survey_player").map((row) => row.groupId)).toEqual([1, 2, 3, 4, 5]);
  expect(rows("vote_player").map((row) => [row.groupId, row.idInGroup])).toEqual([1, 2, 3, 4, 5].map((n) => [6, n]));
  expect(rows("vote_group")).toMatchObject([{ id: 6, idInSubsession: 1, extraCount: 0 }]);
});

test("pages are pinned in order: app by app, round by round", async () => {
  const { session } = await create(["survey", "ultimatum"], 2);
  expect(JSON.parse(String(session.pages))).toEqual([
    { app: "survey", round: 1, page: "Form" },
    { app: "ultimatum", round: 1, page: "Offer" },
    { app: "ultimatum", round: 1, page: "Answer" },
    { app: "ultimatum", round: 2, page: "Offer" },
    { app: "ultimatum", round: 2, page: "Answer" },
  ]);
  expect(JSON.parse(String(session.config))).toMatchObject({ fee: 2.5 });
});

test.each([
  [["ultimatum", "market"], 4, "4 participants: its groups need a multiple of 6"],
  [["survey"], 0, "at least 1"],
  [["vote"], 2.5, "whole number"],
])("%j cannot have %d participants", async (sequence, participants, message) => {
  const creating = create(sequence, participants);
  await expect(creating).rejects.toMatchObject({ code: "wrong_number_of_participants" });
  await expect(creating).rejects.toThrow(message);
});

test("mistakes in the app sequence are named", async () => {
  await expect(create(["auktion"], 2)).rejects.toThrow(
    /"demo" names the app "auktion".*survey, ultimatum, market, vote/,
  );
  await expect(create(["survey", "survey"], 2)).rejects.toMatchObject({ code: "app_twice" });
  await expect(create([], 2)).rejects.toMatchObject({ code: "no_apps" });
});

test("codes are long, random and never the same", async () => {
  const { participants } = await create(["survey"], 1_000);
  const codes = participants.map((row) => String(row.code));
  expect(new Set(codes).size).toBe(1_000);
  for (const code of codes) expect(code).toMatch(/^[a-z2-7]{26}$/);
  // Each of the 128 bits is drawn: every letter comes up in every place but the last, which has 3 bits.
  for (let place = 0; place < 25; place++) {
    expect(new Set(codes.map((code) => code[place])).size).toBe(32);
  }
  expect(SECRET_CODES.session()).toMatch(/^[a-z0-9]{8}$/);
});
