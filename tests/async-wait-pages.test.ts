import { beforeEach, expect, test } from "@jest/globals";
import { JournalTable, WaitPageTable } from "../entities/system-tables.ts";
import { defineApp, type GroupOf, integer, random } from "../index.ts";
import type { HookCall } from "../rooms/hook-run.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { replayed } from "./helpers/replayed.ts";
import { at, settle, useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestConnection, TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

const app = defineApp({
  name: "game",
  playersPerGroup: 2,
  group: { sum: integer({ initial: 0 }), talk: integer({ initial: 0 }), lot: integer({ blank: true }) },
  player: { share: integer({ initial: 0 }) },
});
type Group = GroupOf<typeof app>;

/** What the function of the wait page does, and how often it has begun. */
let arrive: (group: Group, call: HookCall, missing: number[]) => Promise<unknown>;
let runs: number;
let door: PromiseWithResolvers<void>;

beforeEach(() => {
  runs = 0;
  door = Promise.withResolvers();
  arrive = async () => {};
  limit(60);
});

/** How long the function may take. */
function limit(seconds: number): void {
  Object.assign(at(app.spec.pages, 1), { timeLimit: seconds });
}

app.page("Give");
app.waitPage("Wait", {
  async afterAllPlayersArrive(group, { missing }, call) {
    runs += 1;
    return (await arrive(
      group,
      call,
      missing.map((player) => player.idInGroup),
    )) as undefined;
  },
  live(player) {
    player.group.talk += 1;
  },
  timeLimit: 60,
});
app.page("Results", { live() {} });

const limits = { ...GAME_LIMITS, callGrace: 30 };

async function stage(participants = 2) {
  const world = await sqlite.world([app.spec], { limits });
  const people = await walkers(world, ["game"], participants);
  for (const person of people) await person.start();
  const [one, two] = people as [Walker, Walker];
  return { world, people, one, two, groups: () => world.store.read.rows(app.spec.group.table) };
}

/** What the page of a socket has said under its text. */
function lines(connection: TestConnection): string[] {
  return connection.frames.flatMap((frame) => (frame.k === "wait" ? [frame.text] : []));
}

async function actorOf(world: TestWorld, { code }: Walker): Promise<number> {
  const place = await world.store.read.whereabouts(code);
  if (place?.actorId == null) throw new Error("no group");
  return place.actorId;
}

test("players wait on the page while its function asks the world, and then go on with what it says, as one unit", async () => {
  const { world, one, two, groups } = await stage();
  arrive = async (group) => {
    group.lot = Math.floor(random() * 100);
    await door.promise;
    group.sum = 7;
    for (const player of group.getPlayers()) player.share = group.sum * player.idInGroup;
    return { 0: "shared" };
  };
  await one.submit();
  await two.submit();
  await settle(world);
  expect(runs).toBe(1);
  // Who opens the page meanwhile gets it as it is, and the group plays on.
  expect(await one.view()).toMatchObject({ kind: "page", status: 200 });
  const waiting = await one.connect();
  expect((await waiting.ask("are you there?")).e).toBeUndefined();
  expect(await groups()).toMatchObject([{ sum: 0, talk: 1, lot: null }]);
  door.resolve();
  await one.reaches("game/1/Results");
  await two.reaches("game/1/Results");
  await waiting.until(() => waiting.frames.some((frame) => frame.k === "reload"));
  expect(runs).toBe(1);
  expect(await groups()).toMatchObject([{ sum: 7, talk: 1, lot: expect.any(Number) }]);
  const [entry, ...more] = await world.store.read.rows(JournalTable, { kind: "wait" });
  expect(more).toEqual([]);
  for (const part of ["share", "sum", "lot", "pageIndex", "doneAt"]) expect(entry?.changes).toContain(part);
  expect(entry?.output).toContain("shared");

  const replay = await replayed(world, app.spec, await actorOf(world, one));
  expect(replay).toMatchObject({ difference: undefined });
  expect(runs).toBe(1);
});

test("a function that a crash has cut runs again with the group, and has its effect once", async () => {
  const { world, one, two, groups } = await stage();
  arrive = async (group) => {
    group.sum += 1;
    if (runs === 1) await new Promise(() => {});
  };
  await one.submit();
  await two.submit();
  await settle(world);
  const actorId = await actorOf(world, one);
  world.actors.get(actorId).die();
  // Whoever comes back sets it going.
  await one.view();
  await one.reaches("game/1/Results");
  expect(runs).toBe(2);
  expect(await groups()).toMatchObject([{ sum: 1 }]);
  // Nothing was reported of it: it was nobody's fault.
  expect(await world.store.read.rows(WaitPageTable)).toMatchObject([{ failedAt: null }]);
  expect(await replayed(world, app.spec, actorId)).toMatchObject({ difference: undefined });
});

test("a function that the stop of the server has cut is no failure, and runs again when it is back", async () => {
  const { world, one, two } = await stage();
  const reasons: string[] = [];
  arrive = (_group, { signal }) => {
    if (runs > 1) return Promise.resolve();
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason.code);
        reject(signal.reason);
      });
    });
  };
  await one.submit();
  await two.submit();
  await settle(world);
  await world.actors.finish(1_000);
  expect(reasons).toEqual(["interrupted"]);
  expect(await world.store.read.rows(WaitPageTable)).toEqual([]);
  const { code } = one;
  const again = await sqlite.restart(world, [app.spec], { limits });
  const place = await again.store.read.whereabouts(code);
  await again.view(place?.actorId as number, one.id, 2);
  while ((await again.store.read.whereabouts(code))?.page?.page !== "Results") await settle(again);
  expect(runs).toBe(2);
});

test("a function that fails or takes too long holds everybody calmly, and an experimenter can have it run again", async () => {
  const { world, one, two, groups } = await stage();
  arrive = async (group, { signal }) => {
    group.sum = 99;
    if (runs === 1) throw new Error("the service is away");
    if (runs === 2) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (runs === 2) throw new Error("told to end");
  };
  await one.submit();
  await two.submit();
  const waiting = await one.connect();
  await waiting.until(() => /longer than planned/.test(lines(waiting).at(-1) ?? ""));
  const [failure] = await world.store.read.rows(WaitPageTable);
  expect(failure).toMatchObject({ page: "game/1/Wait", error: "the service is away", doneAt: null });
  expect(failure?.stack).toContain("async-wait-pages.test");
  expect(await groups()).toMatchObject([{ sum: 0 }]);
  const actorId = await actorOf(world, one);
  limit(0.3);
  await expect(world.actors.retryWaitPage(actorId, "game/1/Wait")).rejects.toMatchObject({
    code: "wait_page_failed",
    message: expect.stringContaining("game/1/Wait afterAllPlayersArrive took longer than 0.3 seconds"),
  });
  expect(await one.page()).toBe("game/1/Wait");
  limit(60);
  await world.actors.retryWaitPage(actorId, "game/1/Wait");
  await two.reaches("game/1/Results");
  expect(runs).toBe(3);
  expect(await groups()).toMatchObject([{ sum: 99 }]);
});

test("two who ask for it to be run again get one run", async () => {
  const { world, one, two } = await stage();
  arrive = async () => {
    if (runs === 1) throw new Error("first");
    await door.promise;
  };
  await one.submit();
  await two.submit();
  await settle(world);
  const actorId = await actorOf(world, one);
  const retries = [1, 2].map(() => world.actors.retryWaitPage(actorId, "game/1/Wait"));
  await settle(world);
  door.resolve();
  await Promise.all(retries);
  expect(runs).toBe(2);
  expect(await one.page()).toBe("game/1/Results");
});

test("a function whose write is stale runs again on what is there now, and three times stale is a failure", async () => {
  const { world, one, two, groups } = await stage();
  let stale = 1;
  arrive = async (group) => {
    group.talk += 100;
    if (runs <= stale) await at(sockets, 0).ask("more");
  };
  await one.submit();
  const sockets = [await one.connect()];
  await two.submit();
  await one.reaches("game/1/Results");
  expect(runs).toBe(2);
  expect(await groups()).toMatchObject([{ talk: 101 }]);

  const next = await stage();
  runs = 0;
  stale = 9;
  await next.one.submit();
  sockets[0] = await next.one.connect();
  await next.two.submit();
  await at(sockets, 0).until(() => /longer than planned/.test(lines(at(sockets, 0)).at(-1) ?? ""));
  expect(runs).toBe(3);
  const [failure] = await next.world.store.read.rows(WaitPageTable);
  expect(failure).toMatchObject({ error: expect.stringContaining("changed by another message") });
  expect(await next.groups()).toMatchObject([{ talk: 3 }]);
  expect(world.log.lines.filter(({ level }) => level === "error")).toEqual([]);
});

test("what the database refuses of an async function is its failure, and nothing of it remains", async () => {
  const { world, one, two, groups } = await stage();
  const { commit } = world.store;
  let bad = true;
  world.store.commit = async (units) =>
    bad && units.some(({ entry }) => entry.kind === "wait")
      ? { result: "data", error: new Error("no such value") }
      : commit.call(world.store, units);
  arrive = async (group) => {
    await Promise.resolve();
    group.sum = 5;
  };
  await one.submit();
  const waiting = await one.connect();
  await two.submit();
  await waiting.until(() => /longer than planned/.test(lines(waiting).at(-1) ?? ""));
  expect(await world.store.read.rows(WaitPageTable)).toMatchObject([
    { error: expect.stringContaining("no such value"), doneAt: null },
  ]);
  expect(await groups()).toMatchObject([{ sum: 0 }]);
  bad = false;
  await world.actors.retryWaitPage(await actorOf(world, one), "game/1/Wait");
  expect(await groups()).toMatchObject([{ sum: 5 }]);
});

test("groups do not wait for each other's functions", async () => {
  const { people, world, groups } = await stage(4);
  arrive = async (group) => {
    if (group.idInSubsession === 1) await door.promise;
    group.sum = 1;
  };
  for (const person of people) await person.submit();
  await at(people, 3).reaches("game/1/Results");
  expect(await at(people, 0).page()).toBe("game/1/Wait");
  door.resolve();
  await at(people, 0).reaches("game/1/Results");
  expect((await groups()).map(({ sum }) => sum)).toEqual([1, 1]);
  await settle(world);
});
