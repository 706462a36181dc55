import { type Client, matchMaker, type Room } from "@colyseus/core";
import { Client as OfficialClient } from "@colyseus/sdk";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { CloseCode, FRAME_TYPE, PROTOCOL_VERSION, type ServerFrame, type Welcome } from "../client-sdk/protocol.ts";
import { Actor } from "../rooms/actor.ts";
import { GameRoom } from "../rooms/game-room.ts";
import { groupRoomId } from "../rooms/group-room.ts";
import { Reception } from "../rooms/reception.ts";
import { makeAuction } from "./helpers/apps.ts";
import { type Guest, TestGame } from "./helpers/game.ts";

/**
 * What Colyseus does that would break a promise, and that our server does not do. Each of these fails if a
 * new version of Colyseus undoes a cure, or if a cure is taken out.
 */
const FOREIGN = "https://evil.example";

let walras: TestGame;
let guests: Guest[];

beforeAll(async () => {
  walras = await TestGame.start([makeAuction({ playersPerGroup: 2 })], { allowedOrigins: ["https://lab.example"] });
  guests = await walras.guests(["auction"], 8);
});
afterAll(() => walras.stop());
afterEach(() => {
  jest.restoreAllMocks();
  walras.log.lines.length = 0;
});

function guest(n: number): Guest {
  return guests[n] as Guest;
}

/** The room of a guest's group, with what Colyseus keeps private. */
function roomOf({ actorId }: Guest) {
  const room = matchMaker.getLocalRoomById(groupRoomId(actorId));
  return room as unknown as Pick<Room, "clients"> & {
    clock: { delayed: unknown[]; tick(): void };
    _reservedSeatTimeouts: Record<string, NodeJS.Timeout & { _idleTimeout: number; _onTimeout(): void }>;
  };
}

test("Node has a WebSocket of its own, without which Colyseus cannot bring anybody back", () => {
  expect(typeof globalThis.WebSocket).toBe("function");
});

test("no answer lets another origin read it: not a page, not a 404, not OPTIONS, not matchmaking", async () => {
  const requests: [string, string][] = [
    ["GET", `/live/${guest(0).code}`],
    ["GET", "/"],
    ["GET", "/nowhere"],
    ["OPTIONS", `/live/${guest(0).code}`],
    ["OPTIONS", "/nowhere"],
    ["OPTIONS", "/matchmake/joinOrCreate/group"],
    ["POST", "/matchmake/joinOrCreate/group"],
    ["POST", `/live/${guest(0).code}/seat`],
  ];
  for (const [method, path] of requests) {
    const response = await fetch(walras.base + path, { method, headers: { origin: FOREIGN } });
    await response.body?.cancel();
    expect([path, [...response.headers.keys()].filter((name) => name.startsWith("access-control"))]).toEqual([
      path,
      [],
    ]);
  }
});

test("nobody makes, joins or finds a room over HTTP", async () => {
  const seat = await walras.seat(guest(0));
  const before = (await matchMaker.query({})).length;
  for (const method of ["joinOrCreate", "create", "join", "joinById", "reconnect"]) {
    for (const room of ["group", seat.roomId]) {
      const response = await fetch(`${walras.base}/matchmake/${method}/${room}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ actorId: guest(0).actorId }),
      });
      expect(response.status).toBe(404);
      expect(await response.text()).not.toContain(seat.sessionId);
    }
  }
  expect(await matchMaker.query({})).toHaveLength(before);
  expect((await fetch(`${walras.base}/__healthcheck`)).status).toBe(404);
});

test("sockets are opened from the page's own origin, an allowed one, and by what is not a browser", async () => {
  for (const origin of [undefined, walras.base, "https://lab.example"]) {
    const socket = await walras.connect(guest(0), origin === undefined ? {} : { origin });
    expect(socket.frames.at(-1)?.k).toBe("welcome");
    await socket.close();
  }
  for (const origin of [FOREIGN, "null", "garbage", `${walras.base}.evil.example`, "https://lab.example:444"]) {
    const seat = await walras.seat(guest(0));
    const refused = await walras.socket(seat, { origin });
    expect([origin, refused.status, refused.joined]).toEqual([origin, 403, false]);
    // The seat is not lost to who it was made for.
    const own = await walras.socket(seat);
    expect(own.joined).toBe(true);
    await own.close();
  }
});

test("messages up to the limit are taken, larger ones refused, and only absurd ones close their own socket", async () => {
  const a = await walras.connect(guest(0));
  const b = await walras.connect(guest(1));
  const limit = 64 * 1024;
  for (const size of [5_000, 60_000, limit]) {
    // As JSON it has two quotation marks more.
    const text = "x".repeat(size - '{"do":"echo","with":""}'.length);
    expect(await a.ask({ do: "echo", with: text })).not.toHaveProperty("e");
    await b.until(() => b.received.length > 0);
    expect(b.received.pop()).toBe(text);
    b.frames.length = 0;
  }
  for (const size of [limit + 1, 2 * limit]) {
    expect(await a.ask("x".repeat(size - 2))).toMatchObject({ e: { code: "too_large", retry: false } });
  }
  expect(await a.ask({ do: "echo", with: "still here" })).not.toHaveProperty("e");

  a.post("x".repeat(1024 * 1024));
  await a.until(() => a.closed !== undefined);
  expect(a.closed).toBe(1009);
  expect(await b.ask({ do: "echo", with: "nor here" })).not.toHaveProperty("e");
  expect(walras.log.lines).toHaveLength(1);
  await b.close();
});

test("a message type that nobody knows is answered, and its sender stays", async () => {
  const print = jest.spyOn(console, "error").mockImplementation(() => {});
  const socket = await walras.connect(guest(0));
  const strange: Record<string, number[]> = {
    "ROOM_DATA of a string type": [13, 0xa3, 0x62, 0x69, 0x64, 0x05],
    "ROOM_DATA of a number type": [13, 0x07, 0x05],
    "ROOM_DATA with broken msgpack": [13, 0xa1, 0x77, 0xc1, 0xdb, 0xff],
    "ROOM_DATA with a type that is not UTF-8": [13, 0xa2, 0xff, 0xfe],
    "ROOM_DATA of type __proto__": [13, 0xa9, ...Buffer.from("__proto__"), 0x05],
    "ROOM_DATA without a type": [13],
    "ROOM_DATA_BYTES of another type": [17, 0xa1, 0x78, 0x7b, 0x7d],
    "ROOM_DATA_BYTES of a number type": [17, 0x07],
    ROOM_REQUEST: [21, 0x01, 0xa1, 0x77],
    "an input": [19, 0x01, 0x02],
    "a code that does not exist": [31],
    "a modifier on a known code": [17 | 0x20, 0xa1, 0x77, 0x7b, 0x7d],
  };
  for (const [what, bytes] of Object.entries(strange)) {
    socket.raw(Uint8Array.from(bytes));
    await socket.pong();
    const [answer] = socket.answers(0).splice(-1);
    expect([what, answer?.e?.code, socket.closed]).toEqual([what, "malformed", undefined]);
  }
  expect(socket.answers(0)).toHaveLength(Object.keys(strange).length);
  expect(await socket.ask({ do: "state" })).not.toHaveProperty("e");
  expect(print).not.toHaveBeenCalled();
  expect(walras.log.lines).toHaveLength(Object.keys(strange).length);
  await socket.close();
});

test("an exception in a room's handlers ends neither process nor room, and is logged once", async () => {
  const [a, b] = [await walras.connect(guest(0)), await walras.connect(guest(1))];
  jest.spyOn(Actor.prototype, "post").mockImplementationOnce(() => {
    throw new Error("a mistake in a handler");
  });
  a.post({ do: "state" });
  await a.pong();
  expect(walras.log.lines).toMatchObject([
    { level: "error", message: "a room failed", fields: { method: "onMessage" } },
  ]);
  expect(await b.ask({ do: "state" })).not.toHaveProperty("e");
  expect(await a.ask({ do: "state" }, { n: 1 })).not.toHaveProperty("e");

  walras.log.lines.length = 0;
  const leave = jest.spyOn(Reception.prototype, "leave").mockImplementationOnce(() => {
    throw new Error("a mistake on leaving");
  });
  await a.close();
  while (walras.log.lines.length === 0) await b.pong();
  expect(walras.log.lines).toMatchObject([{ message: "a room failed", fields: { method: "onLeave" } }]);
  expect(leave).toHaveBeenCalledTimes(1);
  expect(await b.ask({ do: "state" })).not.toHaveProperty("e");
  await b.close();
});

test("a group that cannot be loaded is refused to who wants to join, and nothing else happens", async () => {
  const seat = await walras.seat(guest(0));
  walras.log.lines.length = 0;
  jest.spyOn(Actor.prototype, "load").mockRejectedValueOnce(new Error("the database is away"));
  const socket = await walras.socket(seat);
  await socket.until(() => socket.closed !== undefined);
  expect(socket.joined).toBe(false);
  expect(walras.log.lines).toHaveLength(1);
  const again = await walras.connect(guest(0));
  expect(again.frames.at(-1)?.k).toBe("welcome");
  await again.close();
});

test("an idle room ticks no clock, sends no patches, and nobody uses Colyseus' timers", async () => {
  const socket = await walras.connect(guest(0));
  await socket.ask({ do: "state" });
  const room = roomOf(guest(0));
  const tick = jest.spyOn(room.clock, "tick");
  const patch = jest.spyOn(Object.getPrototypeOf(GameRoom.prototype), "broadcastPatch");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(tick).not.toHaveBeenCalled();
  expect(patch).not.toHaveBeenCalled();
  expect(room.clock.delayed).toEqual([]);
  await socket.close();
});

test("twenty who ask at once get seats in one room, which is found by its group's id", async () => {
  const made = jest.spyOn(GameRoom.prototype, "onCreate");
  const [a, b] = [guest(4), guest(6)];
  expect(a.actorId).not.toBe(b.actorId);
  const seats = await Promise.all(Array.from({ length: 20 }, () => walras.seat(a)));
  expect(made).toHaveBeenCalledTimes(1);
  expect(new Set(seats.map(({ roomId }) => roomId))).toEqual(new Set([`g${a.actorId}`]));
  expect(new Set(seats.map(({ sessionId }) => sessionId)).size).toBe(20);
  expect(await matchMaker.getRoomById(`g${a.actorId}`)).toMatchObject({ roomId: `g${a.actorId}` });
  expect(await walras.seat(b)).toMatchObject({ roomId: `g${b.actorId}` });
  expect(made).toHaveBeenCalledTimes(2);
});

test("a room outlives the leaving of everybody", async () => {
  const socket = await walras.connect(guest(4));
  const room = roomOf(guest(4));
  await socket.close();
  while (room.clients.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const again = await walras.connect(guest(4));
  expect(roomOf(guest(4))).toBe(room);
  expect(room.clients).toHaveLength(1);
  await again.close();
});

test("a seat is taken once, is no use in another group's room, and expires", async () => {
  const seat = await walras.seat(guest(0));
  const foreign = await walras.socket({ ...seat, roomId: (await walras.seat(guest(2))).roomId });
  expect([foreign.joined, foreign.refusal]).toEqual([false, expect.stringMatching(/seat reservation expired/)]);
  const first = await walras.socket(seat);
  const second = await walras.socket(seat);
  expect([first.joined, second.joined]).toEqual([true, false]);
  await first.close();
  const third = await walras.socket(seat);
  expect(third.joined).toBe(false);

  const late = await walras.seat(guest(0));
  const timer = roomOf(guest(0))._reservedSeatTimeouts[late.sessionId];
  expect(timer?._idleTimeout).toBe(30_000);
  timer?._onTimeout();
  clearTimeout(timer);
  expect((await walras.socket(late)).joined).toBe(false);
  for (const sessionId of ["__proto__", "constructor", "toString"]) {
    expect((await walras.socket({ ...seat, sessionId })).joined).toBe(false);
  }
  // Refusals of seats are everyday: a tab that comes out of sleep has an old one.
  expect(walras.log.lines).toEqual([]);
});

test("nothing is held back for a client that never acknowledges its join", async () => {
  const silent = await walras.socket(await walras.seat(guest(0)), { acknowledge: false });
  silent.frame({ k: "hello", v: PROTOCOL_VERSION, c: silent.clientId, s: 0 });
  silent.raw("anything");
  const other = await walras.connect(guest(1));
  for (let i = 0; i < 20; i++) await other.ask({ do: "echo", with: i });
  const client = roomOf(guest(0)).clients.find(({ state }) => state === 0) as Client & { _enqueuedMessages: unknown[] };
  expect(client._enqueuedMessages).toEqual([]);
  expect(silent.frames).toEqual([]);
  await other.close();
  await silent.close();
});

test("no pings are answered that pile up in the socket", async () => {
  const socket = await walras.connect(guest(0));
  await socket.pong();
  const [client] = roomOf(guest(0)).clients;
  let buffered = 1024 * 1024;
  Object.defineProperty(client?.ref, "bufferedAmount", { get: () => buffered });
  const pongs = socket.pongs;
  for (let i = 0; i < 100; i++) socket.raw(Uint8Array.of(18));
  socket.post({ do: "state" });
  const other = await walras.connect(guest(1));
  await other.pong();
  buffered = 0;
  await socket.pong();
  expect(socket.pongs).toBe(pongs + 1);
  await other.close();
  await socket.close();
});

test("the official client takes a seat and speaks our frames", async () => {
  const { roomId, processId, sessionId } = await walras.seat(guest(0));
  const other = await walras.connect(guest(1));
  const seen = (other.frames.at(-1) as Welcome).s;
  const client = new OfficialClient(walras.base);
  const room = await client.consumeSeatReservation({ name: "group", roomId, processId, sessionId });
  const frames: ServerFrame[] = [];
  let changed = () => {};
  const until = async (count: number) => {
    while (frames.length < count) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  room.onMessage(FRAME_TYPE, (bytes: Uint8Array) => {
    frames.push(JSON.parse(Buffer.from(bytes).toString()));
    changed();
  });
  const send = (frame: object) => room.sendBytes(FRAME_TYPE, Buffer.from(JSON.stringify(frame)));
  send({ k: "hello", v: PROTOCOL_VERSION, c: "official-client", s: seen });
  await until(1);
  expect(frames[0]).toMatchObject({ k: "welcome" });
  send({ k: "send", c: "official-client", n: 1, p: guest(0).page, d: { do: "echo", with: "grüße 😀" } });
  await until(2);
  expect(frames[1]).toMatchObject({ k: "recv", m: ["grüße 😀"], a: { c: "official-client", n: 1 } });
  await other.until(() => other.received.includes("grüße 😀"));
  expect(other.received.at(-1)).toBe("grüße 😀");
  expect(await room.leave()).toBe(CloseCode.LEFT);
  await other.close();
});

test("nothing takes over the process: no signal, no stray exception, no stray rejection", async () => {
  // Colyseus starts this monitor where it is installed, as it is with @colyseus/testing.
  const monitor = await import("@pm2/io" as string).catch(() => undefined);
  expect(Object.keys(monitor?.default ?? { metric: 0 })).toEqual(["metric"]);
  for (const event of ["SIGINT", "SIGTERM", "SIGUSR2"])
    expect([event, process.listenerCount(event)]).toEqual([event, 0]);
  const names = [...process.listeners("uncaughtException"), ...process.listeners("unhandledRejection")].map(String);
  expect(names.filter((text) => /colyseus|pm2|gracefully|debugAndPrint/i.test(text))).toEqual([]);
});

test("the end of the server closes sockets so that they come back, and does not wait for seats that nobody took", async () => {
  const sockets = await Promise.all([0, 1, 4].map((n) => walras.connect(guest(n))));
  const { sessionId } = await walras.seat(guest(0));
  const timer = roomOf(guest(0))._reservedSeatTimeouts[sessionId];
  const expire = jest.spyOn(timer as { _onTimeout(): void }, "_onTimeout");
  const disconnect = jest.spyOn(GameRoom.prototype, "disconnect");
  await walras.game.stop();
  expect(expire).not.toHaveBeenCalled();
  expect(new Set(disconnect.mock.calls.flat())).toEqual(new Set([CloseCode.RETRY]));
  await Promise.all(sockets.map((socket) => socket.until(() => socket.closed !== undefined)));
  expect(sockets.map(({ closed }) => closed)).toEqual([CloseCode.RETRY, CloseCode.RETRY, CloseCode.RETRY]);
});
