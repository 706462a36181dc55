import { expect, test } from "@jest/globals";
import { LastSeen } from "../server/monitor/last-seen.ts";

test("who has asked lately is there, and is away a minute and a half later", () => {
  let now = 0;
  const people = new LastSeen(() => now);
  now = 100_000;
  people.seen("ann");
  expect(people.isThere("ann")).toBe(true);
  now += 90_000;
  expect(people.isThere("ann")).toBe(true);
  now += 1;
  expect(people.isThere("ann")).toBe(false);
  people.seen("ann");
  expect(people.isThere("ann")).toBe(true);
});

test("a server that has just begun does not say of anybody that they are away", () => {
  let now = 5_000;
  const people = new LastSeen(() => now);
  expect(people.isThere("ann")).toBeNull();
  now += 90_001;
  expect(people.isThere("ann")).toBe(false);
});

test("it keeps no more than so many in mind, those who asked last", () => {
  const people = new LastSeen(() => 0);
  people.seen("first");
  people.seen("second");
  people.seen("first");
  for (let i = 0; i < 99_999; i++) people.seen(`other ${i}`);
  expect([people.isThere("first"), people.isThere("second")]).toEqual([true, null]);
});
