import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { replayCommand } from "../server/replay-command.ts";
import { Desk } from "./helpers/desk.ts";
import { type Answer, ask, startTestServer, type TestServer } from "./helpers/http.ts";
import { rowsOf } from "./helpers/rows.ts";

const PROJECT = join(import.meta.dirname, "helpers/watch-project");

let folder: string;
let server: TestServer;
const file = () => join(folder, "edit.sqlite3");
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "walras-edit-"));
  server = await startTestServer({ WALRAS_DB: file() }, PROJECT);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const get = (path: string) => ask(server.base + path);
const edit = ({ code }: Desk, form: Record<string, string>, headers = {}): Promise<Answer> =>
  ask(`${server.base}/SessionEditProperties/${code}`, { form, headers });

test("label and comment are kept, shown in the list of sessions, and only ever text", async () => {
  const desk = await Desk.open(server, "together");
  const saved = await edit(desk, { label: "Pilot <1>", comment: 'two lines\r\nof "text"' });
  expect([saved.status, saved.location]).toEqual([303, `/SessionEditProperties/${desk.code}?saved=1`]);
  const page = await get(saved.location);
  expect(page.text).toContain("Saved.");
  expect(page.text).toContain('value="Pilot &lt;1&gt;"');
  expect(page.text).toContain("two lines\nof &quot;text&quot;</textarea>");
  const list = await get("/sessions");
  expect(list.text).toContain("<b>Pilot &lt;1&gt;</b>");
  expect(await server.game.store.read.session({ code: desk.code })).toMatchObject({
    label: "Pilot <1>",
    comment: 'two lines\nof "text"',
  });
  // What is taken out is gone.
  await edit(desk, { label: "", comment: "" });
  expect(await server.game.store.read.session({ code: desk.code })).toMatchObject({ label: null, comment: null });
});

test("the list says how many a session has, and how far they are", async () => {
  const desk = await Desk.open(server, "together");
  const row = async () => {
    const { text } = await get("/sessions");
    return text.split("<tr>").find((one) => one.includes(`SessionStartLinks/${desk.code}"`)) ?? "";
  };
  expect(await row()).toContain('<td class="size">4</td><td class="step">not started</td>');
  await desk.advance([[1, 0]]);
  await desk.advance([[2, 0]]);
  await desk.advance([[2, 1]]);
  await desk.advance([[2, 2]], true);
  await desk.sees(2, { page: "End" });
  await desk.advance([[2, 3]]);
  expect(await row()).toContain('<td class="step">2 started, 1 finished</td>');
});

test("what is paid follows an edit, in the payments and on participants' pages, while they play", async () => {
  const desk = await Desk.open(server, "study");
  await desk.enter(1);
  await desk.submit(1, { age: "30" });
  const one = await HeadlessParticipant.open(desk.link(1));
  await one.send(20);
  const payments = () => get(`/SessionPayments/${desk.code}`);
  expect((await payments()).text).toMatch(/participation fee of \D*5/);
  expect((await payments()).text).toMatch(/<td class="amount total">\D*7\.00<\/td>/);
  expect(one.page.html).toContain("You get 5");
  await edit(desk, { participation_fee: "7,50", real_world_currency_per_point: "0.5" });
  expect((await payments()).text).toMatch(/participation fee of \D*7\.50/);
  expect((await payments()).text).toMatch(/<td class="amount total">\D*17\.50<\/td>/);
  // The page that is open goes on, and shows the new amount when it is loaded.
  expect(await one.send(21)).not.toBeInstanceOf(Error);
  await one.reload(desk.link(1));
  expect(one.page.html).toContain("You get 7.5");
  one.close();
  const { config } = (await server.game.store.read.session({ code: desk.code })) ?? {};
  expect(JSON.parse(String(config))).toMatchObject({ participationFee: 7.5, realWorldCurrencyPerPoint: 0.5 });
});

test("an archived session leaves the list, and goes on as before", async () => {
  const desk = await Desk.open(server, "together");
  const isListed = async (path: string) => (await get(path)).text.includes(`SessionStartLinks/${desk.code}"`);
  expect([await isListed("/sessions"), await isListed("/sessions?archived=1")]).toEqual([true, false]);
  await edit(desk, { archived: "1" });
  expect([await isListed("/sessions"), await isListed("/sessions?archived=1")]).toEqual([false, true]);
  await desk.enter(1);
  expect(await desk.pageOf(1)).toBe("Begin");
  await edit(desk, { label: "x" });
  expect([await isListed("/sessions"), await isListed("/sessions?archived=1")]).toEqual([true, false]);
});

test("what makes no sense is refused, with what was typed kept, and so are others than the experimenter", async () => {
  const desk = await Desk.open(server, "together");
  for (const [form, words] of [
    [{ participation_fee: "-1" }, "The participation fee is no number from 0."],
    [{ participation_fee: "five" }, "The participation fee is no number from 0."],
    [{ real_world_currency_per_point: "1e999" }, "What a point is worth is no number from 0."],
    [{ label: "x".repeat(201) }, "The label has more than 200 characters."],
    [{ comment: "a\0b" }, "cannot be stored"],
  ] as [Record<string, string>, string][]) {
    const answer = await edit(desk, { label: "kept", ...form });
    expect(answer.status).toBe(422);
    expect(answer.text).toContain(words);
    expect(answer.text).toContain(form.label ?? 'value="kept"');
  }
  expect(await server.game.store.read.session({ code: desk.code })).toMatchObject({ label: null });
  expect((await edit(desk, { label: "x" }, { origin: "http://elsewhere.example" })).status).toBe(403);
  expect((await edit(desk, { label: "x" }, { "x-forwarded-for": "10.0.0.7" })).status).toBe(403);
  expect((await get("/SessionEditProperties/none")).status).toBe(404);
});

test("groups that were played before and after an edit can be replayed", async () => {
  const desk = await Desk.open(server, "study");
  await desk.enter(1);
  await desk.submit(1, { age: "30" });
  await edit(desk, { participation_fee: "9" });
  await desk.enter(2);
  await desk.submit(2, { age: "40" });
  await server.stop();
  const lines: string[] = [];
  const same = await replayCommand(PROJECT, { file: file() }, [desk.code], (line) => lines.push(line));
  expect([same, lines.at(-1)]).toEqual([true, expect.stringContaining(" 0 differ")]);
  server = await startTestServer({ WALRAS_DB: file() }, PROJECT);
  const { players } = await rowsOf(server, desk.code, "study");
  expect(players.slice(0, 2).map(({ note }) => note)).toEqual(["fee 5", "fee 9"]);
});
