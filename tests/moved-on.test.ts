import { expect, test } from "@jest/globals";
import { watchWhereabouts } from "../client-sdk/moved-on.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";

/** A form page at index 3, and where the server says that its participant is. */
function page(path = "/p/abc/study/Form/3") {
  const clock = new VirtualClock();
  const state = { at: { index: 3 } as unknown, hidden: false, asked: [] as string[], moved: 0 };
  const look = watchWhereabouts({
    path,
    isHidden: () => state.hidden,
    ask: async (address) => {
      state.asked.push(address);
      if (state.at === undefined) throw new Error("no network");
      return state.at;
    },
    after: (ms, run) => clock.after(ms, run),
    random: clock.random,
    onMoved: () => {
      state.moved += 1;
    },
  });
  return { clock, state, look };
}

test("a page without a connection finds out that its participant was moved on, once", async () => {
  const { clock, state } = page();
  await clock.run(60_000);
  expect(state.moved).toBe(0);
  expect(state.asked[0]).toBe("/p/abc/at");
  expect(state.asked.length).toBeGreaterThanOrEqual(4);
  expect(state.asked.length).toBeLessThanOrEqual(6);
  state.at = { index: 4 };
  await clock.run(60_000);
  expect(state.moved).toBe(1);
});

test("it asks seldom while nobody sees it, and at once when it comes into sight", async () => {
  const { clock, state, look } = page();
  state.hidden = true;
  await clock.run(120_000);
  const { length } = state.asked;
  expect(length).toBeGreaterThanOrEqual(3);
  expect(length).toBeLessThanOrEqual(5);
  state.hidden = false;
  look();
  await clock.run(0);
  expect(state.asked).toHaveLength(length + 1);
});

test("a network that is away, or an answer that is none, moves nobody", async () => {
  const { clock, state } = page();
  for (const at of [undefined, null, {}, { code: "unknown_participant" }, { index: "4" }]) {
    state.at = at;
    await clock.run(20_000);
  }
  expect(state.moved).toBe(0);
});

test("pages that are no participant's ask nothing", async () => {
  const { clock, state, look } = page("/join/abc");
  look();
  await clock.run(60_000);
  expect(state.asked).toEqual([]);
});
