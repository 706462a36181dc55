import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Page } from "playwright-core";
import { startDemoSession } from "../helpers/browser.ts";
import { makeSession, startTestServer } from "../helpers/http.ts";
import { ServerProcess } from "../helpers/server-process.ts";
import { useChromium } from "../helpers/use-chromium.ts";

const PHONE = { width: 390, height: 844 };
const server = new ServerProcess();
const browser = useChromium();

beforeAll(() => server.start());
afterAll(() => server.remove());

const WIDE = { width: 1000, height: 800 };

async function openPage(link: string, viewport = WIDE): Promise<Page> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  await page.goto(link);
  return page;
}

/** A participant of a new survey, on its first page. */
async function openSurvey(viewport = WIDE): Promise<Page> {
  const { links } = await startDemoSession(server.base, "survey");
  return openPage(links[0] as string, viewport);
}

/** Clicks on Next and waits for what comes. */
async function next(page: Page): Promise<void> {
  const response = page.waitForResponse((answer) => answer.request().isNavigationRequest() && answer.status() !== 303);
  await page.click(".otree-btn-next");
  await response;
  await page.waitForLoadState("load");
}

const title = (page: Page) => page.textContent(".otree-title");

async function toYou(page: Page): Promise<void> {
  await page.check("#id_consent");
  await next(page);
}

async function fillYou(page: Page): Promise<void> {
  await page.fill("#id_age", "30");
  await page.check("#id_gender-1");
  await page.fill("#id_height", "1,72");
  await page.selectOption("#id_field", "Economics");
  await page.check("#id_employed-1");
}

/** Half of the participants see the judgements first: on to the page that is wanted. */
async function toPage(page: Page, wanted: "What do you think?" | "Your judgement"): Promise<void> {
  if ((await title(page)) === wanted) return;
  if (wanted === "Your judgement") {
    for (const name of ["trust", "fairness", "help", "risk"]) await page.check(`#id_${name}-2`, { force: true });
  } else {
    for (const name of ["happiness", "probability"]) await page.click(`#id_${name}`);
    await page.fill("#id_donation", "3");
  }
  await next(page);
  expect(await title(page)).toBe(wanted);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds in the page that somebody who does not see it, or uses no mouse, could not use. */
async function faultsForReaders(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
}

describe("a form with errors comes back", () => {
  test("with what was typed, messages tied to their inputs, and the focus on the first of them", async () => {
    const page = await openSurvey();
    await toYou(page);
    await page.fill("#id_age", "abc");
    await page.fill("#id_height", "1,7");
    await page.check("#id_gender-2");
    await next(page);
    expect(await title(page)).toBe("About you");
    expect(await page.inputValue("#id_age")).toBe("abc");
    expect(await page.inputValue("#id_height")).toBe("1,7");
    expect(await page.isChecked("#id_gender-2")).toBe(true);
    await page.waitForFunction(() => document.activeElement?.id === "id_age");
    expect(await page.getAttribute("#id_age", "aria-invalid")).toBe("true");
    const described = await page.getAttribute("#id_age", "aria-describedby");
    expect(await page.textContent(`#${described}`)).toBe("Please enter a whole number, such as 12.");
    expect(await page.getAttribute("#id_height", "aria-invalid")).toBeNull();
    expect(await page.textContent("[role=alert]")).toContain("What do you study? This field is required.");
    // From the list to the field by its link.
    await page.click("[role=alert] a[href='#id_field']");
    await fillYou(page);
    // Another answer is no longer marked as the wrong one.
    expect(await page.locator("[aria-invalid], .has-error").count()).toBe(0);
    expect(await page.textContent("#id_age-error")).toBe("");
    await next(page);
    expect(["What do you think?", "Your judgement"]).toContain(await title(page));
  });

  test("and every input can be reached and answered by keyboard alone", async () => {
    const page = await openSurvey();
    await page.focus("#id_consent");
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#id_age");
    await page.focus("#id_age");
    await page.keyboard.type("30");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    expect(await page.isChecked("#id_gender-1")).toBe(true);
    await page.keyboard.press("Tab");
    await page.keyboard.type("1.72");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Psy");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowRight");
    expect(await page.isChecked("#id_employed-1")).toBe(true);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /What do you think|Your judgement/.test(document.title));
  });
});

test("a double click submits once, and the browser's back button leads to where the participant is", async () => {
  const page = await openSurvey();
  await page.check("#id_consent");
  await page.dblclick(".otree-btn-next");
  await page.waitForSelector("#id_age");
  await page.goBack();
  await page.waitForSelector("#id_age");
  expect(await title(page)).toBe("About you");
});

test("a slider has no mark and no answer until it is touched; then it has both, by mouse and by keys", async () => {
  const page = await openSurvey();
  await toYou(page);
  await fillYou(page);
  await next(page);
  await toPage(page, "Your judgement");
  expect(await page.inputValue("[name=happiness]")).toBe("");
  expect(await page.getAttribute("#id_happiness", "aria-valuetext")).toBe("Touch the line to answer.");
  await page.fill("#id_donation", "3");
  await next(page);
  await page.waitForFunction(() => document.activeElement?.id === "id_happiness");
  expect(await page.textContent("#id_happiness-error")).toBe("This field is required.");
  // A tap on the very middle, where the invisible mark stands.
  const box = await page.locator("#id_happiness").boundingBox();
  await page.click("#id_happiness", { position: { x: (box?.width ?? 0) / 2, y: (box?.height ?? 0) / 2 } });
  expect(await page.inputValue("[name=happiness]")).toBe("50");
  await page.focus("#id_probability");
  await page.keyboard.press("ArrowRight");
  expect(await page.inputValue("[name=probability]")).toBe("0.51");
  expect(await page.getAttribute("#id_probability", "aria-valuetext")).toBe("0.51");
  await next(page);
  expect(["What do you think?", "The end, almost"]).toContain(await title(page));
});

test("every page fits a phone, and readers of the screen: nothing is cut off, everything can be touched and is named", async () => {
  const page = await openSurvey(PHONE);
  const fits = async () => {
    expect(await faultsForReaders(page)).toEqual([]);
    return page.evaluate(() => document.documentElement.scrollWidth);
  };
  await next(page);
  expect(await fits()).toBeLessThanOrEqual(PHONE.width);
  await toYou(page);
  expect(await fits()).toBeLessThanOrEqual(PHONE.width);
  await fillYou(page);
  await next(page);
  expect(await fits()).toBeLessThanOrEqual(PHONE.width);
  await toPage(page, "What do you think?");
  expect(await fits()).toBeLessThanOrEqual(PHONE.width);
  await next(page);
  expect(await page.textContent("[role=alert]")).toContain("This field is required.");
  expect(await fits()).toBeLessThanOrEqual(PHONE.width);
  // The table of statements has become a list, with words beside the buttons.
  expect(await page.isVisible(".likert-head")).toBe(false);
  for (const name of ["trust", "fairness", "help", "risk"]) {
    const point = await page.locator(`.likert-point:has(#id_${name}-4)`).boundingBox();
    expect(point?.height).toBeGreaterThanOrEqual(36);
    await page
      .locator(`label[for=id_${name}-4]`)
      .tap()
      .catch(() => page.click(`label[for=id_${name}-4]`));
    expect(await page.isChecked(`#id_${name}-4`)).toBe(true);
  }
  await next(page);
  expect(await fits()).toBeLessThanOrEqual(PHONE.width);
});

test("a page whose time runs out counts down without a jump, and sends what is filled in", async () => {
  const project = await startTestServer();
  try {
    const { participants } = await makeSession(project.base, "hurry");
    const page = await openPage(`${project.base}/InitializeParticipant/${participants[0]}`);
    const opened = performance.now();
    const seen: string[] = [];
    const events: string[] = [];
    await page.exposeFunction("tick", (time: string) => seen.push(time));
    await page.exposeFunction("heard", (what: string) => events.push(what));
    await page.evaluate(() => {
      // What jQuery's own events carry, for apps that have it.
      const jQuery = (_element: Element) => ({ trigger: (event: string) => heard(event) });
      jQuery.Event = (type: string, { offset }: { offset: { totalSeconds: number } }) =>
        `${type} ${offset.totalSeconds}`;
      const { heard } = Object.assign(window, { jQuery }) as unknown as { heard(what: string): void };
      const timer = document.querySelector(".otree-timer");
      timer?.addEventListener("walras:time", (event) => heard(`${(event as CustomEvent).detail.secondsLeft}`));
      timer?.addEventListener("walras:timeout", () => heard("timeout"));

      const clock = document.querySelector(".otree-timer__time-left");
      const tell = () => (window as unknown as { tick(time: string | null): void }).tick(clock?.textContent ?? null);
      new MutationObserver(tell).observe(clock as Node, { childList: true, characterData: true, subtree: true });
    });
    expect(await page.textContent(".otree-timer__text")).toBe("Time left to complete this page:");
    expect(await page.textContent(".otree-timer__time-left")).toMatch(/^0:0[34]$/);
    await page.fill("#id_word", "hello");
    await page.fill("#id_age", "abc");
    await page.waitForSelector("#all");
    expect(performance.now() - opened).toBeGreaterThan(3_000);
    expect(await page.textContent("#all")).toBe("hello 0 true");
    // For the page's own scripts, and in jQuery's name for oTree's.
    expect(events.slice(-8)).toEqual([
      "2",
      "update.countdown 2",
      "1",
      "update.countdown 1",
      "0",
      "update.countdown 0",
      "timeout",
      "finish.countdown 0",
    ]);
    // Each second once, downwards.
    const seconds = seen.map((time) => Number(time.split(":")[1]));
    expect(seconds).toEqual([...new Set(seconds)].sort((a, b) => b - a));
  } finally {
    await project.stop();
  }
});

test("preserveUnsubmittedInputs keeps what is typed through reloads, until the page is left", async () => {
  const project = await startTestServer();
  try {
    const { participants } = await makeSession(project.base, "byhand");
    const page = await openPage(`${project.base}/InitializeParticipant/${participants[0]}`);
    await page.fill("#age", "17");
    await page.check("[value=blue]");
    await page.uncheck("[name=agrees]");
    await page.fill("[name=draft]", "a <draft>");
    for (let i = 0; i < 3; i++) await page.click("#count");
    await page.reload();
    expect(await page.inputValue("#age")).toBe("17");
    expect(await page.isChecked("[value=blue]")).toBe(true);
    expect(await page.isChecked("[name=agrees]")).toBe(false);
    expect(await page.inputValue("[name=draft]")).toBe("a <draft>");
    expect(await page.inputValue("[name=clicks]")).toBe("3");
    // A post that was refused is newer than what was kept; what is typed into it then is newer still.
    await page.fill("#age", "16");
    await next(page);
    expect(await page.inputValue("#age")).toBe("16");
    await page.fill("#age", "30");
    await page.goto(page.url());
    expect(await page.inputValue("#age")).toBe("30");
    await page.check("[name=agrees]");
    await next(page);
    expect(await page.textContent("#all")).toBe("30 0.1 blue true 3");
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  } finally {
    await project.stop();
  }
});

test("what was typed on a page that was left by Back is there again, until it is sent", async () => {
  const page = await openSurvey();
  await toYou(page);
  await fillYou(page);
  await next(page);
  await toPage(page, "Your judgement");
  for (const name of ["happiness", "probability"]) await page.click(`#id_${name}`);
  await page.fill("#id_donation", "3");
  await next(page);
  // Half of the participants have said what they think before.
  if ((await title(page)) !== "The end, almost") {
    for (const name of ["trust", "fairness", "help", "risk"]) await page.check(`#id_${name}-2`, { force: true });
    await next(page);
  }
  await page.fill("#id_comments", "a long\ntext");
  await page.click(".otree-btn-back");
  await page.waitForFunction(() => document.title !== "The end, almost");
  await next(page);
  expect(await page.inputValue("#id_comments")).toBe("a long\ntext");
  await next(page);
  expect(await title(page)).toBe("Thank you");
  expect(await page.textContent("table")).toContain("a long");
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
});

test("inputs that an author wrote by hand are kept, marked and focused like all others, and are forminputs", async () => {
  const project = await startTestServer();
  try {
    const { participants } = await makeSession(project.base, "byhand");
    const page = await openPage(`${project.base}/InitializeParticipant/${participants[0]}`);
    await page.fill("#age", "17");
    await page.fill("#share", "1.234");
    await page.check("[value=blue]");
    await page.uncheck("[name=agrees]");
    await page.fill("[name=draft]", "a <draft>");
    for (let i = 0; i < 3; i++) await page.click("#count");
    await next(page);
    expect(await page.inputValue("#age")).toBe("17");
    expect(await page.inputValue("#share")).toBe("1.234");
    expect(await page.isChecked("[value=blue]")).toBe(true);
    expect(await page.isChecked("[name=agrees]")).toBe(false);
    expect(await page.inputValue("[name=draft]")).toBe("a <draft>");
    expect(await page.inputValue("[name=clicks]")).toBe("3");
    await page.waitForFunction(() => document.activeElement?.id === "age");
    expect(await page.getAttribute("#age", "aria-invalid")).toBe("true");
    expect(await page.getAttribute("#age", "aria-describedby")).toBe("id_age-error");
    expect(await page.textContent("#id_age-error")).toBe("Value must be at least 18.");
    // What has no place of its own is in the list above.
    expect(await page.textContent("[role=alert]")).toContain("Share: Value must be at most 1.");
    await page.fill("#age", "18");
    await page.fill("#share", "0.125");
    await page.check("[name=agrees]");
    await next(page);
    expect(await page.textContent("#all")).toBe("18 0.125 blue true 3");
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  } finally {
    await project.stop();
  }
});

describe("the experimenter's pages", () => {
  test("the monitor follows a session, and what is advanced moves on in its own browser", async () => {
    const { sessionUrl, links } = await startDemoSession(server.base, "ultimatum");
    const desk = await openPage(sessionUrl.replace("SessionStartLinks", "SessionMonitor"), {
      width: 1280,
      height: 800,
    });
    const errors: string[] = [];
    desk.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await desk.waitForSelector("#monitor tbody tr >> nth=1");
    expect(await desk.textContent("#started")).toBe("0/2 participants started.");
    const one = await openPage(links[0] as string);
    await desk.waitForSelector("#monitor tr.playing.fresh");
    expect(await desk.textContent("#started")).toBe("1/2 participants started.");
    expect(await desk.textContent("#updates")).toBe("Updates: P1");
    expect(await faultsForReaders(desk)).toEqual([]);

    // By keyboard: to the filter, and to the button of the one who is shown.
    await desk.selectOption("#filter", "new");
    expect(await desk.textContent("#shown")).toBe("1 of 2 shown");
    await desk.focus("button[aria-label='Start P2']");
    await desk.keyboard.press("Enter");
    await desk.waitForSelector("#result >> text=P2 has begun.");
    await desk.waitForSelector("#nobody:visible");

    await desk.selectOption("#filter", "all");
    const url = one.url();
    await desk.click("button[aria-label='Advance P1']");
    await desk.waitForSelector("#result >> text=P1 was moved on");
    // As when the tab comes into sight again; else it asks every ten seconds.
    await one.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await one.waitForURL((now) => now.href !== url);
    expect(errors).toEqual([]);
  });

  test.each(["/sessions", "SessionData", "SessionEditProperties", "SessionPayments"])(
    "%s can be used without a mouse, and without seeing it",
    async (path) => {
      const { sessionUrl } = await startDemoSession(server.base, "public_goods");
      const url = path.startsWith("/") ? server.base + path : sessionUrl.replace("SessionStartLinks", path);
      expect(await faultsForReaders(await openPage(url))).toEqual([]);
      const phone = await openPage(url, PHONE);
      const tooWide = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(tooWide).toBeLessThanOrEqual(0);
    },
  );
});
