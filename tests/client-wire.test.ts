import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Client, matchMaker, Room, Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { CloseCode, FRAME_TYPE, OUTBOX_FIELD, type PageLive, type Seat } from "../client-sdk/protocol.ts";
import { byteLength, decodeMessage, encodeFrame, openWebSocket, socketUrl, Wire } from "../client-sdk/wire.ts";
import { FakeGroup } from "./helpers/fake-room.ts";

/** A real Colyseus room around the fake group: whatever Colyseus changes in its framing fails here. */
class WireRoom extends Room {
  override autoDispose = false;
  override patchRate = null;
  readonly group = new FakeGroup();
  readonly leaveCodes: (number | undefined)[] = [];
  private readonly members = new Map<string, ReturnType<FakeGroup["join"]>>();

  override onCreate(): void {
    this.onMessageBytes(FRAME_TYPE, (client: Client, bytes: Buffer) => {
      this.members.get(client.sessionId)?.receive(bytes.toString("utf8"));
    });
  }
  override onJoin(client: Client): void {
    const member = this.group.join(
      (frame) => client.sendBytes(FRAME_TYPE, Buffer.from(JSON.stringify(frame))),
      (code) => client.leave(code),
    );
    this.members.set(client.sessionId, member);
    // What is sent before the acknowledgement must be held back and come after it.
    client.sendBytes(FRAME_TYPE, Buffer.from('{"k":"notice","halted":false}'));
  }
  override onLeave(client: Client, code?: number): void {
    this.leaveCodes.push(code);
    this.members.get(client.sessionId)?.left();
  }
}

let colyseus: Server;
let port: number;
let sockets: HttpServer;
let pages: HttpServer;
let base: string;
let listing: Awaited<ReturnType<typeof matchMaker.createRoom>>;
let room: WireRoom;
const posts: URLSearchParams[] = [];

async function seat(): Promise<Seat> {
  const { sessionId } = await matchMaker.reserveSeatFor(listing, {});
  return { processId: listing.processId, roomId: listing.roomId, sessionId, publicAddress: `127.0.0.1:${port}` };
}

/** Colyseus leaves the timers of seats that nobody took running, for 15 s after the room is gone. */
function forgetSeats(gone: Room): void {
  const { _reservedSeatTimeouts: timers } = gone as unknown as {
    _reservedSeatTimeouts: Record<string, NodeJS.Timeout>;
  };
  for (const timer of Object.values(timers)) clearTimeout(timer);
}

/** Opens a wire and collects what happens to it. */
function connect(place: Seat) {
  const events: unknown[] = [];
  let heard = 0;
  let wake = () => {};
  const tell = (event: unknown) => {
    events.push(event);
    wake();
  };
  const wire = new Wire((on) => openWebSocket(WebSocket, socketUrl(place, "http://unused"), on), {
    joined: () => tell("joined"),
    frame: (text) => tell(JSON.parse(text)),
    heard: () => {
      heard += 1;
    },
    closed: (code, reason) => tell({ code, reason }),
  });
  const until = async (count: number) => {
    while (events.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return events;
  };
  return { wire, until, heard: () => heard };
}

beforeAll(async () => {
  sockets = createServer();
  const transport = new WebSocketTransport({ server: sockets, maxPayload: 256 * 1024 });
  colyseus = new Server({ greet: false, gracefullyShutdown: false, transport });
  colyseus.define("wire", WireRoom);
  await colyseus.listen(0, "127.0.0.1");
  port = (sockets.address() as AddressInfo).port;
  listing = await matchMaker.createRoom("wire", {});
  room = matchMaker.getLocalRoomById(listing.roomId) as unknown as WireRoom;

  pages = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const path = request.url ?? "";
    if (path === "/InitializeParticipant/CODE") {
      response.writeHead(302, { location: "/p/CODE/auction/Bidding/1", "set-cookie": "walras=1; HttpOnly" }).end();
    } else if (path === "/seat") {
      response.end(JSON.stringify({ seat: await seat() }));
    } else if (request.method === "POST") {
      posts.push(new URLSearchParams(body));
      response.writeHead(302, { location: "/p/CODE/auction/Results/2" }).end();
    } else if (path.includes("Results")) {
      response.end(`<title>Results</title><form id="form" method="post"></form>cookie: ${request.headers.cookie}`);
    } else {
      const live: PageLive = {
        v: 1,
        page: "auction/1/Bidding",
        seq: room.group.seq,
        now: 0,
        seat: await seat(),
        seatUrl: "/seat",
        messageLimit: 65_536,
        history: false,
        currency: { locale: "en", code: null, decimals: 0, points: ["point", "points"] },
      };
      response.end(
        `<head><title> Bid &amp; win </title><script type="application/json" id="walras-live">${JSON.stringify(live)}</script>` +
          `</head><form id="form" class="f" method="post"></form>`,
      );
    }
  });
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
});

afterAll(async () => {
  const closed = new Promise((resolve) => sockets.once("close", resolve));
  await colyseus.gracefullyShutdown(false);
  sockets.closeAllConnections();
  await closed;
  forgetSeats(room);
  pages.closeAllConnections();
  await new Promise((resolve) => pages.close(resolve));
});

test("a seat in a real Colyseus room is taken, and frames of all sizes go both ways unchanged", async () => {
  room.group.reply = (send) => [send.d];
  const { wire, until } = connect(await seat());
  await until(2);
  wire.send('{"k":"hello","v":1,"c":"wire","s":0}');
  expect(await until(3)).toEqual(["joined", { k: "notice", halted: false }, { k: "welcome", s: 0, t: 0 }]);
  const values = ["", "x", "ä€😀\u2028", "y".repeat(200), "z".repeat(70_000), [{ deep: [null, -1e300] }]];
  for (const [i, d] of values.entries()) wire.send(JSON.stringify({ k: "send", c: "wire", n: i + 1, p: "p", d }));
  const events = await until(3 + values.length);
  expect(events.slice(3).map((event) => (event as { m: unknown[] }).m[0])).toEqual(values);
  wire.close(CloseCode.LEFT);
});

test("the room answers pings, and is told that the page left on purpose", async () => {
  room.leaveCodes.length = 0;
  const { wire, until, heard } = connect(await seat());
  await until(2);
  const before = heard();
  wire.ping();
  while (heard() === before) await new Promise((resolve) => setTimeout(resolve, 2));
  wire.close(CloseCode.LEFT);
  while (room.leaveCodes.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(room.leaveCodes).toEqual([CloseCode.LEFT]);
});

test("a seat can be taken once; the second time the reason is told", async () => {
  const place = await seat();
  const first = connect(place);
  await first.until(2);
  const second = connect(place);
  const [end] = await second.until(1);
  expect(end).toMatchObject({ code: 4002 });
  expect((end as { reason: string }).reason).toMatch(/^\d{3} .*seat reservation/i);
  first.wire.close(CloseCode.LEFT);
});

test("frames are a code, the type as a short string, and UTF-8 JSON", () => {
  expect([...encodeFrame("{}")]).toEqual([17, 0xa1, 0x77, 0x7b, 0x7d]);
  expect(decodeMessage(encodeFrame('"ä😀"'))).toEqual({ kind: "frame", text: '"ä😀"' });
  expect(byteLength("ä😀")).toBe(6);
});

test("whatever comes is read without an error", () => {
  expect(decodeMessage(new Uint8Array())).toEqual({ kind: "other" });
  expect(decodeMessage(Uint8Array.of(17))).toEqual({ kind: "other" });
  expect(decodeMessage(Uint8Array.of(17, 0xa1, 0x78, 0x7b))).toEqual({ kind: "other" });
  expect(decodeMessage(Uint8Array.of(11))).toEqual({ kind: "refused", code: 0, message: "" });
  for (let i = 0; i < 256; i++) decodeMessage(Uint8Array.of(i, 255, i, 255));
});

test("sockets are at the seat's process and room, on the page's host unless the seat names another", () => {
  const place = { processId: "p1", roomId: "r1", sessionId: "s&1" };
  expect(socketUrl(place, "http://lab:8000")).toBe("ws://lab:8000/p1/r1?sessionId=s%261");
  expect(socketUrl({ ...place, publicAddress: "b.example/x" }, "https://a.example")).toBe(
    "wss://b.example/x/p1/r1?sessionId=s%261",
  );
});

test("a participant without a browser follows its link, talks, survives a cut, a reload and a second tab, and submits", async () => {
  room.group.reply = (send) => [{ echo: send.d }];
  const before = room.group.effects.length;
  const participant = await HeadlessParticipant.open(`${base}/InitializeParticipant/CODE`);
  expect(participant.page).toMatchObject({
    url: `${base}/p/CODE/auction/Bidding/1`,
    title: "Bid & win",
    hasForm: true,
  });

  await participant.send("early");
  await expect(participant.receive()).resolves.toEqual({ echo: "early" });

  participant.cut();
  const offline = participant.send("offline");
  room.group.deliver("missed");
  await offline;
  await expect(participant.receive((data) => data === "missed")).resolves.toBe("missed");
  await expect(participant.receive()).resolves.toEqual({ echo: "offline" });

  participant.cut();
  const left = participant.send("left behind");
  await participant.reload();
  await expect(left).rejects.toMatchObject({ code: "left" });
  const tab = await participant.duplicate();
  await participant.until(() => participant.unanswered === 0);
  await tab.until(() => tab.unanswered === 0);
  tab.close();

  participant.cut();
  participant.send("with the form").catch(() => {});
  await participant.submit({ bid: "9" });
  expect(posts[0]?.get("bid")).toBe("9");
  expect(JSON.parse(posts[0]?.get(OUTBOX_FIELD) ?? "")).toMatchObject([{ k: "send", n: 1, d: "with the form" }]);
  expect(participant.page).toMatchObject({ title: "Results", live: null, hasForm: true });
  expect(participant.page.html).toContain("cookie: walras=1");
  expect(participant.status).toBe("closed");
  await expect(participant.send(1)).rejects.toMatchObject({ code: "not_live" });
  await expect(participant.receive(() => true, { timeoutMs: 5 })).rejects.toMatchObject({ code: "timeout" });
  expect(participant.received.map(({ data }) => data)).toEqual([
    { echo: "early" },
    "missed",
    { echo: "offline" },
    { echo: "left behind" },
  ]);
  expect(room.group.effects.slice(before).map(({ d }) => d)).toEqual(["early", "offline", "left behind"]);
  participant.close();
});
