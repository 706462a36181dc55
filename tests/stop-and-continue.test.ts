import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { matchMaker } from "@colyseus/core";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { CloseCode } from "../client-sdk/protocol.ts";
import { groupRoomId } from "../rooms/group-room.ts";
import { makeAuction } from "./helpers/apps.ts";
import { type Guest, TestGame, type TestGameOptions } from "./helpers/game.ts";
import type { RawSocket } from "./helpers/raw-socket.ts";

/** The real server ends, or puts a group aside, and goes on where it was. */
const app = makeAuction({ playersPerGroup: 2 });
const limits = { rate: 1e9, burst: 1e9 };
let directory: string;
let running: TestGame[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "walras-stop-"));
});
afterEach(async () => {
  for (const walras of running) await walras.stop();
  running = [];
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a server on this test's database, on which the one before has ended. */
async function start(options: TestGameOptions = {}): Promise<TestGame> {
  const walras = await TestGame.start([app], { directory, limits, ...options });
  running.push(walras);
  return walras;
}

async function sumOf(socket: RawSocket): Promise<number> {
  await socket.ask({ do: "state" });
  return (socket.received.at(-1) as { highest: number }).highest;
}

/** As a page does: asks for another seat if the group has been put aside again meanwhile. */
async function comeBack(walras: TestGame, guest: Guest): Promise<RawSocket> {
  for (;;) {
    const socket = await walras.connect(guest);
    if (socket.closed === undefined) return socket;
  }
}

test("a server that ends finishes what it has taken, closes with the code to come back, and the next goes on", async () => {
  const before = await start();
  const [a, b] = (await before.guests(["auction"], 2)) as [Guest, Guest];
  const [sender, other] = [await before.connect(a), await before.connect(b)];
  for (let n = 1; n <= 200; n++) sender.post({ do: "add", amount: 1 });
  await sender.pong();
  await before.game.stop();
  await Promise.all([sender, other].map((socket) => socket.until(() => socket.closed !== undefined)));
  expect([sender.closed, other.closed]).toEqual([CloseCode.RETRY, CloseCode.RETRY]);
  expect(sender.answers(200)).toEqual([{ c: sender.clientId, n: 200 }]);
  expect(other.received).toEqual(Array.from({ length: 200 }, (_, i) => ({ sum: i + 1 })));

  const after = await start();
  const returned = await after.connect(await after.arrive(a.code));
  expect(await returned.ask({ do: "add", amount: 1 }, { c: sender.clientId, n: 201 })).not.toHaveProperty("e");
  expect(await returned.ask({ do: "add", amount: 1 }, { c: sender.clientId, n: 200 })).not.toHaveProperty("e");
  expect(await sumOf(returned)).toBe(201);
});

test("what is sent while the server ends is done once, by it or by the next", async () => {
  const before = await start();
  const [a] = (await before.guests(["auction"], 2)) as [Guest];
  const sender = await before.connect(a);
  let n = 0;
  const sending = setInterval(() => {
    for (let i = 0; i < 20; i++) sender.post({ do: "add", amount: 1 }, { n: ++n });
  }, 1);
  await sender.until(() => sender.answers(100).length > 0);
  await before.game.stop();
  clearInterval(sending);
  await sender.until(() => sender.closed !== undefined);

  const after = await start();
  const returned = await after.connect(await after.arrive(a.code));
  const done = (answer: { e?: unknown } | undefined) => answer !== undefined && answer.e === undefined;
  // As a page does: everything that was not answered, in its order, under its number.
  for (let i = 1; i <= n; i++) {
    if (done(sender.answers(i)[0])) continue;
    expect(await returned.ask({ do: "add", amount: 1 }, { c: sender.clientId, n: i })).not.toHaveProperty("e");
  }
  expect(await sumOf(returned)).toBe(n);
});

// Colyseus would wait 30 s for the seat, Node for ever for the connections.
test("neither a socket that does not answer, nor an idle connection, nor a seat that nobody took holds the end", async () => {
  const walras = await start();
  const [a, b] = (await walras.guests(["auction"], 2)) as [Guest, Guest];
  const stalled = await walras.connect(a);
  (stalled.ws as unknown as { _socket: Socket })._socket.pause();
  const silent = connect(walras.game.port, "127.0.0.1");
  await new Promise((resolve) => silent.once("connect", resolve));
  const half = connect(walras.game.port, "127.0.0.1");
  half.write("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
  await fetch(`${walras.base}/nowhere`);
  await walras.seat(b);
  await walras.game.stop();
  await Promise.all(
    [silent, half].map((socket) => socket.closed || new Promise((resolve) => socket.once("close", resolve))),
  );
  expect(walras.log.lines).toEqual([]);
}, 20_000);

test("to end twice is to end once; who asks afterwards is told to try again", async () => {
  const walras = await start();
  const [a] = (await walras.guests(["auction"], 2)) as [Guest];
  const ends = [walras.game.stop(), walras.game.stop()];
  await expect(walras.seat(a)).rejects.toMatchObject({ code: "moved", retry: true });
  const view = { kind: "view", participantId: a.id, pageIndex: 1 } as const;
  expect(await walras.game.call(a.actorId, view)).toMatchObject({ kind: "refused", code: "moved", retry: true });
  await Promise.all(ends);
  expect(await walras.game.call(a.actorId, view)).toMatchObject({ kind: "refused", code: "moved", retry: true });
  await expect(walras.seat(a)).rejects.toMatchObject({ code: "moved", retry: true });
  expect(walras.log.lines).toEqual([]);
});

test("a group that nobody has used for a while leaves memory with its room; whoever comes back finds it as it was", async () => {
  const walras = await start({ limits: { ...limits, idle: 40 } });
  const [a, b] = (await walras.guests(["auction"], 2)) as [Guest, Guest];
  const roomId = groupRoomId(a.actorId);
  const socket = await comeBack(walras, a);
  await socket.ask({ do: "add", amount: 3 });
  // Somebody is there: it stays, however quiet they are.
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(walras.game.health()).toMatchObject({ actors: 1, sockets: 1 });
  expect(matchMaker.getLocalRoomById(roomId)).toBeDefined();
  for (let round = 1; round <= 3; round++) {
    const late = await walras.seat(b);
    await Promise.all(walras.sockets.map((one) => (one.closed === undefined ? one.close() : undefined)));
    while (walras.game.health().actors > 0 || matchMaker.getLocalRoomById(roomId) !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // A seat from before is refused; the page asks for another.
    expect((await walras.socket(late)).joined).toBe(false);
    const [again, other] = [await comeBack(walras, a), await comeBack(walras, b)];
    expect(await sumOf(again)).toBe(3 * round);
    expect(await again.ask({ do: "add", amount: 3 })).not.toHaveProperty("e");
    await other.until(() => other.received.length > 0);
    expect(other.received).toEqual([{ sum: 3 * (round + 1) }]);
  }
  expect((await matchMaker.query({})).map((room) => room.roomId)).toEqual([roomId]);
  expect(walras.log.lines).toEqual([]);
});
