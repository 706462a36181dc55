import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";
import auction from "../apps/auction/index.ts";
import { openStore } from "../entities/open-store.ts";
import type { Verdict } from "../loadtest/bars.ts";
import { Histogram } from "../loadtest/histogram.ts";
import { addHistory } from "../loadtest/servers/history.ts";
import type { Result } from "../loadtest/table.ts";
import { TestWorld } from "./helpers/world.ts";

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

test("a bar is measured, judged and written down with its figures", async () => {
  const directory = mkdtempSync(join(tmpdir(), "walras-bench-test-"));
  const json = join(directory, "bench.json");
  try {
    const quick = ["--repeat", "1", "--warm", "0.1", "--seconds", "0.2"];
    const { stdout } = await bench("--bars", "slow-disk", ...quick, "--json", json);
    const { bars, results } = JSON.parse(readFileSync(json, "utf8")) as { bars: Verdict[]; results: Result[] };
    expect(results).toEqual([]);
    expect(bars).toHaveLength(1);
    expect(bars[0]?.figures["slow refused"]).toEqual([0]);
    expect(bars[0]?.figures["slow p99"]?.[0]).toBeGreaterThan(0);
    expect(stdout).toContain(bars[0]?.measured);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("groups get a history as if they had played it: it loads, and they play on", async () => {
  const directory = mkdtempSync(join(tmpdir(), "walras-bench-test-"));
  const store = await openStore({ file: join(directory, "history.sqlite3"), apps: [auction.spec] });
  const world = new TestWorld(store, [auction.spec]);
  try {
    const { people, session } = await world.session(["auction"], 8);
    await addHistory(store, auction.spec, { session: Number(session.id), from: 1, entries: 1_200 });
    const loaded: number[] = [];
    for (const person of [people[0], people[4]]) {
      const actorId = await world.arrive(person ?? {});
      const rows = await store.read.group(actorId, auction.spec);
      loaded.push([...rows.extras.values()].flat().length);
      const player = await world.connect(actorId, Number(person?.id), { seen: rows.seq });
      await player.ask(5);
      expect(player.received).toEqual([{ id_in_group: 1, bid: 5 }]);
    }
    expect(loaded).toEqual([0, 1_200]);
  } finally {
    await world.close();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

test("a wrong option is named with its cure", async () => {
  await expect(bench("--groups", "0")).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--groups is"),
  });
  await expect(bench("--bars", "fast")).rejects.toMatchObject({ stderr: expect.stringContaining("slow-disk") });
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
