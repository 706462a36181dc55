import { expect, test } from "@jest/globals";
import { JournalTable, WaitPageTable } from "../entities/system-tables.ts";
import { defineApp, integer, random, text } from "../index.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

/** Three in a group: a page, a wait page, a page. */
function game(options: { rounds?: number; hook?: (sum: number) => void; wait?: object } = {}) {
  const app = defineApp({
    name: "game",
    playersPerGroup: 3,
    rounds: options.rounds ?? 1,
    group: { sum: integer({ initial: 0 }), runs: integer({ initial: 0 }), note: text({ blank: true }) },
    player: { given: integer({ initial: 0 }) },
  });
  app.page("Give", {
    beforeNextPage(player) {
      player.given = player.idInGroup * 10;
    },
  });
  app.waitPage("Wait", {
    ...options.wait,
    afterAllPlayersArrive(group) {
      group.runs += 1;
      for (const player of group.getPlayers()) group.sum += player.given;
      options.hook?.(group.sum);
      for (const player of group.getPlayers()) player.payoff = group.sum / 2;
    },
  });
  app.page("Results");
  return app;
}

async function stage(app: ReturnType<typeof game>, participants = 3) {
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["game"], participants);
  await Promise.all(people.map((person) => person.start()));
  const [one, two, three] = people as [Walker, Walker, Walker];
  return { world, people, one, two, three, groups: () => world.store.read.rows(app.spec.group.table) };
}

/** What the page of a socket has said of who is missing. */
function lines(connection: TestConnection): string[] {
  return connection.frames.flatMap((frame) => (frame.k === "wait" ? [frame.text] : []));
}

test("players wait until the last of their group has arrived; then the function has run once and all are past the page", async () => {
  const { one, two, three, groups, world } = await stage(game());
  await one.submit();
  await two.submit();
  expect(await one.page()).toBe("game/1/Wait");
  expect(await groups()).toMatchObject([{ runs: 0 }]);
  await three.submit();
  await three.reaches("game/1/Results");
  expect([await one.page(), await two.page()]).toEqual(["game/1/Results", "game/1/Results"]);
  expect(await groups()).toMatchObject([{ runs: 1, sum: 60 }]);
  const entries = await world.store.read.rows(JournalTable, { kind: "wait" });
  expect(entries).toHaveLength(1);
  expect(entries[0]).toMatchObject({ page: "game/1/Wait" });
});

test("those who wait are told to go on, and who is still to come", async () => {
  const { one, two, three } = await stage(game());
  await one.submit();
  const waiting = await one.connect();
  await waiting.until(() => lines(waiting).at(-1) === "Still to come: player 2, player 3.");
  await two.submit();
  await waiting.until(() => lines(waiting).at(-1) === "Still to come: player 3.");
  await three.submit();
  await waiting.until(() => waiting.frames.some((frame) => frame.k === "reload" && frame.why === "moved_on"));
});

test("groups do not wait for each other", async () => {
  const { people, groups } = await stage(game(), 6);
  await Promise.all(people.slice(3).map((person) => person.submit()));
  await people[3]?.reaches("game/1/Results");
  expect((await groups()).map((group) => group.runs)).toEqual([0, 1]);
  expect(await people[0]?.page()).toBe("game/1/Give");
});

test("a wait page cannot be left by its form", async () => {
  const { one } = await stage(game());
  await one.submit();
  expect(await one.submit()).toEqual({ kind: "goto", pageIndex: 2 });
  expect(await one.page()).toBe("game/1/Wait");
});

test("who is not shown the wait page counts as arrived and goes past it", async () => {
  const wait = { isDisplayed: (player: { idInGroup: number }) => player.idInGroup !== 2 };
  const { one, two, three, groups } = await stage(game({ wait }));
  await two.submit();
  expect(await two.page()).toBe("game/1/Results");
  await one.submit();
  expect(await one.page()).toBe("game/1/Wait");
  await three.submit();
  await one.reaches("game/1/Results");
  expect(await groups()).toMatchObject([{ runs: 1 }]);
});

test("if nobody is shown the wait page its function does not run", async () => {
  const { people, groups } = await stage(game({ wait: { isDisplayed: () => false } }));
  for (const person of people) await person.submit();
  for (const person of people) expect(await person.page()).toBe("game/1/Results");
  expect(await groups()).toMatchObject([{ runs: 0 }]);
});

test("a function that throws changes nothing, holds everybody calmly, and runs again when asked to", async () => {
  let broken = true;
  let runs = 0;
  const { people, one, three, groups, world } = await stage(
    game({
      hook() {
        runs += 1;
        if (broken) throw new Error("no such price");
      },
    }),
  );
  for (const person of people) await person.submit();
  const waiting = await one.connect();
  await waiting.until(() => /longer than planned/.test(lines(waiting).at(-1) ?? ""));
  expect(await three.page()).toBe("game/1/Wait");
  expect(await groups()).toMatchObject([{ runs: 0, sum: 0 }]);
  const [failure] = await world.store.read.rows(WaitPageTable);
  expect(failure).toMatchObject({ page: "game/1/Wait", error: "no such price", doneAt: null });
  expect(failure?.stack).toContain("wait-pages.test");

  // Whoever looks at the page does not set it going again.
  await one.view();
  await three.view();
  expect(runs).toBe(1);

  const actorId = failure?.actorId as number;
  await expect(world.actors.retryWaitPage(actorId, "game/1/Wait")).rejects.toMatchObject({
    code: "wait_page_failed",
    message: "no such price",
  });
  broken = false;
  await world.actors.retryWaitPage(actorId, "game/1/Wait");
  await one.reaches("game/1/Results");
  expect(await groups()).toMatchObject([{ runs: 1, sum: 60 }]);
  expect(runs).toBe(3);
  await expect(world.actors.retryWaitPage(actorId, "game/1/Nowhere")).rejects.toMatchObject({ code: "no_such_page" });
});

test("what the function may not store is its failure, told to nobody but the experimenter", async () => {
  let bad = true;
  const app = game();
  const page = app.spec.pages[1];
  if (page?.wait === undefined) throw new Error("no wait page");
  Object.assign(page.wait, {
    afterAllPlayersArrive(group: { note: string; runs: number }) {
      group.runs += 1;
      // Past the model's own check, as a constraint of the database would show.
      if (bad) Reflect.get(group, Object.getOwnPropertySymbols(group)[1] as symbol).values.note = { not: "a value" };
      group.note = "fine";
      if (bad) Reflect.get(group, Object.getOwnPropertySymbols(group)[1] as symbol).values.note = { not: "a value" };
    },
  });
  const { people, one, world, groups } = await stage(app);
  for (const person of people) await person.submit();
  for (let tries = 0; (await world.store.read.rows(WaitPageTable)).length === 0; tries++) {
    if (tries > 200) throw new Error("no failure was stored");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(await one.page()).toBe("game/1/Wait");
  bad = false;
  const [failure] = await world.store.read.rows(WaitPageTable);
  expect(failure?.error).toContain("The database refused what the function changed");
  await world.actors.retryWaitPage(failure?.actorId as number, "game/1/Wait");
  await one.reaches("game/1/Results");
  expect(await groups()).toMatchObject([{ runs: 1, note: "fine" }]);
});

test("a group that waits is completed after a restart, and a function that failed is tried again once", async () => {
  let runs = 0;
  const app = game({
    hook() {
      runs += 1;
      if (runs === 1) throw new Error("the first time");
    },
  });
  const { people, world } = await stage(app);
  for (const person of people) await person.submit();
  while (runs === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const again = await sqlite.restart(world, [app.spec]);
  const back = people.map((person) => Object.assign(person, { world: again }));
  await back[0]?.view();
  await back[0]?.reaches("game/1/Results");
  expect(await again.store.read.rows(app.spec.group.table)).toMatchObject([{ runs: 1 }]);
});

test("who leaves a group for a wait page of the next arrives there without opening it", async () => {
  const app = defineApp({ name: "rounds", playersPerGroup: 2, rounds: 2, group: { began: integer({ blank: true }) } });
  app.waitPage("Begin", {
    afterAllPlayersArrive(group) {
      group.began = Math.floor(random() * 1000);
    },
  });
  app.page("Play");
  const world = await sqlite.world([app.spec]);
  const [one, two] = (await walkers(world, ["rounds"], 2)) as [Walker, Walker];
  await one.start();
  await two.start();
  await one.reaches("rounds/1/Play");
  await one.submit();
  expect(await one.page()).toBe("rounds/2/Begin");
  // Nobody opens the page of round 2: both browsers are gone.
  await two.submit();
  await one.reaches("rounds/2/Play");
  await two.reaches("rounds/2/Play");
  const groups = await world.store.read.rows(app.spec.group.table);
  expect(groups.map((group) => typeof group.began)).toEqual(["number", "number"]);
});

test("two wait pages in a row, and a page that nobody is shown, are passed in one go", async () => {
  const app = defineApp({ name: "row", playersPerGroup: 2, group: { order: text({ initial: "" }) } });
  const append = (letter: string) => (group: { order: string }) => {
    group.order += letter;
  };
  app.page("First");
  app.waitPage("A", { afterAllPlayersArrive: append("a") });
  app.page("Hidden", { isDisplayed: () => false });
  app.waitPage("B", { afterAllPlayersArrive: append("b") });
  app.waitPage("C", { afterAllPlayersArrive: append("c") });
  const world = await sqlite.world([app.spec]);
  const [one, two] = (await walkers(world, ["row"], 2)) as [Walker, Walker];
  for (const person of [one, two]) {
    await person.start();
    await person.submit();
  }
  await one.reaches("finished");
  await two.reaches("finished");
  expect(await world.store.read.rows(app.spec.group.table)).toMatchObject([{ order: "abc" }]);
});

test("title and body may depend on the player", async () => {
  const wait = {
    title: "A moment",
    body: (player: { idInGroup: number }) => `Player ${player.idInGroup}, please wait.`,
  };
  const { one, world } = await stage(game({ wait }));
  await one.submit();
  await one.view();
  expect(world.rendered.at(-1)?.wait).toMatchObject({
    title: "A moment",
    body: "Player 1, please wait.",
    line: "Still to come: player 2, player 3.",
  });
});

test("mistakes in a wait page's options are named", () => {
  const app = defineApp({ name: "wrong" });
  const add = (options: unknown) => () => app.waitPage("Wait", options as never);
  expect(add({ afterAllPlayerArrive() {} })).toThrow(/wrong: page Wait.*afterAllPlayersArrive/);
  expect(add({ *afterAllPlayersArrive() {} })).toThrow(/afterAllPlayersArrive is a generator/);
  expect(add({ title: 5 })).toThrow(/title is 5/);
  expect(add({ showMissing: "no" })).toThrow(/showMissing is "no"/);
  expect(add({ beforeNextPage() {} })).toThrow(/beforeNextPage/);
  expect(add(null)).toThrow(/second argument is null/);
});
