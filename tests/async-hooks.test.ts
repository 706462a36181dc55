import { expect, test } from "@jest/globals";
import { systemEnv } from "../client-sdk/env.ts";
import { JournalTable } from "../entities/system-tables.ts";
import { defineApp, integer, type PlayerOf, text } from "../index.ts";
import type { Command, Reply } from "../rooms/calls.ts";
import type { HookCall } from "../rooms/hook-run.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { PAGE_TIMES } from "../rooms/page-timeouts.ts";
import { TimerTurn } from "../rooms/timer-turn.ts";
import { replayed } from "./helpers/replayed.ts";
import { at, holdCommits, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection } from "./helpers/world.ts";

const sqlite = useSqlite();

const app = defineApp({
  name: "slow",
  playersPerGroup: 2,
  group: { total: integer({ initial: 0 }), seen: integer({ initial: 0 }) },
  player: { offer: integer({ blank: true, min: 0 }), note: text({ blank: true }) },
});
type Player = PlayerOf<typeof app>;

/** What the hooks do. */
let leave: (player: Player, call: HookCall) => Promise<unknown>;
let look: (player: Player, call: HookCall) => Promise<Record<string, unknown>>;
let check: (values: { offer: number | null }) => Promise<string | undefined>;
let doors: Map<string, PromiseWithResolvers<void>>;

function door(name: string): PromiseWithResolvers<void> {
  let found = doors.get(name);
  if (found === undefined) {
    found = Promise.withResolvers();
    doors.set(name, found);
  }
  return found;
}

app.page("Offer", {
  formFields: ["offer"],
  timeoutSeconds: (player) => (player.session.config.seconds as number | undefined) ?? undefined,
  async errorMessage(_player, values) {
    return check(values);
  },
  async beforeNextPage(player, _end, call) {
    return (await leave(player, call)) as undefined;
  },
  live(player, { by }: { by: number }) {
    player.group.total += by;
  },
  timeLimit: 60,
});
app.page("Look", {
  async varsForTemplate(player, call) {
    return look(player, call);
  },
  live() {},
});
app.page("End");

/** How long hooks of the first page may take. */
function limit(seconds: number): void {
  Object.assign(at(app.spec.pages, 0), { timeLimit: seconds });
}

async function group(config: Record<string, unknown> = {}, after = systemEnv.after) {
  limit(60);
  doors = new Map();
  leave = async () => {};
  look = async () => ({});
  check = async () => undefined;
  const limits = { ...GAME_LIMITS, callGrace: 30 };
  const world = await sqlite.world([app.spec], { limits, after });
  const { people } = await world.session(["slow"], 2, config);
  let actorId = 0;
  for (const person of people) actorId = await world.arrive(person);
  const players: TestConnection[] = [];
  for (const person of people) players.push(await world.connect(actorId, person.id as number));
  const [one, two] = players as [TestConnection, TestConnection];
  const ask = (command: Command): Promise<Reply> => world.actors.call(actorId, command);
  const submit = (who: TestConnection, form: Record<string, string> = { offer: "5" }, pageIndex = 1) =>
    ask({ kind: "submit", participantId: who.participantId, pageIndex, outbox: [], form });
  const row = async () => at(await world.store.read.rows(app.spec.group.table, { id: actorId }), 0);
  const player = async (who: TestConnection) =>
    at(await world.store.read.rows(app.spec.player.table, { participantId: who.participantId }), 0);
  const journal = async (kind: string) =>
    (await world.store.read.rows(JournalTable, { actorId })).filter((entry) => entry.kind === kind);
  return { world, people, actorId, one, two, ask, submit, row, player, journal, actor: world.actors.get(actorId) };
}

test("beforeNextPage may wait: the group plays on, and form, writes and the move are one unit", async () => {
  const { world, one, two, submit, row, player, journal, actor } = await group();
  leave = async (who) => {
    expect(who.offer).toBe(5);
    who.note = "waiting";
    await door("go").promise;
    who.group.seen = (who.offer ?? 0) + 1;
    return { others: "gone on" };
  };
  const answer = submit(one);
  await settle(world);
  // Nothing of it is there yet, and the others are not held up.
  expect(await player(one)).toMatchObject({ offer: null, note: null });
  expect((await two.ask({ by: 3 })).e).toBeUndefined();
  expect(actor.pageOf(one.participantId)).toBe("slow/1/Offer");
  door("go").resolve();
  expect(await answer).toEqual({ kind: "goto", pageIndex: 2 });
  expect(await row()).toMatchObject({ total: 3, seen: 6 });
  expect(await player(one)).toMatchObject({ offer: 5, note: "waiting" });
  expect(two.received).toEqual(["gone on"]);
  const [entry, ...more] = await journal("submit");
  expect(more).toEqual([]);
  const changes = String(entry?.changes);
  for (const part of ["offer", "note", "seen", "pageIndex"]) expect(changes).toContain(part);
});

test("a form that is posted twice while the hook runs is left once, and both are sent to the next page", async () => {
  const { world, one, submit, journal } = await group();
  let runs = 0;
  leave = async () => {
    runs += 1;
    await door("go").promise;
  };
  const answers = [submit(one), submit(one), submit(one, { offer: "6" })];
  await settle(world);
  door("go").resolve();
  for (const answer of await Promise.all(answers)) expect(answer).toEqual({ kind: "goto", pageIndex: 2 });
  expect(runs).toBe(1);
  expect(await journal("submit")).toHaveLength(1);
});

test("an async errorMessage keeps the player on the page, and lets them go when it says nothing", async () => {
  const { one, submit, player, world } = await group();
  check = async ({ offer }) => {
    await Promise.resolve();
    return (offer ?? 0) > 3 ? "Too much." : undefined;
  };
  expect(await submit(one)).toMatchObject({ kind: "page", status: 422 });
  expect(world.rendered.at(-1)).toMatchObject({ error: "Too much.", answers: { offer: "5" } });
  expect(await player(one)).toMatchObject({ offer: null });
  expect(await submit(one, { offer: "3" })).toEqual({ kind: "goto", pageIndex: 2 });
  // A form that does not fit by itself is refused before.
  expect(await player(one)).toMatchObject({ offer: 3 });
});

test("varsForTemplate may wait; what it gives is what the page shows, and what it writes is stored with it", async () => {
  const { world, one, two, submit, ask, row } = await group();
  await submit(one);
  look = async (who) => {
    await door("go").promise;
    who.group.seen += 1;
    return { quote: 7, partner: at(who.getOthersInGroup(), 0) };
  };
  const view = ask({ kind: "view", participantId: one.participantId, pageIndex: 2 });
  await settle(world);
  await two.ask({ by: 2 });
  door("go").resolve();
  expect(await view).toMatchObject({ kind: "page", status: 200 });
  expect(world.rendered.at(-1)).toMatchObject({ identity: "slow/1/Look", variables: { quote: 7 } });
  expect(await row()).toMatchObject({ seen: 1, total: 2 });
});

test("a hook whose write is stale runs again on what is there now; after three times the visitor is told", async () => {
  const { one, two, submit, row } = await group();
  let runs = 0;
  leave = async (who) => {
    runs += 1;
    const { total } = who.group;
    if (runs === 1) await two.ask({ by: 10 });
    who.group.total = total + 1;
  };
  expect(await submit(one)).toEqual({ kind: "goto", pageIndex: 2 });
  expect(runs).toBe(2);
  expect(await row()).toMatchObject({ total: 11 });
});

test("a hook whose write is stale again and again ends in an error that may be tried again, and the player stays", async () => {
  const { one, two, submit, player, actor } = await group();
  let runs = 0;
  leave = async (who) => {
    runs += 1;
    // Not stale at its assignment, but when it is to be stored.
    who.group.total += 1;
    await two.ask({ by: 10 });
  };
  expect(await submit(one)).toMatchObject({ kind: "refused", code: "stale_write", retry: true });
  expect(runs).toBe(3);
  expect(await player(one)).toMatchObject({ offer: null });
  expect(actor.pageOf(one.participantId)).toBe("slow/1/Offer");
});

test("a hook that throws shows its error, and nothing of the request remains", async () => {
  const { world, one, submit, player, row } = await group();
  leave = async (who) => {
    who.group.seen = 9;
    await Promise.resolve();
    throw new Error("no luck");
  };
  expect(await submit(one)).toMatchObject({ kind: "refused", code: "page_error", message: "no luck" });
  expect(await player(one)).toMatchObject({ offer: null });
  expect(await row()).toMatchObject({ seen: 0 });
  expect(world.log.lines.at(-1)).toMatchObject({ level: "error", message: "a page failed" });
  leave = async () => {};
  expect(await submit(one)).toEqual({ kind: "goto", pageIndex: 2 });
});

test("a hook that does not end is cut off by the page's time limit", async () => {
  const { one, submit, actor } = await group();
  limit(0.2);
  const signals: string[] = [];
  leave = (_player, { signal }) => {
    signal.addEventListener("abort", () => signals.push(signal.reason.code));
    return new Promise(() => {});
  };
  const refused = await submit(one);
  expect(refused).toMatchObject({
    kind: "refused",
    code: "time_limit",
    message: expect.stringContaining("slow/1/Offer beforeNextPage took longer than 0.2 seconds"),
  });
  expect(signals).toEqual(["time_limit"]);
  expect(actor.calls.size).toBe(0);
});

test("a hook that a crash has cut runs again where the group is loaded next, and its request is answered", async () => {
  const { world, one, submit, actor, row } = await group();
  let runs = 0;
  leave = async (who) => {
    runs += 1;
    if (runs === 1) await new Promise(() => {});
    who.group.seen += 1;
  };
  const answer = submit(one);
  await settle(world);
  actor.die();
  expect(await answer).toEqual({ kind: "goto", pageIndex: 2 });
  expect(runs).toBe(2);
  expect(await row()).toMatchObject({ seen: 1 });
});

test("what a hook read from a unit that the database refused is not built upon", async () => {
  const { world, one, two, submit, row } = await group();
  const { commit } = world.store;
  let runs = 0;
  leave = async (who) => {
    runs += 1;
    who.group.seen = who.group.total;
    if (runs === 1) await door("go").promise;
  };
  world.store.commit = async (units) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const bad = units.some(({ entry }) => entry.changes?.includes("777"));
    return bad ? { result: "data", error: new Error("no") } : commit.call(world.store, units);
  };
  const held = holdCommits(world.store);
  held.release();
  const bad = two.ask({ by: 777 });
  const answer = submit(one);
  expect((await bad).e).toMatchObject({ code: "failed" });
  door("go").resolve();
  expect(await answer).toEqual({ kind: "goto", pageIndex: 2 });
  expect(await row()).toMatchObject({ seen: 0, total: 0 });
});

test("a page whose time is over is left by its hook, too, without anybody there", async () => {
  const { world, one, submit, ask, actor, journal } = await group({ seconds: 0.05 });
  const ends: boolean[] = [];
  leave = async (who) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    who.note = "timed out";
    ends.push(true);
  };
  await ask({ kind: "view", participantId: one.participantId, pageIndex: 1 });
  await new Promise((resolve) => setTimeout(resolve, 60));
  // Whoever looks at it now is sent on.
  expect(await ask({ kind: "view", participantId: one.participantId, pageIndex: 1 })).toEqual({
    kind: "goto",
    pageIndex: 2,
  });
  expect(ends).toEqual([true]);
  const timers = [...actor.memory.timers.values()].filter((row) => !row.deleted).map(({ values }) => values.payload);
  expect(timers.filter((payload) => String(payload).includes(`"participantId":${one.participantId},`))).toEqual([]);
  expect(await submit(one)).toEqual({ kind: "goto", pageIndex: 2 });
  expect(await journal("view")).toMatchObject([{}, { input: expect.stringContaining('"asyncHooks":true') }]);
  await settle(world);
});

test("the deadline of a page that is left by a hook moves on who is not there", async () => {
  const { world, one, ask, actor, player, journal } = await group({ seconds: 0.03 });
  leave = async (who) => {
    await Promise.resolve();
    who.note = "timed out";
  };
  await ask({ kind: "view", participantId: one.participantId, pageIndex: 1 });
  const due = [...actor.memory.timers.values()].find(({ values }) => values.name === "_page_timeout");
  expect(due).toBeDefined();
  await new Promise((resolve) => setTimeout(resolve, PAGE_TIMES.grace + 60));
  while (actor.pageOf(one.participantId) === "slow/1/Offer") {
    actor.post(new TimerTurn({ begun: () => {}, look: () => {} }));
    await settle(world);
  }
  // Memory is ahead of the database.
  await settle(world);
  expect(actor.pageOf(one.participantId)).toBe("slow/1/Look");
  expect(await player(one)).toMatchObject({ note: "timed out", offer: null });
  expect(await journal("submit")).toEqual([]);
  const [entry] = (await journal("timer")).filter(({ input }) => String(input).includes("asyncHooks"));
  expect(entry?.changes).toContain("timed out");
  const left = [...actor.memory.timers.values()].filter(
    ({ deleted, values }) => !deleted && values.name === "_page_timeout",
  );
  expect(left).toEqual([]);
});

test("a hook may take its time, but what comes after it is answered in time even if the database stands still", async () => {
  const limits: (() => void)[] = [];
  const { world, one, submit } = await group({}, (ms, run) => {
    if (ms !== 10_000) return systemEnv.after(ms, run);
    limits.push(run);
    return () => void limits.splice(limits.indexOf(run), 1);
  });
  leave = async () => door("go").promise;
  const answer = submit(one);
  await settle(world);
  expect(limits).toEqual([]);
  const held = holdCommits(world.store);
  door("go").resolve();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(limits).toHaveLength(1);
  limits[0]?.();
  expect(await answer).toMatchObject({ kind: "refused", code: "busy", retry: true });
  held.release();
  await settle(world);
  expect(await submit(one)).toEqual({ kind: "goto", pageIndex: 2 });
});

test("a request with async hooks is taken from the journal as it was, not run again, in a replay", async () => {
  const { world, one, submit, actorId, two } = await group();
  let runs = 0;
  leave = async (who) => {
    runs += 1;
    who.group.seen = 4;
  };
  await two.ask({ by: 3 });
  await submit(one);
  await two.ask({ by: 3 });
  const result = await replayed(world, app.spec, actorId);
  expect(result.difference).toBeUndefined();
  expect(result.reason).toBeUndefined();
  expect(runs).toBe(1);
});

test("a hook that is a generator is refused, and told that it may be async", () => {
  const define = () => defineApp({ name: "a" }).page("Play", { async *beforeNextPage() {} } as never);
  expect(define).toThrow(
    expect.objectContaining({
      code: "must_be_sync",
      message: expect.stringMatching(/page Play: beforeNextPage is a generator.*async if it waits/),
    }) as never,
  );
});

test("a hook that gives a promise without being async is told how it could", async () => {
  const promised = defineApp({ name: "promised" });
  promised.page("Play", { beforeNextPage: () => Promise.reject(new Error("nobody hears this")) });
  promised.page("Shown", { isDisplayed: (() => Promise.resolve(false)) as never });
  const { world, actorId, players } = await seatedGroup(await sqlite.world([promised.spec]), ["promised"], 1);
  const participantId = at(players, 0).participantId;
  const refused = await world.actors.call(actorId, {
    kind: "submit",
    participantId,
    pageIndex: 1,
    outbox: [],
    form: {},
  });
  expect(refused).toMatchObject({
    kind: "refused",
    code: "must_be_sync",
    message: expect.stringContaining(
      "promised/1/Play beforeNextPage returned a promise without being async. Write async",
    ),
  });
});
