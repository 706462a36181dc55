import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../helpers/browser.ts";
import { enter, makeSession, startTestServer, type TestServer } from "../helpers/http.ts";

/** Tries to break out of text, attributes, strings and handlers. */
const EVIL = `"><script>window.stolen = 1</script><img src=x onerror=window.stolen=2>'-(window.stolen=3)-'\\";window.stolen=4//`;

let server: TestServer;
let browser: Browser;
beforeAll(async () => {
  server = await startTestServer();
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** Two participants of one group; the first has told an evil name, the second looks at it. */
async function meet(): Promise<Page> {
  const { participants } = await makeSession(server.base, "probe");
  const page = await browser.newPage();
  await page.goto(await enter(server.base, participants[0] ?? ""));
  await page.evaluate((name) => window.liveSend(name), EVIL);
  await page.goto(await enter(server.base, participants[1] ?? ""));
  // An inline handler of the template runs under the content policy.
  await page.click("#tell");
  await page.evaluate(() => window.liveSend("Bob"));
  await page.click(".otree-btn-next");
  await page.waitForURL(/Show\/2$/);
  return page;
}

test("what one participant types is text on another's page, wherever the template puts it", async () => {
  const page = await meet();
  await page.click(".handler");
  const seen = await page.evaluate(() => {
    const global = window as unknown as Record<string, unknown>;
    return {
      text: document.querySelector(".text")?.textContent,
      quoted: document.querySelector<HTMLInputElement>(".quoted")?.value,
      bare: document.querySelector<HTMLInputElement>(".bare")?.value,
      inString: global.inString,
      asJson: global.asJson,
      picked: global.picked,
      jsVars: global.js_vars,
      stolen: global.stolen,
    };
  });
  expect(seen).toEqual({
    text: EVIL,
    quoted: EVIL,
    bare: EVIL,
    inString: EVIL,
    asJson: { alias: EVIL },
    picked: EVIL,
    jsVars: { others: [EVIL] },
    stolen: undefined,
  });
  await page.close();
});

test("a script that gets into the page all the same does not run", async () => {
  const page = await meet();
  await page.setContent("<p>old</p>");
  await page.goto(page.url());
  const stolen = await page.evaluate(async () => {
    const frame = document.createElement("div");
    frame.innerHTML = "<script>window.stolen = 1</script>";
    document.body.append(frame);
    const script = document.createElement("script");
    script.textContent = "window.stolen = 2";
    document.body.append(script);
    await new Promise((done) => setTimeout(done, 50));
    return (window as unknown as Record<string, unknown>).stolen;
  });
  expect(stolen).toBeUndefined();
  await page.close();
});

test("a participant's page shows in the split screen, and in no other site's frame", async () => {
  const { code, participants } = await makeSession(server.base, "probe");
  const page = await browser.newPage();
  await page.goto(`${server.base}/SessionSplitScreen/${code}`);
  const inFrame = page.frameLocator("iframe").first();
  await inFrame.locator("#me").waitFor();
  expect(await inFrame.locator("#me").textContent()).toBe("1");
  // localhost is another origin than 127.0.0.1.
  await page.goto(`${server.base.replace("127.0.0.1", "localhost")}/health`);
  await page.setContent(`<iframe src="${await enter(server.base, participants[0] ?? "")}"></iframe>`);
  await page.waitForFunction(() => window.frames.length === 1);
  expect(await page.frameLocator("iframe").locator("#me").count()).toBe(0);
  await page.close();
});
