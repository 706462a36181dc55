import { expect, test } from "@jest/globals";
import { createSession, draftSession, type NewSession, type RunHook } from "../entities/sessions.ts";
import { SessionTable } from "../entities/system-tables.ts";
import { defineApp, integer, json, link, now, random, text } from "../index.ts";
import { interrupted } from "../rooms/call-end.ts";
import { HookRun } from "../rooms/hook-run.ts";
import { useSqlite } from "./helpers/sqlite.ts";
import type { TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

/** Stands for a web service. */
async function fetchPrices(round: number): Promise<number[]> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return [round * 10 + 1, round * 10 + 2];
}

function market(create?: (subsession: { roundNumber: number }, call: { signal: AbortSignal }) => Promise<void>) {
  const app = defineApp({
    name: "market",
    playersPerGroup: 2,
    rounds: 2,
    group: { price: integer({ blank: true }), lot: text({ blank: true }) },
    player: { seen: json<number[]>({ initial: [] }) },
    extraModels: { Offer: { player: link("player"), price: integer() } },
  });
  app.page("Play");
  app.creatingSession(
    create ??
      (async (subsession) => {
        const { roundNumber } = subsession;
        const prices = await fetchPrices(roundNumber);
        if (roundNumber === 1)
          subsession.setGroupMatrix([
            [4, 1],
            [2, 3],
          ]);
        else subsession.groupLikeRound(1);
        await Promise.resolve();
        for (const [i, group] of subsession.getGroups().entries()) {
          group.price = prices[i] ?? null;
          group.lot = String(random() < 2 && now() === 5);
          for (const player of group.getPlayers()) {
            player.seen.push(...prices);
            app.extraModels.Offer.create({ player, price: prices[0] ?? 0 });
          }
        }
      }),
  );
  return app;
}

function wanted(world: TestWorld, runHook?: RunHook): NewSession {
  return {
    config: { name: "test", appSequence: ["market"] },
    apps: world.apps,
    participants: 4,
    isDemo: false,
    now: 5,
    decimals: 2,
    ...(runHook === undefined ? {} : { runHook }),
  };
}

test("creatingSession may ask the world, round after round, and makes its rows as ever", async () => {
  const app = market();
  const world = await sqlite.world([app.spec]);
  await world.committer.transact((write) => createSession(write, wanted(world)));
  const groups = await world.store.read.rows(app.spec.group.table);
  expect(groups.map(({ roundNumber, price, lot }) => [roundNumber, price, lot])).toEqual([
    [1, 11, "true"],
    [1, 12, "true"],
    [2, 21, "true"],
    [2, 22, "true"],
  ]);
  const players = await world.store.read.rows(app.spec.player.table);
  const seats = (round: number) =>
    players
      .filter(({ roundNumber }) => roundNumber === round)
      .map(({ participantId, idInGroup }) => [participantId, idInGroup]);
  expect(seats(1)).toEqual([
    [1, 2],
    [2, 1],
    [3, 2],
    [4, 1],
  ]);
  expect(seats(2)).toEqual(seats(1));
  expect(players.map(({ seen }) => seen)).toEqual([...Array(4).fill("[11,12]"), ...Array(4).fill("[21,22]")]);
  expect(await world.store.read.rows(app.spec.extras.Offer?.table as never)).toHaveLength(8);
});

test("if it fails after it has waited there is no session", async () => {
  const app = market(async () => {
    await Promise.resolve();
    throw new Error("the service is away");
  });
  const world = await sqlite.world([app.spec]);
  await expect(draftSession(wanted(world))).rejects.toThrow("the service is away");
  expect(await world.store.read.rows(SessionTable)).toEqual([]);
});

test("its time is limited, and the stop of the server ends it", async () => {
  const reasons: string[] = [];
  const app = market(
    (_subsession, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason.code);
          reject(new Error("told to end"));
        });
      }),
  );
  const world = await sqlite.world([app.spec]);
  const limited: RunHook = (what, hook) => new HookRun(world.world, what).carryOut(0.05, hook);
  await expect(draftSession(wanted(world, limited))).rejects.toMatchObject({
    code: "time_limit",
    message: expect.stringContaining("market creatingSession, round 1 took longer than 0.05 seconds"),
  });
  const stopped: RunHook = (what, hook) => {
    const run = new HookRun(world.world, what);
    setTimeout(() => run.end(interrupted()), 20);
    return run.carryOut(undefined, hook);
  };
  await expect(draftSession(wanted(world, stopped))).rejects.toMatchObject({ code: "interrupted" });
  expect(reasons).toEqual(["time_limit", "interrupted"]);
});

test("what is kept of it has no effect when it is over", async () => {
  let kept: { getGroups(): { price: number | null }[] } | undefined;
  const app = market(async (subsession) => {
    kept = subsession as never;
    await Promise.resolve();
  });
  const world = await sqlite.world([app.spec]);
  await world.committer.transact((write) => createSession(write, wanted(world)));
  expect(() => {
    for (const group of kept?.getGroups() ?? []) group.price = 1;
  }).toThrow(expect.objectContaining({ code: "view_ended" }) as never);
});
