import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "@jest/globals";
import { build } from "esbuild";
import { formatCurrency } from "../client-sdk/currency.ts";
import { Inbox } from "../client-sdk/inbox.ts";
import type { LiveStatus } from "../client-sdk/live-client.ts";
import type { PageLive } from "../client-sdk/protocol.ts";
import { makeSign, SIGN_TEXTS } from "../client-sdk/sign.ts";
import type { Socket } from "../client-sdk/wire.ts";
import { FakeGroup, FakeNetwork } from "./helpers/fake-room.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";

let code: string;

beforeAll(async () => {
  const result = await build({
    entryPoints: ["client-sdk/page.ts"],
    bundle: true,
    format: "iife",
    minify: true,
    target: "es2020",
    write: false,
  });
  code = result.outputFiles[0]?.text ?? "";
});

/**
 * The bundle in a global scope of its own, with as much of a browser as it touches. Scripts that are run
 * one after the other share their `let` and `const`, as those of a page do.
 */
class FakeBrowser {
  readonly clock = new VirtualClock();
  readonly group = new FakeGroup();
  readonly network = new FakeNetwork(this.clock, this.group);
  readonly console: unknown[][] = [];
  readonly navigations: string[] = [];
  readonly items: Record<string, string> = {};
  private readonly listeners = new Map<string, ((event: object) => void)[]>();
  private readonly context: object;
  private page: PageLive | null = null;

  constructor(globals: Record<string, unknown> = {}) {
    const { clock, network, items, listeners } = this;
    const listen = (type: string, listener: (event: object) => void) => {
      listeners.set(type, [...(listeners.get(type) ?? []), listener]);
    };
    const log =
      (level: string) =>
      (...args: unknown[]) =>
        this.console.push([level, ...args]);
    const cancels: (() => void)[] = [];
    const window: Record<string, unknown> = {
      document: {
        addEventListener: listen,
        getElementById: (id: string) =>
          id === "walras-live" && this.page ? { textContent: JSON.stringify(this.page), dataset: {} } : null,
        createElement: () => ({ style: {}, setAttribute() {} }),
        body: null,
        readyState: "loading",
        visibilityState: "visible",
        defaultView: { addEventListener: listen },
      },
      addEventListener: listen,
      location: {
        pathname: "/p/CODE/auction/Bidding/1",
        search: "",
        origin: "http://lab",
        replace: (url: string) => this.navigations.push(url),
      },
      sessionStorage: Object.defineProperties(items, {
        getItem: { value: (key: string) => items[key] ?? null },
        setItem: {
          value: (key: string, value: string) => {
            items[key] = value;
          },
        },
        removeItem: { value: (key: string) => delete items[key] },
      }),
      performance: { now: () => clock.now() },
      setTimeout: (run: () => void, ms: number) => cancels.push(clock.after(ms, run)),
      clearTimeout: (id: number) => cancels[id - 1]?.(),
      fetch: async (url: string) => ({ ok: url === "/seat", json: network.fetchSeat }),
      WebSocket: makeWebSocket(network),
      console: { error: log("error"), warn: log("warn") },
      ...{ crypto, btoa, TextEncoder, TextDecoder, URL },
      ...globals,
    };
    window.window = window;
    this.context = createContext(window);
    this.run(code);
  }

  /** A script of the page. */
  run(script: string): unknown {
    return runInContext(script, this.context);
  }
  /** The parser has come to the page's data. */
  parseData(changes: Partial<PageLive> = {}): void {
    this.page = this.network.page(changes);
  }
  fire(type: string, event: object = {}): void {
    for (const listener of this.listeners.get(type) ?? []) listener(event);
  }
  async load(): Promise<void> {
    this.fire("DOMContentLoaded");
    await this.clock.run(100);
  }
  /** A value of the page, as plain JSON: objects of another global scope are equal to none of ours. */
  value(expression: string): unknown {
    return JSON.parse(String(this.run(`JSON.stringify(${expression})`)));
  }
}

function makeWebSocket(network: FakeNetwork) {
  return class {
    onmessage = (_event: { data: unknown }) => {};
    onclose = (_event: { code: number }) => {};
    private readonly socket: Socket;

    constructor(url: string) {
      const sessionId = new URL(url).searchParams.get("sessionId") ?? "";
      this.socket = network.openSocket(
        { processId: "p", roomId: "r", sessionId },
        { message: (data) => this.onmessage({ data }), close: (closeCode) => this.onclose({ code: closeCode }) },
      );
    }
    send(bytes: Uint8Array<ArrayBuffer>): void {
      this.socket.send(bytes);
    }
    close(closeCode: number): void {
      this.socket.close(closeCode);
    }
  };
}

test("the page's script is below 10 KB gzipped and calls liveRecv as a bare identifier", () => {
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(10 * 1024);
  expect(code).toMatch(/typeof liveRecv\b/);
  expect(code).not.toMatch(/\beval\(|new Function/);
});

test("liveSend exists before the page's data, and what is sent then is the value of that moment", async () => {
  const browser = new FakeBrowser();
  browser.run("const bid = { value: 1 }; liveSend(bid); bid.value = 2; liveSend(bid);");
  browser.parseData();
  browser.run("liveSend('inline script')");
  await browser.load();
  expect(browser.group.effects.map(({ d }) => d)).toEqual([{ value: 1 }, { value: 2 }, "inline script"]);
  expect(browser.value("live.status")).toBe("open");
});

test("liveRecv may be a function, let or const, defined at any time, and may be replaced", async () => {
  for (const definition of [
    "function liveRecv(d) { got.push(d) }",
    "let liveRecv = d => got.push(d)",
    "const liveRecv = function (d) { got.push(d) }",
  ]) {
    const browser = new FakeBrowser();
    browser.parseData();
    browser.run("var got = []");
    await browser.load();
    browser.group.deliver(1, null);
    await browser.clock.run(30);
    expect(browser.value("got")).toEqual([]);
    browser.run(definition);
    browser.group.deliver(3);
    await browser.clock.run(100);
    expect(browser.value("got")).toEqual([1, null, 3]);
    if (definition.startsWith("let")) browser.run("liveRecv = d => got.push(-d)");
    browser.group.deliver(4);
    await browser.clock.run(100);
    expect(browser.value("got.at(-1)")).toBe(definition.startsWith("let") ? -4 : 4);
  }
});

test("an author's own variables named live or liveSend do no harm", async () => {
  const browser = new FakeBrowser();
  browser.parseData();
  browser.run("let live = 'mine'; const liveSend2 = liveSend; function liveRecv() {}");
  browser.run("liveSend2(7)");
  await browser.load();
  expect(browser.group.effects.map(({ d }) => d)).toEqual([7]);
});

test("the promise of liveSend may be ignored; a refusal then shows once in the console, with its reason", async () => {
  const browser = new FakeBrowser();
  browser.parseData();
  browser.group.refuse = () => ({ code: "invalid", message: "The bid is too low.", retry: false });
  await browser.load();
  browser.run("liveSend(1); liveSend({ bid: parseInt('') }); liveSend();");
  await browser.clock.run(100);
  expect(browser.console).toEqual([
    [
      "error",
      "liveSend was refused (not_json): liveSend(data): data.bid is NaN, which JSON cannot carry; check the input first.",
    ],
    [
      "error",
      "liveSend was refused (not_json): liveSend(data): data is undefined; send null, or an object such as {}.",
    ],
    ["warn", "liveSend was refused (invalid): The bid is too low."],
  ]);
});

test("live.call sends { type, ...data } and resolves to the reply; a refusal rejects with code and reason", async () => {
  const browser = new FakeBrowser();
  browser.parseData();
  browser.group.refuse = ({ d }) =>
    (d as { price: number }).price > 9 ? { code: "invalid", message: "Too dear.", retry: false } : null;
  browser.run(
    "var got = []; const note = (promise) => promise.then((v) => got.push(typeof v), (e) => got.push([e.code, e.message]))",
  );
  browser.run(
    "note(live.call('offer', { price: 4 })); note(live.call('stop')); note(live.call('offer', { price: 10 }))",
  );
  browser.run("note(live.call({ price: 4 }));");
  await browser.load();
  await browser.clock.run(100);
  expect(browser.group.effects.map(({ d }) => d)).toEqual([{ type: "offer", price: 4 }, { type: "stop" }]);
  const wrong = ["wrong_call", expect.stringContaining("its first argument is a value of type object")];
  expect(browser.value("got")).toEqual([wrong, "string", "string", ["invalid", "Too dear."]]);
});

test("a page that is left leaves no promise hanging, and says nothing in the console", async () => {
  const browser = new FakeBrowser();
  browser.parseData();
  await browser.load();
  browser.group.slow = true;
  browser.run("var got = []; const note = (promise) => promise.catch((e) => got.push(e.code))");
  browser.run("note(live.call('offer', { price: 4 })); note(liveSend(1)); liveSend(2)");
  await browser.clock.run(100);
  expect(browser.value("got")).toEqual([]);
  browser.fire("pagehide");
  await browser.clock.run(1);
  expect(browser.value("got")).toEqual(["left", "left"]);
  // What is sent now is kept for the next page.
  browser.run("note(liveSend(3))");
  await browser.clock.run(1);
  expect(browser.value("got")).toEqual(["left", "left", "left"]);
  expect(Object.keys(browser.items)).toHaveLength(4);
  expect(browser.console).toEqual([]);
});

test("what was under way when the server asks to load again rejects, since its answer goes elsewhere", async () => {
  const browser = new FakeBrowser();
  browser.parseData();
  await browser.load();
  browser.group.slow = true;
  browser.run("var code; live.call('offer').catch((e) => { code = e.code })");
  await browser.clock.run(100);
  browser.group.broadcast({ k: "reload", why: "moved_on" });
  await browser.clock.run(100);
  expect(browser.value("code")).toBe("left");
});

test("on a page without a live method liveSend says so, also later", async () => {
  const browser = new FakeBrowser();
  browser.run("var code; liveSend(1).catch(error => { code = error.code })");
  await browser.load();
  expect(browser.value("code")).toBe("not_live");
  browser.run("code = null; liveSend(1).catch(error => { code = error.code })");
  await browser.clock.run(1);
  expect(browser.value("code")).toBe("not_live");
});

test("blocked storage does not stop the page", async () => {
  const browser = new FakeBrowser({ sessionStorage: undefined });
  browser.parseData();
  browser.run("liveSend(1)");
  await browser.load();
  expect(browser.group.effects.map(({ d }) => d)).toEqual([1]);
});

test("unanswered messages lie in the participant's part of the storage until they are answered", async () => {
  const browser = new FakeBrowser();
  browser.parseData();
  await browser.load();
  browser.run("liveSend('kept')");
  expect(Object.keys(browser.items)).toEqual([expect.stringMatching(/^walras\.CODE\.1\.[\w-]{22}\.1$/)]);
  await browser.clock.run(100);
  expect(Object.keys(browser.items)).toEqual([]);
});

test("reload requests load the page again by GET, at most once per three seconds", async () => {
  const browser: FakeBrowser = new FakeBrowser({ Date: { now: () => 1_000_000 + browser.clock.now() } });
  browser.parseData();
  await browser.load();
  browser.group.broadcast({ k: "reload", why: "moved_on" });
  browser.group.broadcast({ k: "reload", why: "moved_on" });
  await browser.clock.run(100);
  expect(browser.navigations).toEqual(["/p/CODE/auction/Bidding/1"]);
  browser.fire("pageshow", { persisted: true });
  await browser.clock.run(2_900);
  expect(browser.navigations).toHaveLength(1);
  await browser.clock.run(200);
  expect(browser.navigations).toHaveLength(2);
});

test("a page whose form is under way loads again only if nothing comes of it, or it comes out of the cache", async () => {
  class FakeForm {
    getAttribute = () => "form";
  }
  const browser: FakeBrowser = new FakeBrowser({
    HTMLFormElement: FakeForm,
    Date: { now: () => 1_000_000 + browser.clock.now() },
  });
  const submit = () => browser.fire("formdata", { target: new FakeForm(), formData: new FormData() });
  browser.parseData();
  await browser.load();
  submit();
  browser.group.broadcast({ k: "reload", why: "moved_on" });
  await browser.clock.run(9_900);
  expect(browser.navigations).toHaveLength(0);
  await browser.clock.run(200);
  expect(browser.navigations).toHaveLength(1);
  await browser.clock.run(20_000);
  submit();
  browser.fire("pageshow", { persisted: true });
  expect(browser.navigations).toHaveLength(2);
});

test("live.onStatus tells the state now and at each change, and live.cu writes amounts", async () => {
  const browser = new FakeBrowser();
  browser.parseData();
  browser.run("var states = []; const stop = live.onStatus(state => states.push(state))");
  await browser.load();
  browser.group.broadcast({ k: "notice", halted: true });
  await browser.clock.run(50);
  browser.group.closeAll(1006);
  await browser.clock.run(100);
  browser.run("stop()");
  browser.group.closeAll(1006);
  await browser.clock.run(100);
  expect(browser.value("states")).toEqual(["connecting", "open", "halted", "lost", "open"]);
  expect(browser.value("live.cu(1234)")).toBe("1,234 points");
});

test("live.now is the server's time and goes on by itself; without a connection it says what is missing", async () => {
  const browser = new FakeBrowser();
  expect(() => browser.value("live.now()")).toThrow("no live method, or is still loading");
  browser.parseData();
  await browser.load();
  const first = Number(browser.value("live.now()"));
  await browser.clock.run(5_000);
  // The pretended server says 0 in the page and in its welcome.
  expect(first).toBeLessThan(100);
  expect(Number(browser.value("live.now()")) - first).toBeCloseTo(5_000, -2);
});

test("amounts are written in the session's currency", () => {
  const points = { locale: "en", code: null, decimals: 0, points: ["point", "points"] as [string, string] };
  expect([0, 1, 10].map((amount) => formatCurrency(amount, points))).toEqual(["0 points", "1 point", "10 points"]);
  expect(formatCurrency(1.5, { ...points, decimals: 2, points: ["token", "tokens"] })).toBe("1.50 tokens");
  expect(formatCurrency(1234.5, { ...points, code: "USD", decimals: 2 })).toBe("$1,234.50");
  expect(formatCurrency(3.5, { ...points, locale: "de", code: "EUR", decimals: 2 })).toBe("3,50\u00a0€");
});

test("the sign appears after a second and a half of trouble, says what it is, and goes at once", async () => {
  const clock = new VirtualClock();
  const shown: (string | null)[] = [];
  const tell = makeSign(clock, SIGN_TEXTS, (text) => shown.push(text));
  const go = async (status: LiveStatus, ms: number) => {
    tell(status);
    await clock.run(ms);
  };
  await go("connecting", 1_000);
  await go("open", 5_000);
  await go("lost", 1_400);
  await go("open", 5_000);
  expect(shown).toEqual([]);
  await go("lost", 1_600);
  await go("halted", 0);
  await go("open", 5_000);
  await go("halted", 1_000);
  await go("lost", 600);
  await go("closed", 0);
  const { lost, halted } = SIGN_TEXTS;
  expect(shown).toEqual([lost, halted, null, lost, null]);
});

test("messages wait in order for liveRecv, errors in it lose nothing, and a page without it is bounded", async () => {
  const clock = new VirtualClock();
  const reports: string[] = [];
  const got: unknown[] = [];
  let receive: ((data: unknown) => void) | undefined;
  const inbox = new Inbox({ env: clock, find: () => receive, report: (message) => reports.push(message) });
  for (let i = 0; i < 10_002; i++) inbox.push(i);
  expect(reports).toHaveLength(1);
  receive = (data) => {
    if (data === 1) throw new Error("author's mistake");
    // A liveRecv that causes a delivery must not overtake those that wait.
    if (data === 2) inbox.push("later");
    got.push(data);
  };
  await clock.run(100);
  expect(got.slice(0, 3)).toEqual([0, 2, 3]);
  expect(got.at(-1)).toBe("later");
  expect(got).toHaveLength(10_000);
  expect(reports).toHaveLength(2);
});
