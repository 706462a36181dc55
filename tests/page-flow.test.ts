import { describe, expect, test } from "@jest/globals";
import type { PageOrder } from "../entities/page-order.ts";
import { checkPageOrder } from "../entities/page-order.ts";
import { boolean, currency, defineApp, integer, text } from "../index.ts";
import type { Reply } from "../rooms/calls.ts";
import { at, useSqlite } from "./helpers/sqlite.ts";
import type { TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

/** One participant who walks through a session's pages, wherever their group is. */
async function walker(world: TestWorld, apps: string[], participants = 1, who = 0) {
  const { people } = await world.session(apps, participants);
  const walkers = people.map((person) => walk(world, String(person.code), person.id as number));
  for (const one of walkers) await one.start();
  return { ...at(walkers, who), walkers, people };
}

function walk(world: TestWorld, code: string, participantId: number) {
  const place = async () => {
    const found = await world.store.read.whereabouts(code);
    if (found === undefined) throw new Error("the participant is gone");
    return found;
  };
  const ask = async (
    make: (pageIndex: number) => Parameters<TestWorld["actors"]["call"]>[1],
  ): Promise<Reply | "end"> => {
    const { actorId, participant } = await place();
    if (actorId === null) return "end";
    return world.actors.call(actorId, make(Number(participant.pageIndex)));
  };
  return {
    place,
    start: () => ask(() => ({ kind: "start", participantId })),
    submit: (form: Record<string, string> = {}, index?: number) =>
      ask((pageIndex) => ({ kind: "submit", participantId, pageIndex: index ?? pageIndex, outbox: [], form })),
    view: (index?: number) => ask((pageIndex) => ({ kind: "view", participantId, pageIndex: index ?? pageIndex })),
    /** `app/round/Page`, read off the page itself. */
    async at(): Promise<string> {
      let reply = await ask((pageIndex) => ({ kind: "view", participantId, pageIndex }));
      for (let i = 0; i < 5 && reply !== "end" && reply.kind === "goto"; i++) {
        reply = await ask((pageIndex) => ({ kind: "view", participantId, pageIndex }));
      }
      return reply === "end" ? "end" : String(world.rendered.at(-1)?.identity);
    },
  };
}

describe("appAfterThisPage", () => {
  function apps() {
    const seen: (readonly string[])[] = [];
    const first = defineApp({ name: "first", rounds: 2, player: { goal: text({ blank: true }) } });
    first.page("Choose", {
      formFields: ["goal"],
      appAfterThisPage(player, upcomingApps) {
        seen.push(upcomingApps);
        return player.goal ?? undefined;
      },
    });
    first.page("Never");
    const second = defineApp({ name: "second" });
    second.page("Second");
    const third = defineApp({ name: "third" });
    third.page("Third", { appAfterThisPage: () => "first" });
    return { seen, all: [first.spec, second.spec, third.spec] };
  }

  test("names the app to go to, out of those to come; nothing leads to the next page", async () => {
    const { seen, all } = apps();
    const one = await walker(await sqlite.world(all), ["first", "second", "third"]);
    await one.submit({ goal: "" });
    expect(await one.at()).toBe("first/1/Never");
    await one.submit();
    expect(await one.at()).toBe("first/2/Choose");
    await one.submit({ goal: "third" });
    expect(await one.at()).toBe("third/1/Third");
    expect(seen).toEqual([
      ["second", "third"],
      ["second", "third"],
    ]);
  });

  test("that names another app is an error that lists the right ones, and the participant stays", async () => {
    const { all } = apps();
    const one = await walker(await sqlite.world(all), ["first", "second", "third"]);
    for (const goal of ["first", "fourth"]) {
      expect(await one.submit({ goal })).toMatchObject({
        kind: "refused",
        code: "unknown_app",
        message: `first/Choose: appAfterThisPage gave "${goal}" (a string). Return one of second, third, or nothing for the next page.`,
      });
    }
    expect(await one.at()).toBe("first/1/Choose");
    await one.submit({ goal: "third" });
    expect(await one.submit()).toMatchObject({ code: "unknown_app", message: expect.stringContaining("No app comes") });
  });

  test("over an app with a wait page: the others there do not wait for who went past", async () => {
    const before = defineApp({ name: "before" });
    before.page("Choose", {
      appAfterThisPage: (player) => (player.participant.idInSession === 1 ? "after" : undefined),
    });
    const met: number[] = [];
    const game = defineApp({ name: "game", playersPerGroup: 2 });
    game.waitPage("Meet", {
      afterAllPlayersArrive(group) {
        met.push(group.id);
      },
    });
    game.page("Play");
    const after = defineApp({ name: "after" });
    after.page("End");
    const world = await sqlite.world([before.spec, game.spec, after.spec]);
    const { walkers } = await walker(world, ["before", "game", "after"], 2);
    const [skips, stays] = [at(walkers, 0), at(walkers, 1)];
    await stays.submit();
    expect(await stays.at()).toBe("game/1/Meet");
    await skips.submit();
    expect(await skips.at()).toBe("after/1/End");
    for (let i = 0; i < 100 && met.length === 0; i++) await new Promise((done) => setTimeout(done, 10));
    expect(await stays.at()).toBe("game/1/Play");
    expect(met).toHaveLength(1);
  });
});

test("a last round leads out of the app, whatever rounds are left, and nobody waits there for who has gone", async () => {
  const game = defineApp({ name: "game", playersPerGroup: 2, rounds: 5, player: { out: integer({ initial: 0 }) } });
  game.page("Play", {
    // The first player is out after round 2, the other plays on alone.
    lastRound: (player) => player.idInGroup === 1 && player.roundNumber === 2,
  });
  game.waitPage("Meet");
  game.page("Results", { lastRound: async (player) => player.roundNumber === 4 });
  const after = defineApp({ name: "after" });
  after.page("End");
  const world = await sqlite.world([game.spec, after.spec]);
  for (const [sequence, end] of [
    [["game", "after"], "after/1/End"],
    [["game"], "end"],
  ] as const) {
    const { walkers } = await walker(world, [...sequence], 2);
    const [one, two] = [at(walkers, 0), at(walkers, 1)];
    const reach = async (who: typeof one, page: string) => {
      for (let tries = 0; (await who.at()) !== page; tries++) {
        if (tries > 200) throw new Error(`at ${await who.at()}, not at ${page}`);
        await new Promise((done) => setTimeout(done, 5));
      }
    };
    await one.submit();
    await two.submit();
    for (const who of [one, two]) {
      await reach(who, "game/1/Results");
      await who.submit();
    }
    await one.submit();
    await reach(one, end);
    for (const round of [2, 3, 4]) {
      await reach(two, `game/${round}/Play`);
      await two.submit();
      await reach(two, `game/${round}/Results`);
      await two.submit();
    }
    await reach(two, end);
  }
});

describe("the Back button", () => {
  function app() {
    const left: string[] = [];
    const one = defineApp({
      name: "one",
      playersPerGroup: 2,
      rounds: 2,
      player: { a: integer(), b: integer({ blank: true }) },
    });
    one.page("A", { formFields: ["a"], beforeNextPage: () => void left.push("A"), allowBack: true });
    one.page("Hidden", { isDisplayed: () => false });
    one.page("B", { formFields: ["b"], allowBack: true, beforeNextPage: () => void left.push("B") });
    one.page("C");
    one.waitPage("Wait");
    one.page("D", { allowBack: true });
    return { left, world: () => sqlite.world([one.spec]) };
  }
  const BACK = { _walras_back: "1" };

  test("leads to the displayed page before, with its answers, and runs no hook of the page that is left", async () => {
    const { left, world } = app();
    const open = await world();
    const one = await walker(open, ["one"], 2);
    await one.submit({ a: "1" });
    expect(await one.at()).toBe("one/1/B");
    expect(open.rendered.at(-1)?.canGoBack).toBe(true);
    // Whatever is in the form is neither checked nor kept.
    expect(await one.submit({ ...BACK, b: "nonsense" })).toEqual({ kind: "goto", pageIndex: 1 });
    expect(left).toEqual(["A"]);
    expect(await one.at()).toBe("one/1/A");
    expect(open.rendered.at(-1)?.form?.fields[0]?.value).toBe("1");
    await one.submit({ a: "2" });
    expect(await one.at()).toBe("one/1/B");
    expect(left).toEqual(["A", "A"]);
  });

  test("is neither shown nor obeyed where the page does not allow it, nor before the first page of a round", async () => {
    const { world } = app();
    const open = await world();
    const one = await walker(open, ["one"], 2);
    await one.at();
    expect(open.rendered.at(-1)?.canGoBack).toBe(false);
    expect(await one.submit(BACK)).toEqual({ kind: "goto", pageIndex: 1 });
    await one.submit({ a: "1" });
    await one.submit({ b: "" });
    expect(await one.at()).toBe("one/1/C");
    expect(open.rendered.at(-1)?.canGoBack).toBe(false);
    expect(await one.submit(BACK)).toEqual({ kind: "goto", pageIndex: 4 });
  });

  test("leads several pages back where it says so, or as far as it goes", async () => {
    const app = defineApp({ name: "row", playersPerGroup: 2 });
    for (const name of ["A", "B", "C", "D"]) app.page(name, { allowBack: true });
    const one = await walker(await sqlite.world([app.spec]), ["row"], 2);
    const back = async (steps: string) => {
      while ((await one.at()) !== "row/1/D") await one.submit();
      await one.submit({ _walras_back: steps });
      return one.at();
    };
    expect(await back("2")).toBe("row/1/B");
    expect(await back("99")).toBe("row/1/A");
    for (const odd of ["-1", "0", "x", ""]) expect([odd, await back(odd)]).toEqual([odd, "row/1/C"]);
  });

  test("does not lead across a wait page, nor into an earlier round", async () => {
    const { world } = app();
    const open = await world();
    const { walkers } = await walker(open, ["one"], 2);
    for (const one of walkers) {
      await one.submit({ a: "1" });
      await one.submit({ b: "" });
      await one.submit();
    }
    const one = at(walkers, 0);
    expect(await one.at()).toBe("one/1/D");
    expect(open.rendered.at(-1)?.canGoBack).toBe(false);
    await one.submit(BACK);
    expect(await one.at()).toBe("one/1/D");
    await one.submit();
    expect(await one.at()).toBe("one/2/A");
    await one.submit(BACK);
    expect(await one.at()).toBe("one/2/A");
  });
});

describe("the order of pages", () => {
  function app(pageOrder: PageOrder | undefined, rounds = 1) {
    const made = defineApp({ name: "quiz", rounds, pageOrder });
    made.page("Intro");
    for (const name of ["A", "B", "C"]) made.page(name, { varsForTemplate: () => ({ name }) });
    made.waitPage("Wait");
    for (const name of ["D", "E"]) made.page(name);
    return made.spec;
  }

  /** The pages that each participant sees, by their first letters. */
  async function seen(spec: ReturnType<typeof app>, participants: number): Promise<string[]> {
    const world = await sqlite.world([spec]);
    const { walkers } = await walker(world, ["quiz"], participants);
    const ways: string[] = [];
    for (const one of walkers) {
      let way = "";
      for (let page = await one.at(); page !== "end"; page = await one.at()) {
        way += page.split("/")[2]?.[0];
        await one.submit();
      }
      ways.push(way);
    }
    return ways;
  }

  test("is that of the definition unless said otherwise", async () => {
    expect(await seen(app(undefined), 2)).toEqual(["IABCDE", "IABCDE"]);
  });

  test("random: what lies between wait pages is shuffled for each participant and round, and stays so", async () => {
    const world = await sqlite.world([app("random", 2)]);
    const { walkers, people } = await walker(world, ["quiz"], 12);
    expect(new Set(people.map(({ pageOrder }) => pageOrder)).size).toBeGreaterThan(6);
    const one = at(walkers, 0);
    const own = JSON.parse(String(people[0]?.pageOrder)) as Record<string, string[]>;
    expect(own["quiz/1"]).not.toEqual(own["quiz/2"]);
    for (const round of [1, 2]) {
      const order = own[`quiz/${round}`] ?? [];
      expect(order.slice(0, 4).toSorted()).toEqual(["A", "B", "C", "Intro"]);
      for (const page of order.filter((name) => name !== "Wait")) {
        expect(await one.at()).toBe(`quiz/${round}/${page}`);
        // A reload shows the same page.
        expect(await one.at()).toBe(`quiz/${round}/${page}`);
        await one.submit();
      }
    }
    expect(await one.at()).toBe("end");
  });

  test("blocks: each order of the blocks equally often, in every run of participants", async () => {
    const ways = await seen(app([["A", "B"], ["C"]]), 8);
    for (let i = 0; i < 8; i += 2) expect(ways.slice(i, i + 2).toSorted()).toEqual(["IABCDE", "ICABDE"]);
  });

  test("a function: the pages that it names, in its order, in the places that they have together", async () => {
    const order: PageOrder = ({ idInSession }) => (idInSession === 1 ? ["C", "A"] : []);
    expect(await seen(app(order), 2)).toEqual(["ICBADE", "IABCDE"]);
  });

  test("makes the page's identity, and with it the live methods and URLs, not the index", async () => {
    const made = defineApp({ name: "talk", pageOrder: () => ["B", "A"], player: { said: text({ blank: true }) } });
    for (const name of ["A", "B"]) {
      made.page(name, {
        live(player) {
          player.said = `${player.said ?? ""}${name}`;
          return { 0: player.said };
        },
      });
    }
    const world = await sqlite.world([made.spec]);
    const { people } = await world.session(["talk"], 1);
    const person = at(people, 0);
    const actorId = await world.arrive(person);
    const page = await world.connect(actorId, person.id as number);
    expect(page.page).toBe("talk/1/B");
    await page.ask("hello");
    expect(page.received).toEqual(["B"]);
  });

  test.each<[string, PageOrder, RegExp]>([
    ["a page that does not exist", [["A", "X"]], /names "X" \(a string\), which is no page of the app/],
    ["a wait page", [["A", "Wait"]], /names Wait, a wait page/],
    ["a page twice", [["A"], ["A"]], /names A twice/],
    ["pages on both sides of a wait page", [["A"], ["D"]], /moves pages across the wait page Wait/],
    ["asked of the world", (async () => ["A"]) as never, /pageOrder is async .*put it into the session config/],
    ["something else", "shuffled" as never, /pageOrder is "shuffled" \(a string\); give it "random", blocks/],
  ])("with %s is refused", (_what, order, message) => {
    expect(() => checkPageOrder(app(order))).toThrow(message);
  });

  test("that a function gets wrong stops the session's creation", async () => {
    const world = await sqlite.world([app((() => "A") as never)]);
    await expect(world.session(["quiz"], 1)).rejects.toThrow(/pageOrder gave "A" \(a string\); return an array/);
  });
});

test("beforeNextPage is told how the page ended", async () => {
  const ends: unknown[] = [];
  const made = defineApp({ name: "one" });
  made.page("A", { beforeNextPage: (_player, end) => void ends.push(end) });
  const one = await walker(await sqlite.world([made.spec]), ["one"]);
  await one.submit({ timeout_happened: "1", timeoutHappened: "true" });
  expect(ends).toEqual([{ timeoutHappened: false }]);
});

describe("isDisplayed", () => {
  test("that says no takes the player past the page, of which no hook runs", async () => {
    const ran: string[] = [];
    const hook = (name: string) => () => {
      ran.push(name);
      return {} as never;
    };
    const app = defineApp({ name: "skip", player: { shown: integer({ initial: 0 }) } });
    app.page("A");
    app.page("B", {
      isDisplayed: (player) => player.shown === 1,
      varsForTemplate: hook("vars"),
      jsVars: hook("js"),
      beforeNextPage: hook("left"),
      appAfterThisPage: hook("after"),
      timeoutSeconds: hook("seconds"),
    });
    app.page("C");
    const one = await walker(await sqlite.world([app.spec]), ["skip"]);
    expect(await one.submit()).toEqual({ kind: "goto", pageIndex: 3 });
    expect(await one.at()).toBe("skip/1/C");
    expect(ran).toEqual([]);
  });

  test("is asked again whenever the page is opened: who is not to see it any more goes on", async () => {
    const app = defineApp({ name: "late", playersPerGroup: 2, group: { over: boolean({ initial: false }) } });
    app.page("A", { isDisplayed: ({ group }) => !group.over });
    app.page("B", {
      beforeNextPage: ({ group }) => {
        group.over = true;
      },
    });
    app.page("C");
    const { walkers } = await walker(await sqlite.world([app.spec]), ["late"], 2);
    const [one, two] = [at(walkers, 0), at(walkers, 1)];
    expect(await one.at()).toBe("late/1/A");
    await two.submit();
    await two.submit();
    expect(await one.view()).toEqual({ kind: "goto", pageIndex: 2 });
    expect(await one.at()).toBe("late/1/B");
  });
});

describe("the variables of a page", () => {
  test("are player, group, subsession, session, participant, C and its own, made anew at every view", async () => {
    let views = 0;
    const app = defineApp({
      name: "vars",
      constants: { maxBid: 9 },
      player: { netGain: currency({ initial: 2 }) },
    });
    app.page("A", {
      varsForTemplate: (player) => ({ views: ++views, gains: [player.netGain], itsOwnName: 1 }),
      jsVars: (player) => ({ gain: player.netGain, inner: { aName: [null] } }),
    });
    const world = await sqlite.world([app.spec]);
    const one = await walker(world, ["vars"]);
    await one.view();
    await one.view();
    const { variables, jsVars } = at(world.rendered, 1);
    const { player, group, subsession, session, participant, C } = variables as Record<string, never>;
    expect(variables).toMatchObject({ views: 2, gains: [2], itsOwnName: 1 });
    expect(C).toEqual({ maxBid: 9, max_bid: 9 });
    expect(player).toBeDefined();
    for (const one of [group, subsession, session, participant]) expect(one).toBeDefined();
    // Amounts are plain numbers for scripts.
    expect(jsVars).toEqual({ gain: 2, inner: { aName: [null] } });
  });

  test.each([[5], ["x"], [[1]]])("that are %j are an error that names page and function", async (given) => {
    const app = defineApp({ name: "odd" });
    app.page("A", { varsForTemplate: () => given as never });
    const one = await walker(await sqlite.world([app.spec]), ["odd"]);
    expect(await one.view()).toMatchObject({
      kind: "refused",
      code: "wrong_variables",
      message: expect.stringMatching(/odd\/A: varsForTemplate did not return an object of variables/),
    });
  });
});
