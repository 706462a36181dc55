import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { WalrasError } from "../client-sdk/errors.ts";
import { linkDefaults, pauseBefore } from "../client-sdk/link.ts";
import { LiveClient, type LiveClientOptions, type LiveStatus } from "../client-sdk/live-client.ts";
import { MemoryStorage } from "../client-sdk/outbox.ts";
import { CloseCode, type PageLive, type Reload } from "../client-sdk/protocol.ts";
import { FakeGroup, FakeNetwork } from "./helpers/fake-room.ts";
import { VirtualClock } from "./helpers/virtual-clock.ts";

/** One player's page, its network and its group, in virtual time. */
class World {
  readonly clock: VirtualClock;
  readonly group = new FakeGroup();
  readonly network: FakeNetwork;
  readonly storage = new MemoryStorage();
  readonly got: unknown[] = [];
  readonly statuses: LiveStatus[] = [];
  readonly reloads: Reload["why"][] = [];
  readonly reports: string[] = [];
  private loads = 0;

  constructor(seed = 1) {
    this.clock = new VirtualClock(seed);
    this.network = new FakeNetwork(this.clock, this.group);
  }

  load(page: Partial<PageLive> = {}, changes: Partial<LiveClientOptions> = {}): LiveClient {
    const client = new LiveClient({
      live: this.network.page(page),
      env: this.clock,
      clientId: `load${++this.loads}`,
      storage: this.storage,
      prefix: "w.x.",
      openSocket: this.network.openSocket,
      fetchSeat: this.network.fetchSeat,
      onMessage: (data) => this.got.push(data),
      onStatus: (status) => this.statuses.push(status),
      onReload: (why) => this.reloads.push(why),
      report: (message) => this.reports.push(message),
      ...changes,
    });
    client.start();
    return client;
  }

  /** A page that is connected. */
  async open(page: Partial<PageLive> = {}, changes: Partial<LiveClientOptions> = {}): Promise<LiveClient> {
    const client = this.load(page, changes);
    await this.clock.run(100);
    expect(client.status).toBe("open");
    return client;
  }

  effects(): unknown[] {
    return this.group.effects.map((send) => send.d);
  }
}

test("the seat in the page is used without asking for another, and sends made before it was open go in order", async () => {
  const world = new World();
  const client = world.load();
  expect(client.status).toBe("connecting");
  const answers = [client.send(1), client.send({ two: [2] }), client.send(null)];
  await world.clock.run(200);
  expect(world.effects()).toEqual([1, { two: [2] }, null]);
  await expect(Promise.all(answers)).resolves.toEqual(["load1.1", "load1.2", "load1.3"]);
  expect(world.network.seatsAsked).toBe(0);
  expect(world.statuses).toEqual(["open"]);
  expect(world.group.effects[0]?.p).toBe("auction/1/Bidding");
});

test("deliveries arrive once, in order, with the answer riding along settled after liveRecv has run", async () => {
  const world = new World();
  const order: unknown[] = [];
  const client = await world.open({}, { onMessage: (data) => order.push(data) });
  world.group.reply = (send) => [`${send.d}a`, `${send.d}b`];
  client.send("x").then(() => order.push("answered"));
  await world.clock.run(100);
  world.group.deliver("y");
  await world.clock.run(100);
  expect(order).toEqual(["xa", "xb", "answered", "y"]);
  expect(client.outbox.size).toBe(0);
});

test("what was delivered between rendering and joining is caught up; what came before rendering is not", async () => {
  const world = new World();
  world.group.deliver("before");
  const page = world.network.page();
  world.group.deliver("meanwhile");
  await world.open({ seq: page.seq });
  world.group.deliver("after");
  await world.clock.run(100);
  expect(world.got).toEqual(["meanwhile", "after"]);
});

test("a page with history gets everything since the page began, also when the first connection breaks", async () => {
  const world = new World();
  world.group.deliver("one");
  world.group.deliver("two");
  const client = world.load({ history: true });
  await world.clock.run(25);
  world.group.closeAll(1006);
  await world.clock.run(200);
  expect(client.status).toBe("open");
  world.group.deliver("three");
  await world.clock.run(100);
  world.group.closeAll(1006);
  await world.clock.run(200);
  world.group.deliver("four");
  await world.clock.run(100);
  expect(world.got).toEqual(["one", "two", "three", "four"]);
  expect(world.group.hellos.map(({ h }) => h)).toEqual([true, true, false]);
  expect(world.group.hellos[0]?.s).toBe(0);
});

test("a hole in the deliveries is noticed and filled by a new connection, without handing over what follows it", async () => {
  const world = new World();
  await world.open();
  world.group.deliver("one");
  world.group.deliverUnsent("two");
  world.group.deliver("three");
  world.group.deliver("four");
  await world.clock.run(200);
  expect(world.got).toEqual(["one", "two", "three", "four"]);
  expect(world.group.hellos.map(({ s }) => s)).toEqual([0, 1]);
  expect(world.reports).toHaveLength(1);
});

test("deliveries that were handed over already are dropped, and an answer that rides on them still counts", async () => {
  const world = new World();
  const client = await world.open();
  const delivery = world.group.deliver("one");
  world.group.broadcast(delivery);
  const answer = client.send("x");
  await world.clock.run(11);
  world.group.broadcast({ ...delivery, a: { c: "load1", n: 1, v: "riding" } });
  await world.clock.run(100);
  expect(world.got).toEqual(["one"]);
  await expect(answer).resolves.toBe("load1.1");
});

test("an error in liveRecv is reported and loses no later message", async () => {
  const world = new World();
  const got: unknown[] = [];
  const onMessage = (data: unknown) => {
    if (data === 2) throw new Error("author's mistake");
    got.push(data);
  };
  await world.open({}, { onMessage });
  world.group.deliver(1, 2, 3);
  world.group.deliver(4);
  await world.clock.run(100);
  expect(got).toEqual([1, 3, 4]);
  expect(world.reports).toHaveLength(1);
});

test("after any close but its own the page comes back with a fresh seat, sends again and catches up", async () => {
  for (const code of [1000, 1001, 1006, 1009, 4001, 4002, 4003, CloseCode.RETRY]) {
    const world = new World();
    const client = await world.open();
    world.group.reply = (send) => [send.d];
    const lost = client.send("sent, and lost with the socket");
    world.group.closeAll(code);
    const offline = client.send("sent while offline");
    world.group.deliver("missed");
    await world.clock.run(1_000);
    expect(client.status).toBe("open");
    expect(world.network.seatsAsked).toBe(1);
    await Promise.all([lost, offline]);
    expect(world.got).toEqual(["missed", "sent, and lost with the socket", "sent while offline"]);
    expect(world.statuses).toEqual(["open", "lost", "open"]);
  }
});

test("a message whose answer was lost takes effect once and is answered", async () => {
  const world = new World();
  const client = await world.open();
  const answer = client.send("once");
  await world.clock.run(11);
  expect(world.effects()).toEqual(["once"]);
  world.group.closeAll(1006);
  await world.clock.run(200);
  await expect(answer).resolves.toBe("load1.1");
  expect(world.effects()).toEqual(["once"]);
  expect(world.group.arrivals).toHaveLength(2);
});

test("a seat that has expired is replaced, and a room that refuses every seat is asked again with growing pauses", async () => {
  const world = new World();
  const client = world.load({ seat: { processId: "p", roomId: "r", sessionId: "expired" } });
  await world.clock.run(100);
  expect(client.status).toBe("open");
  expect(world.reports).toEqual(["The server refused the seat (524 no!); asking for another."]);

  world.network.seatAnswer = "error";
  world.group.closeAll(1006);
  await world.clock.run(60_000);
  expect(client.status).toBe("lost");
  expect(world.network.seatsAsked).toBeGreaterThan(12);
  expect(world.network.seatsAsked).toBeLessThan(30);
  world.network.seatAnswer = "seat";
  await world.clock.run(6_000);
  expect(client.status).toBe("open");
});

test("pauses: at once, then from 250 ms to 5 s; told to come back at once, within half a second; half is chance", () => {
  const pauses = (random: number) =>
    [0, 1, 2, 3, 5, 6, 50].map((failures) => pauseBefore(failures, 1006, () => random));
  expect(pauses(1)).toEqual([0, 250, 500, 1000, 4000, 5000, 5000]);
  expect(pauses(0)).toEqual([0, 125, 250, 500, 2000, 2500, 2500]);
  expect(pauseBefore(0, CloseCode.RETRY, () => 0.5)).toBe(250);
});

test("a server that welcomes and closes again and again is not hammered", async () => {
  const world = new World();
  await world.open();
  for (let second = 0; second < 60; second++) {
    world.group.closeAll(CloseCode.RETRY);
    await world.clock.run(1_000);
  }
  expect(world.network.socketsOpened).toBeLessThan(40);
  await world.clock.run(20_000);
  // It was stable for a while: the next break is mended fast again.
  const before = world.network.socketsOpened;
  world.group.closeAll(1006);
  await world.clock.run(100);
  expect(world.network.socketsOpened).toBe(before + 1);
});

test("a dead link that nobody reports is found by silence, while waiting soon, while idle later", async () => {
  const world = new World();
  const client = await world.open();
  world.network.dead = true;
  client.send("into the void");
  await world.clock.run(linkDefaults.answer + linkDefaults.probe + 10);
  expect(client.status).toBe("lost");
  world.network.dead = false;
  await world.clock.run(linkDefaults.attempt + 6_000);
  expect(client.status).toBe("open");
  expect(world.effects()).toEqual(["into the void"]);

  await world.clock.run(linkDefaults.idle);
  world.network.dead = true;
  await world.clock.run(linkDefaults.idle + linkDefaults.probe + 10);
  expect(client.status).toBe("lost");
});

test("a live method that takes minutes is waited for on the same connection", async () => {
  const world = new World();
  const client = await world.open();
  world.group.slow = true;
  client.send("slow");
  // The group is silent, but its room answers pings.
  await world.clock.run(120_000);
  expect(world.effects()).toEqual(["slow"]);
  expect(client.status).toBe("open");
  expect(world.network.socketsOpened).toBe(1);
});

test("a hint that the network is gone is checked, not believed; one that it is back is used at once", async () => {
  const world = new World();
  const client = await world.open();
  client.doubt();
  await world.clock.run(linkDefaults.probe + 100);
  expect(client.status).toBe("open");
  expect(world.network.socketsOpened).toBe(1);

  world.network.dead = true;
  client.doubt();
  await world.clock.run(linkDefaults.probe + 10);
  expect(client.status).toBe("lost");
  world.network.dead = false;
  world.network.seatAnswer = "error";
  await world.clock.run(60_000);
  world.network.seatAnswer = "seat";
  client.wake();
  await world.clock.run(50);
  expect(client.status).toBe("open");
});

test("an attempt that hangs is given up", async () => {
  const world = new World();
  const client = await world.open();
  world.network.seatAnswer = "hang";
  world.group.closeAll(1006);
  await world.clock.run(linkDefaults.attempt - 1_000);
  world.network.seatAnswer = "seat";
  expect(client.status).toBe("lost");
  await world.clock.run(2_000);
  expect(client.status).toBe("open");
});

test("retryable refusals are resent in order until they are taken", async () => {
  const world = new World();
  const client = await world.open();
  let tokens = 2;
  world.group.refuse = () =>
    tokens-- > 0 ? null : { code: "too_fast", message: "Slow down.", retry: true, after: 300 };
  const answers = [1, 2, 3, 4, 5].map((value) => client.send(value));
  await world.clock.run(200);
  expect(world.effects()).toEqual([1, 2]);
  tokens = 1;
  await world.clock.run(600);
  expect(world.effects()).toEqual([1, 2, 3]);
  tokens = 100;
  await world.clock.run(2_000);
  expect(world.effects()).toEqual([1, 2, 3, 4, 5]);
  await Promise.all(answers);
});

test("a final refusal rejects with its code and reason, and later messages go on", async () => {
  const world = new World();
  const client = await world.open();
  world.group.refuse = (send) => (send.d === "bad" ? { code: "invalid", message: "Not so.", retry: false } : null);
  const bad = client.send("bad");
  const good = client.send("good");
  await world.clock.run(100);
  await expect(bad).rejects.toMatchObject({ code: "invalid", message: "Not so.", retry: false });
  await expect(good).resolves.toBe("load1.2");
});

test("what cannot be sent is refused at once, with a reason, and uses up no number", async () => {
  const world = new World();
  const client = await world.open({ messageLimit: 10 });
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [
    undefined,
    Number.NaN,
    1n,
    () => 1,
    cycle,
    "a\0b",
    "\ud800",
    { a: [Number.POSITIVE_INFINITY] },
  ]) {
    await expect(client.send(value)).rejects.toMatchObject({ code: "not_json" });
  }
  await expect(client.send({ a: [Number.NaN] })).rejects.toThrow("liveSend(data).a[0] is NaN");
  await expect(client.send("x".repeat(9))).rejects.toMatchObject({ code: "too_large" });
  await expect(client.send("ä".repeat(5))).rejects.toMatchObject({ code: "too_large" });
  client.send("x".repeat(8));
  await world.clock.run(100);
  expect(world.group.effects.map(({ n, d }) => [n, d])).toEqual([[1, "xxxxxxxx"]]);
});

test("a full outbox says so at once", async () => {
  const world = new World();
  world.network.dead = true;
  const client = world.load();
  const text = "x".repeat(60_000);
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => Promise.race([client.send(text + i), Promise.resolve("kept")])),
  );
  await expect(client.send(text)).rejects.toMatchObject({ code: "outbox_full", retry: true });
  expect(results.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(15);
});

test("halted: participants are told, messages are kept, and all goes on by itself", async () => {
  const world = new World();
  const client = await world.open();
  world.group.refuse = () => ({ code: "halted", message: "Disk full.", retry: true });
  world.group.broadcast({ k: "notice", halted: true });
  const answer = client.send("kept");
  await world.clock.run(60_000);
  expect(client.status).toBe("halted");
  world.group.refuse = () => null;
  world.group.broadcast({ k: "notice", halted: false });
  await world.clock.run(100);
  await expect(answer).resolves.toBe("load1.1");
  expect(world.statuses).toEqual(["open", "halted", "open"]);
});

test("halted: who connects meanwhile is told so, and not that the connection is lost", async () => {
  const world = new World();
  let isHalted = true;
  const refusal = new WalrasError("halted", "503", { retry: true });
  const fetchSeat = () => (isHalted ? Promise.reject(refusal) : world.network.fetchSeat());
  const client = await world.open({}, { fetchSeat });
  world.group.closeAll(1006);
  await world.clock.run(20_000);
  expect(client.status).toBe("halted");
  isHalted = false;
  await world.clock.run(6_000);
  expect(world.statuses).toEqual(["open", "lost", "halted", "lost", "open"]);
});

test("a page that had to give way to too many tabs rests until somebody looks at it, and keeps what was sent", async () => {
  const world = new World();
  const client = await world.open();
  world.group.closeAll(CloseCode.TOO_MANY);
  const answer = client.send("kept");
  await world.clock.run(600_000);
  expect(world.network.seatsAsked).toBe(0);
  expect(client.status).toBe("resting");
  client.wake();
  await world.clock.run(1_000);
  await expect(answer).resolves.toBe("load1.1");
  expect(world.statuses).toEqual(["open", "resting", "open"]);
});

test("a group that has moved is followed", async () => {
  const world = new World();
  const client = await world.open();
  let moved = false;
  world.group.refuse = () => (moved ? null : { code: "moved", message: "Elsewhere.", retry: true });
  const answer = client.send("follow");
  await world.clock.run(22);
  moved = true;
  await world.clock.run(500);
  await expect(answer).resolves.toBe("load1.1");
  expect(world.network.seatsAsked).toBe(1);
});

test("the server can ask for a reload, on the connection or where seats are given", async () => {
  const world = new World();
  const client = await world.open();
  world.group.broadcast({ k: "reload", why: "too_far_behind" });
  await world.clock.run(100);
  expect(world.reloads).toEqual(["too_far_behind"]);
  world.network.seatAnswer = "reload";
  world.group.closeAll(CloseCode.RETRY);
  await world.clock.run(1_000);
  expect(world.reloads.slice(1)).toContain("moved_on");
  client.close();
  const asked = world.network.seatsAsked;
  await world.clock.run(60_000);
  expect(world.network.seatsAsked).toBe(asked);
});

test("a reloaded page sends its predecessor's messages first, under their numbers", async () => {
  const world = new World();
  const first = await world.open();
  world.network.dead = true;
  const forgotten = first.send("from the old page");
  await world.clock.run(100);
  first.close();
  await expect(forgotten).rejects.toMatchObject({ code: "left" });
  world.network.dead = false;
  const second = world.load({ page: "auction/2/Bidding" });
  second.send("from the new page");
  await world.clock.run(200);
  expect(world.group.effects.map(({ c, n, p, d }) => [c, n, p, d])).toEqual([
    ["load1", 1, "auction/1/Bidding", "from the old page"],
    ["load2", 1, "auction/2/Bidding", "from the new page"],
  ]);
  expect(world.storage.keys()).toEqual([]);
});

test("leaving closes with the code of leaving, and nothing comes back", async () => {
  const world = new World();
  const client = await world.open();
  client.close();
  await world.clock.run(60_000);
  expect(client.status).toBe("closed");
  expect(world.group.connections).toBe(0);
  expect(world.network.socketsOpened).toBe(1);
});

test("a frame that is not JSON makes the page connect again instead of going on with a gap", async () => {
  const world = new World();
  const { openSocket } = world.network;
  let broken = 1;
  const client = await world.open(
    {},
    {
      openSocket: (seat, on) =>
        openSocket(seat, {
          ...on,
          message: (bytes) => {
            const cut =
              bytes[0] === 17 && bytes.length > 3 && new TextDecoder().decode(bytes).includes("recv") && broken-- > 0;
            on.message(cut ? bytes.subarray(0, 10) : bytes);
          },
        }),
    },
  );
  world.group.deliver("one");
  await world.clock.run(500);
  expect(client.status).toBe("open");
  expect(world.got).toEqual(["one"]);
});

test("through random cuts, silences, refusals and reloads: each send once and in order, each delivery once and in order", async () => {
  const step = fc.constantFrom(
    "send",
    "send",
    "deliver",
    "deliver",
    "hole",
    "cut",
    "retry",
    "dead",
    "alive",
    "refuse",
    "accept",
    "wait",
  );
  const counts = { reconnected: 0, repeated: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), fc.nat(), async (steps, seed) => {
      const world = new World(seed);
      const client = await world.open();
      const sent: unknown[] = [];
      const delivered: unknown[] = [];
      const answers: Promise<unknown>[] = [];
      for (const [i, what] of steps.entries()) {
        if (what === "send") {
          sent.push(i);
          answers.push(client.send(i));
        } else if (what === "deliver") {
          delivered.push(i);
          world.group.deliver(i);
        } else if (what === "hole") {
          delivered.push(i);
          world.group.deliverUnsent(i);
        } else if (what === "cut") world.group.closeAll(1006);
        else if (what === "retry") world.group.closeAll(CloseCode.RETRY);
        else if (what === "dead") world.network.dead = true;
        else if (what === "alive") world.network.dead = false;
        else if (what === "refuse") world.group.refuse = () => ({ code: "busy", message: "", retry: true });
        else if (what === "accept") world.group.refuse = () => null;
        await world.clock.run(what === "wait" ? 5_000 : world.clock.random() * 60);
      }
      world.network.dead = false;
      world.group.refuse = () => null;
      // One more delivery shows a hole at the very end.
      await world.clock.run(40_000);
      delivered.push("last");
      world.group.deliver("last");
      await world.clock.run(40_000);
      expect(world.effects()).toEqual(sent);
      expect(world.got).toEqual(delivered);
      await Promise.all(answers);
      counts.reconnected += world.group.hellos.length - 1;
      counts.repeated += world.group.arrivals.length - sent.length;
      client.close();
    }),
    { numRuns: 60 },
  );
  expect(counts.reconnected).toBeGreaterThan(60);
  expect(counts.repeated).toBeGreaterThan(15);
});
