import { Agent, type IncomingMessage, request } from "node:http";
import type { PageLive, Seat } from "../client-sdk/protocol.ts";
import { PROTOCOL_VERSION } from "../client-sdk/protocol.ts";
import { FRAME_HEADER, JOIN_ACK } from "../client-sdk/wire.ts";
import { type LeanEvents, LeanSocket } from "./lean-socket.ts";

/** How participants come in: over a WebSocket alone, with a Colyseus seat, or as people do, through their page. */
export type Way = "raw-ws" | "bare" | "walras";

/** Room and page answer a join with these; everything else is a message. */
const JOIN_ROOM = JOIN_ACK[0];
const WELCOME = Buffer.from('{"k":"welcome"');
/** Where the first byte of a frame's kind stands. */
const JSON_AT = FRAME_HEADER.length;

const agent = new Agent({ keepAlive: true, maxSockets: 32 });

export interface Joined {
  socket: LeanSocket;
  /** The page's identity, to be named in messages. */
  page: string;
}

export interface Entrance {
  way: Way;
  port: number;
  /** Walras: the participant's. */
  code: string;
  group: number;
  clientId: string;
}

/** Lets one participant in; resolves when messages may be sent. */
export async function join(entrance: Entrance, events: LeanEvents): Promise<Joined> {
  const { way, port, group } = entrance;
  if (way === "raw-ws") {
    return { socket: await LeanSocket.open(port, `/group${group}`, events), page: "auction/1/Bidding" };
  }
  if (way === "bare") {
    const seat = JSON.parse((await http(port, "POST", `/seat/${group}`)).body) as Seat;
    return { socket: await take(port, seat, events), page: "auction/1/Bidding" };
  }
  return enter(entrance, events);
}

/** As a browser: the link, its redirect, the page, then the socket, whose seat came with the page. */
async function enter({ port, code, clientId }: Entrance, events: LeanEvents): Promise<Joined> {
  const link = await http(port, "GET", `/InitializeParticipant/${code}`);
  const place = link.headers.location ?? "";
  const page = await http(port, "GET", place);
  const json = /id="walras-live">([^<]*)</.exec(page.body)?.[1];
  if (json === undefined) throw new Error(`${place} answered ${page.status} and is not a live page.`);
  const live = JSON.parse(json) as PageLive;
  if (live.seat === null) throw new Error(`${place} came without a seat.`);
  const hello = JSON.stringify({ k: "hello", v: PROTOCOL_VERSION, c: clientId, s: live.seq });
  return { socket: await take(port, live.seat, events, hello), page: live.page };
}

/** Takes a seat; with `hello`, waits for the welcome. */
async function take(port: number, seat: Seat, events: LeanEvents, hello?: string): Promise<LeanSocket> {
  let ready = (): void => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let joining = true;
  const socket: LeanSocket = await LeanSocket.open(
    port,
    `/${seat.processId}/${seat.roomId}?sessionId=${seat.sessionId}`,
    {
      closed: events.closed,
      message(bytes, start, end) {
        if (!joining) {
          events.message(bytes, start, end);
        } else if (bytes[start] === JOIN_ROOM) {
          // Behind the handshake's answer in the same packet it can come before `open` has resolved.
          queueMicrotask(() => {
            socket.send(JOIN_ACK, "");
            if (hello === undefined) settle();
            else socket.send(FRAME_HEADER, hello);
          });
        } else if (bytes.indexOf(WELCOME, start) === start + JSON_AT) {
          settle();
        }
      },
    },
  );
  function settle(): void {
    joining = false;
    ready();
  }
  await isReady;
  return socket;
}

interface Response {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

function http(port: number, method: string, path: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: "127.0.0.1", port, method, path }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}
