import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { Router } from "express";
import type { PageLive } from "../client-sdk/protocol.ts";
import type { Command, Game, Reply } from "../rooms/calls.ts";
import { DEFAULTS } from "../server/config.ts";
import { makeLog } from "../server/log.ts";
import { Templates } from "../server/templates.ts";
import {
  type Answer,
  ask,
  enter,
  makeSession,
  mountAgain,
  startTestServer,
  TEST_PROJECT,
  type TestServer,
} from "./helpers/http.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const mounted: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of mounted.splice(0)) await one.stop();
});

const UNKNOWN = "This link does not lead to anyone";

/** What a live page hands to its script. */
function liveOf(answer: Answer): PageLive {
  return JSON.parse(/id="walras-live">(.*?)<\/script>/s.exec(answer.text)?.[1] ?? "null");
}

/** Messages as a page that is being left carries them. */
function outbox(url: string, ...data: unknown[]): string {
  const page = new URL(url).pathname.split("/")[4];
  return JSON.stringify(
    data.map((d, i) => ({ k: "send", c: "abcdefghijklmnopqrstuv", n: i + 1, p: `probe/1/${page}`, d })),
  );
}

describe("a participant's way", () => {
  test("leads from the start link over the pages to the end", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const [code = ""] = participants;
    const first = await enter(server.base, code);
    expect(first).toBe(`${server.base}/p/${code}/probe/Name/1`);
    const next = await ask(first, { form: { _walras_outbox: outbox(first, "Ann") } });
    expect([next.status, next.location]).toEqual([303, `/p/${code}/probe/Show/2`]);
    const last = await ask(server.base + next.location, { form: {} });
    expect(last.location).toBe(`/OutOfRangeNotification/${code}`);
    const end = await ask(server.base + last.location);
    expect([end.status, end.text]).toEqual([200, expect.stringContaining("No more pages left")]);
  });

  test("goes back to where the participant is, whatever the URL says", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const [code = ""] = participants;
    const first = await enter(server.base, code);
    const path = new URL(first).pathname;
    for (const wrong of [
      "probe/Show/2",
      "probe/Name/2",
      "probe/Nowhere/1",
      "other/Name/1",
      "probe/Name/99",
      "probe/Name/x",
      "probe/Name/-1",
    ]) {
      expect((await ask(`${server.base}/p/${code}/${wrong}`)).location).toBe(path);
      expect((await ask(`${server.base}/p/${code}/${wrong}`, { form: {} })).location).toBe(path);
    }
    expect((await ask(`${server.base}/InitializeParticipant/${code}`)).location).toBe(path);
    expect((await ask(`${server.base}/OutOfRangeNotification/${code}`)).location).toBe(path);
  });

  test("goes on from a page that was posted twice", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    const post = () => ask(first, { form: { _walras_outbox: outbox(first, "Ann") } });
    expect((await post()).location).toMatch(/Show\/2$/);
    expect((await post()).location).toMatch(/Show\/2$/);
  });

  test("stays on the page, with the reason, while its rules are not met", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    const stay = await ask(first, { form: {} });
    expect(stay.status).toBe(422);
    expect(stay.text).toContain("Please tell your name &lt;first&gt;.");
    expect(liveOf(stay).seat).not.toBeNull();
  });

  test("answers unknown and malformed codes alike, and logs neither", async () => {
    for (const code of ["nobodynobodynobodynobodyno", "x", "%00", "%ff", "a'b", "..%2f..", "a".repeat(3000)]) {
      for (const path of ["InitializeParticipant/*", "p/*/probe/Name/1", "OutOfRangeNotification/*"]) {
        const answer = await ask(`${server.base}/${path.replace("*", code)}`);
        // Express itself refuses what is no percent-encoding.
        if (code === "%ff") expect(answer.status).toBe(400);
        else expect([answer.status, answer.text.includes(UNKNOWN)]).toEqual([404, true]);
      }
    }
    expect(server.lines.join("\n")).not.toMatch(/nobody|a'b/);
  });
});

describe("a live page", () => {
  test("holds a seat, and gives fresh ones to its own URL", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    const live = liveOf(await ask(first));
    expect(live.page).toBe("probe/1/Name");
    expect(live.seat?.sessionId).toEqual(expect.any(String));
    expect(server.base + live.seatUrl).toBe(`${first}/seat`);
    const fresh = JSON.parse((await ask(`${first}/seat`, { method: "POST" })).text);
    expect(fresh.seat.roomId).toBe(live.seat?.roomId);
    expect(fresh.seat.sessionId).not.toBe(live.seat?.sessionId);
  });

  test("is told to load again once its participant is elsewhere", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    await ask(first, { form: { _walras_outbox: outbox(first, "Ann") } });
    expect(JSON.parse((await ask(`${first}/seat`, { method: "POST" })).text)).toEqual({ seat: null, reload: true });
  });

  test("gets no seat through a page of another site", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
    ]) {
      expect((await ask(`${first}/seat`, { method: "POST", headers })).status).toBe(403);
    }
    expect((await ask(`${first}/seat`, { method: "POST", headers: { origin: server.base } })).status).toBe(200);
  });
});

describe("a posted form", () => {
  const FULL = { age: "18", share: "0,5", color: "red", agrees: "true", clicks: "1" };
  const FORM = { "content-type": "application/x-www-form-urlencoded" };
  const opened = async () => {
    const { participants } = await makeSession(server.base, "byhand");
    return enter(server.base, participants[0] ?? "");
  };
  const shown = async (url: string) => /id="all">(.*?)</.exec((await ask(url.replace("Form/1", "Shown/2"))).text)?.[1];

  test("may come from a script as multipart; files in it are left out", async () => {
    const url = await opened();
    const body = new FormData();
    for (const [name, value] of Object.entries(FULL)) body.append(name, value);
    body.append("upload", new Blob(["x"]), "x.txt");
    body.append("__proto__", "y");
    const answer = await fetch(url, { method: "POST", body, redirect: "manual" });
    expect(answer.status).toBe(303);
    expect(await shown(url)).toBe("18 0.5 red true 1");
  });

  test("of any other kind is refused, and does not count as an empty one", async () => {
    const url = await opened();
    for (const [type, body] of [
      ["application/json", JSON.stringify(FULL)],
      ["text/plain", "age=18"],
      ["multipart/form-data", "age=18"],
      ["multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=age\r\n\r\n18"],
    ] as const) {
      const { status, text } = await ask(url, { body, headers: { "content-type": type } });
      expect([type, [400, 415].includes(status), text.includes("That could not be read")]).toEqual([type, true, true]);
    }
    expect((await ask(url)).status).toBe(200);
  });

  test("without a field counts as unanswered, with one that comes twice as it was last", async () => {
    const url = await opened();
    const { age: _, ...rest } = FULL;
    const answer = await ask(url, { form: rest });
    expect(answer.status).toBe(422);
    expect(answer.text).toContain('id="id_age-error">This field is required.<');
    const body = `age=99&color=blue&${new URLSearchParams(FULL)}`;
    expect((await ask(url, { body, headers: FORM })).status).toBe(303);
    expect(await shown(url)).toBe("18 0.5 red true 1");
  });

  test("to another page's URL changes nothing and leads to where the participant is", async () => {
    const url = await opened();
    for (const other of ["Shown/2", "Shown/1", "Form/2", "Nothing/7", "Form/0", "Form/x"]) {
      const { status, location } = await ask(url.replace("Form/1", other), { form: FULL });
      expect([other, status, server.base + location]).toEqual([other, 303, url]);
    }
    await ask(url, { form: FULL });
    const { location } = await ask(url, { form: { ...FULL, age: "77" } });
    expect(location).toContain("/Shown/2");
    expect(await shown(url)).toBe("18 0.5 red true 1");
  });

  test("may hold any characters, and values of any size that fit", async () => {
    const url = await opened();
    for (const age of ["1".repeat(5_000), "\u{1f389}".repeat(1_000), "<b>&'\"", "９９９e308", "-0"]) {
      const answer = await ask(url, { form: { ...FULL, age } });
      expect([age.slice(0, 9), answer.status]).toEqual([age.slice(0, 9), 422]);
    }
    const many = Array.from({ length: 3_000 }, (_, i) => `x${i}=1`).join("&");
    expect((await ask(url, { body: `${many}&${new URLSearchParams(FULL)}`, headers: FORM })).status).toBe(303);
  });
});

describe("a tampered form", () => {
  test.each([
    ["an outbox that is not JSON", { _walras_outbox: "[{" }],
    ["an outbox that is not a list", { _walras_outbox: "{}" }],
    ["messages without a number", { _walras_outbox: '[{"k":"send","c":"abc","p":"probe/1/Name","d":1}]' }],
    [
      "messages with a huge client id",
      { _walras_outbox: JSON.stringify([{ k: "send", c: "x".repeat(65), n: 1, p: "", d: 1 }]) },
    ],
    ["a field with a NUL", { name: "a\0b" }],
  ])("with %s is refused, and the participant stays", async (_what, form: Record<string, string>) => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    const answer = await ask(first, { form });
    expect([answer.status, answer.text.includes("That could not be read")]).toEqual([400, true]);
    expect((await ask(first)).status).toBe(200);
  });

  test("with fields named like parts of objects does no harm", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    const body = "__proto__=x&constructor=y&__proto__[polluted]=1&toString=z";
    const answer = await ask(first, { body, headers: { "content-type": "application/x-www-form-urlencoded" } });
    expect(answer.status).toBe(422);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test("of more than 2 MiB is refused", async () => {
    const { participants } = await makeSession(server.base, "probe");
    const first = await enter(server.base, participants[0] ?? "");
    expect((await ask(first, { form: { text: "x".repeat(2 * 1024 * 1024) } })).status).toBe(413);
    expect((await ask(first)).status).toBe(200);
  });
});

describe("an author's mistake", () => {
  test("in a hook shows message, source line and stack in development", async () => {
    const { participants } = await makeSession(server.base, "bad_hook");
    const answer = await ask(await enter(server.base, participants[0] ?? ""));
    expect(answer.status).toBe(500);
    expect(answer.text).toContain("the hook has failed &lt;b&gt;here&lt;/b&gt;");
    expect(answer.text).toMatch(/apps\/faulty\/index\.ts:\d+/);
    expect(answer.text).toMatch(/class="here"><i>\d+<\/i>\s+throw new Error/);
  });

  test("in a template names variable, file and line", async () => {
    const { participants } = await makeSession(server.base, "bad_template");
    const answer = await ask(await enter(server.base, participants[0] ?? ""));
    expect(answer.status).toBe(500);
    expect(answer.text).toContain("apps/faulty/Template.html line 4: There is no variable highest_bid.");
    expect(answer.text).toMatch(/class="here"><i>4<\/i>&lt;p&gt;\{\{ highest_bid/);
  });

  test("is a calm page in production, and a line in the log", async () => {
    const { participants } = await makeSession(server.base, "bad_hook");
    const url = await enter(server.base, participants[0] ?? "");
    const lines = server.lines.length;
    const calm = await remount(server.game, { development: false });
    const answer = await ask(calm.base + new URL(url).pathname);
    expect(answer.status).toBe(500);
    expect(answer.text).toContain("An error occurred");
    expect(answer.text).not.toMatch(/hook has failed|index\.ts|Error:/);
    expect(server.lines.slice(lines).join("\n")).toContain("the hook has failed");
    expect(server.lines.join("\n")).not.toContain(participants[0]);
  });
});

describe("an actor that cannot answer", () => {
  test("that asks to come back gives a page that does so by itself, or keeps the form", async () => {
    const calm = await remount(fakeGame(() => ({ kind: "refused", code: "halted", message: "full", retry: true })));
    const url = `${calm.base}/p/someone/probe/Name/1`;
    const view = await ask(url);
    expect([view.status, view.headers["retry-after"]]).toEqual([503, "2"]);
    expect(view.text).toContain('http-equiv="refresh"');
    const post = await ask(url, { form: {} });
    expect(post.status).toBe(503);
    expect(post.text).not.toContain('http-equiv="refresh"');
    const seat = await ask(`${url}/seat`, { method: "POST" });
    expect([seat.status, JSON.parse(seat.text)]).toEqual([503, { code: "halted" }]);
  });

  test("because the participant has moved is followed by asking the next one, but not for ever", async () => {
    const asked: Command[] = [];
    const moving =
      (times: number) =>
      (command: Command): Reply => {
        asked.push(command);
        return asked.length > times ? { kind: "goto", pageIndex: 2 } : { kind: "elsewhere" };
      };
    const calm = await remount(fakeGame(moving(2)));
    expect((await ask(`${calm.base}/p/someone/probe/Name/1`)).location).toBe("/p/someone/probe/Show/2");
    expect(asked).toHaveLength(3);
    asked.length = 0;
    const lost = await remount(fakeGame(moving(Number.POSITIVE_INFINITY)));
    expect((await ask(`${lost.base}/p/someone/probe/Name/1`)).status).toBe(503);
  });

  test("with a page that lost its seat's place is an error, not a page without a seat", async () => {
    const live: PageLive = { ...({} as PageLive), page: "probe/1/Name" };
    const calm = await remount(
      fakeGame(() => ({ kind: "page", html: "nothing here", nonce: "n", live, seatSlot: "slot", status: 200 })),
      { development: false },
    );
    expect((await ask(`${calm.base}/p/someone/probe/Name/1`)).status).toBe(500);
  });
});

test("health says what the game says, red with 503", async () => {
  expect(JSON.parse((await ask(`${server.base}/health`)).text)).toMatchObject({ ok: true, halted: null });
  const ill = {
    ...fakeGame(() => ({ kind: "elsewhere" })),
    health: () => ({ ...server.game.health(), ok: false, halted: "full" }),
  };
  const red = await remount(ill);
  const answer = await ask(`${red.base}/health`);
  expect([answer.status, JSON.parse(answer.text).halted]).toEqual([503, "full"]);
});

test("the desk lists configs and sessions, with every participant's link, and what others named is escaped", async () => {
  expect((await ask(`${server.base}/`)).location).toBe("/demo");
  expect((await ask(`${server.base}/demo`)).text).toContain("Probe &lt;1&gt;");
  const { code, participants } = await makeSession(server.base, "probe");
  expect(participants).toHaveLength(2);
  expect((await ask(`${server.base}/sessions`)).text).toContain(code);
  const split = await ask(`${server.base}/SessionSplitScreen/${code}`);
  for (const participant of participants)
    expect(split.text).toContain(`<iframe src="/InitializeParticipant/${participant}"`);
  await enter(server.base, participants[0] ?? "");
  expect((await ask(`${server.base}/SessionStartLinks/${code}`)).text).toContain("Name, page 1 of 2");
  for (const path of ["/SessionStartLinks/none", "/SessionSplitScreen/%00", "/nothing/here"]) {
    expect((await ask(server.base + path)).status).toBe(404);
  }
  expect((await ask(`${server.base}/demo/nothing`, { method: "POST" })).status).toBe(404);
});

test("static files are those of the app, the project and Walras, and no others", async () => {
  const { participants } = await makeSession(server.base, "probe");
  const page = await ask(await enter(server.base, participants[0] ?? ""));
  const script = /src="(\/static\/walras\/live-[\w-]+\.js)"/.exec(page.text)?.[1] ?? "";
  const packed = await ask(server.base + script, { headers: { "accept-encoding": "gzip" } });
  expect(packed.headers).toMatchObject({
    "content-encoding": "gzip",
    "cache-control": expect.stringContaining("immutable"),
  });
  expect((await ask(server.base + script)).text).toContain("liveSend");
  expect((await ask(`${server.base}/static/probe/dot.svg`)).text).toContain("<svg");
  // Where oTree's apps have theirs.
  expect((await ask(`${server.base}/static/probe/line.svg`)).text).toContain("<line");
  expect((await ask(`${server.base}/static/global/lab.css`)).text).toContain("body");
  for (const path of [
    "probe/../index.ts",
    "probe/%2e%2e/index.ts",
    "probe/..%2f..%2fwalras.config.ts",
    "global/..%5c..%5cwalras.config.ts",
    "walras/live.js",
  ]) {
    expect((await ask(`${server.base}/static/${path}`)).status).toBeGreaterThanOrEqual(400);
  }
});

/** The same pages over another game or for production, until the end of the test. */
async function remount(game: Game, options: { development?: boolean } = {}) {
  const { development = true } = options;
  const { apps } = server.game;
  const urls = { stylesheet: "/s.css", liveScript: "/l.js", formScript: "/f.js", chatScript: "/c.js" };
  const again = await mountAgain(game, {
    root: TEST_PROJECT,
    database: { file: "none.sqlite3" },
    labs: new Map(),
    sessionConfigs: [],
    templates: new Templates({ root: TEST_PROJECT, development, apps, ...urls }),
    assets: { ...urls, monitorScript: "/m.js", dataScript: "/d.js", liveScriptSize: 0, router: Router() },
    settings: { ...DEFAULTS, adminPassword: undefined },
    development,
    log: makeLog((line) => server.lines.push(line)),
  });
  mounted.push(again);
  return again;
}

/** A game with one participant, `someone`, on the first of two pages. */
function fakeGame(call: (command: Command) => Reply): Game {
  const sequence = JSON.stringify(["Name", "Show"].map((page) => ({ app: "probe", round: 1, page })));
  const read = {
    whereabouts: async () => ({ participant: { id: 1, pageIndex: 1 }, sessionId: 1, actorId: 7 }),
    session: async () => ({ id: 1, pages: sequence }),
  };
  return {
    ...server.game,
    store: { read },
    call: async (_actorId: number, command: Command) => call(command),
  } as unknown as Game;
}
