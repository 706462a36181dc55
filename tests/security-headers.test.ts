import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Request } from "express";
import { Router } from "express";
import { Access } from "../server/access.ts";
import { DEFAULTS } from "../server/config.ts";
import { makeLog } from "../server/log.ts";
import { isSameOrigin } from "../server/same-origin.ts";
import { Templates } from "../server/templates.ts";
import { ask, enter, makeSession, mountAgain, startTestServer, TEST_PROJECT, type TestServer } from "./helpers/http.ts";

const PASSWORD = "correct horse battery";

let server: TestServer;
/** The same game behind pages that ask for a password. */
let locked: { base: string; stop(): Promise<void> };
beforeAll(async () => {
  server = await startTestServer();
  const urls = { stylesheet: "/s.css", liveScript: "/l.js", formScript: "/f.js", chatScript: "/c.js" };
  locked = await mountAgain(server.game, {
    root: TEST_PROJECT,
    database: { file: "none.sqlite3" },
    labs: new Map(),
    sessionConfigs: [],
    templates: new Templates({ root: TEST_PROJECT, development: false, apps: server.game.apps, ...urls }),
    assets: { ...urls, monitorScript: "/m.js", dataScript: "/d.js", liveScriptSize: 0, router: Router() },
    settings: { ...DEFAULTS, adminPassword: PASSWORD },
    development: false,
    log: makeLog((line) => server.lines.push(line)),
  });
});
afterAll(async () => {
  await locked.stop();
  await server.stop();
});

function directives(header: unknown): Map<string, string> {
  return new Map(
    String(header)
      .split("; ")
      .map((one) => [one.split(" ")[0] ?? "", one.slice(one.indexOf(" ") + 1)] as const),
  );
}

describe("participants' pages", () => {
  test("run the template's scripts and handlers only, in frames of this site only, and are kept nowhere", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const page = await ask(await enter(server.base, participants[0] ?? ""));
    const csp = directives(page.headers["content-security-policy"]);
    const nonce = /'nonce-([\w-]+)'/.exec(csp.get("script-src") ?? "")?.[1] ?? "";
    expect(nonce).not.toBe("");
    for (const [, given] of page.text.matchAll(/<script nonce="([^"]*)"/g)) expect(given).toBe(nonce);
    expect(csp.get("script-src")).not.toMatch(/unsafe/);
    expect(csp.get("script-src-attr")).toBe("'unsafe-inline'");
    expect(csp.get("connect-src")).toBe("'self' ws: wss:");
    expect(csp.get("frame-ancestors")).toBe("'self'");
    expect(csp.get("object-src")).toBe("'none'");
    expect(page.headers).toMatchObject({
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "SAMEORIGIN",
    });
  });

  test("and redirects to them do not tell where a participant came from", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const redirect = await ask(`${server.base}/InitializeParticipant/${participants[0]}`);
    expect(redirect.headers).toMatchObject({ "cache-control": "no-store", "referrer-policy": "no-referrer" });
  });

  test("have codes of 128 bits", async () => {
    const { participants } = await makeSession(server.base, "probe");
    for (const code of participants) expect(code.length * Math.log2(32)).toBeGreaterThanOrEqual(128);
    expect(new Set(participants).size).toBe(participants.length);
  });
});

test("no response locks a lab on plain http out, names its software, or is open to other origins", async () => {
  for (const path of ["/demo", "/health", "/static/walras/favicon.svg", "/nothing", "/p/x/y/z/1"]) {
    const { headers } = await ask(server.base + path, { headers: { origin: "https://evil.example" } });
    expect(headers["strict-transport-security"]).toBeUndefined();
    expect(String(headers["content-security-policy"] ?? "")).not.toContain("upgrade-insecure-requests");
    expect(headers["x-powered-by"]).toBeUndefined();
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(headers["access-control-allow-credentials"]).toBeUndefined();
    expect(headers["x-content-type-options"]).toBe("nosniff");
  }
});

test("the desk's pages run no scripts at all", async () => {
  const csp = directives((await ask(`${server.base}/demo`)).headers["content-security-policy"]);
  expect(csp.get("default-src")).toBe("'none'");
  expect(csp.has("script-src")).toBe(false);
});

describe("without a password the desk", () => {
  const DESK = ["/demo", "/sessions", "/SessionStartLinks/x", "/SessionSplitScreen/x"];

  test("answers only to this machine", () => {
    const access = new Access(undefined);
    const from = (remoteAddress: string | undefined, headers: Record<string, string> = {}) => {
      const all: Record<string, string> = { host: "localhost:8000", ...headers };
      return access.of({ socket: { remoteAddress }, get: (name: string) => all[name] } as unknown as Request);
    };
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.8.8.8"]) expect(from(address)).toBe("open");
    for (const address of ["192.168.1.20", "::ffff:10.0.0.1", "2001:db8::1", "1127.0.0.1", undefined]) {
      expect(from(address)).toBe("refused");
    }
    for (const host of ["127.0.0.1", "[::1]:8000", "walras.localhost:1"])
      expect(from("127.0.0.1", { host })).toBe("open");
    for (const host of ["evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", ""]) {
      expect(from("127.0.0.1", { host })).toBe("refused");
    }
  });

  test("does not take a proxy on this machine, or a name that points here, for this machine", async () => {
    const disguises = [
      { "x-forwarded-for": "127.0.0.1" },
      { "x-real-ip": "127.0.0.1" },
      { forwarded: "for=127.0.0.1" },
      { via: "1.1 proxy" },
      { host: "evil.example" },
    ];
    for (const headers of disguises) {
      for (const path of DESK) {
        const answer = await ask(server.base + path, { headers });
        expect([answer.status, answer.text.includes("WALRAS_ADMIN_PASSWORD")]).toEqual([403, true]);
      }
      expect((await ask(`${server.base}/demo/probe`, { method: "POST", headers })).status).toBe(403);
    }
    expect((await ask(`${server.base}/demo`)).status).toBe(200);
  });

  test("makes no session for a page of another site", async () => {
    const before = (await server.game.store.read.sessions(1000)).length;
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: server.base, "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      expect((await ask(`${server.base}/demo/probe`, { method: "POST", headers })).status).toBe(403);
    }
    expect((await ask(`${server.base}/demo/probe`)).status).toBe(404);
    expect((await server.game.store.read.sessions(1000)).length).toBe(before);
  });
});

test("a form is our own if the browser or its Origin says so, or if no browser sent it", () => {
  const own = (headers: Record<string, string>) =>
    isSameOrigin({ get: (name: string) => headers[name] } as unknown as Request);
  const host = "192.168.0.5:8000";
  expect(own({ host })).toBe(true);
  expect(own({ host, origin: `http://${host}` })).toBe(true);
  expect(own({ host, origin: "https://lab.example", "sec-fetch-site": "same-origin" })).toBe(true);
  for (const origin of ["http://192.168.0.5", "http://evil.example", "null", "%"])
    expect(own({ host, origin })).toBe(false);
});

describe("with a password the desk", () => {
  const login = (password: string, more: Record<string, string> = {}) =>
    ask(`${locked.base}/login`, { form: { password, next: "/sessions", ...more } });

  test("asks for it, also on this machine, and opens after the login", async () => {
    for (const path of ["/demo", "/sessions", "/SessionStartLinks/x"]) {
      expect((await ask(locked.base + path)).location).toBe(`/login?next=${encodeURIComponent(path)}`);
    }
    expect((await ask(`${locked.base}/demo/probe`, { method: "POST" })).location).toBe("/login");
    const wrong = await login("wrong horse");
    expect([wrong.status, wrong.headers["set-cookie"]]).toEqual([401, undefined]);
    const right = await login(PASSWORD);
    expect([right.status, right.location]).toEqual([303, "/sessions"]);
    const [cookie = ""] = right.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/; HttpOnly; SameSite=Lax$/);
    const headers = { cookie: `other=1; ${cookie.split(";")[0]}` };
    expect((await ask(`${locked.base}/sessions`, { headers })).status).toBe(200);
    expect((await ask(`${locked.base}/logout`, { method: "POST", headers })).headers["set-cookie"]?.[0]).toContain(
      "Max-Age=0",
    );
  });

  test("lets participants in without it", async () => {
    const { participants } = await makeSession(server.base, "probe");
    expect((await ask(`${locked.base}/InitializeParticipant/${participants[0]}`)).location).toMatch(/Name\/1$/);
  });

  test("leads to its own pages only after the login", async () => {
    for (const next of ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]) {
      expect((await login(PASSWORD, { next })).location).toBe("/demo");
    }
  });

  test("takes no cookie that is forged, changed or too old", async () => {
    const [cookie = ""] = (await login(PASSWORD)).headers["set-cookie"] ?? [];
    const value = (cookie.split(";")[0] ?? "").replace("walras_desk=", "");
    const [until = "", signature = ""] = value.split(".");
    for (const forged of [
      `${Number(until) + 1}.${signature}`,
      `${until}.${"A".repeat(43)}`,
      `${until}.`,
      until,
      ".",
      "",
    ]) {
      expect((await ask(`${locked.base}/demo`, { headers: { cookie: `walras_desk=${forged}` } })).status).toBe(303);
    }
    const request = { get: () => `walras_desk=${value}` } as unknown as Request;
    expect(new Access(PASSWORD).of(request)).toBe("open");
    expect(new Access(PASSWORD, () => Number(until)).of(request)).toBe("login");
    expect(new Access(`${PASSWORD}!`).of(request)).toBe("login");
  });

  test("marks its cookie secure behind TLS", async () => {
    const answer = await ask(`${locked.base}/login`, {
      form: { password: PASSWORD },
      headers: { "x-forwarded-proto": "https" },
    });
    expect(answer.headers["set-cookie"]?.[0]).toMatch(/; Secure$/);
  });

  test("stops whoever guesses, whatever address they pretend to have", async () => {
    let last = 0;
    for (let i = 0; i < 12; i++) {
      last = (
        await ask(`${locked.base}/login`, {
          form: { password: `guess ${i}` },
          headers: { "x-forwarded-for": `10.0.0.${i}` },
        })
      ).status;
    }
    expect(last).toBe(429);
    expect((await login(PASSWORD)).status).toBe(429);
  });
});
