import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import type { ServerFrame } from "../../client-sdk/protocol.ts";
import { FRAME_HEADER } from "../../client-sdk/wire.ts";

/** What a proxy does with one message of the server: how often it goes on, and after how many milliseconds. */
export interface Fate {
  copies?: number;
  delayMs?: number;
}

/**
 * A proxy before a server that tampers with what it sends over WebSockets; pages pass through.
 *
 * @param fate for each frame; `connection` counts the WebSockets from 0
 */
export async function startFrameProxy(
  base: string,
  fate: (frame: ServerFrame, connection: number) => Fate | undefined,
): Promise<{ base: string; stop(): Promise<void> }> {
  const { hostname, port } = new URL(base);
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const onward = request({ hostname, port, method, path, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  const sockets = new WebSocketServer({ noServer: true });
  let connections = 0;
  server.on("upgrade", (incoming, socket, head) => {
    sockets.handleUpgrade(incoming, socket, head, (page) => {
      const connection = connections++;
      const { origin, cookie } = incoming.headers;
      const room = new WebSocket(`ws://${hostname}:${port}${incoming.url}`, {
        ...(origin === undefined ? {} : { origin: base }),
        headers: cookie === undefined ? {} : { cookie },
      });
      const opened = once(room, "open").catch(() => page.close());
      page.on("message", async (data: Buffer) => {
        await opened;
        room.send(data);
      });
      room.on("message", (data: Buffer) => {
        const frame = frameOf(data);
        const { copies = 1, delayMs = 0 } = (frame && fate(frame, connection)) ?? {};
        const send = () => {
          for (let i = 0; i < copies; i++) page.send(data, { binary: true });
        };
        if (delayMs > 0) setTimeout(send, delayMs);
        else send();
      });
      page.on("close", () => room.terminate());
      room.on("close", (code) => (code >= 3000 ? page.close(code) : page.terminate()));
      room.on("error", () => page.terminate());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      for (const page of sockets.clients) page.terminate();
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function frameOf(data: Buffer): ServerFrame | undefined {
  if (!data.subarray(0, FRAME_HEADER.length).equals(FRAME_HEADER)) return undefined;
  return JSON.parse(data.toString("utf8", FRAME_HEADER.length)) as ServerFrame;
}
