import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { ask, enter, makeSession, startTestServer, type TestServer } from "./helpers/http.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({}, join(import.meta.dirname, "helpers/waiting"));
});
afterAll(() => server.stop());
afterEach(async () => {
  delete process.env.BROKEN_WAIT_PAGE;
  for (const tab of opened.splice(0)) await tab.close();
});

const opened: { close(): Promise<void> }[] = [];

/** A participant's tab, which loads again when it is told to. Closed at the end of the test. */
async function open(code: string | undefined, log: string[] = []): Promise<HeadlessParticipant> {
  let loading: Promise<unknown> = Promise.resolve();
  const reload = (): void => {
    // A kept connection may be closed just when it is used again; browsers try once more.
    loading = loading.then(() => person.reload().catch(() => person.reload())).then(() => log.push(person.page.url));
  };
  const link = `${server.base}/InitializeParticipant/${code}`;
  const person: HeadlessParticipant = await HeadlessParticipant.open(link, { onReload: reload });
  opened.push({
    async close() {
      person.close();
      await loading;
      person.close();
    },
  });
  return person;
}

test("a wait page needs no template, and without scripts it looks again by itself", async () => {
  const { participants } = await makeSession(server.base, "broken");
  const one = await open(participants[0]);
  const { html } = one.page;
  expect(html).toContain("<title>One moment &lt;b&gt;</title>");
  expect(html).toContain("Waiting for the other participant.");
  expect(html).toContain('<span id="walras-waiting" role="status">');
  expect(html).toMatch(/<noscript><meta http-equiv="refresh" content="\d+"><\/noscript>/);
  expect(html).not.toContain("<button");
});

test("without scripts, too, participants are put into groups as they come", async () => {
  const { participants } = await makeSession(server.base, "crowd");
  const four = await Promise.all(participants.slice(0, 4).map((code) => enter(server.base, code)));
  for (const url of four) {
    const { text } = await ask(url);
    expect(text).toContain('<noscript><meta http-equiv="refresh" content="5; url=?noscript=1"></noscript>');
  }
  for (const url of four) await ask(`${url}?noscript=1`);
  for (const url of four) {
    let next = await ask(`${url}?noscript=1`);
    for (let tries = 0; next.status === 200 && tries < 200; tries++) {
      await sleep(10);
      next = await ask(`${url}?noscript=1`);
    }
    expect([next.status, next.location]).toEqual([303, expect.stringContaining("/crowd/Play/")]);
  }
});

test("a wait page may be live, and hear who comes", async () => {
  const { participants } = await makeSession(server.base, "broken");
  process.env.BROKEN_WAIT_PAGE = "1";
  const one = await open(participants[0]);
  await one.until(() => one.status === "open");
  await one.send("hello");
  expect(await one.receive()).toBe("1: hello");
  const two = await open(participants[1]);
  expect(await one.receive((data) => String(data).includes("came"))).toBe("2 came");
  await two.send("hi");
  expect(await one.receive()).toBe("2: hi");
});

test("the experimenter sees what failed, with its stack, and lets it run again", async () => {
  const { code, participants } = await makeSession(server.base, "broken");
  process.env.BROKEN_WAIT_PAGE = "1";
  const at: string[] = [];
  await open(participants[0], at);
  const two = await open(participants[1], at);
  const desk = `${server.base}/SessionStartLinks/${code}`;
  let page = await ask(desk);
  for (let tries = 0; !page.text.includes("no &lt;prices&gt; yet"); tries++) {
    if (tries > 200) throw new Error(`no failure on the desk; ${server.lines.slice(-5).join("\n")}`);
    await sleep(10);
    page = await ask(desk);
  }
  expect(page.text).toContain("broken/1/Wait");
  expect(page.text).toContain("helpers/waiting/apps/broken/index.ts");
  expect(two.page.html).not.toContain("prices");
  const actor = /name="actor" value="(\d+)"/.exec(page.text)?.[1] ?? "";
  const url = `${server.base}/RetryWaitPage/${code}`;
  const form = { actor, page: "broken/1/Wait" };

  // From another site, or for another session's page, nothing happens.
  const foreign = { origin: "https://evil.example" };
  expect((await ask(url, { form, headers: foreign })).status).toBe(403);
  expect((await ask(url, { form: { ...form, actor: "99999" } })).status).toBe(404);
  const failedAgain = await ask(url, { form });
  expect([failedAgain.status, failedAgain.location]).toEqual([303, `/SessionStartLinks/${code}`]);
  expect((await ask(desk)).text).toContain("no &lt;prices&gt; yet");

  delete process.env.BROKEN_WAIT_PAGE;
  await ask(url, { form });
  expect((await ask(desk)).text).not.toContain("prices");
  for (let tries = 0; at.filter((path) => path.endsWith("/broken/Play/2")).length < 2; tries++) {
    if (tries > 500) throw new Error(`they are at ${at.join(", ")}`);
    await sleep(10);
  }
});
