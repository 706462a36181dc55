import { type WebSocket, WebSocketServer } from "ws";
import { answer } from "../control.ts";
import { serverCommands } from "./usage.ts";

/** The floor below all floors: `ws` alone. The path names the group; what one sends, all of it get. */
const groups = new Map<string, Set<WebSocket>>();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });

server.on("connection", (socket, request) => {
  const name = request.url ?? "";
  const group = groups.get(name) ?? new Set();
  groups.set(name, group.add(socket));
  socket.on("message", (data) => {
    for (const member of group) member.send(data, { binary: true });
  });
  socket.on("close", () => group.delete(socket));
});
server.on("listening", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  answer(serverCommands({ port: address.port, codes: [] }));
});
