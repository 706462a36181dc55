import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parse } from "csv-parse/sync";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { ParticipantTable } from "../entities/system-tables.ts";
import { ask, enter, makeSession, startTestServer, type TestServer } from "./helpers/http.ts";

const PROJECT = join(import.meta.dirname, "helpers/replaced-project");
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ WALRAS_PRODUCTION: "" }, PROJECT);
});
afterAll(() => server.stop());

async function post(url: string, form: Record<string, string> = {}) {
  return ask(url, { method: "POST", form });
}

/** The first has come to round 2 and waits there; the second is replaced. @returns what they have open */
async function replaced(config: string) {
  const { base } = server;
  const { code, participants } = await makeSession(base, config);
  const [ann, bob] = participants as [string, string];
  for (const one of participants) await post(await enter(base, one), { offer: "1" });
  for (const one of participants) await post(await enter(base, one));
  const open = await enter(base, bob);
  await post(await enter(base, ann), { offer: "1" });
  for (let at = ""; !at.includes("/Play/"); at = await enter(base, ann)) await sleep(20);
  return { code, ann, bob, open };
}

test("who comes back to a place that was taken sees a calm page, with what they get and where to go on", async () => {
  const { base } = server;
  const { bob, open } = await replaced("earned");
  const end = `/OutOfRangeNotification/${bob}`;
  for (const url of [open, `${base}/InitializeParticipant/${bob}`]) {
    expect(await ask(url)).toMatchObject({ status: 303, location: end });
  }
  const page = await ask(base + end);
  expect(page.status).toBe(200);
  expect(page.text).toContain("<h1>Your place was taken</h1>");
  // Of the first round, and the fee.
  expect(page.text).toContain("You are paid €5.00 for your part.");
  expect(page.text).toContain(`href="https://example.org/replaced?who=${bob}"`);
  expect(page.text).toContain("R-7");
  expect(page.text).not.toContain("example.org/done");
  // What they had typed is not taken.
  const late = await post(open, { offer: "9" });
  expect([late.status, late.text.includes("Your place was taken")]).toEqual([409, true]);
  const seat = await ask(`${open}/seat`, { method: "POST", headers: { origin: base } });
  expect(JSON.parse(seat.text)).toEqual({ seat: null, reload: true });
});

test("a page that is open on a wait page or live page when its place is taken leads there by itself", async () => {
  const { base } = server;
  const { participants } = await makeSession(base, "earned");
  const [ann, bob] = participants as [string, string];
  for (const one of participants) await post(await enter(base, one), { offer: "1" });
  // Bob looks on from the live page of round 1, and goes no further.
  const tab: HeadlessParticipant = await HeadlessParticipant.open(`${base}/InitializeParticipant/${bob}`, {
    onReload: () => void tab.reload().catch(() => {}),
  });
  expect(tab.page.url).toContain("/Play/");
  await post(await enter(base, ann));
  await post(await enter(base, ann), { offer: "1" });
  while (!tab.page.url.includes("OutOfRange")) await sleep(20);
  expect(tab.page.html).toContain("Your place was taken");
  tab.close();
  const page = await ask(await enter(base, ann));
  expect(page.text).toContain("you play; false true");
});

test("the session's fee and language hold for who was replaced; payments, exports and the session's page show them", async () => {
  const { base } = server;
  const { code, bob } = await replaced("fixed");
  const page = await ask(`${base}/OutOfRangeNotification/${bob}`);
  expect(page.text).toContain('<html lang="de"');
  expect(page.text).toMatch(/Für Ihre Teilnahme erhalten Sie 1,50\s€/);
  const payments = await ask(`${base}/SessionPayments/${code}`);
  expect(payments.text).toMatch(/Replaced \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
  const csv = async (what: string) =>
    parse((await ask(`${base}/export/file?what=${what}&session=${code}`)).text, { columns: true }) as Record<
      string,
      string
    >[];
  expect(await csv("payments")).toMatchObject(
    [
      { payoff: "4", participation_fee: "3", payoff_plus_participation_fee: "7", replaced_utc: "" },
      { payoff: "2", participation_fee: "1.5", payoff_plus_participation_fee: "1.5", replaced_utc: /^20/ },
    ].map((row) => ({ ...row, replaced_utc: expect.stringMatching(row.replaced_utc) })),
  );
  expect(await csv("wide")).toMatchObject([
    { "participant.replaced_utc": "", "pair.1.player.is_replaced": "0", "pair.2.player.is_replaced": "0" },
    {
      "participant.replaced_utc": expect.stringMatching(/^20/),
      "pair.1.player.is_replaced": "0",
      "pair.2.player.is_replaced": "1",
      "pair.2.player.offer": "5",
    },
  ]);
  expect((await ask(`${base}/SessionStartLinks/${code}`)).text).toContain("Replaced by the computer");
});

test("who never came is replaced without being paid", async () => {
  const { base, game } = server;
  const { participants } = await makeSession(base, "earned");
  const [ann, bob] = participants as [string, string];
  await post(await enter(base, ann), { offer: "1" });
  const { id } = (await game.store.read.whereabouts(bob))?.participant ?? {};
  const actorId = (await game.store.read.whereabouts(bob))?.actorId as number;
  await game.call(actorId, { kind: "replace", participantId: id as number, before: 99 });
  for (let at = ""; !at.includes("/Play/"); at = await enter(base, ann)) await sleep(20);
  const page = await ask(`${base}/OutOfRangeNotification/${bob}`);
  expect(page.text).not.toContain("You are paid");
  const [, row] = await game.store.read.rows(ParticipantTable, {
    sessionId: (await game.store.read.whereabouts(ann))?.sessionId ?? null,
  });
  expect(row).toMatchObject({ startedAt: null, replacedPayoff: 0 });
});
