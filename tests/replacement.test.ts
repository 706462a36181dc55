import { expect, test } from "@jest/globals";
import { NO_OWN_FIELDS } from "../entities/own-fields.ts";
import type { JournalEntry } from "../entities/store.ts";
import { JournalTable, ParticipantTable, TimerTable, WaitPageTable } from "../entities/system-tables.ts";
import type { Table } from "../entities/tables.ts";
import { currency, defineApp, integer, link, text } from "../index.ts";
import { replayGroup } from "../rooms/replay.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

/** Alone first; then, in groups, a form, a wait page that replaces who is missing, a live page, another wait page, the results; twice. */
function study(options: { give?: object; wait?: object; rounds?: number } = {}) {
  const intro = defineApp({ name: "intro", player: { read: integer({ initial: 0 }) } });
  intro.page("Read", {
    beforeNextPage(player) {
      player.read += 1;
      player.payoff = 1;
    },
  });
  const app = defineApp({
    name: "game",
    playersPerGroup: 3,
    rounds: options.rounds ?? 2,
    group: { total: currency({ initial: 0 }), runs: integer({ initial: 0 }), missing: text({ initial: "" }) },
    player: { gift: currency({ min: 1, max: 10 }), word: text({ blank: true }) },
    extraModels: { Left: { player: link("player"), page: text() } },
  });
  const { Left } = app.extraModels;
  app.page("Give", {
    formFields: ["gift", "word"],
    computer: (player) => (player.idInGroup === 3 ? undefined : { gift: 4 }),
    beforeNextPage(player, { timeoutHappened }) {
      Left.create({
        player,
        page: `Give${timeoutHappened ? " timed out" : ""}${player.isReplaced ? " replaced" : ""}`,
      });
    },
    ...options.give,
  });
  app.waitPage("Wait", {
    timeout: { seconds: 0.1, outcome: "replace" },
    afterAllPlayersArrive(scope: unknown, { missing }: { missing: readonly { idInGroup: number }[] }) {
      const all = "getGroups" in (scope as object) ? (scope as { getGroups(): unknown[] }).getGroups() : [scope];
      for (const group of all as { runs: number; missing: string }[]) {
        group.runs += 1;
        group.missing = missing.map((player) => player.idInGroup).join();
      }
    },
    ...options.wait,
  } as never);
  app.page("Play", {
    live(player, gift: number) {
      for (const one of player.group.getPlayers()) if (one === player || one.isReplaced) player.group.total += gift;
    },
    beforeNextPage(player) {
      Left.create({ player, page: "Play" });
    },
  });
  app.waitPage("Again");
  app.page("Results");
  return { apps: [intro.spec, app.spec], app };
}

async function stage(made: ReturnType<typeof study>, participants = 3) {
  const world = await sqlite.world(made.apps);
  const people = await walkers(world, ["intro", "game"], participants);
  const { app } = made;
  const { read } = world.store;
  return {
    world,
    people: people as [Walker, Walker, Walker, ...Walker[]],
    left: async () => (await read.rows(app.spec.extras.Left?.table as Table)).map(({ page }) => page),
    groups: () => read.rows(app.spec.group.table),
    players: () => read.rows(app.spec.player.table),
    participants: () => read.rows(ParticipantTable),
  };
}

const give = (walker: Walker, gift = 2) =>
  walker.ask((participantId, pageIndex) => ({
    kind: "submit",
    participantId,
    pageIndex,
    outbox: [],
    form: { gift: String(gift) },
  }));

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 400) throw new Error("it never came to that");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** To the group's first page. */
async function begin(...people: Walker[]): Promise<void> {
  for (const person of people) {
    await person.start();
    await person.submit();
  }
}

/** Runs every group's journal again. */
async function replays(world: TestWorld, made: ReturnType<typeof study>): Promise<void> {
  const { read } = world.store;
  for (const spec of made.apps) {
    for (const { id } of await read.rows(spec.group.table)) {
      const entries = (await read.rows(JournalTable, { actorId: id ?? null })) as unknown as JournalEntry[];
      async function* each() {
        yield* entries;
      }
      const options = { actorId: id as number, app: spec, entries: each(), read, decimals: 2 };
      const { difference, reason } = await replayGroup({ ...options, ownFields: NO_OWN_FIELDS });
      expect({ difference, reason }).toEqual({ difference: undefined, reason: undefined });
    }
  }
}

test("the computer plays on in the places of the missing: forms, wait pages, rounds, to the end; nobody waits again", async () => {
  const made = study();
  const { world, people, groups, players, participants, left } = await stage(made);
  const [one, two, three] = people;
  await begin(one, two, three);
  const open = await two.connect();
  await give(one);
  await one.reaches("game/1/Play");
  expect(await groups()).toMatchObject([{ runs: 1, missing: "" }, { runs: 0 }]);
  expect(await players()).toMatchObject([
    { gift: 2, isReplaced: null },
    { gift: 4, isReplaced: true },
    { gift: null, isReplaced: true },
    { isReplaced: null },
    { isReplaced: null },
    { isReplaced: null },
  ]);
  expect(await left()).toEqual(["Give", "Give replaced", "Give timed out replaced"]);
  // On a live page they stay for what the app does with them.
  expect([await two.page(), await three.page()]).toEqual(["game/1/Play", "game/1/Play"]);
  const socket = await one.connect();
  await socket.ask(5);
  expect((await groups())[0]?.total).toBe(15);
  await one.submit();
  for (const person of people) await person.reaches(person === one ? "game/1/Results" : "game/2/Wait");
  await one.submit();
  await give(one);
  await one.reaches("game/2/Play");
  await one.submit();
  await one.reaches("game/2/Results");
  await two.reaches("finished");
  await three.reaches("finished");
  expect(await groups()).toMatchObject([{ runs: 1 }, { runs: 1, missing: "" }]);
  expect(await participants()).toMatchObject([
    { replacedAt: null, replacedPayoff: null },
    { replacedAt: expect.any(Number), replacedPayoff: 1 },
    { replacedAt: expect.any(Number), replacedPayoff: 1 },
  ]);
  await open.until(() => open.frames.some((frame) => frame.k === "reload"));
  // Nothing is left to be looked after.
  await one.submit();
  await until(async () => (await world.store.read.rows(TimerTable)).length === 0);
  await replays(world, made);
});

test("who has not come as far as the group is replaced where they are, begun or not", async () => {
  const made = study({ rounds: 1 });
  const { world, people, participants, groups } = await stage(made);
  const [one, two, three] = people;
  await begin(one);
  await two.start();
  await give(one);
  await one.reaches("game/1/Play");
  await two.reaches("game/1/Play");
  await three.reaches("game/1/Play");
  expect(await groups()).toMatchObject([{ runs: 1, missing: "" }]);
  expect((await participants())[2]).toMatchObject({
    startedAt: null,
    replacedPayoff: 0,
    replacedAt: expect.any(Number),
  });
  expect(await world.store.read.rows(made.apps[0]?.player.table as Table)).toMatchObject([
    { read: 1 },
    { read: 1, isReplaced: true },
    { read: 1, isReplaced: true },
  ]);
  await replays(world, made);
});

test("whose place was taken is told so, and acts no more", async () => {
  const made = study();
  const { world, people, groups } = await stage(made);
  const [one, two, three] = people;
  await begin(one, two, three);
  await give(one);
  await one.reaches("game/1/Play");
  await two.reaches("game/1/Play");
  const taken = { kind: "refused", code: "replaced", retry: false };
  expect(await two.start()).toMatchObject(taken);
  expect(await two.view()).toMatchObject(taken);
  expect(await two.submit()).toMatchObject(taken);
  const socket = await two.connect();
  expect(await socket.ask(100)).toMatchObject({ e: { code: "replaced", retry: false } });
  expect((await groups())[0]?.total).toBe(0);
  expect(await two.page()).toBe("game/1/Play");
  await replays(world, made);
});

test("who comes before the decision is carried out is not replaced", async () => {
  const made = study();
  const { people, participants } = await stage(made);
  const [one, two, three] = people;
  await begin(one, two, three);
  await Promise.all([give(one), give(two), give(three)]);
  for (const person of people) await person.reaches("game/1/Play");
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect((await participants()).map(({ replacedAt }) => replacedAt)).toEqual([null, null, null]);
});

test("all groups: the missing of each are replaced, wherever they are, and then the function runs once", async () => {
  const made = study({ rounds: 1, wait: { waitForAllGroups: true } });
  const { world, people, groups, participants } = await stage(made, 9);
  const there = [0, 1, 3, 4, 6].map((i) => people[i] as Walker);
  await begin(...there);
  for (const person of there) await give(person);
  for (const person of people) await person.reaches("game/1/Play");
  expect(await groups()).toMatchObject([
    { runs: 1, missing: "" },
    { runs: 1, missing: "" },
    { runs: 1, missing: "" },
  ]);
  expect((await participants()).map(({ replacedAt }) => typeof replacedAt === "number")).toEqual(
    people.map((person) => !there.includes(person)),
  );
  await replays(world, made);
});

test("who is kept waiting by others, or is on their way, is not the one who is missing", async () => {
  const app = defineApp({ name: "game", playersPerGroup: 2 });
  app.page("Give");
  app.waitPage("Wait", { timeout: { seconds: 60, outcome: "replace" } });
  app.waitPage("All", { waitForAllGroups: true, timeout: { seconds: 1, outcome: "replace" } });
  app.page("Results");
  const world = await sqlite.world([app.spec]);
  const people = await walkers(world, ["game"], 4);
  const [one, two, three] = people as [Walker, Walker, Walker];
  for (const person of people) await person.start();
  for (const person of [three, one, two]) await person.submit();
  for (const person of [one, two, three]) await person.reaches("game/1/Results");
  const rows = await world.store.read.rows(ParticipantTable);
  expect(rows.map(({ replacedAt }) => replacedAt !== null)).toEqual([false, false, false, true]);
});

test("one says end, another replace: the one leaves, the others go on with the computer", async () => {
  const outcome = (player: { idInGroup: number }) => (player.idInGroup === 1 ? "end" : "replace");
  const made = study({ rounds: 1, wait: { timeout: { seconds: 0.2, outcome } } });
  const { people, participants } = await stage(made);
  const [one, two, three] = people;
  await begin(one, two, three);
  await give(one);
  await give(two);
  await one.reaches("finished");
  await two.reaches("game/1/Play");
  await three.reaches("game/1/Play");
  expect((await participants()).map(({ replacedAt }) => replacedAt !== null)).toEqual([false, false, true]);
});

test.each([
  ["a value that the form refuses", { computer: () => ({ gift: 11 }) }, /game\/Give computer.*gift: .*10/],
  ["a value that is none", { computer: () => ({ gift: "4" }) }, /gift: .*set to "4"/],
  ["no value where one is needed", { computer: () => ({ word: "x" }) }, /gift: /],
  ["a field that is not in the form", { computer: () => ({ gift: 4, total: 3 }) }, /no field "total"/],
  ["what the page's own check refuses", { errorMessage: () => "Not so." }, /Not so\./],
  [
    "a hook that throws",
    {
      beforeNextPage(player: { isReplaced: boolean }) {
        if (player.isReplaced) throw new Error("nobody thought of this");
      },
    },
    /nobody thought of this/,
  ],
])("%s is shown to the experimenter, and can be tried again", async (_what, give_, message) => {
  let isMended = false;
  const mended = Object.fromEntries(
    Object.entries(give_).map(([name, run]) => [
      name,
      (player: { isReplaced: boolean }) =>
        !isMended && player.isReplaced
          ? (run as (player: unknown) => unknown)(player)
          : name === "computer"
            ? { gift: 3 }
            : undefined,
    ]),
  );
  const made = study({ rounds: 1, give: mended });
  const { world, people } = await stage(made);
  const [one, two, three] = people;
  await begin(one, two, three);
  await give(one);
  await give(three);
  const failures = async () =>
    (await world.store.read.rows(WaitPageTable)).filter(
      ({ page, failedAt }) => page === "game/1/Give" && failedAt !== null,
    );
  await until(async () => (await failures()).length > 0);
  const [failure] = await failures();
  expect(failure?.error).toMatch(message);
  expect(await one.page()).toBe("game/1/Wait");
  const retry = () => world.actors.retryWaitPage(failure?.actorId as number, "game/1/Give");
  await expect(retry()).rejects.toMatchObject({ code: "wait_page_failed" });
  isMended = true;
  await retry();
  await one.reaches("game/1/Play");
  expect(await failures()).toEqual([]);
});

test("where groups form by arrival, the computer is in line, and the last of its players make a group of their own", async () => {
  const first = defineApp({ name: "first", playersPerGroup: "all" });
  first.page("Only");
  first.waitPage("Together", { timeout: { seconds: 0.1, outcome: "replace" } });
  const second = defineApp({ name: "second", playersPerGroup: 2, group: { met: integer({ initial: 0 }) } });
  second.waitPage("Lobby", {
    groupByArrivalTime: true,
    afterAllPlayersArrive(group) {
      group.met += 1;
    },
  });
  second.page("Form");
  second.waitPage("End");
  const world = await sqlite.world([first.spec, second.spec]);
  const people = await walkers(world, ["first", "second"], 5);
  const [one, two] = people as [Walker, Walker];
  for (const person of people) await person.start();
  for (const person of [one, two]) await person.submit();
  for (const person of [one, two]) await person.reaches("second/1/Lobby");
  // Two of the computer's have made a group already, the third waits for somebody.
  await until(async () => (await world.store.read.rows(second.spec.group.table)).some(({ met }) => met === 1));
  await one.connect();
  await one.reaches("second/1/Form");
  await two.submit();
  expect(await two.page()).toBe("second/1/Lobby");
  await one.submit();
  await one.reaches("finished");
  for (const person of people.slice(2)) await person.reaches("finished");
  const groups = await world.store.read.rows(second.spec.group.table);
  expect(groups.map(({ met }) => met)).toEqual([0, 1, 1]);
});

test("the computer leaves a live page when everybody else has left it, and waits for nobody who never came", async () => {
  const made = study({ rounds: 1 });
  const { people } = await stage(made);
  const [one, two, three] = people;
  await begin(one, two, three);
  await give(one);
  await give(two);
  await one.reaches("game/1/Play");
  await three.reaches("game/1/Play");
  await one.submit();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([await one.page(), await three.page()]).toEqual(["game/1/Again", "game/1/Play"]);
  await two.submit();
  for (const person of [one, two]) await person.reaches("game/1/Results");
  await three.reaches("finished");
});

test("the replacement goes on after a restart, wherever it was", async () => {
  const made = study({ rounds: 1 });
  const { world, people } = await stage(made);
  const [one, two, three] = people;
  await begin(one, two);
  await three.start();
  await give(one);
  await give(two);
  let now = world;
  let isThere = false;
  for (let stops = 0; !isThere; stops++) {
    // Each server lives a little longer than the one before.
    await new Promise((resolve) => setTimeout(resolve, 20 + stops * 15));
    now = await sqlite.restart(now, made.apps);
    now.actors.timers.start();
    for (const person of people) Object.assign(person, { world: now });
    await one.view();
    isThere = (await one.page()) === "game/1/Play";
  }
  await three.reaches("game/1/Play");
  await replays(now, made);
});

test("mistakes in what the computer does are named", () => {
  const app = defineApp({ name: "wrong", playersPerGroup: 2, player: { age: integer() } });
  const page = (options: object) => () => app.page("Page", options as never);
  expect(page({ computer: () => ({}) })).toThrow(/has computer but no formFields/);
  expect(page({ formFields: ["age"], computer: 5 })).toThrow(/computer is 5.*function of player/);
  expect(page({ formFields: ["age"], *computer() {} })).toThrow(/computer is a generator/);
  const lobby = { groupByArrivalTime: true, timeout: { seconds: 5, outcome: "replace" } };
  expect(() => app.waitPage("Lobby", lobby as never)).toThrow(/nobody to replace.*player\.roundNumber > 1/);
});
