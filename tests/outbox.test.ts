import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { WalrasError } from "../client-sdk/errors.ts";
import { MemoryStorage, OUTBOX_MESSAGES, Outbox, type OutboxOptions } from "../client-sdk/outbox.ts";
import type { Send } from "../client-sdk/protocol.ts";
import { seededRandom } from "../entities/random.ts";

const RETRY = { code: "busy", message: "Busy.", retry: true };

function makeOutbox(options: Partial<OutboxOptions> = {}): Outbox {
  const defaults = {
    clientId: "A",
    page: "a/1/P",
    storage: new MemoryStorage(),
    prefix: "w.x.",
    random: seededRandom(1),
  };
  return new Outbox({ ...defaults, ...options });
}

const numbers = (frames: string[]) => frames.map((text) => JSON.parse(text)).map((send: Send) => `${send.c}${send.n}`);
const kept = (outbox: Outbox) => JSON.parse(outbox.toJson()).map((send: Send) => `${send.c}${send.n}:${send.p}`);
const ignore = (promise: Promise<unknown>) => promise.catch(() => {});

test("an answer settles the promise of its message and clears it", async () => {
  const storage = new MemoryStorage();
  const outbox = makeOutbox({ storage });
  const first = outbox.add('{"bid":1}');
  const second = outbox.add("2");
  expect(outbox.take(0)).toEqual([
    '{"k":"send","c":"A","n":1,"p":"a/1/P","d":{"bid":1}}',
    '{"k":"send","c":"A","n":2,"p":"a/1/P","d":2}',
  ]);
  expect(outbox.answer({ c: "A", n: 1, v: "ok" }, 0)).toBe("done");
  const e = { code: "invalid", message: "No.", retry: false };
  expect(outbox.answer({ c: "A", n: 2, e }, 0)).toBe("refused");
  await expect(first).resolves.toBe("ok");
  await expect(second).rejects.toMatchObject({ code: "invalid", message: "No." });
  expect(outbox.size).toBe(0);
  expect(storage.keys()).toEqual([]);
  expect(outbox.answer({ c: "A", n: 1 }, 0)).toBe("unknown");
});

test("after a retryable refusal everything from that number on goes again, in order, first one alone", () => {
  const outbox = makeOutbox();
  for (let i = 1; i <= 6; i++) ignore(outbox.add(`${i}`));
  expect(numbers(outbox.take(0))).toEqual(["A1", "A2", "A3", "A4", "A5", "A6"]);
  outbox.answer({ c: "A", n: 1 }, 0);
  expect(outbox.answer({ c: "A", n: 2, e: { ...RETRY, after: 100 } }, 0)).toBe("again");
  for (let n = 3; n <= 6; n++) outbox.answer({ c: "A", n, e: { ...RETRY, code: "out_of_order", after: 1 } }, 0);
  ignore(outbox.add("7"));
  expect(outbox.dueAt()).toBe(100);
  expect(outbox.take(99)).toEqual([]);
  expect(numbers(outbox.take(100))).toEqual(["A2"]);
  expect(numbers(outbox.take(outbox.dueAt() ?? 0))).toEqual(["A3", "A4"]);
  expect(numbers(outbox.take(outbox.dueAt() ?? 0))).toEqual(["A5", "A6", "A7"]);
  expect(outbox.dueAt()).toBeNull();
});

test("refusals without a time to wait are retried at growing pauses, which end when the reason does", () => {
  const outbox = makeOutbox({ random: () => 1 });
  ignore(outbox.add("1"));
  let now = 0;
  const pauses: number[] = [];
  for (let i = 0; i < 7; i++) {
    outbox.take(now);
    outbox.answer({ c: "A", n: 1, e: RETRY }, now);
    pauses.push((outbox.dueAt() ?? 0) - now);
    now = outbox.dueAt() ?? 0;
  }
  expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
  outbox.release();
  expect(outbox.dueAt()).toBe(0);
});

test("a server that misses an earlier number gets everything of that page load again", () => {
  const outbox = makeOutbox();
  for (let i = 1; i <= 3; i++) ignore(outbox.add(`${i}`));
  outbox.take(0);
  outbox.answer({ c: "A", n: 1 }, 0);
  outbox.answer({ c: "A", n: 3, e: { code: "out_of_order", message: "", retry: true, after: 0 } }, 0);
  expect([...numbers(outbox.take(0)), ...numbers(outbox.take(1_000))]).toEqual(["A2", "A3"]);
});

test("a new connection sends everything unanswered again, under the old numbers", () => {
  const outbox = makeOutbox();
  for (let i = 1; i <= 3; i++) ignore(outbox.add(`${i}`));
  outbox.take(0);
  outbox.answer({ c: "A", n: 2 }, 0);
  expect(outbox.take(0)).toEqual([]);
  outbox.rewind();
  expect(numbers(outbox.take(0))).toEqual(["A1", "A3"]);
});

test("the next page load sends what its predecessors left first, under their numbers and page", () => {
  const storage = new MemoryStorage();
  const first = makeOutbox({ storage, clientId: "Z" });
  ignore(first.add("1"));
  ignore(first.add("2"));
  first.answer({ c: "Z", n: 1 }, 0);
  const second = makeOutbox({ storage, clientId: "M", page: "a/1/Q" });
  ignore(second.add("3"));
  const third = makeOutbox({ storage, clientId: "A", page: "a/2/P" });
  ignore(third.add("4"));
  expect(kept(third)).toEqual(["Z2:a/1/P", "M1:a/1/Q", "A1:a/2/P"]);
  const frames = third.take(0);
  expect(numbers(frames)).toEqual(["Z2", "M1", "A1"]);
  // The first of each page load says which one it must not pass.
  expect(frames.map((text) => JSON.parse(text).b)).toEqual([undefined, ["Z", 2], ["M", 1]]);
  for (const c of ["Z", "M"]) third.answer({ c, n: c === "Z" ? 2 : 1 }, 0);
  expect(kept(makeOutbox({ storage, clientId: "B" }))).toEqual(["A1:a/2/P"]);
});

test("a page that is still alive never overwrites what a later page has stored", () => {
  const storage = new MemoryStorage();
  const old = makeOutbox({ storage, clientId: "A" });
  ignore(old.add("1"));
  const later = makeOutbox({ storage, clientId: "B" });
  ignore(later.add("2"));
  ignore(old.add("3"));
  old.answer({ c: "A", n: 1 }, 0);
  expect(kept(makeOutbox({ storage, clientId: "C" }))).toEqual(["A2:a/1/P", "B1:a/1/P"]);
});

test("participants who share a tab's storage do not see each other's messages, nor foreign items", () => {
  const storage = new MemoryStorage([
    ["theme", "dark"],
    ["w.x.1.A.1", "no JSON"],
    ["w.x.1.A.2", '{"k":"other"}'],
  ]);
  ignore(makeOutbox({ storage, prefix: "w.y.", clientId: "Y" }).add("1"));
  expect(makeOutbox({ storage, clientId: "B" }).size).toBe(0);
  expect(makeOutbox({ storage, prefix: "w.y.", clientId: "B" }).size).toBe(1);
});

test("beyond its limit in bytes the outbox refuses at once and uses up no number", () => {
  const outbox = makeOutbox({ limitBytes: 250 });
  ignore(outbox.add('"ä"'));
  ignore(outbox.add(`"${"x".repeat(100)}"`));
  let thrown: unknown;
  try {
    outbox.add(`"${"ä".repeat(40)}"`);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(WalrasError);
  expect(thrown).toMatchObject({ code: "outbox_full", retry: true });
  outbox.answer({ c: "A", n: 2 }, 0);
  ignore(outbox.add("3"));
  expect(numbers(outbox.take(0))).toEqual(["A1", "A3"]);
});

test("however small, no more messages are kept than a form may carry", () => {
  const outbox = makeOutbox();
  for (let i = 0; i < OUTBOX_MESSAGES; i++) ignore(outbox.add("1"));
  expect(() => outbox.add("1")).toThrow("10000 messages wait");
});

test("a storage that is blocked or full is survived in memory, and leaves no hole for the next page", () => {
  const blocked = makeOutbox({
    storage: {
      keys: () => {
        throw new Error("blocked");
      },
      get: () => null,
      set: () => {
        throw new Error("blocked");
      },
      remove: () => {
        throw new Error("blocked");
      },
    },
  });
  ignore(blocked.add("1"));
  expect(blocked.persistent).toBe(false);
  expect(numbers(blocked.take(0))).toEqual(["A1"]);
  expect(blocked.answer({ c: "A", n: 1 }, 0)).toBe("done");

  const storage = new MemoryStorage();
  let full = false;
  const set = storage.set.bind(storage);
  storage.set = (key, value) => {
    if (full) throw new Error("QuotaExceededError");
    set(key, value);
  };
  const outbox = makeOutbox({ storage });
  ignore(outbox.add("1"));
  full = true;
  ignore(outbox.add("2"));
  full = false;
  ignore(outbox.add("3"));
  expect(outbox.persistent).toBe(false);
  expect(numbers(outbox.take(0))).toEqual(["A1", "A2", "A3"]);
  // 3 without 2 would never be accepted.
  expect(kept(makeOutbox({ storage, clientId: "B" }))).toEqual(["A1:a/1/P"]);
});

test("when the page ends, those who wait are told, and the messages stay for the next page", async () => {
  const storage = new MemoryStorage();
  const outbox = makeOutbox({ storage });
  const answer = outbox.add("1");
  outbox.abandon(new WalrasError("left", "Left."));
  await expect(answer).rejects.toMatchObject({ code: "left" });
  expect(storage.keys()).toHaveLength(1);
});

/** A server that takes numbers in order and once, and refuses when told to. */
class Model {
  readonly effects: Send[] = [];
  private readonly last = new Map<string, number>();

  receive(send: Send, refuse: boolean): { c: string; n: number; e?: typeof RETRY } {
    const { c, n } = send;
    const last = this.last.get(c) ?? 0;
    if (n <= last) {
      const known = this.effects.find((other) => other.c === c && other.n === n);
      if (JSON.stringify(known) !== JSON.stringify(send))
        throw new Error(`${c}.${n} came with another payload or page`);
      return { c, n };
    }
    if (refuse || n !== last + 1) return { c, n, e: RETRY };
    this.last.set(c, n);
    this.effects.push(send);
    return { c, n };
  }
}

/** A tab over several page loads, with the frames on their way to the server and back. */
class Tab {
  outbox: Outbox;
  up: Send[] = [];
  down: ReturnType<Model["receive"]>[] = [];
  readonly storage: MemoryStorage;
  private readonly newClient: () => string;

  constructor(storage: MemoryStorage, newClient: () => string) {
    this.storage = storage;
    this.newClient = newClient;
    this.outbox = this.load();
  }

  private load(): Outbox {
    const clientId = this.newClient();
    return makeOutbox({ storage: this.storage, clientId, page: `page of ${clientId}` });
  }
  reload(): void {
    this.outbox = this.load();
    this.disconnect();
  }
  disconnect(): void {
    this.up = [];
    this.down = [];
    this.outbox.rewind();
  }
  flush(now: number): void {
    this.up.push(...this.outbox.take(now).map((text) => JSON.parse(text)));
  }
}

const operations = fc.array(
  fc.record({
    what: fc.constantFrom(
      ...["send", "send", "send", "flush", "flush", "serve", "serve", "serve", "answer", "answer"],
      ...["refuse", "disconnect", "reload", "duplicate", "wait"],
    ),
    tab: fc.nat(3),
    value: fc.nat(),
  }),
  { minLength: 20, maxLength: 200 },
);

test("whatever happens, each message takes effect once, with its own number, page and payload, in order", () => {
  const happened = { refused: 0, resent: 0, inherited: 0, duplicated: 0 };
  fc.assert(
    fc.property(operations, (steps) => {
      let now = 0;
      let clients = 0;
      const newClient = () => `client${++clients}`;
      const server = new Model();
      const tabs = [new Tab(new MemoryStorage(), newClient)];
      const sent = new Map<string, { p: string; d: unknown }>();
      const owner = new Map<Outbox, { c: string; n: number }>();

      const send = (tab: Tab, value: number) => {
        ignore(tab.outbox.add(JSON.stringify({ value })));
        const { n } = owner.get(tab.outbox) ?? { n: 0 };
        const last: Send = JSON.parse(tab.outbox.toJson()).at(-1);
        expect(last.n).toBe(n + 1);
        owner.set(tab.outbox, { c: last.c, n: n + 1 });
        sent.set(`${last.c}.${last.n}`, { p: `page of ${last.c}`, d: { value } });
      };
      const serve = (tab: Tab, refuse: boolean) => {
        const frame = tab.up.shift();
        if (!frame) return;
        const before = server.effects.length;
        const answer = server.receive(frame, refuse);
        if (answer.e) happened.refused += 1;
        else if (server.effects.length === before) happened.resent += 1;
        tab.down.push(answer);
      };
      const hear = (tab: Tab) => {
        const answer = tab.down.shift();
        if (answer) tab.outbox.answer(answer, now);
      };

      for (const { what, tab: index, value } of steps) {
        const tab = tabs[index % tabs.length] as Tab;
        now += 1;
        if (what === "send") send(tab, value);
        else if (what === "flush") tab.flush(now);
        else if (what === "serve") serve(tab, false);
        else if (what === "refuse") serve(tab, true);
        else if (what === "answer") hear(tab);
        else if (what === "disconnect") tab.disconnect();
        else if (what === "wait") now += value % 10_000;
        else if (what === "reload") {
          tab.reload();
          happened.inherited += tab.outbox.size;
        } else if (tabs.length < 4) {
          tabs.push(new Tab(tab.storage.copy(), newClient));
          happened.duplicated += 1;
        }
      }
      // The faults end: everything gets through.
      for (let round = 0; tabs.some((tab) => tab.outbox.size > 0); round++) {
        if (round > 500) throw new Error("The outboxes never become empty.");
        now += 5_000;
        for (const tab of tabs) {
          tab.flush(now);
          while (tab.up.length > 0) serve(tab, false);
          while (tab.down.length > 0) hear(tab);
        }
      }
      expect(tabs.flatMap((tab) => tab.storage.keys())).toEqual([]);
      // Each one once; in order within a page load, since the model takes no other.
      expect(server.effects.map(({ c, n, p, d }) => [`${c}.${n}`, { p, d }]).sort(byKey)).toEqual(
        [...sent].sort(byKey),
      );
    }),
    { numRuns: 300 },
  );
  for (const [fault, count] of Object.entries(happened)) expect([fault, count > 50]).toEqual([fault, true]);
});

function byKey(a: unknown[], b: unknown[]): number {
  return String(a[0]) < String(b[0]) ? -1 : 1;
}
