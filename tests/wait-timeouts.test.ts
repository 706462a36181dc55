import { expect, test } from "@jest/globals";
import { TimerTable, WaitPageTable } from "../entities/system-tables.ts";
import { defineApp, integer, text } from "../index.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";

const sqlite = useSqlite();

interface Player {
  idInGroup: number;
  payoff: number;
  note: string;
  participant: { idInSession: number };
}

/** A page, a wait page with a limit of 50 ms, a page; then another app. */
function game(timeout: object, wait: object = {}, order: "page" | "lobby" = "page") {
  const app = defineApp({
    name: "game",
    playersPerGroup: 2,
    group: { runs: integer({ initial: 0 }), missing: text({ initial: "" }) },
    player: { note: text({ initial: "" }) },
  });
  if (order === "page") app.page("Give");
  app.waitPage("Wait", {
    timeout: { seconds: 0.05, ...timeout },
    afterAllPlayersArrive(scope: never, arrived: { missing: Player[] }) {
      const groups = "getGroups" in (scope as object) ? (scope as { getGroups(): unknown[] }).getGroups() : [scope];
      for (const group of groups as { runs: number; missing: string }[]) {
        group.runs += 1;
        group.missing = arrived.missing.map((player) => player.idInGroup).join();
      }
    },
    ...wait,
  } as never);
  app.page("Results");
  const next = defineApp({ name: "next", playersPerGroup: 2 });
  next.waitPage("Begin");
  return { app, next };
}

async function stage(made: ReturnType<typeof game>, participants = 2) {
  const apps = [made.app.spec, made.next.spec];
  const world = await sqlite.world(apps);
  const people = await walkers(world, ["game", "next"], participants);
  await Promise.all(people.map((person) => person.start()));
  const [one, two, three, four] = people as [Walker, Walker, Walker, Walker];
  const rows = {
    groups: () => world.store.read.rows(made.app.spec.group.table),
    players: () => world.store.read.rows(made.app.spec.player.table),
  };
  return { world, apps, people, one, two, three, four, ...rows, waits: () => world.store.read.rows(WaitPageTable) };
}

test("proceed: who waits goes on without the missing, who goes past the page when they come", async () => {
  const { one, two, groups, waits } = await stage(game({ outcome: "proceed" }));
  await one.submit();
  await one.reaches("game/1/Results");
  expect(await groups()).toMatchObject([{ runs: 1, missing: "2" }]);
  expect(await waits()).toMatchObject([{ timedOut: true, doneAt: expect.any(Number) }]);
  await two.submit();
  expect(await two.page()).toBe("game/1/Results");
  expect(await groups()).toMatchObject([{ runs: 1 }]);
});

test("end: who waits is at the end of the study, and so is who comes later", async () => {
  const { one, two, groups } = await stage(game({ outcome: "end" }));
  await one.submit();
  const socket = await one.connect();
  await one.reaches("finished");
  await socket.until(() => socket.frames.some((frame) => frame.k === "reload"));
  expect(await groups()).toMatchObject([{ runs: 0 }]);
  await two.submit();
  expect(await two.page()).toBe("finished");
  expect(await groups()).toMatchObject([{ runs: 0 }]);
});

test("a function decides for each, and sets what they get", async () => {
  const outcome = (player: Player) => {
    player.payoff = 2.5;
    player.note = "waited in vain";
    return "end";
  };
  const { one, players } = await stage(game({ outcome }));
  await one.submit();
  await one.reaches("finished");
  expect(await players()).toMatchObject([
    { payoff: 2.5, note: "waited in vain" },
    { payoff: 0, note: "" },
  ]);
});

test("a function that says nothing lets them wait on, for the same time again", async () => {
  let asked = 0;
  const outcome = () => {
    asked += 1;
    return asked < 3 ? undefined : "proceed";
  };
  const { one, groups } = await stage(game({ outcome }));
  await one.submit();
  await one.reaches("game/1/Results");
  expect(asked).toBe(3);
  expect(await groups()).toMatchObject([{ runs: 1 }]);
});

test("nobody is asked if all have come in time", async () => {
  let asked = 0;
  const outcome = () => {
    asked += 1;
    return "end";
  };
  const { one, two, groups, waits } = await stage(game({ outcome }));
  await one.submit();
  await two.submit();
  await one.reaches("game/1/Results");
  await new Promise((resolve) => setTimeout(resolve, 120));
  expect(asked).toBe(0);
  expect(await groups()).toMatchObject([{ runs: 1, missing: "" }]);
  expect(await waits()).toMatchObject([{ timedOut: false }]);
});

test("a decision that is none, and a function that throws, are the page's failure", async () => {
  const { one, waits, world } = await stage(game({ outcome: () => "leave" }));
  await one.submit();
  for (let tries = 0; (await waits())[0]?.error == null; tries++) {
    if (tries > 400) throw new Error("no failure was stored");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect((await waits())[0]?.error).toMatch(/outcome returned "leave".*return "proceed", "replace", "end"/);
  expect(await one.page()).toBe("game/1/Wait");
  const again = world.actors.retryWaitPage(1, "game/1/Wait");
  await expect(again).rejects.toMatchObject({ code: "wait_page_failed" });
});

test("the limit holds over a restart", async () => {
  const made = game({ seconds: 0.4, outcome: "proceed" });
  const { one, world, apps } = await stage(made);
  await one.submit();
  // The deadline is stored by a turn of its own.
  for (let armed = false; !armed; ) {
    armed = (await world.store.read.rows(TimerTable)).length > 0;
  }
  const again = await sqlite.restart(world, apps);
  Object.assign(one, { world: again });
  expect(await one.page()).toBe("game/1/Wait");
  await one.view();
  await one.reaches("game/1/Results");
});

test("a limit that ran out while there was no server leaves those who were kept out some time to come", async () => {
  const made = game({ seconds: 5, outcome: "proceed" });
  const { one, two, world, apps } = await stage(made);
  const start = Date.now();
  await one.submit();
  const deadlines = async (of: typeof world) =>
    (await of.store.read.rows(TimerTable)).map(({ dueAt }) => dueAt as number);
  while ((await deadlines(world)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const late = await sqlite.restart(world, apps, { now: () => Date.now() + 60_000 });
  Object.assign(one, { world: late });
  await one.view();
  while (((await deadlines(late))[0] ?? 0) < start + 60_000) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await one.page()).toBe("game/1/Wait");
  const later = await sqlite.restart(late, apps, { now: () => Date.now() + 91_000 });
  for (const person of [one, two]) Object.assign(person, { world: later });
  await one.view();
  await one.reaches("game/1/Results");
  expect(await later.store.read.rows(made.app.spec.group.table)).toMatchObject([{ runs: 1, missing: "2" }]);
});

test("all groups wait for each other no longer than that", async () => {
  const { people, one, two, groups, waits } = await stage(game({ outcome: "proceed" }, { waitForAllGroups: true }), 6);
  for (const person of people.slice(2)) await person.submit();
  for (const person of people.slice(2)) await person.reaches("game/1/Results");
  expect(await groups()).toMatchObject([{ missing: "1,2", runs: 1 }, { runs: 1 }, { runs: 1 }]);
  expect((await waits()).map((row) => row.timedOut)).toEqual([true, true, true]);
  await one.submit();
  await two.submit();
  expect([await one.page(), await two.page()]).toEqual(["game/1/Results", "game/1/Results"]);
  expect(await groups()).toMatchObject([{ runs: 1 }, { runs: 1 }, { runs: 1 }]);
});

test("or they are at the end of the study, where the next app's groups do not wait for them", async () => {
  const { people, one, two } = await stage(
    game(
      { outcome: (player: Player) => (player.participant.idInSession === 3 ? "end" : "proceed") },
      { waitForAllGroups: true },
    ),
    4,
  );
  for (const person of people.slice(2)) await person.submit();
  await people[2]?.reaches("finished");
  await people[3]?.reaches("game/1/Results");
  await people[3]?.submit();
  await people[3]?.reaches("finished");
  expect([await one.page(), await two.page()]).toEqual(["game/1/Give", "game/1/Give"]);
});

test("who waits for a group to form in vain is let out, or goes on with whoever is there", async () => {
  const lobby = { groupByArrivalTime: true };
  const out = await stage(game({ outcome: "end" }, lobby, "lobby"), 4);
  await out.one.connect();
  await out.one.reaches("finished");
  await out.two.reaches("finished");

  const few = await stage(game({ seconds: 0.3, outcome: "proceed" }, lobby, "lobby"), 4);
  await few.three.connect();
  await few.three.reaches("game/1/Results");
  expect((await few.groups()).map((group) => [group.idInSubsession, group.runs])).toEqual([
    [0, 0],
    [1, 1],
  ]);
  expect(await few.one.page()).toBe("game/1/Wait");
  const [one, two] = [few.one, few.two];
  await one.connect();
  await two.connect();
  await one.reaches("game/1/Results");
  await two.reaches("game/1/Results");
});

test("mistakes in a limit are named", () => {
  const app = defineApp({ name: "wrong" });
  const add = (timeout: unknown) => () => app.waitPage("Wait", { timeout } as never);
  expect(add(5)).toThrow(/timeout is 5/);
  expect(add({ seconds: -1, outcome: "end" })).toThrow(/seconds is -1/);
  expect(add({ seconds: 5 })).toThrow(/outcome is undefined.*"proceed", "replace", "end"/);
  expect(add({ seconds: 5, outcome: "leave" })).toThrow(/outcome is "leave"/);
  expect(add({ second: 5, outcome: "end" })).toThrow(/seconds/);
});
