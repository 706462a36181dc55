import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { checkStudy, type Figure, type StudyData } from "./study-chaos/checker.ts";
import type { PersonHistory } from "./study-chaos/person.ts";
import { type StudyResult, study, summary } from "./study-chaos/study.ts";

let directory: string;
let result: StudyResult;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "walras-page-crashes-"));
  result = await study({ seed: 3, kills: 3, seconds: 10, participants: 12, database: "sqlite", directory });
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("through kill -9 all come to the end, each hook has run once, and no acknowledged form is lost", () => {
  expect(result.findings).toEqual([]);
  expect(result.crashes).toBe(0);
  const { line, isGood } = summary(result, []);
  expect(isGood).toBe(true);
  expect(line).toMatchObject({ participants: 12, rounds: 2 });
  // All five hooks of everybody, but for what nobody waited for.
  expect(line.runs).toBeGreaterThan(12 * 2 * 4);
  expect(line.acknowledged).toBeGreaterThan(12);
});

type Row = Record<string, unknown>;
/** Plants a fault into the run's data and histories. */
type Plant = (data: { [K in keyof StudyData]: Row[] }, people: PersonHistory[]) => void;
const first = (rows: readonly Row[]): Row => rows[0] as Row;
const group = (rows: readonly Row[]): Row => rows.find((row) => Number(row.id_in_subsession) > 0) as Row;

test.each<[Figure, string, Plant]>([
  [
    "unfinished",
    "somebody left behind",
    ({ participants }) => {
      first(participants).page_index = 3;
    },
  ],
  ["wentBack", "a page that was seen and taken back", (_data, [person]) => void person?.shown.push(1)],
  ["pagesTwice", "a page left twice", ({ journal }) => void journal.push({ ...journal.findLast(movesOn), seq: 999 })],
  ["hooksWrong", "a hook that ran twice", ({ runs }) => void runs.push({ ...first(runs), n: 999 })],
  ["hooksWrong", "a hook that did not run", ({ runs }) => void runs.pop()],
  [
    "hooksWrong",
    "a counter that counted twice",
    ({ players }) => {
      first(players).gave = 2;
    },
  ],
  [
    "hooksWrong",
    "a group's function that ran twice",
    ({ groups }) => {
      group(groups).shared = 2;
    },
  ],
  [
    "replacedWrong",
    "a place that is said to be taken, and is not",
    ({ participants }, [person]) => {
      const row = participants.find(({ code }) => code === person?.code) as Row;
      row.replaced_at = null;
      Object.assign(person as PersonHistory, { end: "replaced" });
    },
  ],
  [
    "replacedWrong",
    "a form that the computer answered for somebody who was there",
    ({ players }) => {
      Object.assign(first(players), { gift: 10, note: "computer", is_replaced: null });
    },
  ],
  ["groupsWrong", "a participant in two groups", ({ players }) => void players.push({ ...first(players), id: 999 })],
  [
    "groupsWrong",
    "somebody in another's group",
    ({ players }) => {
      first(players).group_id = players.at(-1)?.group_id;
    },
  ],
  [
    "moneyWrong",
    "a payoff from nowhere",
    ({ players }) => {
      first(players).payoff = 1000;
    },
  ],
  [
    "formsLost",
    "a form that is not stored",
    ({ players, participants }, people) => {
      const person = people.find(({ posts }) => posts.some((post) => isKept(post)));
      const { id } = participants.find(({ code }) => code === person?.code) as Row;
      const own = players.find((row) => row.participant_id === id && Number(row.round_number) === 1) as Row;
      own.note = null;
    },
  ],
])("the checker counts as %s %s", (figure, _what, plant) => {
  const { data, people } = structuredClone({ data: { ...result.data, session: [] }, people: result.people });
  plant(data as never, people as PersonHistory[]);
  const found = checkStudy(people, { ...data, session: result.data.session });
  expect(found.map((finding) => finding.figure)).toContain(figure);
});

/** A form of the first round of which the server said that it has it. */
function isKept({ page, round, acknowledged }: PersonHistory["posts"][number]): boolean {
  return acknowledged && page === "Give" && round === 1;
}

function movesOn({ changes }: Row): boolean {
  return String(changes).includes('"pageIndex"');
}
