import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Writable } from "node:stream";
import { expect, test } from "@jest/globals";
import { WebSocket, WebSocketServer } from "ws";
import { framed } from "../rooms/wire-frames.ts";

test("a message that was framed once arrives whole at every socket, whatever its size", async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sockets: Writable[] = [];
  server.on("connection", (socket: WebSocket & { _socket?: Writable }) => sockets.push(socket._socket as Writable));
  const clients = [new WebSocket(url), new WebSocket(url)];
  const received = clients.map((client) => {
    const messages: Buffer[] = [];
    client.on("message", (data: Buffer) => messages.push(data));
    return messages;
  });
  await Promise.all(clients.map((client) => once(client, "open")));
  const sizes = [1, 125, 126, 127, 65_535, 65_536, 200_000, 5];
  const messages = sizes.map((size) => Buffer.alloc(size, size % 251));
  for (const message of messages) {
    // One of them has a message of its own in between, as the sender of a live message has.
    for (const [i, socket] of sockets.entries()) {
      socket.write(framed(message));
      if (i === 0) socket.write(framed(Buffer.from("own")));
    }
  }
  const own = messages.flatMap((message) => [message, Buffer.from("own")]);
  while (received.flat().length < own.length + messages.length) await new Promise((done) => setImmediate(done));
  const [some, others] = received.toSorted((a, b) => b.length - a.length);
  expect(some?.every((message, i) => message.equals(own[i] as Buffer))).toBe(true);
  expect(others?.every((message, i) => message.equals(messages[i] as Buffer))).toBe(true);
  for (const client of clients) client.terminate();
  server.close();
});
