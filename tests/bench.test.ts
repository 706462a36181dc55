import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";
import { Histogram } from "../loadtest/histogram.ts";
import type { Result } from "../loadtest/table.ts";

const run = promisify(execFile);
const BENCH = join(import.meta.dirname, "../loadtest/bench.ts");

function bench(...options: string[]) {
  return run(process.execPath, ["--no-warnings", BENCH, ...options]);
}

test("a row of the benchmark does the whole work: nothing refused, nothing unanswered, all four get each bid", async () => {
  const directory = mkdtempSync(join(tmpdir(), "walras-bench-test-"));
  const json = join(directory, "bench.json");
  try {
    const rows = "raw-ws,bare-room,walras-auction";
    const quick = ["--groups", "3", "--repeat", "1", "--warm", "0", "--seconds", "0.3"];
    const { stdout } = await bench("--rows", rows, ...quick, "--json", json);
    const { results } = JSON.parse(readFileSync(json, "utf8")) as { results: Result[] };
    expect(results.map(({ row }) => row).join()).toBe(rows);
    for (const { row, runs } of results) {
      expect(stdout).toContain(row);
      const [figures] = runs;
      expect(figures).toMatchObject({ refused: 0, unanswered: 0 });
      expect(figures?.messagesPerSecond).toBeGreaterThan(0);
      // The window cuts through what is under way, so that it is nearly, not exactly.
      const each = 1 + 3 * (figures?.acceptedShare ?? 0);
      expect(Math.abs((figures?.deliveriesPerMessage ?? 0) - each)).toBeLessThan(0.5);
    }
    expect(results.find(({ row }) => row === "walras-auction")?.ratios).toHaveLength(1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("a wrong option is named with its cure", async () => {
  await expect(bench("--groups", "0")).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--groups is"),
  });
  await expect(bench("--rows", "auktion")).rejects.toMatchObject({ stderr: expect.stringContaining("walras-auction") });
});

test("quantiles are right to one percent, also merged from several processes", () => {
  const [whole, parts] = [new Histogram(), [new Histogram(), new Histogram()]];
  for (let i = 1; i <= 10_000; i++) parts[i % 2]?.add(i / 100);
  for (const part of parts) whole.merge(JSON.parse(JSON.stringify(part.toData())));
  expect(whole.size).toBe(10_000);
  for (const q of [0.01, 0.5, 0.99, 1]) expect(Math.abs(whole.quantile(q) / (q * 100) - 1)).toBeLessThan(0.011);
  expect(new Histogram().quantile(0.5)).toBeNaN();
});
