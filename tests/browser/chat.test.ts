import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { launchChromium, watchErrors } from "../helpers/browser.ts";
import { enter, makeSession, startTestServer, type TestServer } from "../helpers/http.ts";

const EVIL = `<img src=x onerror="window.stolen=1">\n</div><script>window.stolen=2</script> & so on`;

let server: TestServer;
let browser: Browser;
beforeAll(async () => {
  server = await startTestServer({}, join(import.meta.dirname, "../helpers/chat"));
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});

async function open(code = "", width = 1280): Promise<Page> {
  const context = await browser.newContext({ viewport: { width, height: 800 } });
  const page = await context.newPage();
  await page.goto(await enter(server.base, code));
  return page;
}

/** The lines of the page's first chat: nickname, and text as it is read. */
async function lines(page: Page): Promise<string[]> {
  return page
    .locator(".otree-chat")
    .first()
    .locator(".otree-chat__msg")
    .evaluateAll((all) =>
      all.map((one) =>
        [".otree-chat__nickname", ".otree-chat__body"].map((part) => one.querySelector(part)?.textContent).join(": "),
      ),
    );
}

const input = (page: Page) => page.locator("textarea").first();
const arrives = (page: Page, text: string) =>
  page.locator(".otree-chat__msg:not(.otree-chat__msg--pending)", { hasText: text }).first().waitFor();

test("two people talk in a page: by Enter and by the button, as text whatever they write, and again after a reload", async () => {
  const { participants } = await makeSession(server.base, "talk");
  const [ann, bob] = [await open(participants[0]), await open(participants[1], 390)];
  const errors = [...watchErrors(ann), ...watchErrors(bob)];
  await input(ann).pressSequentially("first line");
  await input(ann).press("Shift+Enter");
  await input(ann).pressSequentially("second line");
  await input(ann).press("Enter");
  await arrives(bob, "second line");
  await input(bob).fill(EVIL);
  await bob.getByRole("button", { name: "Send" }).first().click();
  await arrives(ann, "so on");
  expect(await lines(ann)).toEqual(["Participant 1 (Me): first line\nsecond line", `Participant 2: ${EVIL}`]);
  expect(await lines(bob)).toEqual(["Participant 1: first line\nsecond line", `Participant 2 (Me): ${EVIL}`]);
  expect(await ann.evaluate(() => (window as { stolen?: number }).stolen)).toBeUndefined();
  // The second chat of the page has its own people and nicknames.
  await bob.locator("textarea").nth(1).fill("to all");
  await bob.locator("textarea").nth(1).press("Enter");
  await arrives(ann, "to all");
  expect(await ann.locator(".otree-chat").nth(1).locator(".otree-chat__nickname").textContent()).toBe("<b>Zed</b>");

  await input(ann).fill("not sent yet");
  await ann.reload();
  await arrives(ann, "so on");
  expect(await lines(ann)).toHaveLength(2);
  expect(await input(ann).inputValue()).toBe("not sent yet");
  expect(errors).toEqual([]);
  // Nothing is wider than a phone.
  expect(await bob.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  for (const page of [ann, bob]) await page.context().close();
});

test("a message is shown as on its way while the network is gone, and a refused one says why and comes back to its writer", async () => {
  const { participants } = await makeSession(server.base, "talk");
  const [ann, bob] = [await open(participants[0]), await open(participants[1])];
  await ann.context().setOffline(true);
  await input(ann).fill("I was away");
  await input(ann).press("Enter");
  const pending = ann.locator(".otree-chat__msg--pending");
  expect(await pending.textContent()).toContain("Sending …I was away");
  await ann.context().setOffline(false);
  await arrives(bob, "I was away");
  await pending.waitFor({ state: "detached" });
  expect(await lines(ann)).toEqual(["Participant 1 (Me): I was away"]);

  await input(ann).fill("damn");
  await input(ann).press("Enter");
  const alert = ann.getByRole("alert").first();
  await ann.waitForFunction(() => document.querySelector(".otree-chat__error")?.textContent !== "");
  expect(await alert.textContent()).toBe("The message was not sent. Please be polite.");
  expect(await input(ann).inputValue()).toBe("damn");
  await input(ann).fill("x".repeat(2001));
  await input(ann).press("Enter");
  expect(await alert.textContent()).toBe("The message is too long. At most 2000 characters can be sent.");
  expect(await lines(ann)).toHaveLength(1);
  for (const page of [ann, bob]) await page.context().close();
});

test("the newest message is in view, unless somebody reads further up; what is new is read out, the history is not", async () => {
  const { participants } = await makeSession(server.base, "talk");
  const [ann, bob] = [await open(participants[0]), await open(participants[1])];
  for (let i = 0; i < 9; i++) {
    await input(ann).fill(`message ${i}`);
    await input(ann).press("Enter");
  }
  await arrives(bob, "message 8");
  const log = bob.getByRole("log", { name: "Chat" }).first();
  const fromEnd = () => log.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight);
  expect(await log.evaluate((one) => one.scrollHeight > one.clientHeight)).toBe(true);
  expect(await fromEnd()).toBeLessThan(2);
  expect(await log.getAttribute("aria-live")).toBe("polite");
  expect(
    Math.abs(Date.parse((await log.locator("time").last().getAttribute("datetime")) ?? "") - Date.now()),
  ).toBeLessThan(60_000);
  await log.evaluate((one) => {
    one.scrollTop = 0;
  });
  await input(ann).fill("one more");
  await input(ann).press("Enter");
  await arrives(bob, "one more");
  expect(await log.evaluate((one) => one.scrollTop)).toBe(0);
  await bob.getByRole("textbox", { name: "Your message" }).first().fill("mine");
  await input(bob).press("Enter");
  await arrives(bob, "mine");
  expect(await fromEnd()).toBeLessThan(2);
  for (const page of [ann, bob]) await page.context().close();
});
