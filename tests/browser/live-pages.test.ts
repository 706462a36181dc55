import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { formatCurrency } from "../../client-sdk/currency.ts";
import { defineConfig } from "../../index.ts";
import { startDemoSession, watchErrors } from "../helpers/browser.ts";
import { ServerProcess } from "../helpers/server-process.ts";
import { useChromium } from "../helpers/use-chromium.ts";

const PHONE = { width: 390, height: 844 };
const server = new ServerProcess();
const browser = useChromium();

beforeAll(() => server.start());
afterAll(() => server.remove());

/** A window of its own, as each participant has one. */
async function open(link: string, viewport = { width: 1000, height: 700 }): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const errors = watchErrors(page);
  await page.goto(link);
  return { page, errors };
}

async function openAll(links: string[]): Promise<{ page: Page; errors: string[] }[]> {
  return Promise.all(links.map((link) => open(link)));
}

function bid(page: Page, amount: number): Promise<void> {
  return page.fill("#inputbox", String(amount)).then(() => page.click("button:has-text('Send')"));
}

/** The bids that a page shows, newest first: `player:amount`. */
function bids(page: Page): Promise<string[]> {
  return page.$$eval("#history tr:has(td)", (rows) =>
    rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent).join(":")),
  );
}

async function shows(page: Page, expected: string[]): Promise<void> {
  await page.waitForFunction(
    (count) => document.querySelectorAll("#history tr td:first-child").length === count,
    expected.length,
  );
  expect(await bids(page)).toEqual(expected);
}

/** A row of the database, read over a connection that is not the server's. */
function query<T>(sql: string): T[] {
  const database = new DatabaseSync(server.databaseFile, { readOnly: true });
  try {
    return database.prepare(sql).all() as T[];
  } finally {
    database.close();
  }
}

test("four windows bid against each other, a reload shows the bids again, the rows are in the database", async () => {
  const { links } = await startDemoSession(server.base, "auction");
  const windows = await openAll(links);
  const [first, second, third] = windows.map(({ page }) => page) as [Page, Page, Page, Page];
  await bid(first, 5);
  for (const { page } of windows) await shows(page, ["1:5 points"]);
  await bid(second, 9);
  for (const { page } of windows) await shows(page, ["2:9 points", "1:5 points"]);
  // Not more than the highest bid: nobody sees it.
  await bid(first, 7);
  await bid(third, 11);
  for (const { page } of windows) await shows(page, ["3:11 points", "2:9 points", "1:5 points"]);
  await second.reload();
  await shows(second, ["3:11 points", "2:9 points", "1:5 points"]);
  for (const { errors } of windows) expect(errors).toEqual([]);

  const [group] = query<Record<string, unknown>>("select * from auction_group order by id desc");
  expect(group).toMatchObject({ highest_bid: 11, highest_bidder: 3, round_number: 1, id_in_subsession: 1 });
  const rows = query<{ amount: number; id_in_group: number }>(
    `select b.amount, p.id_in_group from auction_bid b join auction_player p on p.id = b.player_id where b.actor_id = ${group?.id} order by b.n`,
  );
  expect(rows).toEqual([
    { amount: 5, id_in_group: 1 },
    { amount: 9, id_in_group: 2 },
    { amount: 11, id_in_group: 3 },
  ]);
  const messages = query<{ input: string }>(
    `select input from journal where actor_id = ${group?.id} and kind = 'message' order by seq`,
  );
  expect(messages.map(({ input }) => input).filter((input) => input !== "{}")).toEqual(["5", "9", "7", "11"]);
});

test("the auction fits a phone: nothing is cut off, and everything can be touched", async () => {
  const { links } = await startDemoSession(server.base, "auction");
  const { page, errors } = await open(links[0] as string, PHONE);
  await bid(page, 3);
  await shows(page, ["1:3 points"]);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(PHONE.width);
  for (const selector of ["#inputbox", "button:has-text('Send')", ".otree-btn-next"]) {
    const box = await page.locator(selector).boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(40);
  }
  expect(errors).toEqual([]);
});

test("tic-tac-toe: moves show on both boards, turns are checked, a reload loads the board", async () => {
  const { links } = await startDemoSession(server.base, "tictactoe");
  const [one, two] = (await openAll(links)) as [{ page: Page; errors: string[] }, { page: Page; errors: string[] }];
  const cells = (page: Page) =>
    page.$$eval("[data-square], .square, #board button, #board td", (all) =>
      all.map((cell) => cell.textContent?.trim() ?? ""),
    );
  await one.page.waitForFunction(() => document.querySelectorAll("#board button, #board td, .square").length >= 9);
  const click = (page: Page, square: number) =>
    page.locator("#board button, #board td, .square").nth(square).click({ force: true });
  await click(one.page, 4);
  for (const { page } of [one, two])
    await page.waitForFunction(
      () => document.querySelectorAll("#board button, #board td, .square")[4]?.textContent?.trim() === "X",
    );
  // Not their turn: the board stays.
  await click(one.page, 0);
  await click(two.page, 1);
  for (const { page } of [one, two])
    await page.waitForFunction(
      () => document.querySelectorAll("#board button, #board td, .square")[1]?.textContent?.trim() === "O",
    );
  expect((await cells(two.page))[0]).toBe("");
  await two.page.reload();
  await two.page.waitForFunction(
    () => document.querySelectorAll("#board button, #board td, .square")[4]?.textContent?.trim() === "X",
  );
  expect([...one.errors, ...two.errors]).toEqual([]);
});

test("ten messages: nobody leaves before the task is done, then everybody does", async () => {
  const { links } = await startDemoSession(server.base, "ten_messages");
  const windows = await openAll(links);
  const [one, two] = windows.map(({ page }) => page) as [Page, Page];
  const input = "input:not([type=hidden]), textarea";
  for (let i = 0; i < 10; i++) {
    const page = i % 2 === 0 ? one : two;
    await page.fill(input, `message ${i}`);
    await page.click("button:has-text('Send')");
    if (i < 9) await other(page).getByText(`message ${i}`).first().waitFor();
  }
  function other(page: Page): Page {
    return page === one ? two : one;
  }
  for (const page of [one, two]) await page.waitForURL(/ten_messages\/Results/);
  for (const { errors } of windows) expect(errors).toEqual([]);
});

test("liveSend works from the first inline script on, and liveRecv may be let or const", async () => {
  // The apps' own pages send on DOMContentLoaded; this is the same page with a script that does not wait.
  const { links } = await startDemoSession(server.base, "auction");
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = watchErrors(page);
  await page.route(/\/p\/.*\/auction\/Bidding/, async (route) => {
    if (route.request().resourceType() !== "document") return route.continue();
    const response = await route.fetch();
    const html = (await response.text())
      .replace(
        "function liveRecv(data) {",
        "liveSend({}); const liveRecv = (data) => { window.got = (window.got ?? 0) + 1;",
      )
      .replace(/(const liveRecv[\s\S]*?showBid\(data\);\s*)\}/, "$1};");
    return route.fulfill({ response, body: html });
  });
  // Straight to the page: redirected requests are not routed.
  const { url } = await fetch(links[0] as string);
  await page.goto(url);
  await page.waitForFunction(() => ((window as { got?: number }).got ?? 0) >= 2);
  await bid(page, 4);
  await shows(page, ["1:4 points"]);
  expect(errors).toEqual([]);
});

test("the server is killed and comes back: the page shows it, sends what was typed meanwhile, and goes on", async () => {
  const { links } = await startDemoSession(server.base, "auction");
  const [one, two] = (await openAll(links.slice(0, 2))).map(({ page }) => page) as [Page, Page];
  await bid(one, 5);
  await shows(two, ["1:5 points"]);
  await server.end("SIGKILL");
  await one.getByRole("status").filter({ hasText: "Connection lost" }).waitFor();
  await bid(one, 8);
  await server.start();
  for (const page of [one, two]) await shows(page, ["1:8 points", "1:5 points"]);
  await one.getByRole("status").filter({ hasText: "Connection lost" }).waitFor({ state: "hidden" });
});

test("Next takes along what was sent just before it", async () => {
  const { links } = await startDemoSession(server.base, "auction");
  const [one, two] = (await openAll(links.slice(0, 2))).map(({ page }) => page) as [Page, Page];
  await one.evaluate(() => {
    (window as unknown as { liveSend(data: unknown): void }).liveSend(6);
    (document.getElementById("form") as HTMLFormElement).submit();
  });
  await one.waitForURL(/auction\/Results/);
  expect(await one.textContent("body")).toContain("6 points");
  await shows(two, ["1:6 points"]);
});

test("a tab whose participant has moved on is sent to where they are", async () => {
  const { links } = await startDemoSession(server.base, "auction");
  const context = await browser.newContext();
  const [tab, stale] = [await context.newPage(), await context.newPage()];
  await tab.goto(links[0] as string);
  await stale.goto(tab.url());
  await bid(stale, 2);
  await shows(tab, ["1:2 points"]);
  await tab.click(".otree-btn-next");
  await tab.waitForURL(/auction\/Results/);
  await stale.waitForURL(/auction\/Results/);
});

test("prisoner's dilemma: pages draw what is published, and show who is there", async () => {
  const { links } = await startDemoSession(server.base, "prisoners_live");
  const one = await open(links[0] as string, PHONE);
  expect(await one.page.textContent("#there")).toContain("not here");
  const two = await open(links[1] as string);
  await one.page.waitForSelector("#dot.here");
  await one.page.click("#choice >> text=Defect");
  await two.page.waitForFunction(() => document.querySelector("#status")?.textContent?.includes("has chosen"));
  // Not in the page either: what the other has chosen is not published to this player.
  expect(await two.page.evaluate(() => JSON.stringify(window.live.state.players[1]))).not.toContain("move");
  await two.page.click("#choice >> text=Cooperate");
  for (const { page } of [one, two]) {
    await page.waitForFunction(() => document.querySelector("#status")?.textContent?.startsWith("Period 2 of 5"));
  }
  const history = (page: Page) => page.$$eval("#history td", (cells) => cells.map((cell) => cell.textContent));
  expect(await history(one.page)).toEqual(["1", "defect", "cooperate"]);
  expect(await history(two.page)).toEqual(["1", "cooperate", "defect"]);
  // A page that is loaded anew has asked for nothing, and shows the same.
  await one.page.click("#choice >> text=Cooperate");
  await one.page.reload();
  expect(await history(one.page)).toEqual(["1", "defect", "cooperate"]);
  expect(await one.page.textContent("#status")).toBe("Period 2: waiting for the other player.");
  const width = await one.page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(PHONE.width);
  await two.page.context().close();
  await one.page.waitForFunction(() => document.querySelector("#there")?.textContent?.includes("do not come soon"));
  expect([...one.errors, ...two.errors]).toEqual([]);
});

test("an amount is the same words in the browser as on the server, in every language", async () => {
  const { outputFiles } = await build({
    stdin: { contents: 'export { formatCurrency } from "./client-sdk/currency.ts"', resolveDir: process.cwd() },
    ...{ bundle: true, write: false, format: "iife", globalName: "walras" },
  });
  const cases = ["en", "de", "es", "fr", "zh", "ar", "pt-BR", "de-CH", "hi", "ja"].flatMap((language) =>
    [{}, { decimals: 2 }, { code: "EUR" }, { code: "USD" }, { code: "JPY" }].flatMap((currency) => {
      const sessionConfigs = [{ name: "s", appSequence: ["a"], numDemoParticipants: 1 }];
      const format = defineConfig({ sessionConfigs, language, currency }).currency;
      return [0, 1, -1, 1.005, 2.5, -0.004, 1234567.891, 1e21].map((amount) => ({ amount, format }));
    }),
  );
  const { page } = await open("about:blank");
  await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
  const words = await page.evaluate((given) => {
    const { formatCurrency } = (window as unknown as { walras: typeof import("../../client-sdk/currency.ts") }).walras;
    return given.map(({ amount, format }) => formatCurrency(amount, format));
  }, cases);
  expect(words).toEqual(cases.map(({ amount, format }) => formatCurrency(amount, format)));
});
