import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { NewSessionAnswer } from "../server/api.ts";
import { DeskClient } from "../server/desk-client.ts";
import type { Figures } from "../server/figures.ts";
import { ask, startTestServer, type TestServer } from "./helpers/http.ts";

const PASSWORD = "correct horse battery";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ WALRAS_ADMIN_PASSWORD: PASSWORD, WALRAS_RATE: "7" });
});
afterAll(() => server.stop());

async function login(): Promise<string> {
  const response = await fetch(`${server.base}/login`, {
    method: "POST",
    body: new URLSearchParams({ password: PASSWORD }),
    redirect: "manual",
  });
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

/** A session as a program asks for it. */
async function create(body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.base}/api/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json", cookie: await login(), ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return {
    status: response.status,
    body: (await response.json()) as NewSessionAnswer & { code: string; message?: string },
  };
}

test("who has not logged in gets neither figures nor sessions, and is told how", async () => {
  for (const request of [
    fetch(`${server.base}/api/figures`),
    fetch(`${server.base}/api/sessions`, { method: "POST" }),
  ]) {
    const response = await request;
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: "login_needed", message: expect.stringContaining("/login") });
  }
});

test("a page of another site cannot use a login", async () => {
  expect(await create({ apps: ["probe"], participants: 1 }, { origin: "https://evil.example" })).toMatchObject({
    status: 403,
    body: { code: "not_allowed" },
  });
});

test("the figures tell what the server uses, at no more than was asked for", async () => {
  const headers = { cookie: await login() };
  const read = async (query = "") =>
    (await (await fetch(`${server.base}/api/figures${query}`, { headers })).json()) as Figures;
  const [first, second] = [await read(), await read("?database=size")];
  expect(first).toMatchObject({ v: 1, loopDelay: null, halted: null, database: { bytes: null } });
  expect(first).toMatchObject({ limits: { rate: 7, burst: 100 } });
  expect(second.loopDelay).toMatchObject({ max: expect.any(Number), delays: expect.any(Array) });
  expect(second.database).toMatchObject({ dialect: "sqlite", synchronous: "FULL", bytes: expect.any(Number) });
  expect(second.database.bytes).toBeGreaterThan(4096);
  expect(second.cpu).toBeGreaterThan(first.cpu);
  expect(second.process).toBe(first.process);
});

test("a session is made of apps without a session config, or of a config, and its links work", async () => {
  const made = await create({ apps: ["probe"], participants: 4, displayName: "Load test" });
  expect(made.status).toBe(201);
  expect(made.body.links).toHaveLength(4);
  const page = await ask(server.base + made.body.links[0]);
  expect(page.status).toBe(303);
  const [row] = await server.game.store.read.sessions(1);
  expect(JSON.parse(String(row?.config))).toMatchObject({ displayName: "Load test", appSequence: ["probe"] });
  expect((await create({ config: "probe", participants: 2 })).body.links).toHaveLength(2);
});

/** What was stored as the newest session's config. */
async function newestConfig(): Promise<Record<string, unknown>> {
  const [row] = await server.game.store.read.sessions(1);
  return JSON.parse(String(row?.config));
}

test("a program lays out labels, and who comes by one gets its place", async () => {
  const { status, body } = await create({ config: "probe", participants: 4, labels: ["ann", " Bo Li "] });
  expect(status).toBe(201);
  const row = await server.game.store.read.session({ code: body.code });
  const people = await server.game.store.read.participants(Number(row?.id));
  expect(people.map(({ label }) => label)).toEqual(["ann", "Bo Li", null, null]);
  const page = await ask(`${server.base}/join/${body.code}?participant_label=Bo%20Li`);
  const visit = /name="walras_visit" value="([^"]*)"/.exec(page.text)?.[1] ?? "";
  const form = { walras_visit: visit, participant_label: "Bo Li" };
  const { location } = await ask(`${server.base}/join/${body.code}`, { form });
  expect(location).toBe(body.links[1]);
});

test("a program gives a session's parameters other values", async () => {
  const parameters = { endowment: 50, nested: { a: [2] }, wave: "second" };
  expect(await create({ config: "tuned", participants: 2, parameters })).toMatchObject({ status: 201 });
  expect(await newestConfig()).toMatchObject({ name: "tuned", ...parameters, share: 0.5, participationFee: 3 });
});

describe("the form for a new session", () => {
  const post = async (form: Record<string, string>) =>
    ask(`${server.base}/create_session`, { form, headers: { cookie: await login() } });
  const alert = ({ status, text }: { status: number; text: string }) =>
    `${status} ${/role="alert"[^>]*>([^<]*)/.exec(text)?.[1]}`;

  test("shows the parameters that are a text, a number, true or false, and how many participants fill the groups", async () => {
    const { text } = await ask(`${server.base}/create_session?config=tuned`, { headers: { cookie: await login() } });
    const [, game = ""] = text.split('value="tuned"');
    const inputs = [
      ...(game.split("</fieldset>", 1)[0]?.matchAll(/<input[^>]*name="tuned\/(\w+)" value="([^"]*)"/g) ?? []),
    ];
    expect(inputs.map(([, name, value]) => `${name}=${value}`)).toEqual([
      ...["realWorldCurrencyPerPoint=1", "participationFee=3", "endowment=20", "share=0.5", "nudge=0", "nudge=1"],
      "frame=gain",
    ]);
    expect(game).toContain(
      '<textarea class="form-control" id="tuned/words" name="tuned/words" rows="4">\n\nOne\r\nTwo </textarea>',
    );
    expect(game).toMatch(/^ required checked>/);
    expect(game).toMatch(/Participants: a multiple of 2\./);
    expect(game).toMatch(/name="tuned\/nudge" value="1" checked/);
  });

  test("changes them for one session, keeping their kinds", async () => {
    const unchanged = { "tuned/words": "\r\nOne\r\nTwo " };
    const typed = {
      ...unchanged,
      "tuned/endowment": "50",
      "tuned/share": "0,25",
      "tuned/nudge": "0",
      "tuned/frame": "Loss, <b>",
    };
    const made = await post({ config: "tuned", participants: "4", ...typed, "probe/endowment": "1" });
    expect(made.status).toBe(303);
    expect(await newestConfig()).toMatchObject({
      ...{ endowment: 50, share: 0.25, nudge: false, frame: "Loss, <b>", nested: { a: 1 }, participationFee: 3 },
      words: "\nOne\r\nTwo ",
    });
    expect(await newestConfig()).not.toHaveProperty("realWorldCurrencyPerPoint");
    expect((await post({ config: "tuned", participants: "2" })).status).toBe(303);
    expect(await newestConfig()).toMatchObject({ endowment: 20, nudge: true });
  });

  test("says what is wrong, and keeps what was typed", async () => {
    const wrong = await post({ config: "tuned", participants: "3", "tuned/frame": "kept" });
    expect(alert(wrong)).toMatch(/^422 .*cannot have 3 participants.*multiple of 2/);
    expect(wrong.text).toContain('value="kept"');
    const half = await post({ config: "tuned", participants: "2", "tuned/endowment": "2.5" });
    expect(alert(half)).toBe("422 endowment: please give a whole number.");
    expect(half.text).toContain('value="2.5"');
    const owed = await post({ config: "tuned", participants: "2", "tuned/participationFee": "-1" });
    expect(alert(owed)).toMatch(
      /^422 session config tuned: participationFee is -1 \(a number\); give it a number from 0/,
    );
  });
});

test.each([
  [{ apps: ["prob"], participants: 1 }, "unknown_app", "Did you mean probe?"],
  [{ config: "prope", participants: 1 }, "unknown_config", "Did you mean probe?"],
  [{ apps: ["probe"], participants: 0 }, "bad_request", "from 1 to"],
  [{ apps: ["probe"], participants: 1e9 }, "bad_request", "from 1 to"],
  [{ apps: "probe", participants: 1 }, "bad_request", "apps"],
  [{ apps: ["probe"], participants: 1, labels: ["a", "b"] }, "bad_request", "at most 1 labels"],
  [{ apps: ["probe"], participants: 2, labels: ["a", " a "] }, "bad_request", "twice"],
  [{ apps: ["probe"], participants: 2, labels: ["a\nb"] }, "bad_request", "labels[0]"],
  [{ apps: ["probe"], participants: 2, labels: "a" }, "bad_request", "no array"],
  [{ apps: ["probe"], participants: 1, displayName: 7 }, "bad_request", "displayName"],
  [{ apps: ["probe", "probe"], participants: 1 }, "app_twice", "twice"],
  [{ config: "tuned", participants: 2, parameters: [1] }, "bad_request", "parameters is no object"],
  [{ config: "tuned", participants: 2, parameters: { name: "x" } }, "wrong_parameter", "name belongs to"],
  [{ config: "tuned", participants: 2, parameters: { language: "xx-" } }, "wrong_parameter", "language"],
  ["[]", "bad_request", "participants"],
  ["null", "bad_request", "not valid JSON"],
])("a session that cannot be made is refused with the reason: %j", async (body, code, message) => {
  expect(await create(body)).toMatchObject({ status: 400, body: { code, message: expect.stringContaining(message) } });
});

test("what is not JSON is refused without a trace of the server's own mistakes", async () => {
  expect(await create("{nonsense")).toMatchObject({ status: 400 });
  expect(server.lines.join("\n")).not.toContain("request failed");
});

describe("a program that uses the desk", () => {
  const request = { config: "probe", participants: 2, isDemo: true };

  test("logs in with the server's password, and gets whole links", async () => {
    const { links } = await new DeskClient(`${server.base}/demo`, PASSWORD).createSession(request);
    const link = expect.stringMatching(new RegExp(`^${server.base}/InitializeParticipant/`));
    expect(links).toEqual([link, link]);
  });

  test.each([
    [undefined, "Set WALRAS_ADMIN_PASSWORD to that server's."],
    ["wrong", "does not take the password in WALRAS_ADMIN_PASSWORD"],
  ])("is told what to do where the password is %p", async (password, message) => {
    await expect(new DeskClient(server.base, password).createSession(request)).rejects.toThrow(message);
  });
});
