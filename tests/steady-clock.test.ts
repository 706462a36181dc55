import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { DeadlineHeap } from "../rooms/deadline-heap.ts";
import { steadyClock } from "../rooms/steady-clock.ts";

/** A computer whose clock can be set, and which can be suspended. */
class Computer {
  wall = 1_000_000;
  monotonic = 50;
  uptime = 7_000;
  readonly now = steadyClock({
    wall: () => this.wall,
    monotonic: () => this.monotonic,
    uptime: () => Math.floor(this.uptime / 10) * 10,
  });

  /** @param every how often somebody looks at the clock meanwhile, in milliseconds */
  pass(ms: number, every = 1000): number {
    for (let left = ms; left > 0; left -= every) {
      const step = Math.min(left, every);
      this.wall += step;
      this.monotonic += step;
      this.uptime += step;
      this.now();
    }
    return this.now();
  }

  suspend(ms: number): void {
    this.wall += ms;
    this.uptime += ms;
  }
}

test("the clock goes on with the computer's", () => {
  const computer = new Computer();
  expect(computer.now()).toBe(1_000_000);
  expect(computer.pass(60_000)).toBe(1_060_000);
});

test.each([3_600_000, -3_600_000])(
  "a clock that is set by %d ms moves nothing at once, and is followed slowly",
  (ms) => {
    const computer = new Computer();
    computer.pass(10_000);
    computer.wall += ms;
    expect(computer.pass(10_000)).toBeCloseTo(1_020_000, -2);
    // A thousandth of the time that passes.
    expect(computer.pass(100_000) - 1_120_000).toBe(Math.sign(ms) * 110);
    expect(Math.abs(computer.pass(5_000_000_000, 60_000) - computer.wall)).toBeLessThan(10);
  },
);

test("a computer that was suspended knows how late it is within a second", () => {
  const computer = new Computer();
  computer.pass(10_000);
  computer.suspend(3_600_000);
  expect(computer.pass(1_000)).toBe(1_000_000 + 10_000 + 3_600_000 + 1_000);
});

test("it never runs backwards, whatever is done to the computer's clock", () => {
  const step = fc.tuple(fc.constantFrom("pass", "set", "suspend"), fc.integer({ min: -10_000, max: 10_000 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const computer = new Computer();
      let last = computer.now();
      for (const [what, ms] of steps) {
        if (what === "pass") computer.pass(Math.abs(ms));
        if (what === "set") computer.wall += ms;
        if (what === "suspend") computer.suspend(Math.abs(ms));
        expect(computer.now()).toBeGreaterThanOrEqual(last);
        last = computer.now();
        expect(last % 1).toBe(0);
      }
    }),
  );
});

test("deadlines come out of the heap in order, whenever they went in", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat({ max: 50 }), fc.constant("pop" as const))), (steps) => {
      const heap = new DeadlineHeap<number>();
      let model: number[] = [];
      for (const step of steps) {
        if (step === "pop") {
          expect(heap.pop()?.due).toBe(model[0]);
          model = model.slice(1);
        } else {
          heap.push(step, step);
          model = [...model, step].sort((a, b) => a - b);
        }
        expect(heap.first?.item).toBe(model[0]);
      }
    }),
  );
});
