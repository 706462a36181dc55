import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { matchMaker, Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import type { Application } from "express";
import { WalrasError } from "../client-sdk/errors.ts";
import type { GameRoom } from "./game-room.ts";
import type { Log } from "./log.ts";

export interface ColyseusOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Rooms by name. */
  readonly rooms: Readonly<Record<string, new () => GameRoom>>;
  /** Called with the Express app before the server listens. */
  readonly express: (app: Application) => void;
  /** Origins that may open sockets, beside the one that the request is addressed to. */
  readonly allowedOrigins: readonly string[];
  /** Largest WebSocket message in bytes; larger ones close the socket. */
  readonly maxPayload: number;
  /** `host[:port]` that browsers use for this very process, where several stand behind one address. */
  readonly publicAddress?: string | undefined;
  readonly log: Log;
}

export interface ColyseusServer {
  readonly port: number;
  /** Closes sockets with the retry code, then the port. */
  stop(): Promise<void>;
}

/**
 * The one place where a Colyseus server is made. What it turns off is on by default and would break a
 * promise; each is held by tests/colyseus-facts.test.ts.
 */
export async function startColyseus(options: ColyseusOptions): Promise<ColyseusServer> {
  const { log } = options;
  // Rooms are made by Walras alone; no one may create or join them by name over HTTP.
  matchMaker.controller.exposedMethods = [];
  // Colyseus would let every origin read every response of this server, with credentials.
  matchMaker.controller.getCorsHeaders = () => ({});
  matchMaker.controller.DEFAULT_CORS_HEADERS = {} as typeof matchMaker.controller.DEFAULT_CORS_HEADERS;

  const transport = new WebSocketTransport({
    // Its default is 4 KiB, beyond which it closes for good. The exact limit is ours, with a proper answer.
    maxPayload: options.maxPayload,
    pingInterval: 3000,
    pingMaxRetries: 2,
    beforeUpgrade: (request) =>
      isSameOrigin(request.headers, options.allowedOrigins)
        ? undefined
        : new Response("This origin may not connect.", { status: 403 }),
  });
  const server = new Server({
    transport,
    // It would end the process on any stray exception, and take over the signals.
    gracefullyShutdown: false,
    greet: false,
    logger: quietLogger(log),
    express: options.express,
    ...(options.publicAddress === undefined ? {} : { publicAddress: options.publicAddress }),
  });
  for (const [name, room] of Object.entries(options.rooms)) server.define(name, room);

  const http = transport.server;
  if (http === undefined) throw new Error("the transport has no HTTP server");
  // Colyseus waits for ever if the port is taken: its own handler comes with the listening event only.
  await new Promise<void>((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, options)));
    server.listen(options.port, options.host).then(() => resolve(), reject);
  });
  const { port } = http.address() as AddressInfo;
  return {
    port,
    async stop() {
      const closed = new Promise<void>((resolve) => http.once("close", () => resolve()));
      await server.gracefullyShutdown(false);
      (http as { closeAllConnections?(): void }).closeAllConnections?.();
      await closed;
    },
  };
}

/** Whether a WebSocket may be opened: no Origin (not a browser), our own, or an allowed one. */
export function isSameOrigin(headers: Headers | IncomingMessage["headers"], allowed: readonly string[]): boolean {
  const get = (name: string) =>
    headers instanceof Headers ? headers.get(name) : (headers[name] as string | undefined);
  const origin = get("origin");
  if (origin === null || origin === undefined || allowed.includes(origin)) return true;
  try {
    return new URL(origin).host === get("host");
  } catch {
    return false;
  }
}

function cannotListen(error: NodeJS.ErrnoException, { host, port }: ColyseusOptions): WalrasError {
  if (error.code === "EADDRINUSE") {
    return new WalrasError(
      "port_in_use",
      `Port ${port} is in use by another program. Stop it, or choose another port: PORT=${port + 1} npm start.`,
    );
  }
  return new WalrasError("cannot_listen", `The server cannot listen on ${host}:${port}: ${error.message}.`, {
    cause: error,
  });
}

/** Colyseus logs seats, ids and payloads of hostile clients; only that something happened is kept. */
function quietLogger(log: Log) {
  const drop = (): void => {};
  return {
    debug: drop,
    info: drop,
    trace: drop,
    warn: drop,
    error: () => log.warn("a connection was refused or failed"),
  };
}
