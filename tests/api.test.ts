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

test.each([
  [{ apps: ["prob"], participants: 1 }, "unknown_app", "Did you mean probe?"],
  [{ config: "prope", participants: 1 }, "unknown_config", "Did you mean probe?"],
  [{ apps: ["probe"], participants: 0 }, "bad_request", "from 1 to"],
  [{ apps: ["probe"], participants: 1e9 }, "bad_request", "from 1 to"],
  [{ apps: "probe", participants: 1 }, "bad_request", "apps"],
  [{ apps: ["probe"], participants: 1, displayName: 7 }, "bad_request", "displayName"],
  [{ apps: ["probe", "probe"], participants: 1 }, "app_twice", "twice"],
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
