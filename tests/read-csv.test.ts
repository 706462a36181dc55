import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "@jest/globals";
import {
  boolean,
  currency,
  defineApp,
  float,
  integer,
  json,
  link,
  longText,
  readCsv,
  text,
  timestamp,
} from "../index.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { walkers } from "./helpers/walker.ts";

const sqlite = useSqlite();
const folder = mkdtempSync(join(tmpdir(), "walras-csv-"));
const file = join(folder, "stimuli.csv");
afterAll(() => rmSync(folder, { recursive: true }));

const stimulus = {
  shownAs: text(),
  size: integer({ min: 1, initial: 7 }),
  weight: float({ blank: true }),
  price: currency(),
  isHot: boolean(),
};

function read<F extends Parameters<typeof readCsv>[1]>(content: string, fields: F) {
  writeFileSync(file, content);
  return readCsv(file, fields);
}

test("a CSV file is read by the fields of a model, with their types", () => {
  const rows = read(
    '\uFEFFshown_as,size,weight,price,isHot\r\n"a, ""b""\nc",3,1.5,2.005,TRUE\r\n\r\nd,,,1e2,0\r\n',
    stimulus,
  );
  expect(rows).toEqual([
    { shownAs: 'a, "b"\nc', size: 3, weight: 1.5, price: 2.005, isHot: true },
    { shownAs: "d", size: 7, weight: null, price: 100, isHot: false },
  ]);
  // The compiler knows them.
  const sizes: number[] = rows.map((row) => row.size);
  const weights: (number | null)[] = rows.map((row) => row.weight);
  expect([sizes, weights]).toEqual([
    [3, 7],
    [1.5, null],
  ]);
  expect(readCsv(pathToFileURL(file), stimulus)).toHaveLength(2);
});

test("semicolons with decimal commas, and tabs, are understood", () => {
  expect(read("shownAs;price;isHot\nx;1,5;yes\n", stimulus)).toEqual([
    { shownAs: "x", size: 7, weight: null, price: 1.5, isHot: true },
  ]);
  expect(read("shownAs\tprice\tisHot\ny\t2\tno\n", stimulus)[0]).toMatchObject({
    shownAs: "y",
    price: 2,
    isHot: false,
  });
});

test("JSON and times are read, and a long text may be empty", () => {
  const fields = { at: timestamp(), list: json<number[]>(), note: longText(), more: json<number[]>({ initial: [1] }) };
  expect(read('at,list,note,more\n2026-11-22T14:00:00Z,"[1,2]",,\n5,[],x,[3]\n', fields)).toEqual([
    { at: Date.UTC(2026, 10, 22, 14), list: [1, 2], note: "", more: [1] },
    { at: 5, list: [], note: "x", more: [3] },
  ]);
});

test.each<[string, string, object, RegExp]>([
  [
    "a number that is none",
    "n\n1\nx1\n",
    { n: integer() },
    /stimuli.csv"\): line 3, column n is "x1"; it takes a number/,
  ],
  [
    "a fraction of a whole number",
    "n\n1.5\n",
    { n: integer() },
    /line 2, column n was set to 1.5 .*takes a whole number/,
  ],
  [
    "beyond a limit",
    "n\n1\n9\n",
    { n: integer({ max: 5 }) },
    /line 3, column n was set to 9, which is more than its max 5/,
  ],
  ["no choice", "c\nred\n", { c: text({ choices: ["blue"] }) }, /line 2, column c was set to "red".*"blue"/],
  ["an empty cell", 'a,n\n"x\ny",1\nz,\n', { a: text(), n: integer() }, /line 4, column n is empty. Fill it/],
  ["no truth value", "b\nmaybe\n", { b: boolean() }, /line 2, column b is "maybe"; it takes TRUE or FALSE/],
  [
    "an unknown column",
    "prise\n1\n",
    { price: currency() },
    /line 1 has a column "prise", which is no field.*Did you mean price/,
  ],
  ["a column twice", "n,n\n1,2\n", { n: integer() }, /column "n", which is no field, or is there twice/],
  ["a column that is missing", "a\nx\n", { a: text(), n: integer() }, /line 2, column n is empty/],
  ["too many cells", "a\nx,y\n", { a: text() }, /stimuli.csv.*line 2/],
  ["nothing", "", { a: text() }, /it is empty/],
  ["a link", "a\nx\n", { a: link("player") }, /a is a link, which no file can hold/],
])("what is wrong in a CSV file is named with its line: %s", (_what, content, fields, message) => {
  expect(() => read(content, fields as typeof stimulus)).toThrow(message);
});

test("a file that is not there is named", () => {
  expect(() => readCsv(join(folder, "none.csv"), stimulus)).toThrow(/readCsv\("none.csv"\): it cannot be read/);
});

test("creatingSession makes rows of an extra model out of a CSV file", async () => {
  writeFileSync(file, "shownAs,price,isHot\na,1,1\nb,2.005,0\n");
  const app = defineApp({ name: "trials", extraModels: { Trial: { player: link("player"), ...stimulus } } });
  const { Trial } = app.extraModels;
  app.page("Play");
  app.creatingSession((subsession) => {
    const rows = readCsv(file, stimulus);
    for (const player of subsession.getPlayers()) for (const row of rows) Trial.create({ player, ...row });
  });
  const world = await sqlite.world([app.spec]);
  await walkers(world, ["trials"], 2);
  const { Trial: model } = app.spec.extras;
  const rows = model === undefined ? [] : await world.store.read.rows(model.table);
  expect(rows.map((row) => [row.shownAs, row.price])).toEqual([
    ["a", 1],
    ["b", 2.01],
    ["a", 1],
    ["b", 2.01],
  ]);
});
