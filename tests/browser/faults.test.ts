import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { check } from "../chaos/checker.ts";
import { openPlace, type Place, readDatabase } from "../chaos/database.ts";
import { MONEY } from "../chaos/project/apps/market/index.ts";
import { ServerProcess } from "../chaos/server-process.ts";
import { launchChromium, startDemoSession } from "../helpers/browser.ts";
import { freePort } from "../helpers/free-port.ts";
import { historyOf, Participant, type Tab, until } from "./participant.ts";
import type { Marked } from "./recorder.ts";

/** What a browser itself writes to the console when a server is not there. */
const NOT_REACHED = /^Failed to load resource: net::ERR_|^WebSocket connection to .* failed/;

const HALTED = /^The server cannot save/;
const NEXT = ".otree-btn-next";

const directory = mkdtempSync(join(tmpdir(), "walras-faults-"));
let place: Place;
let server: ServerProcess;
let browser: Browser;
let participants: Participant[] = [];

beforeAll(async () => {
  place = await openPlace("sqlite", directory);
  const env = { ...place.env, PORT: String(await freePort()), HOST: "127.0.0.1", CHAOS_GROUPS: "1" };
  server = new ServerProcess({ ...env, WALRAS_PRODUCTION: "0" }, join(directory, "server.log"));
  server.start();
  browser = await launchChromium("--host-resolver-rules=MAP lab.test 127.0.0.1");
  await server.ready();
});
afterEach(async () => {
  for (const { context } of participants) await context.close();
  participants = [];
});
afterAll(async () => {
  await browser?.close();
  await server.close();
  await place.close();
  rmSync(directory, { recursive: true, force: true });
});

type Options = BrowserContextOptions & { prepare?: () => void; base?: string };

/** A new group: the browser under test, and another participant who sees what everybody is told. */
async function openTwo({ base = server.url, ...options }: Options = {}): Promise<[Tab, Tab]> {
  const { links } = await startDemoSession(server.url, "market");
  const [first = "", second = ""] = links.map((link) => base + new URL(link).pathname);
  for (const one of [
    Participant.open(browser, first, options),
    Participant.open(browser, second, { viewport: null }),
  ]) {
    participants.push(await one);
  }
  const [one, two] = participants.map(({ main }) => main) as [Tab, Tab];
  for (const tab of [one, two]) await tab.on("Trade");
  return [one, two];
}

/**
 * Everything comes to rest; then the pages must have seen what the database holds, each message once and
 * in order, and nothing but the expected errors.
 *
 * @returns how many messages left a row
 */
async function judge(expectedErrors = /^$/): Promise<number> {
  const tabs = participants.flatMap((participant) => participant.tabs).filter(({ page }) => !page.isClosed());
  for (const tab of tabs) await tab.confirm();
  // Once more: what the last of them sent, the first have received, too.
  for (const tab of tabs) await tab.confirm();
  const verdict = check(historyOf(participants, await readDatabase(place), MONEY));
  expect(verdict.findings).toEqual([]);
  expect(tabs.flatMap(({ errors }) => errors).filter((error) => !expectedErrors.test(error))).toEqual([]);
  for (const tab of tabs) await expectSign(tab, null);
  return verdict.effects;
}

/** @param text null: there is none */
async function expectSign({ page }: Tab, text: RegExp | null): Promise<void> {
  const sign = page.locator("#walras-sign");
  if (text === null) return sign.waitFor({ state: "hidden" });
  await sign.filter({ hasText: text }).waitFor({ state: "visible" });
}

/** In one go, so that nothing is answered before the page is left. */
function sendAndSubmit({ page }: Tab, ...messages: Marked[]): Promise<void> {
  return page.evaluate((all) => {
    for (const message of all) window.recorder.send(message);
    (document.getElementById("form") as HTMLFormElement).submit();
  }, messages);
}

async function restart(): Promise<void> {
  server.start();
  await server.ready();
}

test("a duplicated tab sends the same unanswered messages, and each takes effect once", async () => {
  const [one, two] = await openTwo();
  await one.send(one.give(1));
  await one.answered();
  await server.end("SIGKILL");
  await one.cutOff();
  const unanswered = [one.give(2), one.give(3), one.give(4)];
  await one.send(...unanswered);
  const copy = await one.duplicate();
  await restart();
  await copy.page.goto(one.page.url());
  for (const tab of [copy, one]) await tab.on("Trade");
  await copy.send(copy.give(5), copy.give(6));
  await one.send(one.give(7));
  await two.send(two.give(8));
  expect(await judge(NOT_REACHED)).toBe(8);
  for (const tab of [one, copy]) {
    for (const { uid } of unanswered) expect(tab.frames.filter((text) => text.includes(`"${uid}"`))).toHaveLength(1);
  }
});

test("back and forward lead to where the participant is, and a page out of the cache loads again", async () => {
  const [one, two] = await openTwo();
  await one.send(one.give(1));
  await one.page.click(NEXT);
  await one.on("Deal");
  await one.send(one.give(2));
  await one.page.goBack();
  await one.on("Deal");
  await one.send(one.give(3));
  await one.page.goForward().catch(() => {});
  await one.on("Deal");
  await one.send(one.give(4));
  // This Chromium has no cache of whole pages. Others bring the old page back, with this event.
  const loads = one.loads.length;
  await one.page.evaluate(() => void dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await until("the page loads again", () => one.loads.length > loads);
  await one.on("Deal");
  await two.send(two.give(5));
  expect(await judge()).toBe(5);
});

test("reloads between the page and its socket keep what the page sent, in order", async () => {
  const [one, two] = await openTwo();
  const sendAndReload = (messages: Marked[]) => {
    document.addEventListener("DOMContentLoaded", () => {
      const done = Number(sessionStorage.getItem("reloads") ?? 0);
      const message = messages[done];
      if (message === undefined) return;
      sessionStorage.setItem("reloads", String(done + 1));
      window.recorder.send(message);
      location.reload();
    });
  };
  await one.page.addInitScript(sendAndReload, [one.give(1), one.give(2), one.give(3)]);
  await Promise.all([one.page.reload().catch(() => {}), two.send(two.give(4), two.give(5))]);
  await until("it has reloaded", () => one.loads.length === 5);
  await one.on("Trade");
  await one.send(one.give(6));
  expect(await judge()).toBe(6);
});

test("a reload while the server is down keeps what was not answered", async () => {
  const [one, two] = await openTwo();
  await server.end("SIGKILL");
  await one.send(one.give(1), one.give(2));
  for (const tab of [one, two]) await expectSign(tab, /^Connection lost/);
  await one.page.reload().catch(() => {});
  await restart();
  await one.page.reload();
  await one.on("Trade");
  await one.send(one.give(3));
  await two.send(two.give(4));
  expect(await judge(NOT_REACHED)).toBe(4);
});

/** Sends, submits, and kills the server, before it has read the form or when it has carried it out. */
async function submitAndKill(tab: Tab, when: "before" | "after", ...messages: Marked[]): Promise<void> {
  await tab.page.route(/Trade.1$/, async (route) => {
    if (when === "after") await route.fetch({ maxRedirects: 0 });
    await server.end("SIGKILL");
    await route.abort("connectionreset");
  });
  await sendAndSubmit(tab, ...messages);
  await until("the browser shows its own error page", () => tab.page.url().startsWith("chrome-error"));
  await tab.page.unroute(/Trade.1$/);
  await restart();
}

test("the server is killed before it reads a submitted page, and the participant opens their link again", async () => {
  const [one] = await openTwo();
  await submitAndKill(one, "before", one.give(1), one.give(2));
  await one.page.goto(`${server.url}/InitializeParticipant/${participants[0]?.code}`);
  await one.on("Trade");
  await one.send(one.give(3));
  await one.page.click(NEXT);
  await one.on("Deal");
  expect(await judge(NOT_REACHED)).toBe(3);
});

test.each(["before", "after"] as const)(
  "the server is killed %s it carries out a page, which is sent again",
  async (when) => {
    const [one] = await openTwo();
    await submitAndKill(one, when, one.give(1), one.give(2));
    await one.page.reload();
    await one.on("Deal");
    expect(one.navigations.filter((navigation) => navigation === "POST /p/CODE/market/Trade/1")).toHaveLength(2);
    await one.send(one.give(3));
    expect(await judge(NOT_REACHED)).toBe(3);
  },
);

test.each([
  [
    "is blocked",
    () =>
      Object.defineProperty(window, "sessionStorage", {
        get: () => {
          throw new DOMException("no", "SecurityError");
        },
      }),
  ],
  [
    "is full",
    () => {
      Storage.prototype.setItem = () => {
        throw new DOMException("no", "QuotaExceededError");
      };
    },
  ],
])("where the storage %s, messages survive a crash of the server and the next page", async (_, prepare) => {
  const [one, two] = await openTwo({ prepare });
  await one.send(one.give(1));
  await server.end("SIGKILL");
  await one.send(one.give(2), one.give(3));
  await restart();
  await two.send(two.give(4));
  await one.answered();
  await sendAndSubmit(one, one.give(5), one.give(6));
  await one.on("Deal");
  await one.send(one.give(7));
  expect(await judge(NOT_REACHED)).toBe(7);
});

test("plain http on a name of the local network, where browsers withhold half of their interfaces", async () => {
  const [one, two] = await openTwo({ base: server.url.replace("127.0.0.1", "lab.test") });
  const has = await one.page.evaluate(() => [isSecureContext, "randomUUID" in crypto, "locks" in navigator]);
  expect(has).toEqual([false, false, false]);
  await one.send(one.give(1));
  await server.end("SIGKILL");
  await one.send(one.give(2), one.give(3));
  await restart();
  await one.page.reload();
  await two.send(two.give(4));
  await one.on("Trade");
  await sendAndSubmit(one, one.give(5));
  await one.on("Deal");
  await one.send(one.give(6));
  expect(await judge(NOT_REACHED)).toBe(6);
});

test("offline, the sign is shown and messages wait; online, they go", async () => {
  const [one, two] = await openTwo();
  await one.send(one.give(1));
  await one.answered();
  await one.page.context().setOffline(true);
  await one.send(one.give(2), one.give(3));
  await two.send(two.give(4));
  await expectSign(one, /^Connection lost/);
  await one.send(one.give(5));
  expect(one.sent.map(({ answer }) => answer)).toEqual(["done", null, null, null]);
  await one.page.context().setOffline(false);
  expect(await judge(NOT_REACHED)).toBe(5);
});

test("a page that sleeps wakes up to what it missed, though the server is another one by then", async () => {
  const [one, two] = await openTwo();
  await one.send(one.give(1));
  await one.confirm();
  // Nothing of it runs any more. (Chromium's own freezing spares pages that are visible, as all of these are.)
  const debug = await one.page.context().newCDPSession(one.page);
  await debug.send("Debugger.enable");
  await debug.send("Debugger.pause");
  const seen = one.loads[0]?.received.length ?? 0;
  await two.send(two.give(2), two.give(3));
  await two.answered();
  await server.end("SIGKILL");
  await restart();
  await two.send(two.give(4));
  await two.answered();
  expect(one.loads[0]?.received).toHaveLength(seen);
  await debug.send("Debugger.disable");
  await one.send(one.give(5));
  expect(await judge(NOT_REACHED)).toBe(5);
});

test("form.submit() right behind liveSend takes the messages along, though there is no socket yet", async () => {
  const [one, two] = await openTwo();
  await one.page.addInitScript(
    (messages) => {
      document.addEventListener("DOMContentLoaded", () => {
        if (!location.pathname.includes("/Trade/")) return;
        for (const message of messages) window.recorder.send(message);
        (document.getElementById("form") as HTMLFormElement).submit();
      });
    },
    Array.from({ length: 20 }, (_, i) => one.give(i + 1)),
  );
  await one.page.reload().catch(() => {});
  await one.on("Deal");
  await two.send(two.give(1));
  expect(await judge()).toBe(21);
  expect(one.navigations.slice(3)).toEqual(["POST /p/CODE/market/Trade/1", "GET /p/CODE/market/Deal/2"]);
});

test("a double click on Next leaves one page, once", async () => {
  const [one] = await openTwo();
  await one.send(one.give(1));
  await one.page.dblclick(NEXT);
  await one.on("Deal");
  expect(await judge()).toBe(1);
  expect(one.navigations.slice(2)).toEqual(["POST /p/CODE/market/Trade/1", "GET /p/CODE/market/Deal/2"]);
});

test("the tab that submits stays with its own request when the server tells all tabs to move on", async () => {
  const [one] = await openTwo();
  const other = await one.duplicate();
  await other.page.goto(one.page.url());
  await other.on("Trade");
  await one.page.route(/Trade.1$/, async (route) => {
    const response = await route.fetch({ maxRedirects: 0 });
    // It was told at the same time.
    await other.on("Deal");
    await route.fulfill({ response });
  });
  await one.page.click(NEXT);
  await one.on("Deal");
  await judge();
  expect(one.navigations.slice(2)).toEqual(["POST /p/CODE/market/Trade/1", "GET /p/CODE/market/Deal/2"]);
});

test("a liveRecv that throws loses nothing, and each error is on the console", async () => {
  const [one, two] = await openTwo();
  await one.page.evaluate(() => window.recorder.breakLiveRecv());
  await two.send(two.give(1), two.give(2));
  await one.send(one.give(3));
  expect(await judge(/^Walras: liveRecv threw an error/)).toBe(3);
  expect(one.errors).toHaveLength(one.loads[0]?.received.length ?? 0);
});

/** Another connection holds the database: writes fail until it lets go. */
function lockDatabase(): Disposable {
  const other = new DatabaseSync(join(directory, "db.sqlite3"), { timeout: 10_000 });
  other.exec("begin immediate");
  return { [Symbol.dispose]: () => other.close() };
}

test("while the database takes no writes, pages say so and keep what is sent", async () => {
  const [one, two] = await openTwo();
  await one.send(one.give(1));
  await one.answered();
  {
    using _ = lockDatabase();
    await one.send(one.give(2), one.give(3));
    for (const tab of [one, two]) await expectSign(tab, HALTED);
    expect((await fetch(`${server.url}/health`)).status).toBe(503);
    await two.send(two.give(4));
    await sendAndSubmit(two, two.give(5));
    await two.page.getByText("Please reload this page").waitFor();
    expect([...one.sent.slice(1), ...two.sent].map(({ answer }) => answer)).toEqual([null, null, null, null]);
  }
  await expectSign(one, null);
  await two.page.reload();
  await two.on("Deal");
  await two.send(two.give(6));
  expect(await judge(/ 503 /)).toBe(6);
});

test("a page that comes while the database takes no writes says so, too", async () => {
  const [one, two] = await openTwo();
  let goOn = (): void => {};
  const isHalted = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  // Scripts wait for the stylesheet: the page has been made, and its socket comes later.
  await one.page.route("**/*.css", (route) => isHalted.then(() => route.continue()));
  const sheet = one.page.waitForRequest("**/*.css");
  const reloaded = one.page.reload();
  await sheet;
  {
    using _ = lockDatabase();
    await two.send(two.give(1));
    await expectSign(two, HALTED);
    goOn();
    await reloaded;
    await expectSign(one, HALTED);
  }
  await one.on("Trade");
  expect(await judge()).toBe(1);
});
