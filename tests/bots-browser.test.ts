import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import type { Game } from "../rooms/calls.ts";
import { readSettings } from "../server/config.ts";
import { DeskClient } from "../server/desk-client.ts";
import { makeLog } from "../server/log.ts";
import { serve } from "../server/serve.ts";
import { launchChromium, watchErrors } from "./helpers/browser.ts";
import { ask, makeSession } from "./helpers/http.ts";
import { ServerProcess } from "./helpers/server-process.ts";

const folder = mkdtempSync(join(tmpdir(), "walras-bots-"));
const server = new ServerProcess();
let game: Game;
let url: string;
let browser: Browser;
beforeAll(async () => {
  const settings = readSettings({ PORT: "0", HOST: "127.0.0.1", WALRAS_DB: join(folder, "db.sqlite3") });
  const root = join(import.meta.dirname, "helpers/bots-project");
  game = await serve(
    root,
    settings,
    makeLog(() => {}),
  );
  url = `http://127.0.0.1:${game.port}`;
  await server.start();
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await server.remove();
  await game?.stop();
  rmSync(folder, { recursive: true });
});

/** Lets the bots play a session config from the demo page on; resolves with what the page says at the end. */
async function play(
  page: Page,
  base: string,
  config: string,
  given: { case?: string; seats?: string[] },
): Promise<{ result: string; details: string }> {
  await page.goto(`${base}/demo`);
  await page.click(`form[action="/demo/${config}"] button[name="bots"]`);
  await page.waitForSelector("#bots-form button:enabled");
  if (given.case !== undefined) await page.selectOption("#bots-case", given.case);
  await page.selectOption("#bots-speed", "0");
  for (const seat of given.seats ?? []) await page.uncheck(`.screen:has(b:text("${seat}")) .bot-seat`);
  await page.click("#bots-form button");
  await page.waitForSelector("#bots-result:is(.good, .bad)");
  return {
    result: (await page.textContent("#bots-result")) ?? "",
    details: (await page.textContent("#bots-details")) ?? "",
  };
}

test("the auction is played by its bots in real pages, whose own scripts show it", async () => {
  const page = await browser.newPage();
  const errors = watchErrors(page);
  const shown: string[] = [];
  // What a person sees in the last frame: its page's own script writes there.
  page.on("framenavigated", (frame) => {
    if (!frame.url().includes("/Bidding/")) return;
    frame
      .waitForFunction(() => document.getElementById("highest")?.textContent === "100 points")
      .then(
        () => shown.push(frame.url()),
        () => {},
      );
  });
  const { result, details } = await play(page, server.base, "auction", { case: "player 2 wins" });
  expect(result + details).toMatch(/^All bots came to the end: 21 messages sent/);
  expect(await page.locator(".bot-status").allTextContents()).toEqual(["done", "done", "done", "done"]);
  for (const frame of page.frames().slice(1)) expect(await frame.textContent("h1")).toBe("No more pages left");
  expect(shown.length).toBeGreaterThan(0);
  expect(errors).toEqual([]);
  await page.close();
});

test.each([
  ["forms of every kind are filled in and come back as for a person", "survey", []],
  ["a page that its own script submits is left once", "ten_messages", []],
  ["two with different roles wait for each other", "ultimatum", []],
  // One group of the two.
  ["a group plays three rounds", "public_goods", ["P4", "P5", "P6"]],
  ["pairs form as people arrive, talk, and see in the end how all did", "lobby", []],
])("bots play in the browser: %s (%s)", async (_what, config, seats) => {
  const page = await browser.newPage();
  const { result, details } = await play(page, server.base, config, { seats });
  expect(result + details).toMatch(/^All bots came to the end/);
  await page.close();
});

test("who takes the tick off a seat plays it herself", async () => {
  const page = await browser.newPage();
  const { result, details } = await play(page, server.base, "auction", { case: "player 2 wins", seats: ["P4"] });
  expect(result + details).toMatch(/^All bots came to the end: 16 messages sent/);
  expect(await page.locator(".bot-status").allTextContents()).toEqual(["done", "done", "done", ""]);
  const own = page.frameLocator('iframe[title="P4"]');
  await own.locator("#inputbox").fill("120");
  await own.locator("#inputbox").press("Enter");
  await own.locator("#highest", { hasText: "120 points" }).waitFor();
  await page.close();
});

test("what goes wrong is shown with place, reason and line of the script", async () => {
  const page = await browser.newPage();
  const { result, details } = await play(page, url, "game", { case: "expects something else" });
  expect(result).toMatch(/^Something went wrong/);
  expect(details).toContain('game, page Play, round 1, P1, step 3, expect: the echo\n  expected: {"n":2}');
  expect(details).toMatch(/\n {2}at apps\/game\/bots\.ts:\d+$/);
  await page.close();
});

test("only demo sessions are played, only by experimenters, and only where there are bots", async () => {
  const { code } = await new DeskClient(url, undefined).createSession({ config: "game", participants: 2 });
  for (const path of [`/SessionBots/${code}`, `/SessionBots/${code}/bots.js`]) {
    expect(await ask(url + path)).toMatchObject({ status: 403, text: expect.stringContaining("Not a demo session") });
  }
  const demo = await makeSession(url, "game");
  expect((await ask(`${url}/SessionBots/${demo.code}`)).status).toBe(200);
  const foreign = await ask(`${url}/SessionBots/${demo.code}/bots.js`, { headers: { "x-forwarded-for": "10.0.0.1" } });
  expect(foreign).toMatchObject({ status: 403, text: expect.not.stringContaining("offerBots") });
  const none = await makeSession(url, "no_bots");
  expect(await ask(`${url}/SessionBots/${none.code}`)).toMatchObject({
    status: 404,
    text: expect.stringContaining("Write apps/no_bots/bots.ts first"),
  });
  expect((await ask(`${url}/SessionStartLinks/${none.code}`)).text).not.toContain("Play with bots");
});

test("bots that need Node say so on the page", async () => {
  const demo = await makeSession(url, "wrong_export");
  const { text } = await ask(`${url}/SessionBots/${demo.code}/bots.js`);
  expect(text).toContain("node:fs");
  expect(text).toContain("The bots cannot play here.");
});
