import { expect, test } from "@jest/globals";
import { watchAttention } from "../client-sdk/attention.ts";
import { decodeFrame } from "../rooms/frames.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";

/** As much of a document as a page on which groups form needs. */
function page() {
  const listeners = new Map<string, () => void>();
  const shown: string[] = [];
  const element = (name: string, words: string[] = []) => ({
    name,
    setAttribute() {},
    append: (...more: unknown[]) =>
      void words.push(...more.map((one) => (typeof one === "string" ? one : `<${(one as { name: string }).name}>`))),
    remove: () => void shown.splice(0),
  });
  const document = {
    title: "Please wait",
    visibilityState: "visible",
    addEventListener: (name: string, run: () => void) => listeners.set(name, run),
    createElement: (name: string) => element(name, name === "p" ? shown : []),
    getElementById: () => null,
    body: { append() {} },
  };
  const told: boolean[] = [];
  const clock = new VirtualClock();
  const texts = { stay: "Are you still there?", here: "Yes" };
  watchAttention(document as unknown as Document, clock, texts, (away) => told.push(away));
  const look = (state: string) => {
    document.visibilityState = state;
    listeners.get("visibilitychange")?.();
  };
  return { document, told, shown, clock, look, move: () => listeners.get("pointermove")?.() };
}

test("a tab in the background counts as away after a while, and as there as soon as somebody looks", async () => {
  const { document, told, clock, look } = page();
  expect(document.title).toBe("🟢 Please wait");
  look("hidden");
  await clock.run(5_000);
  look("visible");
  await clock.run(60_000);
  expect(told).toEqual([]);
  look("hidden");
  await clock.run(10_000);
  expect([told, document.title]).toEqual([[true], "🟡 Please wait"]);
  look("visible");
  expect([told, document.title]).toEqual([[true, false], "🟢 Please wait"]);
});

test("a page that nobody touches asks, and without an answer counts as away", async () => {
  const { told, shown, clock, move } = page();
  await clock.run(100_000);
  move();
  await clock.run(100_000);
  expect(shown).toEqual([]);
  await clock.run(20_000);
  expect(shown).toEqual(["Are you still there?", "<br>", "<button>"]);
  await clock.run(10_000);
  expect(told).toEqual([]);
  move();
  expect(shown).toEqual([]);
  await clock.run(135_000);
  expect(told).toEqual([true]);
  move();
  expect(told).toEqual([true, false]);
});

test("the frame that says so is read, and nothing else in its place", () => {
  const read = (frame: object) => decodeFrame(Buffer.from(JSON.stringify(frame)), 1_000);
  const c = "abcdefgh";
  expect(read({ k: "away", c, a: true })).toEqual({ kind: "away", away: true });
  expect(read({ k: "away", c, a: 1 })).toMatchObject({ kind: "malformed" });
  expect(read({ k: "away", a: true })).toMatchObject({ kind: "malformed" });
});
