import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const ROOT = join(import.meta.dirname, "..");
const guide = readFileSync(join(ROOT, "docs/coming-from-otree.md"), "utf8");
/** The rows of the guide's tables: the cells of each, with the heading above it. */
const rows = guide.split(/^## /m).flatMap((section) => {
  const title = section.split("\n", 1)[0] ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) => ({ title, cells: line.split(/(?<!\\)\|/).map((cell) => cell.trim()) }));
});

test.each(rows.map(({ title, cells }) => [`${title}: ${cells[1]}`, cells] as const))(
  "what is said to be as in oTree has a test that shows it: %s",
  (_, cells) => {
    // An empty cell before the first bar and behind the last.
    expect(cells).toHaveLength(5);
    const named = [...(cells[3] ?? "").matchAll(/`([\w/-]+)`: "([^"]+)"/g)];
    // What is not copied says why in the middle, and has nothing to show.
    if (cells[3] !== "not copied") expect(named).not.toHaveLength(0);
    for (const [, file = "", name = ""] of named) {
      const path = join(ROOT, `tests/${file}.test.ts`);
      expect([path, existsSync(path)]).toEqual([path, true]);
      const source = readFileSync(path, "utf8");
      expect([file, name, source.includes(JSON.stringify(name))]).toEqual([file, name, true]);
    }
  },
);

test("no part of the guide is empty", () => {
  const titles = [...guide.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
  expect(titles.filter((title) => !rows.some((row) => row.title === title))).toEqual([]);
});
