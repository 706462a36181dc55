import { describe, expect, test } from "@jest/globals";
import { JournalTable } from "../entities/system-tables.ts";
import { defineApp, integer, type PlayerOf, toPage } from "../index.ts";
import { at, seatedGroup, settle, useSqlite } from "./helpers/sqlite.ts";
import type { TestConnection, TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

/** What the hook under test returns; tests put it here. */
let returned: (player: PlayerOf<typeof app>) => unknown = () => undefined;

const app = defineApp({ name: "post", playersPerGroup: 3, rounds: 2, player: { left: integer({ initial: 0 }) } });
app.page("Talk", {
  live: (player) => returned(player) as never,
  beforeNextPage(player) {
    player.left = 1;
    return returned(player) as never;
  },
});
app.page("Later", {
  async *live(player) {
    yield returned(player) as never;
  },
});
app.page("Log", { live: (player) => returned(player) as never, history: true });
app.page("End", {});

async function stage() {
  returned = () => undefined;
  const group = await seatedGroup(await sqlite.world([app.spec]), ["post"], 3);
  const [one, two, three] = group.players as [TestConnection, TestConnection, TestConnection];
  return { ...group, one, two, three };
}

/** Leaves the page and opens the next one. */
async function moveOn(world: TestWorld, actorId: number, from: TestConnection, pageIndex = 1): Promise<TestConnection> {
  await submit(world, actorId, from.participantId, pageIndex);
  return world.connect(actorId, from.participantId, { seen: world.actors.get(actorId).seq });
}

function submit(world: TestWorld, actorId: number, participantId: number, pageIndex = 1) {
  return world.actors.call(actorId, { kind: "submit", participantId, pageIndex, outbox: [], form: {} });
}

function messages(connection: TestConnection): unknown[][] {
  return connection.frames.flatMap((frame) => (frame.k === "recv" ? [frame.m] : []));
}

const AUTHOR = (code: string) => ({ e: { code: "failed", message: expect.stringContaining(code), retry: false } });

describe("addresses", () => {
  test.each<[string, (player: PlayerOf<typeof app>) => unknown, unknown[][]]>([
    ["others are all but the sender", () => ({ others: "x" }), [[], ["x"], ["x"]]],
    ["the closest address wins", () => ({ 0: "all", others: "others", 3: "three" }), [["all"], ["others"], ["three"]]],
    ["an own id goes beside others", (p) => ({ [p.idInGroup]: "me", others: "you" }), [["me"], ["you"], ["you"]]],
    ["undefined takes somebody out", () => ({ others: undefined, 0: "all" }), [["all"], [], []]],
    ["null is a message", () => ({ others: null }), [[], [null], [null]]],
    [
      "an array is several messages in this order",
      () => [{ 0: "a" }, { 2: "b" }, undefined, { others: "c" }, { 0: "d" }],
      [
        ["a", "d"],
        ["a", "b", "c", "d"],
        ["a", "c", "d"],
      ],
    ],
    ["an empty array is silence", () => [], [[], [], []]],
  ])("%s", async (_name, hook, expected) => {
    const { one, two, three } = await stage();
    returned = hook;
    await one.ask("go");
    expect([one, two, three].map((member) => member.received)).toEqual(expected);
    // All messages of a unit travel in one frame, the answer with them.
    for (const member of [one, two, three]) expect(messages(member).length).toBeLessThanOrEqual(1);
    expect(one.frames.filter(({ k }) => k === "answer")).toHaveLength(expected[0]?.length === 0 ? 1 : 0);
  });

  test.each<[string, unknown, string]>([
    ["an array in an array", [[{ 0: 1 }]], "an array in an array"],
    ["a text in an array", ["hello"], 'the text "hello"'],
    ["an address that is none", { other: 1 }, 'sends to "other"'],
    ["a player who is not in the group", [{ 0: 1 }, { 4: 1 }], "players 1 to 3"],
    ["a page that does not exist", toPage("Lok", { 0: 1 }), 'Did you mean "Log"?'],
    ["a page that is not connected", toPage("End", { 0: 1 }), "live() {}"],
    ["a page in a page", toPage("Log", [toPage("Talk", { 0: 1 }) as never]), "side by side"],
    ["what is not JSON", [{ 0: 1 }, { others: Number.NaN }], "the message to the others is NaN"],
  ])("%s is refused, and nothing of the unit remains", async (_name, value, text) => {
    const { one, two } = await stage();
    returned = () => value;
    expect(await one.ask("go")).toMatchObject(AUTHOR(text));
    expect([...one.received, ...two.received]).toEqual([]);
  });
});

describe("pages", () => {
  test("a live method reaches those on its own page, and others by toPage", async () => {
    const { world, actorId, one, two, three } = await stage();
    const later = await moveOn(world, actorId, three);
    returned = () => [{ 0: "here" }, toPage("Later", { 0: "there" }), toPage("Talk", { others: "again" })];
    await one.ask("go");
    expect(messages(one)).toEqual([["here"]]);
    expect(messages(two)).toEqual([["here", "again"]]);
    expect(messages(later)).toEqual([["there"]]);
    expect(messages(three)).toEqual([]);
  });

  test("what beforeNextPage returns goes to everybody on the page where they are", async () => {
    const { world, actorId, one, two, three } = await stage();
    const later = await moveOn(world, actorId, three);
    returned = (player) => [{ others: `${player.idInGroup} left` }, { 0: "all" }];
    expect(await submit(world, actorId, one.participantId)).toMatchObject({ kind: "goto", pageIndex: 2 });
    await settle(world);
    expect(messages(two)).toEqual([["1 left", "all"]]);
    expect(messages(later)).toEqual([["1 left", "all"]]);
    // The page that was left is told to load again, and gets nothing more.
    expect(one.received).toEqual([]);
    expect(one.frames.at(-1)).toEqual({ k: "reload", why: "moved_on" });
    expect(await world.store.read.rows(app.spec.player.table, { idInGroup: 1 })).toMatchObject([{ left: 1 }, {}]);
  });

  test("a page whose beforeNextPage sends nonsense is not left", async () => {
    const { world, actorId, one } = await stage();
    returned = () => ({ 9: "x" });
    expect(await submit(world, actorId, one.participantId)).toMatchObject({
      kind: "refused",
      message: expect.stringContaining("post/Talk beforeNextPage"),
    });
    expect(world.actors.get(actorId).pageOf(one.participantId)).toBe("post/1/Talk");
    expect(await world.store.read.rows(app.spec.player.table, { idInGroup: 1 })).toMatchObject([{ left: 0 }, {}]);
  });

  test("an async method sends to several pages from each yield", async () => {
    const { world, actorId, one, two, three } = await stage();
    const later = await moveOn(world, actorId, one);
    const other = await moveOn(world, actorId, two);
    returned = () => [{ others: "o" }, toPage("Talk", { 0: "t" }), { 0: "z" }];
    await later.ask("go");
    expect([messages(later), messages(other), messages(three)]).toEqual([[["z"]], [["o", "z"]], [["t"]]]);
  });
});

describe("catch-up", () => {
  /** More than memory keeps has been delivered. */
  const limits = { recentEntries: 2, chunk: 2 };

  test.each([false, true])(
    "brings each page what was sent to it from other pages (loaded again: %s)",
    async (again) => {
      const world = await sqlite.world([app.spec], {});
      Object.assign(world.world.limits, { gate: limits });
      const { actorId, players } = await seatedGroup(world, ["post"], 3);
      const [one, two, three] = players as [TestConnection, TestConnection, TestConnection];
      returned = () => undefined;
      const later = await moveOn(world, actorId, two);
      const seen = world.actors.get(actorId).seq;
      for (const gone of [three, later]) world.actors.get(actorId).gate.detach(gone);
      for (let i = 1; i <= 8; i++) {
        returned = () =>
          i % 2 === 0 ? [{ others: `talk ${i}` }, toPage("Later", { 0: `later ${i}` })] : { 0: `only talk ${i}` };
        await one.ask("go");
      }
      if (again) world.actors.get(actorId).die();
      const back = await world.connect(actorId, three.participantId, { seen });
      const backLater = await world.connect(actorId, two.participantId, { seen });
      expect(back.received).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => `${i % 2 === 0 ? "" : "only "}talk ${i}`));
      expect(backLater.received).toEqual([2, 4, 6, 8].map((i) => `later ${i}`));
      // Each frame names the one before it on this page.
      let last = seen;
      for (const frame of backLater.frames) {
        if (frame.k !== "recv") continue;
        expect(frame.p).toBe(last);
        last = frame.s;
      }
    },
  );

  test("a page with history gets what other pages sent to it, with the first of it", async () => {
    const { world, actorId, one, two } = await stage();
    for (const pageIndex of [1, 2]) await submit(world, actorId, two.participantId, pageIndex);
    returned = () => [toPage("Log", [{ 0: "first" }, { 2: "second" }]), { others: "no" }];
    await one.ask("go");
    const log = await world.connect(actorId, two.participantId, { history: true });
    expect(messages(log)).toEqual([["first", "second"]]);
  });
});

test("the journal keeps to which page each message went", async () => {
  const { world, store, actorId, one, three } = await stage();
  await moveOn(world, actorId, three);
  returned = () => [{ others: 1 }, toPage("Later", { 0: 2 })];
  await one.ask("go");
  returned = () => ({ 0: 3 });
  await one.ask("go");
  await submit(world, actorId, one.participantId);
  await settle(world);
  const entries = await store.read.rows(JournalTable, { actorId });
  expect(entries.slice(-3).map(({ kind, page, output }) => [kind, page, JSON.parse(String(output))])).toEqual([
    [
      "message",
      "post/1/Talk",
      {
        w: 1,
        d: [
          { to: [2], m: 1 },
          { to: [3], p: "post/1/Later", m: 2 },
        ],
      },
    ],
    ["message", "post/1/Talk", { d: [{ to: [1, 2], m: 3 }] }],
    [
      "submit",
      "post/1/Talk",
      {
        w: 1,
        d: [
          { to: [1, 3], p: "post/1/Later", m: 3 },
          { to: [2], m: 3 },
        ],
      },
    ],
  ]);
  expect(at(entries, 0).output).toBeNull();
});
