import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchChromium, startDemoSession, watchErrors } from "../helpers/browser.ts";
import { ServerProcess } from "../helpers/server-process.ts";

const server = new ServerProcess();
let browser: Browser;
beforeAll(async () => {
  await server.start();
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await server.remove();
});

const PHONE = { width: 375, height: 700 };

/** A page of tic-tac-toe, whose board is there. */
async function play(context: BrowserContext, link: string): Promise<Page> {
  const page = await context.newPage();
  // The panel's root is closed, so that tests of apps do not find its buttons.
  await page.addInitScript(() => {
    const { attachShadow } = Element.prototype;
    Element.prototype.attachShadow = function () {
      return attachShadow.call(this, { mode: "open" });
    };
  });
  await page.goto(link);
  await page.waitForFunction(() => document.querySelectorAll("#board button, #board td, .square").length >= 9);
  return page;
}

const tab = (page: Page) => page.getByRole("button", { name: "Open the panel for designers" });
const panel = (page: Page) => page.getByRole("region", { name: "Walras: panel for designers" });
const lines = (page: Page) => page.getByRole("log", { name: "Messages" }).locator("summary");
const fields = (page: Page) => page.getByRole("region", { name: "Fields" });

test("messages in and out, fields, an error with its source, a message by hand, a restart", async () => {
  const { links } = await startDemoSession(server.base, "tictactoe");
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
  const page = await play(context, links[0] as string);
  const errors = watchErrors(page);
  const plain = await context.newPage();
  await plain.goto(page.url());
  await plain.waitForSelector("walras-panel", { state: "attached" });
  expect(await tab(plain).count()).toBe(0);
  await plain.close();
  const phone = await browser.newContext({ viewport: PHONE, hasTouch: true });
  const other = await play(phone, links[1] as string);
  // Closed, it takes no room and hides nothing.
  const height = () => page.evaluate(() => document.documentElement.scrollHeight);
  const before = await height();
  await page.evaluate(() => document.querySelector("walras-panel")?.remove());
  expect(await height()).toBe(before);
  await page.reload();
  await expect(panel(page).count()).resolves.toBe(0);
  // By keyboard alone.
  await tab(page).focus();
  await page.keyboard.press("Enter");
  await panel(page).waitFor();
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("WALRAS-PANEL");

  // What the page sent by itself, and what came.
  await lines(page)
    .filter({ hasText: "{}" })
    .filter({ hasText: /no\. 1 .* ms/ })
    .first()
    .waitFor();
  await lines(page)
    .filter({ hasText: '"whose_turn":1' })
    .filter({ hasText: /entry \d+ · \d+ B/ })
    .first()
    .waitFor();
  await fields(page).getByRole("row", { name: "whoseTurn 1" }).waitFor();
  await fields(page).getByRole("row", { name: "winner not set" }).waitFor();

  // By hand.
  const input = panel(page).getByLabel("Message to send, as JSON");
  const send = panel(page).getByRole("button", { name: "Send", exact: true });
  await input.fill('{ "square": 4');
  await send.click();
  expect(await panel(page).getByRole("alert").textContent()).toMatch(/^This is not JSON: .*JSON/);
  await input.fill('{ "square": 4 }');
  await input.press("Control+Enter");
  await fields(page).getByRole("row", { name: "whoseTurn 2" }).waitFor();
  await fields(page).getByRole("row", { name: 'board "    X    "' }).waitFor();
  await lines(page).filter({ hasText: "group.whoseTurn: 1 → 2" }).waitFor();
  expect(await panel(page).getByRole("alert").count()).toBe(0);
  await other.waitForFunction(() => document.querySelector("#board")?.textContent?.includes("X"));

  // A refused one, with the author's line.
  await input.fill("null");
  await send.click();
  const refused = lines(page).filter({ hasText: "failed:" });
  await refused.waitFor();
  expect(await refused.textContent()).toMatch(/failed: apps\/tictactoe\/index\.ts:\d+: The live method failed: /);
  await refused.click();
  const whole = panel(page).locator("details[open]");
  expect(await whole.locator("pre.source .it").textContent()).toContain("const { square } = data;");
  expect(await whole.locator("pre.stack").textContent()).toMatch(
    /TypeError[\s\S]*at .*apps\/tictactoe\/index\.ts:\d+:\d+/,
  );
  await panel(page).getByRole("button", { name: "Last again" }).click();
  await refused.nth(1).waitFor();

  // The group is ended and comes back as it was.
  await panel(page).getByRole("button", { name: "Restart group" }).click();
  await lines(page).filter({ hasText: "The group was ended" }).waitFor();
  await lines(page).filter({ hasText: "Connected." }).nth(1).waitFor();
  await input.fill("{}");
  await send.click();
  await lines(page).filter({ hasText: '"board":"    X    "' }).last().waitFor();
  await fields(page).getByRole("row", { name: "whoseTurn 2" }).waitFor();

  // It stays open over a reload, and closes by the keyboard.
  await page.reload();
  await panel(page).waitFor();
  await page.keyboard.press("Tab");
  await panel(page).getByRole("button", { name: "Close" }).press("Escape");
  await panel(page).waitFor({ state: "hidden" });
  expect(errors).toEqual([]);

  // On a phone, messages and fields take turns, and everything fits.
  await tab(other).tap();
  await lines(other).filter({ hasText: '"whose_turn":2' }).first().waitFor();
  expect(await fields(other).count()).toBe(0);
  await panel(other).getByRole("button", { name: "Fields" }).tap();
  await fields(other).getByRole("row", { name: "whoseTurn 2" }).waitFor();
  for (const button of await panel(other).getByRole("button").all()) {
    const box = await button.boundingBox();
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(PHONE.width);
  }
  // Everything of the page can be scrolled out from under it.
  await other.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  const [board, top] = [await other.locator("#board").boundingBox(), await panel(other).boundingBox()];
  expect((board?.y ?? 1000) + (board?.height ?? 0)).toBeLessThanOrEqual(top?.y ?? 0);
});
