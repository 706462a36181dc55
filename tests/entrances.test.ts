import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { addressOf } from "../server/entrances/newcomers.ts";
import { escapeHtml } from "../server/template-filters.ts";
import { type Answer, ask, startTestServer, type TestServer } from "./helpers/http.ts";
import { startPostgres, type TestPostgres } from "./helpers/postgres.ts";

const PROJECT = join(import.meta.dirname, "helpers/lab-project");

/** Somebody with a browser that keeps cookies and follows redirects. */
class Browser {
  readonly #base: string;
  readonly #address: string | undefined;
  readonly #cookies = new Map<string, string>();
  at = "";

  /** @param address the network that this browser is in, as a proxy would say */
  constructor(base: string, address?: string) {
    this.#base = base;
    this.#address = address;
  }

  async go(path: string, form?: Record<string, string>): Promise<Answer> {
    let answer = await this.#ask(path, form);
    for (let hops = 0; answer.status >= 300 && answer.status < 400 && hops < 10; hops++)
      answer = await this.#ask(answer.location);
    return answer;
  }

  /** Presses the button of the page's form, with its hidden fields. */
  press(page: Answer): Promise<Answer> {
    const action = /<form method="post" action="([^"]*)"/.exec(page.text)?.[1];
    if (action === undefined) throw new Error(`there is no button on this page:\n${page.text}`);
    const fields = [...page.text.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)];
    return this.go(action, Object.fromEntries(fields.map(([, name = "", value = ""]) => [name, plain(value)])));
  }

  async #ask(path: string, form?: Record<string, string>): Promise<Answer> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, ...(this.#address === undefined ? {} : { "x-forwarded-for": this.#address }) };
    const answer = await ask(this.#base + path, { headers, ...(form === undefined ? {} : { form }) });
    for (const set of answer.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      this.#cookies.set(name, value);
    }
    this.at = path;
    return answer;
  }

  /** The participant's code, on one of their pages. */
  get code(): string {
    return /^\/(?:p|OutOfRangeNotification)\/([^/]+)/.exec(this.at)?.[1] ?? `nobody at ${this.at}`;
  }
}

function plain(html: string): string {
  return html
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}

test.each([
  ["203.0.113.5", undefined, "203.0.113.5"],
  ["::ffff:203.0.113.5", undefined, "203.0.113.5"],
  // Anybody can write the header who is not behind a proxy of one's own.
  ["203.0.113.5", "198.51.100.1", "203.0.113.5"],
  ["::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"],
  ["10.1.2.3", "9.9.9.9, 198.51.100.1:4711", "198.51.100.1"],
  ["192.168.1.7", "unknown", "192.168.1.7"],
  ["192.168.1.7", "", "192.168.1.7"],
  ["172.32.0.1", "198.51.100.1", "172.32.0.1"],
  ["::1", "[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2"],
  ["2001:db8:1:2::99", undefined, "2001:db8:1:2"],
  ["2001:db8::99", undefined, "2001:db8:0:0"],
  [undefined, undefined, ""],
])("a request from %s that was forwarded for %s counts as from %s", (remoteAddress, forwarded, address) => {
  expect(addressOf({ socket: { remoteAddress }, get: (() => forwarded) as never })).toBe(address);
});

let postgres: TestPostgres;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "walras-entrances-"));
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true });
});

describe.each(["sqlite", "postgres"])("entrances on %s", (dialect) => {
  let server: TestServer;
  let env: Record<string, string>;
  let session: string;

  beforeAll(async () => {
    env =
      dialect === "sqlite"
        ? { WALRAS_DB: join(folder, "entrances.sqlite3") }
        : { DATABASE_URL: await postgres.database() };
    env.WALRAS_ARRIVALS = "60";
    server = await startTestServer(env, PROJECT);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    session = await newSession(3);
  });

  async function newSession(participants: number, lab = "", config = "hello"): Promise<string> {
    const form = { config, participants: String(participants), lab };
    const { location } = await ask(`${server.base}/create_session`, { form });
    return location.replace("/SessionStartLinks/", "");
  }

  async function started(): Promise<number> {
    const row = await server.game.store.read.session({ code: session });
    const people = await server.game.store.read.participants(Number(row?.id));
    return people.filter(({ pageIndex }) => pageIndex !== 0).length;
  }

  test("everybody who joins at once gets a participant of their own, and who comes too late is told", async () => {
    session = await newSession(40);
    const answers = await Promise.all(
      Array.from({ length: 42 }, async () => {
        const browser = new Browser(server.base);
        const { status, text } = await browser.press(await browser.go(`/join/${session}`));
        return { status, code: browser.code, text };
      }),
    );
    const inside = answers.filter(({ status }) => status === 200);
    expect(new Set(inside.map(({ code }) => code)).size).toBe(40);
    const outside = answers.filter(({ status }) => status !== 200);
    expect(outside.map(({ status, text }) => [status, text.includes("Session is full.")])).toEqual([
      [409, true],
      [409, true],
    ]);
  });

  test("one network address takes only so many places of a session at once; others still get theirs", async () => {
    session = await newSession(70);
    const come = async (address: string) => {
      const browser = new Browser(server.base, address);
      return browser.press(await browser.go(`/join/${session}`));
    };
    const answers = await Promise.all(Array.from({ length: 65 }, () => come("203.0.113.7")));
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.map(({ status }) => status)).toEqual([429, 429, 429, 429, 429]);
    expect(refused[0]?.text).toContain("Very many people are starting from your network.");
    expect(Number(refused[0]?.headers["retry-after"])).toBeGreaterThan(0);
    // What stands before it in the header anybody can write.
    expect((await come("198.51.100.1, 203.0.113.7")).status).toBe(429);
    expect((await come("203.0.113.8")).status).toBe(200);
    session = await newSession(1);
    expect((await come("203.0.113.7")).status).toBe(200);
  });

  test("a button pressed twice gets one participant, also without cookies", async () => {
    const page = await ask(`${server.base}/join/${session}?participant_label=`);
    const visit = /name="walras_visit" value="([^"]*)"/.exec(page.text)?.[1] ?? "";
    const press = () => ask(`${server.base}/join/${session}`, { form: { walras_visit: visit } });
    const locations = (await Promise.all([press(), press(), press()])).map(({ location }) => location);
    expect(new Set(locations).size).toBe(1);
    expect((await press()).location).toBe(locations[0]);
    expect(locations[0]).toMatch(/^\/InitializeParticipant\//);
  });

  test("who has not seen the welcome page of this very session is shown it, with what their link says", async () => {
    const other = await newSession(1);
    const page = await ask(`${server.base}/join/${other}`);
    const visit = /name="walras_visit" value="([^"]*)"/.exec(page.text)?.[1] ?? "";
    for (const walras_visit of ["", "made-up.0123456789abcdef", visit]) {
      const form = { walras_visit, STUDY_ID: "s 5" };
      const { status, location } = await ask(`${server.base}/join/${session}`, { form });
      expect([status, location]).toEqual([303, `/join/${session}?STUDY_ID=s+5`]);
    }
    expect(await started()).toBe(0);
  });

  test("programs that only look at links start nobody", async () => {
    for (const method of ["GET", "HEAD"]) await ask(`${server.base}/join/${session}?PROLIFIC_PID=x1`, { method });
    const links = await ask(`${server.base}/SessionStartLinks/${session}`);
    const link = server.base + (/\/InitializeParticipant\/[\w-]+/.exec(links.text)?.[0] ?? "");
    expect((await ask(link, { method: "HEAD" })).status).toBe(204);
    expect((await ask(link, { headers: { "sec-purpose": "prefetch;prerender" } })).status).toBe(204);
    for (const program of ["WhatsApp/2.23.20.0", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"]) {
      expect((await ask(link, { headers: { "user-agent": program } })).status).toBe(204);
    }
    expect(await started()).toBe(0);
    expect((await ask(link)).status).toBe(303);
    expect(await started()).toBe(1);
  });

  test("the same browser comes back to its participant, also after the last page", async () => {
    const browser = new Browser(server.base);
    await browser.press(await browser.go(`/join/${session}`));
    const { code, at } = browser;
    await browser.go("/demo");
    expect((await browser.go(`/join/${session}`)).status).toBe(200);
    expect(browser.code).toBe(code);
    await browser.go(at, {});
    const end = await browser.go(`/join/${session}`);
    expect(browser.at).toBe(`/OutOfRangeNotification/${code}`);
    expect(end.text).toContain("No more pages left");
  });

  test("a label leads to the same participant from any browser, over a restart", async () => {
    const first = new Browser(server.base);
    await first.press(await first.go(`/join/${session}?participant_label=ann`));
    await server.stop();
    server = await startTestServer(env, PROJECT);
    const second = new Browser(server.base);
    await second.go(`/join/${session}?participant_label=ann`);
    expect(second.code).toBe(first.code);
    const other = new Browser(server.base);
    await other.press(await other.go(`/join/${session}?participant_label=bob`));
    expect(other.code).not.toBe(first.code);
  });

  test("what a recruiting site's link brings is kept and can be read by the app", async () => {
    const browser = new Browser(server.base);
    const link = `/join/${session}?PROLIFIC_PID=p77&STUDY_ID=s%3C5&SESSION_ID=z`;
    const page = await browser.press(await browser.go(link));
    expect(page.text).toContain('<p id="who">p77/s&lt;5</p>');
    const again = new Browser(server.base);
    await again.go(link);
    expect(again.code).toBe(browser.code);
    const end = await browser.go(browser.at, {});
    expect(end.text).toContain("C1-2026");
    expect(end.text).toContain(`https://app.example.org/complete?cc=C1&amp;id=p77&amp;who=${browser.code}`);
  });

  test("labels that the app laid out beforehand keep their places", async () => {
    session = await newSession(3, "", "screening");
    const strangers = [new Browser(server.base), new Browser(server.base), new Browser(server.base)];
    const seen = [];
    for (const browser of strangers) seen.push((await browser.press(await browser.go(`/join/${session}`))).status);
    expect(seen).toEqual([200, 200, 409]);
    const own = new Browser(server.base);
    // Composed or not: as another computer may write it.
    const link = `/join/${session}?participant_label=${encodeURIComponent("Mu\u0308ller 2")}`;
    expect((await own.press(await own.go(link))).text).toContain('<p id="who">Müller 2/none</p>');
  });

  test.each(["Ann Lee", "李雷", "محمد", "علی\u200cرضا", "a+b@x.org", '50%/O\'Neil & "co" <i>', "🙂"])(
    "a label may be any text that can be seen: %s",
    async (label) => {
      const browser = new Browser(server.base);
      const link = `/join/${session}?participant_label=${encodeURIComponent(label)}`;
      const page = await browser.press(await browser.go(link));
      expect(/<p id="who">(.*)\/none<\/p>/.exec(page.text)?.[1]).toBe(escapeHtml(label));
      const other = new Browser(server.base);
      await other.go(link);
      expect(other.code).toBe(browser.code);
    },
  );

  test("a label that cannot be one is refused, and takes no place", async () => {
    for (const label of ["%00", "%01x", "x".repeat(101), "a%0Ab", "%EF%BF%BE"]) {
      const { status, text } = await ask(`${server.base}/join/${session}?participant_label=${label}`);
      expect([label, status, text.includes("This link is not complete")]).toEqual([label, 400, true]);
    }
    expect(await started()).toBe(0);
  });

  test("one browser may be two people, who are told apart by their labels", async () => {
    const browser = new Browser(server.base);
    await browser.press(await browser.go(`/join/${session}?participant_label=ann`));
    const ann = browser.code;
    await browser.press(await browser.go(`/join/${session}?participant_label=bob`));
    expect(browser.code).not.toBe(ann);
    await browser.go(`/join/${session}?participant_label=ann`);
    expect(browser.code).toBe(ann);
  });

  test("where the study ends is said for everybody by what the app says of them", async () => {
    session = await newSession(3, "", "screening");
    const end = async (query: string) => {
      const browser = new Browser(server.base);
      await browser.press(await browser.go(`/join/${session}${query}`));
      const { text } = await browser.go(browser.at, {});
      return `${/href="https:[^"]*cc=(\w+)"/.exec(text)?.[1]} ${/class="code"[^>]*>(\w*)/.exec(text)?.[1]}`;
    };
    expect([await end("?age=12"), await end("?age=0")]).toEqual(["C2 C2", "C1 undefined"]);
  });

  test("who has waited for too long leaves the study with a link and a code of their own", async () => {
    session = await newSession(2, "", "pairing");
    const browser = new Browser(server.base);
    let page = await browser.press(await browser.go(`/join/${session}`));
    while (browser.at.startsWith("/p/")) {
      await new Promise((done) => setTimeout(done, 100));
      page = await browser.go(browser.at);
    }
    expect(page.text).toContain('href="https://app.example.org/?cc=C3"');
    expect(page.text).toContain(">thanks</b>");
  });

  test("every wrong address says so, in a page of its own", async () => {
    const told = async (path: string) => {
      const { status, text } = await ask(server.base + path);
      return `${status} ${/<h1>([^<]*)/.exec(text)?.[1]}`;
    };
    for (const path of ["/join/nobody", "/join/%00", "/join/a%2Fb", `/join/${"x".repeat(500)}`, "/MTurkStart/x"]) {
      const { location } = await ask(server.base + path);
      expect([path, await told(location || path)]).toEqual([path, "404 There is no such session"]);
    }
    for (const path of ["/InitializeParticipant/nobody", "/p/nobody/hello/Hello/1", "/OutOfRangeNotification/nobody"]) {
      expect([path, await told(path)]).toEqual([path, "404 This link does not lead to anyone"]);
    }
    expect(await told("/lab/nowhere")).toBe("404 There is no such lab");
    expect(await told("/join")).toBe("404 There is no such page");
    expect(await told("/lab/list?participant_label=ann")).toBe("404 Welcome");
    // Half a character, as links are cut.
    expect(await told("/join/%E4%")).toBe("400 That could not be read");
  });

  test("MTurk's preview starts nobody", async () => {
    const browser = new Browser(server.base);
    const page = await browser.go(`/MTurkStart/${session}?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE`);
    expect(page.text).toContain("accept the task first");
    expect(page.text).not.toContain("<form");
    const accepted = await browser.press(await browser.go(`/MTurkStart/${session}?assignmentId=A1&workerId=W1`));
    expect(accepted.text).toContain('<p id="who">W1/none</p>');
  });

  test("a lab's visitors wait until there is a session, then enter it; closed, they wait again", async () => {
    const browser = new Browser(server.base);
    const waiting = await browser.go("/lab/open");
    expect(waiting.text).toContain("Waiting for your session to begin");
    expect((await ask(`${server.base}/labs/open`)).text).toContain("1 waiting");
    await newSession(2, "open");
    await browser.press(await browser.go("/room/open"));
    const { code } = browser;
    await browser.go("/lab/open");
    expect(browser.code).toBe(code);
    await ask(`${server.base}/labs/open/close`, { form: {} });
    expect((await new Browser(server.base).go("/lab/open")).text).toContain("Waiting for your session");
    // Who was on the welcome page when it was closed waits too, and nothing was given to them.
    session = await newSession(1, "open");
    const late = new Browser(server.base);
    const welcome = await late.go("/lab/open");
    await ask(`${server.base}/labs/open/close`, { form: {} });
    expect((await ask(`${server.base}/labs/open`)).text).toContain(`Open again for session ${session}`);
    expect((await late.press(welcome)).text).toContain("Waiting for your session");
    expect(await started()).toBe(0);
    await ask(`${server.base}/labs/open/reopen`, { form: {} });
    expect((await late.press(await late.go("/lab/open"))).text).toContain('<p id="who">');
  });

  test("a lab whose session is full or over says so to who comes, and brings back who was there", async () => {
    session = await newSession(1, "open");
    const browser = new Browser(server.base);
    await browser.press(await browser.go("/lab/open"));
    await browser.go(browser.at, {});
    expect((await browser.go("/lab/open")).text).toContain("No more pages left");
    const late = new Browser(server.base);
    const full = await late.press(await late.go("/lab/open"));
    expect([full.status, full.text.includes("Session is full.")]).toEqual([409, true]);
  });

  test("a lab with labels asks for one and lets in only those of its list", async () => {
    await newSession(3, "list");
    const browser = new Browser(server.base);
    expect((await browser.go("/lab/list")).text).toContain("Please enter your participant label.");
    const wrong = await browser.go("/lab/list?participant_label=PC_9");
    expect([wrong.status, wrong.text.includes("This participant label was not found")]).toEqual([404, true]);
    const right = await browser.press(await browser.go("/lab/list?participant_label=PC_2"));
    expect(right.text).toContain('<p id="who">PC_2/none</p>');
  });

  test("secure links let in nobody under another's label, and stay the same over restarts", async () => {
    await newSession(3, "safe");
    const links = async () => {
      const { text } = await ask(`${server.base}/labs/safe`);
      return [...text.matchAll(/\/lab\/safe\?participant_label=PC_\d&amp;hash=[0-9a-f]{16}/g)].map(([link]) =>
        link.replace("&amp;", "&"),
      );
    };
    const [first = "", second = ""] = await links();
    const browser = new Browser(server.base);
    const stolen = first.replace("PC_1", "PC_2");
    for (const wrong of ["/lab/safe", "/lab/safe?participant_label=PC_2", stolen]) {
      expect((await browser.go(wrong)).status).toBe(403);
    }
    expect((await browser.press(await browser.go(second))).text).toContain("PC_2/none");
    await server.stop();
    server = await startTestServer(env, PROJECT);
    expect(await links()).toEqual(expect.arrayContaining([first, second]));
  });

  test("what is wrong with a new session is said beside its form", async () => {
    const wrong = async (form: Record<string, string>) => {
      const { status, text } = await ask(`${server.base}/create_session`, { form });
      return `${status} ${/role="alert"[^>]*>([^<]*)/.exec(text)?.[1]}`;
    };
    expect(await wrong({ config: "hello", participants: "0" })).toMatch(/^422 Please give a number of participants/);
    expect(await wrong({ config: "nope", participants: "2" })).toMatch(/^422 Please choose a game/);
  });
});
