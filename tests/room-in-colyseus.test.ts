import { defineRoom, matchMaker } from "@colyseus/core";
import { boot, type ColyseusTestServer } from "@colyseus/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { FRAME_TYPE, PROTOCOL_VERSION, type ServerFrame } from "../client-sdk/protocol.ts";
import { encodeFrame } from "../rooms/frames.ts";
import { groupRoomId, makeGroupRoom } from "../rooms/group-room.ts";
import type { SeatHolder } from "../rooms/reception.ts";
import { makeAuction } from "./helpers/apps.ts";
import { freePort } from "./helpers/free-port.ts";
import { at, useSqlite } from "./helpers/sqlite.ts";
import type { TestWorld } from "./helpers/world.ts";

/** The group's room on Colyseus' own test server and SDK, without anything of our server around it. */
const sqlite = useSqlite();
const app = makeAuction({ playersPerGroup: 2 });
let world: TestWorld;
let colyseus: ColyseusTestServer;

beforeAll(async () => {
  world = await sqlite.world([app.spec], { encodeFrame });
  const rooms = { group: defineRoom(makeGroupRoom(world.actors)) };
  // The names with a tilde exist for types only.
  colyseus = await boot({ rooms, "~rooms": rooms, "~routes": undefined }, await freePort());
});
afterAll(async () => {
  await colyseus.cleanup();
  await colyseus.shutdown();
});

test("two clients of the official SDK play in a group's room: hello, a bid, its answer and its delivery", async () => {
  const { people } = await world.session(["auction"], 2);
  let actorId = 0;
  for (const person of people) actorId = await world.arrive(person);
  const room = await colyseus.createRoom("group", { actorId });
  expect(room.roomId).toBe(groupRoomId(actorId));

  // As of a page that was rendered now: what clients' coming writes is newer.
  const seen = world.actors.get(actorId).seq;
  const frames: ServerFrame[][] = [[], []];
  const clients = await Promise.all(
    people.map(async (person, i) => {
      const holder: SeatHolder = {
        sessionId: world.world.newSecret(),
        participantId: person.id as number,
        pageIndex: 1,
        page: "auction/1/Bidding",
      };
      const seat = await matchMaker.reserveSeatFor(await listing(room.roomId), {}, holder);
      const client = await colyseus.sdk.consumeSeatReservation(seat);
      client.onMessage(FRAME_TYPE, (bytes: Uint8Array) =>
        at(frames, i).push(JSON.parse(Buffer.from(bytes).toString())),
      );
      client.sendBytes(
        FRAME_TYPE,
        Buffer.from(JSON.stringify({ k: "hello", v: PROTOCOL_VERSION, c: `client-${i}-xx`, s: seen })),
      );
      return client;
    }),
  );
  const bid = { k: "send", c: "client-0-xx", n: 1, p: "auction/1/Bidding", d: 12 };
  at(clients, 0).sendBytes(FRAME_TYPE, Buffer.from(JSON.stringify(bid)));
  while (at(frames, 0).length < 2 || at(frames, 1).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));

  const message = { id_in_group: 1, bid: 12 };
  expect(at(frames, 0)).toEqual([
    expect.objectContaining({ k: "welcome" }),
    expect.objectContaining({ k: "recv", m: [message], a: { c: "client-0-xx", n: 1 } }),
  ]);
  expect(at(frames, 1)).toEqual([
    expect.objectContaining({ k: "welcome" }),
    expect.objectContaining({ k: "recv", m: [message] }),
  ]);
  for (const client of clients) await client.leave();
});

async function listing(roomId: string) {
  const found = await matchMaker.getRoomById(roomId);
  if (found === undefined) throw new Error(`no room ${roomId}`);
  return found;
}
