import { beforeEach, expect, test } from "@jest/globals";
import fc from "fast-check";
import { BufferedView } from "../entities/buffered-view.ts";
import type { Row } from "../entities/memory.ts";
import { Unit } from "../entities/unit.ts";
import { type Action, bank, interleave, type Op, plans } from "./helpers/interleaving.ts";
import { seatedGroup, useSqlite } from "./helpers/sqlite.ts";
import type { TestWorld } from "./helpers/world.ts";

const sqlite = useSqlite();

let world: TestWorld;
beforeEach(async () => {
  world = await sqlite.world([bank.spec]);
});

/** In a group of its own. */
const run = (plan: readonly Action[]) => interleave(world, seatedGroup, plan);

test("a serial order explains every stored unit of random calls, yields, throws, kills and messages", async () => {
  let interleaved = 0;
  const calls = { done: 0, failed: 0, interrupted: 0 };
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const outcome = await run(plan);
      expect(outcome.findings).toEqual([]);
      interleaved += outcome.interleaved;
      for (const key of ["done", "failed", "interrupted"] as const) calls[key] += outcome.calls[key];
    }),
    { numRuns: Number(process.env.INTERLEAVINGS ?? 60) },
  );
  // A mutex around each call would explain everything too. There was none, and everything that can happen did.
  expect(interleaved).toBeGreaterThan(0);
  expect(Math.min(...Object.values(calls))).toBeGreaterThan(0);
});

const add = (by: number, more: Partial<Op> = {}): Op => ({
  ...{ do: "add", by, from: 1, to: 2, wait: false, catches: false },
  ...more,
});
const message = (op: Op): Action => ({ do: "message", player: 1, op, fate: "stored" });
const turn: Action = { do: "turn", times: 6 };

test("a stale write that is caught is done again, one that is not fails its call", async () => {
  const plan = (catches: boolean): Action[] => [
    { do: "call", player: 0, steps: [add(1, { wait: true, catches })] },
    turn,
    message(add(5)),
    turn,
  ];
  expect(await run(plan(true))).toMatchObject({ findings: [], calls: { done: 1 }, interleaved: 2 });
  expect(await run(plan(false))).toMatchObject({ findings: [], calls: { failed: 1 } });
});

interface Planted {
  readonly bug: string;
  plant(): () => void;
}

// biome-ignore lint/suspicious/noExplicitAny: bugs are planted where the types would not let anybody in.
type Any = any;

function change(
  target: object,
  method: string,
  make: (original: Any) => (this: Any, ...args: Any[]) => Any,
): Planted["plant"] {
  return () => {
    const own = Object.getOwnPropertyDescriptor(target, method) as PropertyDescriptor;
    Object.defineProperty(target, method, { ...own, value: make(own.value) });
    return () => void Object.defineProperty(target, method, own);
  };
}

test.each<Planted>([
  {
    bug: "a write is not refused where others have changed the field",
    plant: change(
      BufferedView.prototype,
      "read",
      (read) =>
        function (row: Row, name: string) {
          row.changedAt = () => 0;
          return read.call(this, row, name);
        },
    ),
  },
  {
    bug: "what a unit wrote that failed stays in the call",
    plant: change(BufferedView.prototype, "discard", () => () => {}),
  },
  {
    bug: "what a unit has stored is written once more by the next",
    plant: change(BufferedView.prototype, "applied", () => () => {}),
  },
  {
    bug: "a unit that the database has refused stays in memory",
    plant: change(Unit.prototype, "undo", () => () => {}),
  },
])("the property finds a bug: $bug", async ({ plant }) => {
  const takeOut = plant();
  try {
    const { failed } = await fc.check(
      fc.asyncProperty(plans, async (plan) => {
        expect((await run(plan)).findings).toEqual([]);
      }),
      { numRuns: 300, endOnFailure: true },
    );
    expect(failed).toBe(true);
  } finally {
    takeOut();
  }
});
