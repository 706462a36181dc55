import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import type { FailureFrame, FieldsFrame, InspectionFrame } from "../client-sdk/inspection.ts";
import type { LiveWatch } from "../client-sdk/live-client.ts";
import type { ServerFrame } from "../client-sdk/protocol.ts";
import { DeskClient } from "../server/desk-client.ts";
import { type Answer, ask, enter, makeSession, startTestServer, type TestServer } from "./helpers/http.ts";
import { ServerProcess } from "./helpers/server-process.ts";

const PROJECT = join(import.meta.dirname, "helpers/bots-project");
const PASSWORD = "correct horse battery";

let development: TestServer;
/** The repository's own project, in a process of its own: Colyseus takes one server in each. */
const production = new ServerProcess({ WALRAS_PRODUCTION: "1", WALRAS_ADMIN_PASSWORD: PASSWORD });
beforeAll(async () => {
  development = await startTestServer({}, PROJECT);
  await production.start();
});
afterAll(async () => {
  await development.stop();
  await production.remove();
});

const open: HeadlessParticipant[] = [];
afterEach(() => {
  for (const participant of open.splice(0)) participant.close();
});

type Frame = ServerFrame | InspectionFrame;

/** A participant's page that asks for what the panel asks for, and everything that the server sends it. */
async function look(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ page: HeadlessParticipant; frames: Frame[]; fields(): FieldsFrame[]; failures(): FailureFrame[] }> {
  const frames: Frame[] = [];
  const watch: LiveWatch = {
    inspects: true,
    queued() {},
    hello() {},
    welcomed() {},
    frame: (frame) => void frames.push(frame),
    closed() {},
  };
  const page = await HeadlessParticipant.open(url, {
    watch: () => watch,
    fetch: (at, request) => fetch(at, { ...request, headers: { ...Object(request?.headers), ...headers } }),
  });
  open.push(page);
  await page.until(() => page.status === "open");
  return {
    page,
    frames,
    fields: () => frames.filter((frame) => frame.k === "fields"),
    failures: () => frames.filter((frame) => frame.k === "failure"),
  };
}

const link = ({ base }: { base: string }, code: string | undefined) => `${base}/InitializeParticipant/${code}`;

/** Addresses of a page's scripts. */
function scriptsOf({ text }: Pick<Answer, "text">): string[] {
  return [...text.matchAll(/<script[^>]* src="([^"]+)"/g)].map(([, src = ""]) => src);
}

test("in development a live page of a demo session has it, right behind its data; other pages do not", async () => {
  const { participants } = await makeSession(development.base, "game");
  const url = await enter(development.base, participants[0] ?? "");
  const page = await ask(url);
  const scripts = scriptsOf(page);
  expect(scripts.map((src) => src.replace(/-[\w-]{10}\./, "."))).toEqual([
    "/static/walras/live.js",
    "/static/walras/panel.js",
    "/static/walras/form.js",
  ]);
  expect(page.text).toMatch(
    /id="walras-live">\{[^<]*\}<\/script>\n<script src="[^"]*" data-url="\/p\/\w+\/panel"><\/script>/,
  );
  const script = await ask(development.base + scripts[1]);
  expect([script.status, script.headers["content-type"]]).toEqual([200, "text/javascript; charset=utf-8"]);
  for (const path of ["/demo", "/sessions"]) expect((await ask(development.base + path)).text).not.toContain("/panel");
});

test("in production there is no trace of it: not in the page, its scripts, the frames or the routes", async () => {
  const login = await ask(`${production.base}/login`, { form: { password: PASSWORD, next: "/demo" } });
  const cookie = String(login.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
  const { location } = await ask(`${production.base}/demo/tictactoe`, {
    method: "POST",
    headers: { cookie },
  });
  const links = await ask(production.base + location, { headers: { cookie } });
  const code = /\/InitializeParticipant\/([\w-]+)/.exec(links.text)?.[1] ?? "";
  const page = await ask(await enter(production.base, code), { headers: { cookie } });
  expect(page.text).toContain("walras-live");
  expect(page.text).not.toMatch(/panel/i);
  const scripts = scriptsOf(page);
  expect(scripts).toHaveLength(2);
  for (const src of scripts) {
    const { status, text } = await ask(production.base + src);
    expect([status, text.match(/panel|WALRAS_DEVELOPMENT/i)]).toEqual([200, null]);
  }
  const { participants } = await makeSession(development.base, "game");
  const inDevelopment = scriptsOf(await ask(await enter(development.base, participants[0] ?? "")));
  expect((await ask(production.base + inDevelopment[1])).status).toBe(404);
  for (const what of ["restart", "start-over"]) {
    const answer = await ask(`${production.base}/p/${code}/panel/${what}`, { method: "POST", headers: { cookie } });
    expect(answer.status).toBe(404);
  }
  // Also for a page that asks for it.
  const { page: asking, frames } = await look(link(production, code), { cookie });
  await asking.send({ square: 4 });
  await expect(asking.send(null)).rejects.toMatchObject({ code: "failed", message: "The live method failed." });
  await asking.send({});
  expect(new Set(frames.map(({ k }) => k))).toEqual(new Set(["recv", "answer"]));
  expect(JSON.stringify(frames)).not.toMatch(/stack|index\.ts|destructure/);
});

test("it gets all stored fields of the group and its own player, and then what each unit changed", async () => {
  const { participants } = await makeSession(development.base, "game");
  const one = await look(link(development, participants[0]));
  const two = await look(link(development, participants[1]));
  for (const { page, fields } of [one, two]) await page.until(() => fields().length > 0);
  await one.page.send("hello");
  expect(one.fields()[0]).toMatchObject({ group: { sent: 0 }, player: { payoff: 0 } });
  const changes = one.fields().filter(({ kind, group }) => kind === "message" && "sent" in group);
  expect(changes).toEqual([{ k: "fields", s: expect.any(Number), kind: "message", group: { sent: 1 }, player: {} }]);
  // Before the message's own answer, as the published state.
  expect(one.frames.indexOf(changes[0] as Frame)).toBeLessThan(
    one.frames.findIndex((frame) => frame.k === "recv" || frame.k === "answer"),
  );
  await two.page.until(() => two.fields().some(({ group }) => group.sent === 1));
});

test("players see nothing of each other's fields", async () => {
  const { participants } = await makeSession(development.base, "game");
  const [one, two] = [await look(link(development, participants[0])), await look(link(development, participants[1]))];
  for (const { page } of [one, two]) await page.submit();
  await one.page.until(() => one.page.status === "open");
  await two.page.until(() => two.page.status === "open");
  await one.page.send("pay");
  expect(one.fields().some(({ kind, player }) => kind === "message" && player.payoff === 1)).toBe(true);
  await two.page.send("pay");
  for (const { fields } of [one, two]) {
    const paid = fields().filter(({ kind, player }) => kind === "message" && "payoff" in player);
    expect(paid).toHaveLength(1);
  }
});

test("fields show only when they are stored", async () => {
  const { participants } = await makeSession(development.base, "game");
  const one = await look(link(development, participants[0]));
  await one.page.until(() => one.fields().length > 0);
  const { store } = development.game;
  const commit = store.commit.bind(store);
  const gate = Promise.withResolvers<void>();
  store.commit = async (units) => {
    await gate.promise;
    return commit(units);
  };
  try {
    const answer = one.page.send("hello");
    // A second look while the first message has run and is not stored: it waits, and shows it afterwards.
    const late = look(link(development, participants[1]));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(one.fields().some(({ group }) => group.sent === 1)).toBe(false);
    gate.resolve();
    await answer;
    expect(one.fields().some(({ group }) => group.sent === 1)).toBe(true);
    const { page, fields } = await late;
    await page.until(() => fields().length > 0);
    expect(fields()[0]?.group).toEqual({ sent: 1 });
  } finally {
    store.commit = commit;
  }
});

test("an error comes with its stack and its source before the answer, to everybody's panel in the group", async () => {
  const { participants } = await makeSession(development.base, "game");
  const one = await look(link(development, participants[0]));
  const two = await look(link(development, participants[1]));
  for (const { page, fields } of [one, two]) await page.until(() => fields().length > 0);
  await expect(one.page.send("fail")).rejects.toMatchObject({ code: "failed" });
  const [failure] = one.failures();
  expect(failure).toMatchObject({
    where: "game/1/Play live",
    player: 1,
    n: 1,
    message: "the author's mistake",
    source: { file: "apps/game/index.ts" },
  });
  expect(failure?.stack).toMatch(/^Error: the author's mistake\n\s+at /);
  await two.page.until(() => two.failures().length > 0);
  // Nothing remains of it.
  expect(one.fields().some(({ group }) => group.sent === 1)).toBe(false);
});

test("nobody has it but designers: not on other machines, not in sessions of people", async () => {
  const { participants, code } = await makeSession(development.base, "game");
  const [mine = "", others = ""] = participants;
  const elsewhere = { "x-forwarded-for": "192.168.1.20" };
  const page = await ask(await enter(development.base, mine), { headers: elsewhere });
  expect(page.text).not.toContain("panel");
  for (const what of ["restart", "start-over"]) {
    const url = `${development.base}/p/${mine}/panel/${what}`;
    expect((await ask(url, { method: "POST", headers: elsewhere })).status).toBe(403);
    expect((await ask(url, { method: "POST", headers: { origin: "https://evil.example" } })).status).toBe(403);
    expect((await ask(`${development.base}/p/nobody/panel/${what}`, { method: "POST" })).status).toBe(403);
  }
  const one = await look(link(development, mine), elsewhere);
  await one.page.send("hello");
  await expect(one.page.send("fail")).rejects.toThrow();
  expect([...one.fields(), ...one.failures()]).toEqual([]);
  // Nor by a seat that is asked for later.
  one.page.cut();
  await one.page.until(() => one.page.status !== "open");
  await one.page.until(() => one.page.status === "open");
  await one.page.send("again");
  expect(one.fields()).toEqual([]);
  // A page that does not ask gets nothing either, at the server's own machine.
  expect(others).not.toBe("");
  expect(code).not.toBe("");

  const real = await new DeskClient(development.base, undefined).createSession({ config: "game", participants: 2 });
  const url = real.links[0] ?? "";
  const person = await look(url);
  expect(person.page.page.html).not.toContain("panel");
  await person.page.send("hello");
  expect(person.fields()).toEqual([]);
  const restart = `${development.base}/p/${url.split("/").at(-1)}/panel/restart`;
  expect((await ask(restart, { method: "POST" })).status).toBe(403);
});

test("a restarted group loads from the database, and nothing is lost", async () => {
  const { participants } = await makeSession(development.base, "game");
  const [one, two] = [await look(link(development, participants[0])), await look(link(development, participants[1]))];
  for (let i = 0; i < 3; i++) await one.page.send("all");
  await two.page.until(() => two.page.received.length === 3);
  const restart = () => ask(`${development.base}/p/${participants[0]}/panel/restart`, { method: "POST" });
  // In the middle of what is under way, too.
  const answers = [1, 2, 3, 4, 5].map(() => one.page.send("all"));
  expect((await restart()).status).toBe(200);
  await Promise.all(answers);
  await two.page.until(() => two.page.received.length === 8);
  await one.page.send("all");
  await two.page.until(() => two.page.received.length === 9);
  expect(one.page.received.map(({ data }) => data)).toEqual(new Array(9).fill({ from: 1 }));
  const whole = one.fields().filter(({ kind }) => kind === undefined);
  expect(whole).toHaveLength(2);
  expect(one.fields().at(-1)?.group).toEqual({ sent: 9 });
  const place = await development.game.store.read.whereabouts(participants[0] ?? "");
  const journal = await development.game.store.read.journal(place?.actorId ?? 0, 0, 1000, "game/1/Play");
  expect(journal.filter(({ kind }) => kind === "message")).toHaveLength(9);
});

test("start over makes a new demo session of the same config and size", async () => {
  const { participants, code } = await makeSession(development.base, "game");
  const answer = await ask(`${development.base}/p/${participants[0]}/panel/start-over`, { method: "POST" });
  const { session } = JSON.parse(answer.text);
  expect(session).not.toBe(code);
  const row = await development.game.store.read.session({ code: session });
  expect(row).toMatchObject({ configName: "game", isDemo: true });
  const links = await ask(`${development.base}/SessionStartLinks/${session}`);
  expect(new Set(links.text.match(/InitializeParticipant\/[\w-]+/g)).size).toBe(2);
});
