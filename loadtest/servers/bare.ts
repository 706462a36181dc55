import type { AddressInfo } from "node:net";
import { type Client, type IRoomCache, matchMaker, Room, Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import { FRAME_TYPE } from "../../client-sdk/protocol.ts";
import { answer } from "../control.ts";
import { serverCommands } from "./usage.ts";

/**
 * A bare Colyseus room: it takes the same bytes as Walras, reads nothing of them, stores nothing, and
 * sends them to its members, or to the sender only. No wrapper around its handler, no `*` handler, and a
 * clock that does not tick, so that the floor is as low as it can be.
 */
const { echo } = JSON.parse(process.argv[2] ?? "{}") as { echo: boolean };

class BareRoom extends Room {
  override autoDispose = false;
  override patchRate = 2 ** 31 - 1;

  override onCreate(): void {
    this.onMessageBytes(FRAME_TYPE, (client: Client, bytes: Uint8Array) => {
      if (echo) client.sendBytes(FRAME_TYPE, bytes);
      else this.broadcastBytes(FRAME_TYPE, bytes, {});
    });
  }
}

const rooms = new Map<string, Promise<IRoomCache>>();
const transport = new WebSocketTransport({ pingInterval: 3000, pingMaxRetries: 2 });
const server = new Server({
  transport,
  greet: false,
  gracefullyShutdown: false,
  express(app) {
    app.post("/seat/:group", async (request, response) => {
      const { group } = request.params;
      const room = rooms.get(group) ?? matchMaker.createRoom("bare", {});
      rooms.set(group, room);
      response.json(await matchMaker.reserveSeatFor(await room, {}, {}));
    });
  },
});
server.define("bare", BareRoom);
await server.listen(0, "127.0.0.1");
const address = transport.server?.address() as AddressInfo;
answer(serverCommands({ port: address.port, codes: [] }));
