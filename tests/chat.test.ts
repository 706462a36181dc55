import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "csv-parse/sync";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { PROTOCOL_VERSION } from "../client-sdk/protocol.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { ChatTable, JournalTable } from "../entities/system-tables.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { replayCommand } from "../server/replay-command.ts";
import { ask, makeSession, startTestServer, type TestServer } from "./helpers/http.ts";
import { LedgerProcess } from "./helpers/ledger-process.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";
import { RawSocket } from "./helpers/raw-socket.ts";
import { Road } from "./helpers/road.ts";

const PROJECT = join(import.meta.dirname, "helpers/chat");

let people: HeadlessParticipant[] = [];
afterEach(() => {
  for (const person of people) person.close();
  people = [];
});

async function open(base: string, code: string): Promise<HeadlessParticipant> {
  const person: HeadlessParticipant = await HeadlessParticipant.open(`${base}/InitializeParticipant/${code}`, {
    // Not while it is being left, as a browser: the server tells whoever has moved on, too.
    onReload: () => void (leaving.has(person) || person.reload().catch(() => {})),
  });
  people.push(person);
  return person;
}

const leaving = new Set<HeadlessParticipant>();

/** Submits the page's form. */
async function leave(person: HeadlessParticipant, answer = ""): Promise<void> {
  leaving.add(person);
  await person.submit({ answer });
  leaving.delete(person);
}

/** What a page's chat shows: `nickname: text`, with a star where it is the participant's own. */
function shown(person: HeadlessParticipant, box = 0): string[] {
  return (person.chats[box]?.lines ?? []).map(({ nickname, text, me }) => `${me ? "*" : ""}${nickname}: ${text}`);
}

async function say(person: HeadlessParticipant, text: string, box = 0): Promise<void> {
  const chat = person.chats[box];
  const n = await chat?.send(text);
  await person.until(() => chat?.lines.some((line) => line.me && line.n === n) ?? false);
}

async function sees(person: HeadlessParticipant, lines: readonly string[], box = 0): Promise<void> {
  await person.until(() => shown(person, box).length >= lines.length);
  expect(shown(person, box)).toEqual(lines);
}

describe("on one server", () => {
  let server: TestServer;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "walras-chat-"));
    // Chat messages count as ten live messages: these must not be slowed down.
    const env = { WALRAS_RATE: "10000", WALRAS_BURST: "10000", WALRAS_DB: join(directory, "db.sqlite3") };
    server = await startTestServer(env, PROJECT);
  });
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  /** The four participants of a session: groups of 1 and 2, and of 3 and 4. */
  async function four(config = "talk") {
    const { participants, code } = await makeSession(server.base, config);
    const all = await Promise.all(participants.map((one) => open(server.base, one)));
    return { all, code, codes: participants, ...{ ann: all[0], bob: all[1], cem: all[2], dot: all[3] } } as {
      all: HeadlessParticipant[];
      code: string;
      codes: string[];
      ann: HeadlessParticipant;
      bob: HeadlessParticipant;
      cem: HeadlessParticipant;
      dot: HeadlessParticipant;
    };
  }

  test("the group's own channel is the default, with the nickname Participant N, and nobody else hears it", async () => {
    const { ann, bob, cem } = await four();
    await say(ann, "hello");
    await say(bob, "hi");
    await say(cem, "who is there?");
    await sees(ann, ["*Participant 1: hello", "Participant 2: hi"]);
    await sees(bob, ["Participant 1: hello", "*Participant 2: hi"]);
    await sees(cem, ["*Participant 1: who is there?"]);
    expect(ann.page.html).toContain('data-me="{nickname} (Me)"');
  });

  test("a channel that is named is shared by all groups of the app in the session, under the nickname that the template gives", async () => {
    const { all, ann, dot } = await four();
    const others = await four();
    await say(ann, "one", 1);
    await say(dot, "two", 1);
    await say(ann, "three", 1);
    for (const person of all) await person.until(() => shown(person, 1).length === 3);
    const texts = all.map((person) => person.chats[1]?.lines.map(({ text }) => text));
    expect(texts).toEqual(Array(4).fill(["one", "two", "three"]));
    expect(shown(dot, 1)).toEqual(["<b>Zed</b>: one", "*<b>Zed</b>: two", "<b>Zed</b>: three"]);
    // Neither another session, nor the other chat of the page.
    expect([shown(others.ann, 1), shown(ann, 0)]).toEqual([[], []]);
  });

  test("channels of the same name in two apps are two, and one goes on over the rounds of its app", async () => {
    const { all, ann, bob } = await four();
    await say(ann, "round one", 1);
    const next = async (person: HeadlessParticipant) => {
      const { url } = person.page;
      await leave(person);
      await person.until(() => person.page.url !== url);
    };
    const isAt = (name: string) => (person: HeadlessParticipant) => person.until(() => person.page.title === name);
    for (let round = 1; round <= 2; round++) {
      for (const page of ["Talk", "Game", "Later"]) {
        await Promise.all(all.map(isAt(page)));
        if (round === 2 && page === "Talk") {
          await sees(bob, ["<b>Zed</b>: round one"], 1);
          // The groups are new ones, and so are their own channels.
          expect(shown(ann)).toEqual([]);
          await say(bob, "round two", 1);
          await sees(ann, ["*<b>Zed</b>: round one", "<b>Zed</b>: round two"], 1);
        }
        await Promise.all(all.map(next));
      }
    }
    await Promise.all(all.map(isAt("Other")));
    await say(ann, "elsewhere");
    await sees(bob, ["Participant 1: elsewhere"]);
  });

  test("the whole history is there after a reload, a lost network and a second tab, in order and each message once", async () => {
    const { ann, bob } = await four();
    const said: string[] = [];
    for (let i = 0; i < 130; i++) {
      said.push(`*Participant 1: ${i}`);
      if (i % 40 === 20) await ann.reload();
      if (i % 40 === 30) ann.cut();
      await say(ann, String(i));
    }
    await sees(ann, said);
    await ann.reload();
    await sees(ann, said);
    people.push(await ann.duplicate());
    await sees(people.at(-1) as HeadlessParticipant, said);
    bob.cut();
    await say(ann, "last");
    await sees(bob, [...said.map((line) => line.slice(1)), "Participant 1: last"]);
  });

  test("messages that were not answered before a reload or a submit are posted once, by the next page or with the form", async () => {
    const { ann, bob } = await four();
    for (let i = 0; i < 5; i++) void ann.chats[0]?.send(`a${i}`).catch(() => {});
    ann.cut();
    for (let i = 5; i < 10; i++) void ann.chats[0]?.send(`a${i}`).catch(() => {});
    await ann.reload();
    await ann.until(() => ann.unanswered === 0);
    for (let i = 10; i < 15; i++) void ann.chats[0]?.send(`a${i}`).catch(() => {});
    ann.cut();
    await leave(ann);
    await sees(
      bob,
      Array.from({ length: 15 }, (_, i) => `Participant 1: a${i}`),
    );
    // The next page has the same channel.
    await ann.until(() => ann.page.title === "Game" && shown(ann).length === 15);
  });

  test("a message that is still on its way is shown as such by the page after a reload", async () => {
    const { ann, bob } = await four();
    ann.cut();
    void ann.chats[0]?.send("wait for me").catch(() => {});
    await ann.reload();
    expect(ann.chats[0]?.pending).toMatchObject([{ text: "wait for me" }]);
    expect(await ann.chats[0]?.pending[0]?.answer).toBe(1);
    await sees(bob, ["Participant 1: wait for me"]);
  });

  test("empty, too long and unstorable messages are refused with a reason in the session's language; what fits in characters is taken", async () => {
    const { ann, bob } = await four();
    const [chat] = ann.chats;
    const most = GAME_LIMITS.chatCharacters;
    await expect(chat?.send("  \n ")).rejects.toMatchObject({ code: "invalid" });
    await expect(chat?.send("x".repeat(most + 1))).rejects.toMatchObject({
      code: "too_large",
      message: `The message is too long. At most ${most} characters can be sent.`,
    });
    await expect(chat?.send("a\0b")).rejects.toMatchObject({ code: "not_json" });
    await say(ann, "🙂".repeat(most));
    await bob.until(() => shown(bob).length > 0);
    expect(bob.chats[0]?.lines).toHaveLength(1);
    const german = await makeSession(server.base, "plaudern");
    const ute = await open(server.base, german.participants[0] ?? "");
    await expect(ute.chats[0]?.send("x".repeat(most + 1))).rejects.toMatchObject({
      message: `Die Nachricht ist zu lang. Höchstens ${most} Zeichen können gesendet werden.`,
    });
    await say(ute, "Hallo");
    await sees(ute, ["*Teilnehmer/in 1: Hallo"]);
    expect(ute.page.html).toContain(">Senden</button>");
  });

  test("onChat sees each message: it changes it, refuses it with a reason, writes fields, and lets the app answer", async () => {
    const { ann, bob, codes } = await four();
    await say(ann, "shout hello");
    await expect(ann.chats[0]?.send("damn you")).rejects.toMatchObject({
      code: "invalid",
      message: "Please be polite.",
    });
    await expect(ann.chats[0]?.send("boom")).rejects.toMatchObject({ code: "failed" });
    await say(ann, "machine?");
    await sees(bob, ["Participant 1: HELLO", "Participant 1: machine?", "Machine: I am listening"]);
    await say(ann, "think");
    await ann.until(() => shown(ann).at(-1) === "Machine: I have thought about it");
    await leave(bob, "alert");
    await ann.until(() => shown(ann).includes("Alert: Somebody has left"));
    const { apps, store } = server.game;
    const id = (await store.read.whereabouts(codes[0] ?? ""))?.actorId ?? 0;
    // Three posted, while what refused or threw has left nothing.
    expect(await store.read.rows((apps.get("talk") as AppSpec).group.table, { id })).toMatchObject([{ heard: 3 }]);
  });

  test("a live page's own messages and its chat do not meet, and the app writes into the chat from live methods, sync and async", async () => {
    const { ann, bob } = await four();
    for (const person of [ann, bob]) await leave(person);
    await say(ann, '{"looks":"like data"}');
    await bob.send({ move: 1 });
    await bob.send({ ask: "Who begins?" });
    expect(await ann.receive()).toEqual({ move: 1 });
    expect(await ann.receive()).toEqual({ asked: "Who begins?" });
    await sees(ann, ['*Participant 1: {"looks":"like data"}', "Game: Who begins?"]);
    for (const person of [ann, bob]) await leave(person);
    await ann.send("slowly");
    await bob.until(() => shown(bob).length === 4);
    expect(shown(bob).slice(2)).toEqual(["Slow: slowly", "Slow: slowly again"]);
    expect(await bob.receive()).toBe("slowly");
  });

  test("who waits can go on talking on the wait page", async () => {
    const { ann, bob } = await four();
    for (let i = 0; i < 3; i++) await leave(ann);
    expect(ann.page.title).toBe("Please wait");
    await say(ann, "I wait for you");
    await sees(bob, ["Participant 1: I wait for you"]);
    await say(bob, "coming");
    await sees(ann, ["*Participant 1: I wait for you", "Participant 2: coming"]);
  });

  test("what is said while an async function of a wait page runs is kept, and so is what it says itself", async () => {
    const { participants } = await makeSession(server.base, "meet");
    const [ann, bob] = (await Promise.all(participants.map((one) => open(server.base, one)))) as [
      HeadlessParticipant,
      HeadlessParticipant,
    ];
    await leave(ann);
    await leave(bob);
    await say(ann, "while it runs");
    await ann.until(() => ann.page.title === "End" && shown(ann).length === 2, 10_000);
    await bob.until(() => bob.page.title === "End" && shown(bob).length === 2, 10_000);
    // Nothing that the function had seen or written was touched by it, so that it ran once.
    expect(shown(bob)).toEqual(["Participant 1: while it runs", "Host: You are all here (run 1)"]);
  });

  test("while a session is made, nothing can be posted yet: the error says so", async () => {
    const { status, text } = await ask(`${server.base}/demo/early`, { method: "POST" });
    expect(status).toBe(500);
    expect(text).toContain("the group is still being made. Post when its players have begun.");
  });

  test("a page without a live method connects because of its chat, whose script it loads once", async () => {
    const { ann } = await four();
    expect(ann.page.live).not.toBeNull();
    expect(ann.page.html).toMatch(/<script src="\/static\/walras\/chat-[\w-]+\.js" defer><\/script>/);
    expect(ann.page.html.match(/chat-[\w-]+\.js/g)).toHaveLength(1);
    await expect(ann.send("nobody answers")).rejects.toMatchObject({ code: "not_live" });
  });

  test("a template that names a wrong channel, or something that no chat has, fails with what to write instead", async () => {
    const { participants } = await makeSession(server.base, "wrong");
    const { location } = await ask(`${server.base}/InitializeParticipant/${participants[0]}`);
    const { status, text } = await ask(server.base + location);
    expect(status).toBe(500);
    expect(text).toContain("give it letters without accents, digits, underscores and hyphens");
  });

  describe("by hand", () => {
    interface Hand {
      socket: RawSocket;
      token: string;
      person: HeadlessParticipant;
    }

    async function hand(person: HeadlessParticipant): Promise<Hand> {
      const { live, url, html } = person.page;
      const answer = await ask(`${server.base}${live?.seatUrl}`, { method: "POST" });
      const { seat } = JSON.parse(answer.text);
      const socket = new RawSocket(server.base.replace("http", "ws"), seat, { page: live?.page ?? "" });
      await socket.settled;
      socket.frame({ k: "hello", v: PROTOCOL_VERSION, c: socket.clientId, s: live?.seq ?? 0 });
      await socket.until(() => socket.frames.some(({ k }) => k === "welcome"));
      expect(url).toContain("/Talk/");
      return { socket, token: /data-chat="([^"]+)"/.exec(html)?.[1] ?? "", person };
    }

    test("channel and nickname come from the server's own token: another's, a changed and a made-up one are refused", async () => {
      const { ann, bob, cem } = await four();
      const [one, three] = [await hand(ann), await hand(cem)];
      const { socket, token } = one;
      const [text = "", signature = ""] = token.split(".");
      const fields = JSON.parse(Buffer.from(text, "base64url").toString());
      fields[3] = "Bob";
      const changed = `${Buffer.from(JSON.stringify(fields)).toString("base64url")}.${signature}`;
      for (const t of [three.token, changed, `${text}.`, "x.y", `${text}.${"A".repeat(24)}`]) {
        if (/^[\w-]+\.[\w-]+$/.test(t)) {
          expect((await socket.ask("I am Bob", { t })).e).toMatchObject({ code: "invalid", retry: false });
        }
        const before = socket.answers(0).length;
        socket.frame({ k: "listen", c: socket.clientId, b: 0, t, s: {} });
        await socket.until(() => socket.answers(0).length > before);
        expect(socket.answers(0).at(-1)?.e).toMatchObject({ code: "malformed" });
      }
      expect((await socket.ask("I am Ann", { t: token })).e).toBeUndefined();
      await sees(bob, ["Participant 1: I am Ann"]);
      expect([shown(cem), socket.frames.some(({ k }) => k === "chat")]).toEqual([[], false]);
      socket.destroy();
      three.socket.destroy();
    });

    test("who has left the page can neither write into its chat nor go on listening", async () => {
      const { ann, bob } = await four();
      const { socket, token } = await hand(ann);
      socket.frame({ k: "listen", c: socket.clientId, b: 0, t: token, s: {} });
      await socket.until(() => socket.frames.some(({ k }) => k === "chat"));
      await leave(ann);
      expect((await socket.ask("still here", { t: token })).e).toMatchObject({ code: "wrong_page" });
      await say(bob, "secret");
      await socket.until(() => socket.closed !== undefined);
      expect(JSON.stringify(socket.frames)).not.toContain("secret");
    });

    test("the same number again is answered as the first time and posts nothing; with another text it is refused", async () => {
      const { ann, bob } = await four();
      const { socket, token } = await hand(ann);
      const first = await socket.ask("once", { t: token, n: 1 });
      expect(await socket.ask("once", { t: token, n: 1 })).toEqual(first);
      expect((await socket.ask("twice", { t: token, n: 1 })).e).toMatchObject({ code: "number_reused" });
      const refused = await socket.ask("damn", { t: token, n: 2 });
      expect(await socket.ask("damn", { t: token, n: 2 })).toEqual(refused);
      await socket.ask("end", { t: token, n: 3 });
      await sees(bob, ["Participant 1: once", "Participant 1: end"]);
      socket.destroy();
    });

    test("malformed frames of a chat are refused without harm to anybody", async () => {
      const { ann, bob } = await four();
      const { socket, token } = await hand(ann);
      const c = socket.clientId;
      const frames: Record<string, unknown>[] = [
        { k: "listen", c, b: -1, t: token, s: {} },
        { k: "listen", c, b: 0, t: 7, s: {} },
        { k: "listen", c, b: 0, t: token, s: null },
        { k: "listen", c, b: 0, t: token, s: { x: "1" } },
        { k: "send", c, n: 1, p: "talk/1/Talk", d: "x", t: "no token" },
      ];
      for (const frame of frames) socket.frame(frame);
      await socket.until(() => socket.answers(0).length === frames.length);
      expect((await socket.ask({ not: "a text" }, { t: token })).e).toMatchObject({ code: "invalid" });
      for (let b = 0; b < 40; b++) socket.frame({ k: "listen", c, b: b % 30, t: token, s: { toString: 5, [c]: 1 } });
      await socket.pong();
      await say(bob, "all is well");
      await socket.until(() => JSON.stringify(socket.frames).includes("all is well"));
      const boxes = socket.frames.flatMap((frame) => (frame.k === "chat" && frame.m.length > 0 ? [frame.b] : []));
      expect(new Set(boxes).size).toBe(boxes.length);
      expect(boxes.length).toBeLessThanOrEqual(20);
      socket.destroy();
    });
  });

  test("each message is a row and an entry of the journal of the group whose member wrote it", async () => {
    const { ann, dot, codes } = await four();
    await say(ann, "first", 1);
    await say(ann, "second", 1);
    await say(dot, "third", 1);
    const { read } = server.game.store;
    const ids = await Promise.all(codes.map(async (code) => (await read.whereabouts(code))?.participant.id));
    const rows = (await read.rows(ChatTable)).filter(({ participantId }) => ids.includes(participantId ?? 0));
    expect(rows).toMatchObject([
      { n: 1, participantId: ids[0], nickname: "<b>Zed</b>", body: "first" },
      { n: 2, participantId: ids[0], body: "second" },
      { n: 1, participantId: ids[3], body: "third" },
    ]);
    const [row] = rows;
    expect(row?.channel).toBe(`${row?.sessionId}-talk-all`);
    const entries = await read.rows(JournalTable, { actorId: row?.actorId ?? 0 });
    expect(entries.filter(({ kind }) => kind === "chat")).toHaveLength(2);
  });

  test("what was said is exported with oTree's columns, of all sessions or of one, in the order of time", async () => {
    const { ann, bob, dot, code, codes } = await four();
    const evil = '=1+1, "quoted"\nnext line';
    await say(ann, evil, 1);
    await say(dot, "second", 1);
    await say(bob, "machine?");
    const read = async (path: string): Promise<Record<string, string>[]> =>
      parse((await ask(server.base + path)).text, { columns: true });
    const rows = await read(`/export/file?what=chat&session=${code}`);
    expect(Object.keys(rows[0] ?? {}).join()).toBe(
      "session_code,id_in_session,participant_code,channel,nickname,body,timestamp",
    );
    const { sessionId } = (await server.game.store.read.whereabouts(codes[0] ?? "")) ?? {};
    const all = `${sessionId}-talk-all`;
    expect(rows).toMatchObject([
      { session_code: code, id_in_session: "1", participant_code: codes[0], channel: all, body: evil },
      { session_code: code, id_in_session: "4", participant_code: codes[3], channel: all, nickname: "<b>Zed</b>" },
      { id_in_session: "2", nickname: "Participant 2", body: "machine?" },
      { id_in_session: "", participant_code: "", nickname: "Machine", body: "I am listening" },
    ]);
    for (const { timestamp } of rows) expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    const { location } = await ask(`${server.base}/chat_export`);
    expect((await read(location)).length).toBeGreaterThan(rows.length);
  });

  test("the journals of all these chats, run again, give the same rows", async () => {
    const lines: string[] = [];
    const file = join(directory, "db.sqlite3");
    const same = await replayCommand(PROJECT, { file }, ["all"], (line) => lines.push(line));
    expect(lines.filter((line) => !/: (the same;|nobody has entered)/.test(line)).slice(0, -1)).toEqual([]);
    expect(same).toBe(true);
    expect(lines.at(-1)).toMatch(/ 0 differ,/);
  });
});

test("length and pace are settings: more than a few messages a second wait, and none of them is lost", async () => {
  const server = await startTestServer({ WALRAS_RATE: "200", WALRAS_BURST: "50", WALRAS_CHAT_LIMIT: "5" }, PROJECT);
  const { participants } = await makeSession(server.base, "talk");
  const [ann, bob] = (await Promise.all(participants.slice(0, 2).map((one) => open(server.base, one)))) as [
    HeadlessParticipant,
    HeadlessParticipant,
  ];
  expect(ann.page.html).toContain('data-limit="5"');
  await expect(ann.chats[0]?.send("longer")).rejects.toMatchObject({ code: "too_large" });
  const began = performance.now();
  await Promise.all(Array.from({ length: 15 }, (_, i) => ann.chats[0]?.send(String(i))));
  expect(performance.now() - began).toBeGreaterThan(300);
  await sees(
    bob,
    Array.from({ length: 15 }, (_, i) => `Participant 1: ${i}`),
  );
  await server.stop();
});

describe("two servers on one PostgreSQL", () => {
  let postgres: TestPostgres;
  let directory: string;
  let servers: LedgerProcess[] = [];
  let roads: Road[] = [];
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "walras-chat-"));
    postgres = await startPostgres();
  });
  afterAll(async () => {
    for (const road of roads) await road.close();
    await Promise.all(servers.map((server) => server.stop()));
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  test("a channel of groups on both is whole on each page, in the same order, also when one is killed and its people go to the other", async () => {
    const url = await postgres.database();
    const a = await LedgerProcess.start({ DATABASE_URL: url }, "chat");
    const b = await LedgerProcess.start({ DATABASE_URL: url }, "chat");
    servers = [a, b];
    const [left, right] = [await Road.to(a.port), await Road.to(b.port)];
    roads = [left, right];
    const { participants } = await makeSession(left.base, "talk");
    const all = await Promise.all(participants.map((code, i) => open((i < 2 ? left : right).base, code)));
    const [ann, bob, cem] = all as [HeadlessParticipant, HeadlessParticipant, HeadlessParticipant];
    await say(ann, "from the one", 1);
    await say(cem, "from the other", 1);
    for (const person of all) await person.until(() => shown(person, 1).length === 2, 10_000);

    // Whatever is under way when the server dies is said once.
    const answers = Array.from({ length: 60 }, (_, i) => ann.chats[1]?.send(`a${i}`));
    const others = Array.from({ length: 60 }, (_, i) => cem.chats[1]?.send(`c${i}`));
    await ann.until(() => shown(ann, 1).length > 5, 10_000);
    a.signal("SIGKILL");
    while (a.isRunning) await sleep(5);
    left.redirect(b.port);
    left.cut();
    await Promise.all([...answers, ...others]);
    await ann.reload();
    for (const person of all) await person.until(() => shown(person, 1).length >= 122, 15_000);
    const texts = all.map((person) => person.chats[1]?.lines.map(({ text }) => text) ?? []);
    for (const told of texts) expect(told).toEqual(texts[0]);
    const own = (letter: string) => (texts[0] ?? []).filter((text) => new RegExp(`^${letter}\\d`).test(text));
    expect(own("a")).toEqual(Array.from({ length: 60 }, (_, i) => `a${i}`));
    expect(own("c")).toEqual(Array.from({ length: 60 }, (_, i) => `c${i}`));
    await bob.until(() => bob.status === "open");
    await say(bob, "all here");
    await sees(ann, ["Participant 2: all here"]);
    const { text } = await ask(`${right.base}/export/file?what=chat`);
    expect(parse(text, { columns: true })).toHaveLength(123);
  });
});
