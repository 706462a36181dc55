import { beforeEach, describe, expect, test } from "@jest/globals";
import { clock as clockText, startCountdown } from "../client-sdk/countdown.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { JournalTable, TimerTable } from "../entities/system-tables.ts";
import { boolean, currency, defineApp, integer, longText, now, text } from "../index.ts";
import type { Reply } from "../rooms/calls.ts";
import { timeoutHints } from "../rooms/timeout-hints.ts";
import { at, settle, useSqlite } from "./helpers/sqlite.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";
import type { TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();
const START = Date.UTC(2026, 0, 1);
/** What hooks saw. */
let ends: unknown[] = [];
let limit: (player: { idInGroup: number }) => number | undefined = () => undefined;
beforeEach(() => {
  ends = [];
});

function makeApp() {
  const app = defineApp({
    name: "test",
    playersPerGroup: 2,
    player: {
      sum: integer(),
      least: integer({ min: 1 }),
      bid: currency({ blank: true }),
      sure: boolean(),
      why: longText(),
      color: text({ choices: ["red", "blue"] }),
    },
  });
  const left =
    (name: string) =>
    (_player: unknown, { timeoutHappened }: { timeoutHappened: boolean }) => {
      ends.push(`${name} ${timeoutHappened}`);
    };
  app.page("Sums", {
    timeoutSeconds: 30,
    timerText: (player) => `Player ${player.idInGroup}:`,
    formFields: ["sum", "least", "bid", "sure", "why", "color"],
    errorMessage: (_player, values) => (values.sum === 13 ? "Not that." : undefined),
    beforeNextPage(player, end) {
      left("Sums")(player, end);
      return { 0: `${player.idInGroup} left` };
    },
    live: () => ({ 0: "alive" }),
  });
  app.page("Read", { timeoutSeconds: (player) => limit(player), beforeNextPage: left("Read"), allowBack: true });
  app.page("Together", { groupTimeoutSeconds: 60, beforeNextPage: left("Together"), allowBack: true });
  app.page("End", { allowBack: true });
  return app.spec;
}

/** A group in virtual time. */
class Lab {
  readonly clock = new VirtualClock();
  world!: TestWorld;
  actorId = 0;
  ids: number[] = [];

  static async open(spec: AppSpec = makeApp()): Promise<Lab> {
    const lab = new Lab();
    lab.world = await sqlite.world([spec], lab.overrides);
    lab.world.actors.timers.start();
    const { people } = await lab.world.session([spec.name], 2);
    for (const person of people) lab.actorId = await lab.world.arrive(person);
    lab.ids = people.map(({ id }) => id as number);
    return lab;
  }

  get overrides() {
    return {
      now: () => START + Math.floor(this.clock.now()),
      monotonic: () => this.clock.now(),
      after: (ms: number, run: () => void) => this.clock.after(ms, run),
    };
  }

  async pass(seconds: number): Promise<void> {
    await this.clock.run(seconds * 1000);
    await settle(this.world);
  }

  id(who: number): number {
    return at(this.ids, who);
  }

  async index(who = 0): Promise<number> {
    return Number((await this.world.store.read.participant(this.id(who)))?.pageIndex);
  }

  async view(pageIndex: number, who = 0): Promise<Reply> {
    return this.world.view(this.actorId, this.id(who), pageIndex);
  }

  /** Milliseconds that the page says are left. */
  async left(pageIndex: number, who = 0): Promise<number | undefined> {
    expect(await this.view(pageIndex, who)).toMatchObject({ kind: "page" });
    return this.world.rendered.at(-1)?.timer?.left;
  }

  post(pageIndex: number, form: Record<string, string>, who = 0): Promise<Reply> {
    const command = { kind: "submit" as const, participantId: this.id(who), pageIndex, outbox: [], form };
    return this.world.actors.call(this.actorId, command);
  }

  /** Pending timers of a participant. */
  async timers(who = 0): Promise<string[]> {
    const rows = await this.world.store.read.rows(TimerTable);
    const own = rows.filter(({ payload }) => JSON.parse(String(payload)).participantId === this.id(who));
    return own.map(({ name, page }) => `${name} ${page}`);
  }

  async player(who = 0) {
    const { table } = at([...this.world.apps.values()], 0).player;
    return at(await this.world.store.read.rows(table, { participantId: this.id(who) }), 0);
  }
}

const GOOD = { sum: "5", least: "2", bid: "3", sure: "true", why: "so", color: "red" };

describe("the time on a page", () => {
  test("begins when its participant first opens it, and goes on through reloads and restarts", async () => {
    const lab = await Lab.open();
    await lab.pass(5);
    expect(await lab.left(1)).toBe(30_000);
    expect(lab.world.rendered.at(-1)?.timer?.text).toBe("Player 1:");
    // The other's is their own.
    await lab.pass(4);
    expect(await lab.left(1, 1)).toBe(30_000);
    await lab.pass(3);
    expect(await lab.left(1)).toBe(23_000);
    const again = await sqlite.restart(lab.world, [...lab.world.apps.values()], lab.overrides);
    lab.world = again;
    await lab.pass(3);
    expect(await lab.left(1)).toBe(20_000);
  });

  test("is over for an open page when it says so itself, with what is filled in", async () => {
    const lab = await Lab.open();
    await lab.left(1);
    await lab.pass(29.9);
    const post = { ...GOOD, least: "0", timeout_happened: "1" };
    expect(await lab.post(1, post)).toEqual({ kind: "goto", pageIndex: 2 });
    expect(ends).toEqual(["Sums true"]);
    // Valid answers count; one that is not becomes empty, and unset where its field has no such value.
    expect(await lab.player()).toMatchObject({ sum: 5, least: null, bid: 3, sure: true, why: "so", color: "red" });
    const entries = await lab.world.store.read.rows(JournalTable, { actorId: lab.actorId });
    expect(JSON.parse(String(entries.at(-1)?.input))).toMatchObject({ kind: "submit", timeoutHappened: true });
    expect(await lab.timers()).toEqual(["_page_unseen test/1/Read"]);
  });

  test("is over within a second on the server, without any browser: empty values, the hook, and on", async () => {
    const lab = await Lab.open();
    await lab.left(1);
    await lab.pass(30.7);
    expect(await lab.index()).toBe(1);
    await lab.pass(0.2);
    expect(await lab.index()).toBe(2);
    expect(ends).toEqual(["Sums true"]);
    expect(await lab.player()).toMatchObject({ sum: 0, least: null, bid: null, sure: false, why: "", color: null });
    // What the browser sends after that leads to where the participant is.
    expect(await lab.post(1, { ...GOOD, timeout_happened: "1" })).toEqual({ kind: "goto", pageIndex: 2 });
    expect(await lab.player()).toMatchObject({ sum: 0 });
    const entries = await lab.world.store.read.rows(JournalTable, { actorId: lab.actorId });
    const timer = entries.find(({ kind, participantId }) => kind === "timer" && participantId === lab.id(0));
    expect(timer).toMatchObject({ page: "test/1/Sums" });
    expect(String(timer?.input)).toContain('"timeoutHappened":true');
  });

  test("that runs out takes the page's open sockets along, and what beforeNextPage sends reaches the others", async () => {
    const lab = await Lab.open();
    await lab.left(1);
    await lab.left(1, 1);
    const [one, two] = [
      await lab.world.connect(lab.actorId, lab.id(0)),
      await lab.world.connect(lab.actorId, lab.id(1)),
    ];
    await lab.pass(20);
    await lab.post(1, GOOD, 1);
    await lab.pass(11);
    expect(one.frames.at(-1)).toMatchObject({ k: "reload", why: "moved_on" });
    expect(one.received).toEqual(["2 left"]);
    expect(two.received).toEqual([]);
  });

  test("cannot be declared over early by a page: that is a normal submit", async () => {
    const lab = await Lab.open();
    await lab.left(1);
    await lab.pass(10);
    expect(await lab.post(1, { timeout_happened: "1" })).toMatchObject({ kind: "page", status: 422 });
    expect(lab.world.rendered.at(-1)?.timer?.left).toBe(20_000);
    await lab.post(1, { ...GOOD, timeout_happened: "1" });
    expect(ends).toEqual(["Sums false"]);
  });

  test("that runs out between a click on Next and its errors lets nobody mend them: it counts as over", async () => {
    const lab = await Lab.open();
    await lab.left(1);
    await lab.pass(30.2);
    expect(await lab.post(1, { ...GOOD, sum: "x" })).toEqual({ kind: "goto", pageIndex: 2 });
    expect(ends).toEqual(["Sums true"]);
    expect(await lab.player()).toMatchObject({ sum: 0, least: 2 });
  });

  test("with a valid form that the page's own check refuses discards the whole form", async () => {
    const lab = await Lab.open();
    await lab.left(1);
    await lab.pass(30);
    await lab.post(1, { ...GOOD, sum: "13", timeout_happened: "1" });
    expect(await lab.player()).toMatchObject({ sum: 0, least: null, bid: null, sure: false, why: "" });
  });

  test("is let go when the page is left", async () => {
    const lab = await Lab.open();
    await lab.left(1);
    await lab.post(1, GOOD);
    limit = () => undefined;
    expect(await lab.left(2)).toBeUndefined();
    expect(await lab.timers()).toEqual([]);
    await lab.pass(100);
    expect(await lab.index()).toBe(2);
  });
});

describe("timeoutSeconds as a function", () => {
  test("is asked once for each participant; nothing means no limit, zero that the page is not seen", async () => {
    const lab = await Lab.open();
    let asked = 0;
    limit = ({ idInGroup }) => {
      asked++;
      return idInGroup === 1 ? 12.5 : 0;
    };
    for (const who of [0, 1]) {
      await lab.left(1, who);
      await lab.post(1, GOOD, who);
    }
    expect(await lab.left(2)).toBe(12_500);
    await lab.left(2);
    expect(asked).toBe(1);
    expect(await lab.view(2, 1)).toEqual({ kind: "goto", pageIndex: 3 });
    expect(ends).toEqual(["Sums false", "Sums false", "Read true"]);
  });

  test("gives a budget of time over several pages, counted from now()", async () => {
    const app = defineApp({ name: "budget", playersPerGroup: 2, player: { until: integer({ blank: true }) } });
    const rest = (player: { until: number | null }) => ((player.until ?? now() + 60_000) - now()) / 1000;
    app.page("Begin", {
      beforeNextPage(player) {
        player.until = now() + 60_000;
      },
    });
    app.page("One", { timeoutSeconds: rest });
    app.page("Two", { timeoutSeconds: rest });
    app.page("End");
    const lab = await Lab.open(app.spec);
    await lab.post(1, {});
    await lab.pass(10);
    expect(await lab.left(2)).toBe(50_000);
    await lab.pass(15);
    await lab.post(2, {});
    expect(await lab.left(3)).toBe(35_000);
    await lab.pass(36);
    expect(await lab.index()).toBe(4);
  });

  test.each([["x"], [Number.NaN], [1e12]])("that gives %p is an error that names page and option", async (bad) => {
    const lab = await Lab.open();
    limit = () => bad as number;
    await lab.left(1);
    await lab.post(1, GOOD);
    expect(await lab.view(2)).toMatchObject({
      kind: "refused",
      message: expect.stringMatching(/test\/Read: timeoutSeconds gave/),
    });
  });
});

describe("the time of a whole group", () => {
  async function together() {
    const lab = await Lab.open();
    limit = () => undefined;
    for (const who of [0, 1]) {
      await lab.left(1, who);
      await lab.post(1, GOOD, who);
      await lab.post(2, {}, who);
    }
    return lab;
  }

  test("begins with the first who opens the page, and ends for all at the same moment", async () => {
    const lab = await together();
    expect(await lab.left(3)).toBe(60_000);
    await lab.pass(6);
    expect(await lab.left(3, 1)).toBe(54_000);
    await lab.pass(54.9);
    expect([await lab.index(0), await lab.index(1)]).toEqual([4, 4]);
    expect(ends.slice(-2)).toEqual(["Together true", "Together true"]);
  });

  test("is over for who comes too late, also after a restart", async () => {
    const lab = await Lab.open();
    limit = () => undefined;
    await lab.left(1);
    await lab.post(1, GOOD);
    await lab.post(2, {});
    await lab.left(3);
    lab.world = await sqlite.restart(lab.world, [...lab.world.apps.values()], lab.overrides);
    await lab.left(1, 1);
    await lab.pass(20);
    await lab.post(1, GOOD, 1);
    await lab.pass(45);
    await lab.post(2, {}, 1);
    expect(await lab.view(3, 1)).toEqual({ kind: "goto", pageIndex: 4 });
    expect(ends.at(-1)).toBe("Together true");
  });
});

describe("a participant who is away", () => {
  test("passes page after page at its deadline, without opening any", async () => {
    const app = defineApp({ name: "row", playersPerGroup: 2 });
    for (const name of ["A", "B", "C"]) {
      const beforeNextPage = ({ idInGroup }: { idInGroup: number }) => {
        if (idInGroup === 1) ends.push(name);
      };
      app.page(name, { timeoutSeconds: 5, beforeNextPage });
    }
    app.page("End");
    const lab = await Lab.open(app.spec);
    await lab.left(1);
    await lab.pass(5.9);
    expect(await lab.index()).toBe(2);
    await lab.pass(10.1);
    expect(await lab.index()).toBe(4);
    expect(ends).toEqual(["A", "B", "C"]);
  });

  test("and never opens the page that they were sent to: its time begins by itself after ten seconds", async () => {
    const lab = await Lab.open();
    limit = () => 5;
    await lab.left(1);
    await lab.post(1, GOOD);
    await lab.pass(14.9);
    expect(await lab.index()).toBe(2);
    await lab.pass(0.2);
    expect(await lab.index()).toBe(3);
  });

  test("but does open it after all, sees what is left, and has time to send what is filled in", async () => {
    const lab = await Lab.open();
    limit = () => 8;
    await lab.left(1);
    await lab.post(1, GOOD);
    await lab.pass(12);
    expect(await lab.left(2)).toBe(6_000);
    await lab.pass(6.5);
    expect(await lab.index()).toBe(2);
    expect(await lab.post(2, { timeout_happened: "1" })).toEqual({ kind: "goto", pageIndex: 3 });
  });

  test("for less than ten seconds has lost nothing", async () => {
    const lab = await Lab.open();
    limit = () => 5;
    await lab.left(1, 1);
    await lab.post(1, GOOD, 1);
    await lab.pass(9);
    expect(await lab.left(2, 1)).toBe(5_000);
  });
});

test("fields that may stay unset when the time runs out are told at start", () => {
  const app = defineApp({
    name: "risky",
    player: {
      least: integer({ min: 1 }),
      color: text({ choices: ["red", "blue"] }),
      any: integer(),
      may: integer({ min: 1, blank: true }),
      preset: integer({ min: 1, initial: 5 }),
    },
  });
  const formFields = ["least", "color", "any", "may", "preset"] as const;
  app.page("Free", { formFields });
  app.page("Handled", { formFields, timeoutSeconds: 9, beforeNextPage() {} });
  app.page("Fine", { formFields: ["any", "may", "preset"], timeoutSeconds: 9 });
  expect(timeoutHints([app.spec])).toEqual([]);
  app.page("Timed", { formFields, timeoutSeconds: 9 });
  expect(timeoutHints([app.spec])).toEqual([
    expect.stringMatching(
      /^risky\/Timed: where time runs out before least, color are answered, they stay unset.*beforeNextPage/,
    ),
  ]);
});

test("the Back button does not lead to a page whose time is limited", async () => {
  const lab = await Lab.open();
  limit = () => undefined;
  await lab.left(1);
  await lab.post(1, GOOD);
  await lab.post(2, {});
  await lab.left(3);
  expect(lab.world.rendered.at(-1)?.canGoBack).toBe(false);
});

test.each<[string, object, RegExp]>([
  ["a text", { timeoutSeconds: "5" }, /timeoutSeconds is "5" \(a string\); give it a number of seconds/],
  ["a negative number", { timeoutSeconds: -1 }, /timeoutSeconds is -1/],
  ["a text beside no clock", { timerText: "Hurry:" }, /has timerText but no timeoutSeconds/],
])("as a time limit, %s is refused at start", (_what, options, message) => {
  expect(() => defineApp({ name: "one" }).page("Page", options as never)).toThrow(message);
});

describe("the countdown of a page", () => {
  function run(left: number, options: { wall?: (now: number) => number } = {}) {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const said: string[] = [];
    const events: string[] = [];
    const look = startCountdown({
      left,
      announce: "{seconds} seconds left",
      since: clock.now(),
      now: () => clock.now(),
      wall: () => options.wall?.(clock.now()) ?? clock.now(),
      after: (ms, then) => clock.after(ms, then),
      show: (time, isSoon) => seen.push(isSoon ? `${time}!` : time),
      say: (words) => said.push(words),
      onEnd: () => events.push("end"),
      onWake: () => events.push("wake"),
    });
    return { clock, seen, said, events, look };
  }

  test("shows every second once, and ends once", async () => {
    const { clock, seen, events, look } = run(3_400);
    expect(seen).toEqual(["0:04!"]);
    await clock.run(5_000);
    expect(seen).toEqual(["0:04!", "0:03!", "0:02!", "0:01!", "0:00!"]);
    look();
    expect(events).toEqual(["end"]);
  });

  test("tells readers of the screen at sensible steps only", async () => {
    const { clock, said } = run(70_000);
    await clock.run(71_000);
    expect(said).toEqual(["60 seconds left", "30 seconds left", "10 seconds left"]);
  });

  test("does not jump when the wall clock is set, and asks the server once when the computer has slept", async () => {
    const { clock, seen, events } = run(60_000, { wall: (time) => time + (time > 10_000 ? 3_600_000 : 0) });
    await clock.run(12_500);
    expect(seen.slice(-2)).toEqual(["0:49", "0:48"]);
    expect(events).toEqual(["wake"]);
  });

  test.each([
    [0, "0:00"],
    [1, "0:01"],
    [9_000, "0:09"],
    [59_001, "1:00"],
    [3_600_000, "1:00:00"],
    [-5, "0:00"],
  ])("%p ms are %s", (ms, expected) => {
    expect(clockText(ms)).toBe(expected);
  });
});
