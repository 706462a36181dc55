import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Histogram } from "../loadtest/histogram.ts";
import { checkLimits, processesFor } from "../loadtest/limits.ts";
import { readOptions } from "../loadtest/options.ts";
import { makePlan } from "../loadtest/plan.ts";
import { Exit } from "../loadtest/players/exit.ts";
import { GroupWatch } from "../loadtest/players/group-watch.ts";
import { Arrivals } from "../loadtest/players/pace.ts";
import { PageWatch } from "../loadtest/players/page-watch.ts";
import { Tally } from "../loadtest/players/tally.ts";
import type { LoadReport } from "../loadtest/report/report.ts";
import { Target } from "../loadtest/target.ts";
import { loadProject } from "../server/apps.ts";
import { loadBots } from "../server/bots-project.ts";
import { readSettings } from "../server/config.ts";
import { makeLog } from "../server/log.ts";
import { serve } from "../server/serve.ts";
import { launchChromium, watchErrors } from "./helpers/browser.ts";
import { type Fate, startFrameProxy } from "./helpers/frame-proxy.ts";
import { freePort } from "./helpers/free-port.ts";

const LOADTEST = join(import.meta.dirname, "../loadtest/loadtest.ts");
const PROJECT = join(import.meta.dirname, "helpers/load-project");
const PASSWORD = "correct horse battery";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "walras-loadtest-test-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
  report: LoadReport | undefined;
}

let runs = 0;

/** Runs the command as from a shell. @param onStderr sees its progress, and may end it by a signal */
function loadtest(
  args: readonly string[],
  options: { env?: Record<string, string>; onStderr?(text: string, kill: (signal: NodeJS.Signals) => void): void } = {},
): Promise<Run> {
  const json = join(directory, `run${++runs}.json`);
  const child = spawn(process.execPath, ["--no-warnings", LOADTEST, ...args, "--json", json], {
    env: { ...process.env, WALRAS_ADMIN_PASSWORD: "", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
    options.onStderr?.(stderr, (signal) => child.kill(signal));
  });
  return new Promise((resolve) => {
    child.on("close", (code) => {
      let report: LoadReport | undefined;
      try {
        report = JSON.parse(readFileSync(json, "utf8"));
      } catch {
        // It did not come so far.
      }
      resolve({ code, stdout, stderr, report });
    });
  });
}

const short = (...args: string[]) => ["--project", PROJECT, "--seconds", "1", ...args];

describe("a run", () => {
  test("in a closed loop admits everybody, counts what it did, and shows it on a page that needs no network", async () => {
    const html = join(directory, "report.html");
    const args = ["--app", "auction", "--groups", "3", "--seconds", "2", "--processes", "2", "--html", html];
    const { code, stdout, report } = await loadtest(args);
    expect(stdout).toContain("All was well.");
    expect(code).toBe(0);
    expect(report).toMatchObject({
      kind: "walras-loadtest",
      v: 1,
      verdict: "good",
      interrupted: false,
      settings: { apps: ["auction"], groups: 3, players: 4, participants: 12, loop: "closed", rate: null },
      admission: { admitted: 12, failed: 0 },
      counts: { messagesLost: 0, messagesDuplicated: 0, deliveriesLost: 0, deliveriesDuplicated: 0, audited: 12 },
      errors: [],
      server: { isOwn: true, database: "sqlite", synchronous: "FULL", limits: { rate: 100_000, burst: 100_000 } },
      load: { finished: 12 },
    });
    const { load, latency, server, timeline, generators } = report as LoadReport;
    expect(load.messages).toBeGreaterThan(12);
    expect(load.deliveries).toBeGreaterThan(0);
    expect(latency.acknowledged.count).toBeGreaterThanOrEqual(load.messages);
    expect(latency.delivered.count).toBeGreaterThan(0);
    expect(latency.acknowledged.p50).toBeLessThanOrEqual(latency.acknowledged.p99 ?? 0);
    for (const figure of [server.cpuShare, server.residentBytes, server.loopDelayMax, server.databaseBytes]) {
      expect(figure).toBeGreaterThan(0);
    }
    expect(timeline.map(({ phase }) => phase)).toEqual(expect.arrayContaining(["admitting", "playing", "ending"]));
    expect(generators).toHaveLength(2);

    const browser = await launchChromium();
    try {
      for (const [width, colorScheme] of [
        [1280, "light"],
        [360, "dark"],
      ] as const) {
        const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
        const errors = watchErrors(page);
        const asked: string[] = [];
        page.on("request", (request) => asked.push(request.url()));
        await page.goto(`file://${html}`);
        expect(await page.title()).toBe("Load test of auction");
        expect(await page.locator(".chart svg").count()).toBeGreaterThanOrEqual(6);
        expect(await page.locator("body").textContent()).toContain("Nothing was lost and nothing doubled");
        expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
        await page.locator(".chart .area").first().hover();
        expect(await page.locator(".chart .tip").first().textContent()).toMatch(/ to .*%/);
        expect(asked.filter((url) => !/^(file|data):/.test(url))).toEqual([]);
        expect(errors).toEqual([]);
        await page.close();
      }
    } finally {
      await browser.close();
    }
  });

  test("of an app without turns plays it over and over in fresh sessions until time is up", async () => {
    const { code, report } = await loadtest(short("--app", "short", "--groups", "2"));
    expect(code).toBe(0);
    expect(report?.load.finished).toBeGreaterThan(2);
    expect(report?.counts.messages).toBe((report?.load.finished ?? 0) * 2);
  });

  test("of a session config plays all its apps", async () => {
    const { code, report } = await loadtest(short("--config", "two_apps", "--groups", "2"));
    expect(code).toBe(0);
    expect(report).toMatchObject({ settings: { apps: ["short", "talk"], players: 2 }, load: { finished: 4 } });
  });

  test("in which one bot throws goes on with the others, says where it was, and ends with status 1", async () => {
    const { code, stdout, report } = await loadtest(short("--app", "brittle", "--groups", "5"));
    expect(code).toBe(1);
    expect(stdout).toContain("1 bot failed.");
    expect(report?.errors).toMatchObject([{ kind: "bot", count: 1 }]);
    expect(report?.errors[0]?.example).toMatch(
      /brittle, page Work, round 1, P3, step \d+, expect: the third participant counts to seven\n {2}expected: 7\n {2}got: 2\n {2}at apps\/brittle\/bots\.ts:7/,
    );
    expect(report).toMatchObject({ verdict: "errors", load: { finished: 4 } });
    expect(report?.counts.messages).toBeGreaterThan(20);
  });

  test("that is interrupted gives the report so far", async () => {
    let isSent = false;
    const { code, stdout, report } = await loadtest(short("--app", "talk", "--groups", "2", "--seconds", "300"), {
      onStderr(text, kill) {
        if (isSent || !text.includes("messages/s")) return;
        isSent = true;
        kill("SIGINT");
      },
    });
    expect(code).toBe(0);
    expect(stdout).toContain("ended early");
    expect(report).toMatchObject({ interrupted: true, verdict: "good", errors: [] });
    expect(report?.counts.messages).toBeGreaterThan(0);
  });
});

describe("a server that runs already", () => {
  let game: Awaited<ReturnType<typeof serve>>;
  const base = () => `http://127.0.0.1:${game.port}`;
  beforeAll(async () => {
    const env = {
      PORT: "0",
      HOST: "127.0.0.1",
      WALRAS_DB: join(directory, "server.sqlite3"),
      WALRAS_ADMIN_PASSWORD: PASSWORD,
      WALRAS_RATE: "1000",
      WALRAS_BURST: "1000",
    };
    game = await serve(
      PROJECT,
      readSettings(env),
      makeLog(() => {}),
    );
  });
  afterAll(() => game.stop());

  const against = (server: string, ...args: string[]) =>
    loadtest(short("--server", server, ...args), { env: { WALRAS_ADMIN_PASSWORD: PASSWORD } });

  /** A run over a proxy that tampers with what the server sends. */
  async function tampered(
    fate: (frame: Parameters<Parameters<typeof startFrameProxy>[1]>[0], connection: number) => Fate | undefined,
    ...args: string[]
  ): Promise<Run> {
    const proxy = await startFrameProxy(base(), fate);
    try {
      return await against(proxy.base, "--app", "talk", "--groups", "1", ...args);
    } finally {
      await proxy.stop();
    }
  }

  test("is played with its admin password, and a wrong one is told", async () => {
    const { code, report } = await against(base(), "--app", "talk", "--groups", "2", "--rate", "20");
    expect(code).toBe(0);
    expect(report).toMatchObject({
      server: { isOwn: false, address: base(), limits: { rate: 1000, burst: 1000 } },
      settings: { loop: "open", rate: 20, arrivals: "random" },
    });
    // What one says only the other hears, and the time to that is known all the same.
    expect(report?.latency.delivered.count).toBe(report?.counts.messages);
    await expect(Target.open(new URL(base()), "not this one")).rejects.toThrow("refuses the admin password");
    await expect(Target.open(new URL(base()), undefined)).rejects.toThrow("WALRAS_ADMIN_PASSWORD");
  });

  test("and doubles what it sends is found out", async () => {
    const { code, stdout, report } = await tampered((frame) => (frame.k === "welcome" ? {} : { copies: 2 }));
    expect(report?.counts.messagesDuplicated).toBeGreaterThan(0);
    expect(report?.counts.deliveriesDuplicated).toBeGreaterThan(0);
    expect(stdout).toMatch(/NOT WELL: .*answered twice/);
    expect(code).toBe(1);
  });

  test("and loses deliveries without a trace is found out by the last check", async () => {
    // The first connection gets none at all, so that no predecessor shows a hole.
    const { code, report } = await tampered(
      (frame, connection) => (frame.k === "recv" && connection === 0 ? { copies: 0 } : {}),
      "--rate",
      "30",
    );
    expect(report?.counts).toMatchObject({ gaps: 0, messagesLost: 0, audited: 2 });
    expect(report?.counts.deliveriesLost).toBeGreaterThan(0);
    expect(report?.troubles.join()).toContain("did not arrive");
    expect(code).toBe(1);
  });

  test("and stalls cannot hide it in an open loop: what was due meanwhile is late", async () => {
    let stallEnds: number | undefined;
    const { report } = await tampered(
      (frame) => {
        if (frame.k === "welcome") return {};
        stallEnds ??= performance.now() + 1500;
        return { delayMs: Math.max(0, stallEnds - performance.now()) };
      },
      "--seconds",
      "2",
      "--rate",
      "50",
    );
    // Only two messages were under way, one of each participant; most of those that were due were late.
    const { acknowledged } = (report as LoadReport).latency;
    expect(acknowledged.count).toBeGreaterThan(100);
    expect(acknowledged.p50).toBeGreaterThan(300);
    expect(acknowledged.max).toBeGreaterThan(1400);
  });

  test("but does not know the app says so", async () => {
    const target = await Target.open(new URL(base()), PASSWORD);
    const game = { config: undefined, apps: ["auction"], players: 4, sessionPerGroup: false };
    await expect(target.invite(game, 1)).rejects.toThrow("There is no app auction on this server.");
  });
});

describe("wrong use ends with status 2 and says what to do:", () => {
  test("a server that is down", async () => {
    const { code, stderr } = await loadtest(short("--app", "talk", "--server", `127.0.0.1:${await freePort()}`));
    expect(code).toBe(2);
    expect(stderr).toMatch(/Nothing answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)\. Start the server/);
    expect(stderr).not.toContain("    at ");
  });

  test("an app without bots", async () => {
    await expect(loadBots(PROJECT, ["mute"])).rejects.toThrow("there is no apps/mute/bots.ts");
  });

  test.each([
    [["--app", "auction", "--groups", "0"], '--groups is "0"; give it a whole number from 1'],
    [["--app", "auction", "--groups", "1.5"], '--groups is "1.5"'],
    [["--app", "auction", "--seconds", "soon"], '--seconds is "soon"; give it a number from 0.5'],
    [["--app", "auction", "--rate", "0"], '--rate is "0"'],
    [["--app", "auction", "--rate", "-1"], "--rate"],
    [[], "--app auction"],
    [["--app", "auction", "--config", "auction"], "leave one out"],
    [["--app", "auction", "--gruops", "3"], "Did you mean --groups?"],
    [["auction"], "--app auction"],
    [["--app"], "--app needs a value"],
    [["--app", "auction", "--server", "ftp://x"], "--server"],
    [["--app", "auction", "--server", "http://x", "--database", "postgres://y/z"], "leave out --server"],
    [["--app", "auction", "--database", "mysql://y:secret@h/z"], "postgres://"],
    [["--app", "auction", "--arrivals", "even"], "--rate"],
    [["--app", "auction", "--rate", "1", "--arrivals", "evne"], "random or even"],
    [["--app", "auction", "--groups", "2", "--processes", "3"], "a group of its own"],
  ])("%j", (args, message) => {
    expect(() => readOptions(args, {})).toThrow(message);
    expect(() => readOptions(args, {})).not.toThrow("secret");
  });

  test("an app, a config or a number of players that the project does not have", async () => {
    const { apps, config } = await loadProject(PROJECT);
    const plan = (options: { app?: string; config?: string; players?: number }) =>
      makePlan(
        { app: options.app, config: options.config, groups: 2, players: options.players },
        apps,
        config.sessionConfigs,
      );
    expect(() => plan({ app: "tlak" })).toThrow("There is no app tlak in apps/. Did you mean talk?");
    expect(() => plan({ config: "two_ap" })).toThrow("Did you mean two_apps?");
    expect(() => plan({ app: "talk", players: 3 })).toThrow("--players is 3, but talk plays in groups of 2");
    expect(() => plan({ app: "short", players: 2 })).toThrow("each plays alone");
    expect(() => plan({ config: "two_apps", players: 3 })).toThrow("a multiple of 2");
    expect(plan({ app: "talk" })).toMatchObject({ players: 2, participants: 4, sessionPerGroup: false });
    expect(plan({ app: "mute", players: 5 })).toMatchObject({ players: 5, participants: 10, sessionPerGroup: true });
    expect(plan({ config: "two_apps", players: 4 })).toMatchObject({ players: 4, participants: 8 });
  });

  test("more groups than files or ports allow, with the number that is possible", () => {
    const limits = { files: 1024, ports: 28_232, cores: 4 };
    const size = { groups: 100, players: 4, processes: 1, ownServer: false };
    expect(() => checkLimits(size, limits)).not.toThrow();
    expect(() => checkLimits({ ...size, groups: 250 }, limits)).toThrow(
      /250 groups of 4 need 1000 connections.*ulimit -n.*Possible are 206 groups of 4/,
    );
    // Of several processes each has its own files, but a server of its own has them all in one.
    expect(() => checkLimits({ ...size, groups: 250, processes: 2 }, limits)).not.toThrow();
    expect(() => checkLimits({ ...size, groups: 250, processes: 2, ownServer: true }, limits)).toThrow("the server");
    const many = { ...limits, files: Number.POSITIVE_INFINITY };
    expect(() => checkLimits({ ...size, groups: 10_000 }, many)).toThrow(/28232 local ports.*6933 groups of 4/);
    expect(processesFor(5000, 100, limits)).toBe(3);
    expect(processesFor(10, 1, limits)).toBe(1);
  });
});

describe("what is counted", () => {
  /** A page that looks on, in a group of its own, at a clock that the test sets. */
  function watched() {
    const tally = new Tally();
    const group = new GroupWatch(() => tally.delivered);
    const clock = { now: 0 };
    const page = new PageWatch({ tally, group, clientId: "me", now: () => clock.now });
    page.hello(0);
    page.welcomed();
    return { tally, group, clock, page };
  }

  test("a message is lost if nobody answers it for five seconds, not if its page is left before", () => {
    const [lost, left] = [watched(), watched()];
    for (const { page, clock, tally } of [lost, left]) {
      page.queued(1);
      page.queued(2);
      page.frame({ k: "answer", a: { c: "me", n: 1 } });
      clock.now = tally === lost.tally ? 5000 : 4999;
      page.closed();
    }
    expect(lost.tally.take().counts).toMatchObject({ messages: 1, messagesLost: 1, leftWithForm: 0 });
    expect(left.tally.take().counts).toMatchObject({ messages: 1, messagesLost: 0, leftWithForm: 1 });
  });

  test("a refusal that is to be tried again is no answer; a final one is, under its code", () => {
    const { page, tally, clock } = watched();
    page.queued(1);
    page.due(-100);
    clock.now = 50;
    page.frame({ k: "answer", a: { c: "me", n: 1, e: { code: "too_fast", message: "wait", retry: true } } });
    clock.now = 100;
    page.frame({ k: "answer", a: { c: "me", n: 1, e: { code: "invalid", message: "no", retry: false } } });
    const { counts, errors, acknowledged } = tally.take();
    expect(counts).toMatchObject({ messages: 1, refused: 1, putOff: 1, messagesDuplicated: 0 });
    expect(errors.map(({ kind, code }) => `${kind} ${code}`)).toEqual(["put off too_fast", "refused invalid"]);
    const times = new Histogram();
    times.merge(acknowledged);
    expect(Math.abs(times.quantile(0.5) - 200)).toBeLessThan(3);
  });

  test("a hole in the chain is a gap, and lost only if nothing fills it", () => {
    const [filled, open] = [watched(), watched()];
    for (const { page } of [filled, open]) {
      page.frame({ k: "recv", s: 1, p: 0, m: [1] });
      page.frame({ k: "recv", s: 5, p: 3, m: [5] });
    }
    filled.page.hello(1);
    filled.page.frame({ k: "recv", s: 3, p: 1, m: [3] });
    filled.page.frame({ k: "recv", s: 5, p: 3, m: [5] });
    filled.page.welcomed();
    for (const { page } of [filled, open]) page.closed();
    expect(filled.tally.take().counts).toMatchObject({ gaps: 1, deliveries: 3, deliveriesLost: 0, reconnects: 1 });
    expect(open.tally.take().counts).toMatchObject({ gaps: 1, deliveries: 1, deliveriesLost: 1 });
  });

  test("the time to the last delivery counts from when the message was due to the last member's copy", () => {
    const { tally, group, clock, page } = watched();
    const other = new PageWatch({ tally, group, clientId: "you", now: () => clock.now });
    other.hello(0);
    other.welcomed();
    page.queued(1);
    clock.now = 10;
    // The answer rides on the own copy; the other one's comes later.
    page.frame({ k: "recv", s: 1, p: 0, m: ["x"], a: { c: "me", n: 1 } });
    clock.now = 70;
    other.frame({ k: "recv", s: 1, p: 0, m: ["x"] });
    const times = new Histogram();
    times.merge(tally.take().delivered);
    expect(times.size).toBe(1);
    expect(Math.abs(times.quantile(1) - 70)).toBeLessThan(1);
  });

  test("groups leave some at a time, all members of one together", async () => {
    const exit = new Exit(1);
    const gone: string[] = [];
    const leave = (group: number, name: string) => exit.leave(group).then(() => gone.push(name));
    const both = Promise.all([leave(0, "a"), leave(0, "b")]);
    const next = leave(1, "c");
    await both;
    expect(gone).toEqual(["a", "b"]);
    exit.left(0);
    await next;
    expect(gone).toEqual(["a", "b", "c"]);
  });

  test("turns of an open loop are due at their rate, whoever is late, and the same again with the same seed", () => {
    for (const kind of ["random", "even"] as const) {
      const arrivals = new Arrivals(50, kind, 1000, 7);
      const due = Array.from({ length: 5000 }, () => arrivals.next());
      expect(due[0]).toBeGreaterThanOrEqual(1000);
      expect(due.every((at, i) => i === 0 || at > (due[i - 1] ?? 0))).toBe(true);
      const mean = ((due.at(-1) ?? 0) - (due[0] ?? 0)) / (due.length - 1);
      expect(Math.abs(mean - 20)).toBeLessThan(1);
      const again = new Arrivals(50, kind, 1000, 7);
      expect(again.next()).toBe(due[0]);
      expect(new Arrivals(50, kind, 1000, 8).next()).not.toBe(due[0]);
    }
  });
});
