import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { ServerClock } from "../client-sdk/server-clock.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";

const SERVER = 1_800_000_000_000;

/** A page that was rendered `late` ms before it came. */
function page(late = 0) {
  const env = new VirtualClock();
  const clock = new ServerClock(env, SERVER - late);
  /** One connection: the question is on its way for so long, and the answer. */
  const welcome = async (there: number, back: number, skew = 0) => {
    clock.asked();
    await env.run(there);
    const time = SERVER + skew + Math.floor(env.now());
    await env.run(back);
    clock.told(time);
  };
  const wrongBy = () => clock.now() - (SERVER + Math.floor(env.now()));
  return { env, clock, welcome, wrongBy };
}

test("the page's rendering gives a first time, which is late by the way of the page", async () => {
  const { env, wrongBy } = page(300);
  await env.run(5_000);
  expect(wrongBy()).toBe(-300);
});

test("each connection's welcome makes it better; one that took longer does not make it worse", async () => {
  const { env, welcome, wrongBy } = page(300);
  await welcome(20, 40);
  expect(wrongBy()).toBe(-10);
  await welcome(1, 3);
  await env.run(500);
  expect(wrongBy()).toBe(-1);
  await welcome(10, 900);
  await env.run(5_000);
  expect(wrongBy()).toBe(-1);
});

test("what has been shown is corrected slowly: a countdown neither jumps nor runs backwards", async () => {
  const { env, clock, welcome, wrongBy } = page(800);
  expect(wrongBy()).toBe(-800);
  await welcome(0, 0);
  let last = clock.now();
  for (let i = 1; i <= 100; i++) {
    await env.run(100);
    const passed = clock.now() - last;
    expect(passed).toBeGreaterThanOrEqual(99);
    expect(passed).toBeLessThanOrEqual(111);
    last = clock.now();
  }
  expect(wrongBy()).toBe(0);
});

test("a computer that has slept has the right time again with its next connection", async () => {
  const { welcome, wrongBy } = page();
  await welcome(5, 5);
  expect(wrongBy()).toBe(0);
  await welcome(50, 50, 3_600_000);
  expect(wrongBy()).toBe(3_600_000);
});

test("however connections come and go, it is wrong by no more than the best of them", () => {
  const ways = fc.array(fc.tuple(fc.nat({ max: 400 }), fc.nat({ max: 400 }), fc.nat({ max: 60_000 })), {
    minLength: 1,
  });
  return fc.assert(
    fc.asyncProperty(ways, async (connections) => {
      const { env, welcome, wrongBy } = page(200);
      let best = Number.POSITIVE_INFINITY;
      for (const [there, back, pause] of connections) {
        await welcome(there, back);
        await env.run(pause);
        best = Math.min(best + (there + back + pause) * 0.0001, (there + back) / 2);
      }
      await env.run(20_000);
      wrongBy();
      await env.run(20_000);
      // A whole millisecond is lost where each clock is rounded down; drift may have let a worse one in.
      expect(Math.abs(wrongBy())).toBeLessThanOrEqual(best + 8);
    }),
    { numRuns: 50 },
  );
});
