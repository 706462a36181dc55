import { beforeEach, expect, test } from "@jest/globals";
import { fieldSpec } from "../entities/fields.ts";
import type { OwnFieldSpecs } from "../entities/own-fields.ts";
import { JournalTable, WaitPageTable } from "../entities/system-tables.ts";
import { defineApp, integer, random, type SubsessionOf } from "../index.ts";
import type { HookCall } from "../rooms/hook-run.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { replayed } from "./helpers/replayed.ts";
import { at, settle, useSqlite } from "./helpers/sqlite.ts";
import { type Walker, walkers } from "./helpers/walker.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

const ownFields: OwnFieldSpecs = {
  participant: {},
  session: { best: fieldSpec(integer({ initial: 0 }), "best") },
};

const app = defineApp({
  name: "round",
  playersPerGroup: 2,
  group: { score: integer({ blank: true }), talk: integer({ initial: 0 }) },
  player: { rank: integer({ blank: true }) },
});
type Subsession = SubsessionOf<typeof app>;

/** What the function of the wait page does, and how often it has begun. */
let arrive: (subsession: Subsession, call: HookCall) => Promise<unknown>;
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
app.waitPage("All", {
  waitForAllGroups: true,
  async afterAllPlayersArrive(subsession, _arrived, call) {
    runs += 1;
    await arrive(subsession, call);
  },
  live(player) {
    player.group.talk += 1;
  },
  timeLimit: 60,
});
app.page("Results", { live() {} });

const options = { ownFields, limits: { ...GAME_LIMITS, callGrace: 30 } };

async function stage() {
  const world = await sqlite.world([app.spec], options);
  const people = await walkers(world, ["round"], 4);
  for (const person of people) await person.start();
  const groups = () => world.store.read.rows(app.spec.group.table);
  const entries = () => world.store.read.rows(JournalTable, { kind: "barrier" });
  return { world, people, one: at(people, 0), groups, entries };
}

/** Everybody but the last is there. */
async function assembled() {
  const it = await stage();
  for (const person of it.people.slice(0, 3)) await person.submit();
  return it;
}

async function allReach(people: readonly Walker[], page: string): Promise<void> {
  for (const person of people) await person.reaches(page);
}

async function begun(count = 1): Promise<void> {
  while (runs < count) await new Promise((resolve) => setTimeout(resolve, 2));
}

function lines(connection: TestConnection): string[] {
  return connection.frames.flatMap((frame) => (frame.k === "wait" ? [frame.text] : []));
}

test("all groups wait on the page while its function asks the world, and go on together with what it says", async () => {
  const { world, people, one, groups, entries } = await assembled();
  arrive = async (subsession) => {
    const lots = subsession.getPlayers().map(() => random());
    await door.promise;
    subsession.setGroupMatrix([
      [1, 3],
      [2, 4],
    ]);
    for (const [i, group] of subsession.getGroups().entries()) group.score = i + 1;
    for (const player of subsession.getPlayers())
      player.rank = lots.filter((lot) => lot < (lots[player.idInGroup] ?? 0)).length;
    subsession.session.best = 2;
  };
  const socket = await one.connect();
  const actor = world.actors.get(1);
  await people[3]?.submit();
  await begun();
  // Who opens the page meanwhile gets it; who comes and goes changes nothing.
  expect(await one.view()).toMatchObject({ kind: "page", status: 200 });
  actor.presence.arrive(socket);
  await settle(world);
  expect(actor.memory.playerOf(one.id)?.values.connected).toBe(true);
  expect(await groups()).toMatchObject([{ score: null }, { score: null }]);
  door.resolve();
  await allReach(people, "round/1/Results");
  expect(runs).toBe(1);
  expect(await groups()).toMatchObject([{ score: 1 }, { score: 2 }]);
  const players = await world.store.read.rows(app.spec.player.table);
  expect(players.map(({ groupId }) => groupId)).toEqual([1, 2, 1, 2]);
  // As it was meanwhile, not as the function found it.
  expect(players[0]).toMatchObject({ connected: true });
  expect(await entries()).toHaveLength(2);
  for (const actorId of [1, 2]) {
    expect(await replayed(world, app.spec, actorId)).toMatchObject({ difference: undefined });
  }
});

test("a replay takes what it did as recorded", async () => {
  const { world, people } = await assembled();
  arrive = async (subsession) => {
    await Promise.resolve();
    for (const group of subsession.getGroups()) group.score = runs;
  };
  await people[3]?.submit();
  await allReach(people, "round/1/Results");
  for (const actorId of [1, 2]) {
    expect(await replayed(world, app.spec, actorId)).toMatchObject({ difference: undefined });
  }
  expect(runs).toBe(1);
});

test("if something has changed meanwhile it runs again, and the third time the groups stand still", async () => {
  const { world, people, one, groups, entries } = await assembled();
  const socket = await one.connect();
  let late: Promise<unknown> | undefined;
  arrive = async (subsession) => {
    const [first] = subsession.getGroups();
    if (first === undefined) return;
    const { talk } = first;
    if (runs < 3) await socket.ask("one more");
    else {
      socket.post("one more");
      await new Promise((resolve) => setTimeout(resolve, 50));
      late = settle(world);
    }
    first.score = talk;
  };
  await people[3]?.submit();
  await allReach(people, "round/1/Results");
  await late;
  expect(runs).toBe(3);
  expect(await groups()).toMatchObject([{ score: 2, talk: 2 }, {}]);
  expect(await entries()).toHaveLength(2);
});

test("a function that a crash has cut runs again when somebody looks at the page, and has its effect once", async () => {
  const { world, people, one } = await assembled();
  arrive = async (subsession) => {
    for (const group of subsession.getGroups()) group.score = runs;
    if (runs === 1) await new Promise(() => {});
  };
  await people[3]?.submit();
  await begun();
  const again = await sqlite.restart(world, [app.spec], options);
  const place = await again.store.read.whereabouts(one.code);
  expect(place?.page?.page).toBe("All");
  await again.view(place?.actorId as number, one.id, 2);
  while ((await again.store.read.whereabouts(one.code))?.page?.page !== "Results") await settle(again);
  expect(runs).toBe(2);
  expect(await again.store.read.rows(app.spec.group.table)).toMatchObject([{ score: 2 }, { score: 2 }]);
  expect(await again.store.read.rows(JournalTable, { kind: "barrier" })).toHaveLength(2);
});

test("a function that the stop of the server has cut is no failure", async () => {
  const { world, people } = await assembled();
  const reasons: string[] = [];
  arrive = (_subsession, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason.code);
        reject(signal.reason);
      });
    });
  await people[3]?.submit();
  await begun();
  await world.actors.finish(1_000);
  expect(reasons).toEqual(["interrupted"]);
  expect(runs).toBe(1);
  expect((await world.store.read.rows(WaitPageTable)).filter(({ failedAt }) => failedAt !== null)).toEqual([]);
});

test("a function that fails or takes too long holds all calmly, and an experimenter can have it run again", async () => {
  const { world, people, one, groups } = await assembled();
  const socket = await one.connect();
  arrive = async (subsession) => {
    for (const group of subsession.getGroups()) group.score = runs;
    await Promise.resolve();
    if (runs === 1) throw new Error("the service is away");
    if (runs === 2) await new Promise(() => {});
  };
  await people[3]?.submit();
  await socket.until(() => /longer than planned/.test(lines(socket).at(-1) ?? ""));
  const failures = async () =>
    (await world.store.read.rows(WaitPageTable)).filter(({ failedAt }) => typeof failedAt === "number");
  while ((await failures()).length === 0) await settle(world);
  expect(await failures()).toMatchObject([{ error: "the service is away", doneAt: null }]);
  limit(0.3);
  await expect(world.actors.retryWaitPage(1, "round/1/All")).rejects.toMatchObject({
    message: expect.stringContaining("round/1/All afterAllPlayersArrive took longer than 0.3 seconds"),
  });
  expect(await groups()).toMatchObject([{ score: null }, { score: null }]);
  limit(60);
  await world.actors.retryWaitPage(1, "round/1/All");
  await allReach(people, "round/1/Results");
  expect(await groups()).toMatchObject([{ score: 3 }, { score: 3 }]);
  expect(runs).toBe(3);
});
