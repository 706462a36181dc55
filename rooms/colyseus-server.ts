import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { matchMaker, Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import express, { type Application } from "express";
import { WalrasError } from "../client-sdk/errors.ts";
import type { GameRoom } from "./game-room.ts";
import type { Log } from "./log.ts";
import { NOT_HERE } from "./reception.ts";

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
  /** Sockets that may be open at once; one more is answered with 503. */
  readonly maxSockets: number;
  /** `host[:port]` that browsers use for this very process, where several stand behind one address. */
  readonly publicAddress?: string | undefined;
  readonly log: Log;
}

export interface ColyseusServer {
  readonly port: number;
  /** Closes sockets with the retry code, then the port. */
  stop(): Promise<void>;
}

/** How long a socket that was closed may take to say so, in milliseconds; else a stalled one takes until its pings are missed. */
const CLOSE_TIMEOUT = 2000;

/** What asks for a seat. Anything else has no business with Colyseus. */
const SEAT_URL = /^\/[\w-]+\/[a-z]\d+\?sessionId=[\w-]+$/;

/**
 * The one place where a Colyseus server is made. Colyseus gets the sockets of seats and nothing else:
 * HTTP, the check of what may become a socket, and the end of the process are ours. What that cures is
 * held by tests/colyseus-facts.test.ts and tests/hostile-sockets.test.ts.
 */
export async function startColyseus(options: ColyseusOptions): Promise<ColyseusServer> {
  const { log } = options;
  // Where the monitor of pm2 is installed, as it is with @colyseus/testing, Colyseus starts it: it takes
  // over stray exceptions, ends the process after them, and wraps Node's HTTP. It leaves one alone that exists.
  Reflect.set(globalThis, Symbol.for("@pm2/io"), { metric: () => {} });
  const app = express();
  options.express(app);
  const http = createServer();
  const transport = new WebSocketTransport({
    noServer: true,
    // Its default is 4 KiB, beyond which it closes for good. The exact limit is ours, with a proper answer.
    maxPayload: options.maxPayload,
    pingInterval: 3000,
    pingMaxRetries: 2,
    // Not in the types of ws yet.
    ...{ closeTimeout: CLOSE_TIMEOUT },
  });
  const isFull = socketCount(options);
  transport.attachToServer(http, { filter: (request) => mayUpgrade(request, options.allowedOrigins, isFull) });
  const server = new Server({
    transport,
    // It would end the process on any stray exception, and take over the signals.
    gracefullyShutdown: false,
    greet: false,
    logger: quietLogger(log),
    ...(options.publicAddress === undefined ? {} : { publicAddress: options.publicAddress }),
  });
  for (const [name, room] of Object.entries(options.rooms)) server.define(name, room);

  // Colyseus waits for ever if the port is taken: its own handler comes with the listening event only.
  await new Promise<void>((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, options)));
    server.listen(options.port, options.host).then(() => resolve(), reject);
  });
  // Colyseus answers HTTP: it lets every origin read every response with credentials, lets anybody make
  // and join rooms by name, and leaves a rejected promise behind for a request with a broken Host.
  http.removeAllListeners("request");
  http.on("request", app);
  const { port } = http.address() as AddressInfo;
  return {
    port,
    async stop() {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      await server.gracefullyShutdown(false);
      // It leaves a timer behind, which only this clears.
      matchMaker.stats.reset();
      http.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Whether a request may become a WebSocket; if not, it is answered. It must not get as far as Colyseus:
 * one that anybody can send, `GET *:70000`, throws in there and ends the process.
 */
function mayUpgrade(
  { url = "", headers, socket }: IncomingMessage,
  allowedOrigins: readonly string[],
  isFull: (socket: Socket) => boolean,
): boolean {
  const status = !SEAT_URL.test(url)
    ? "404 Not Found"
    : !isSameOrigin(headers, allowedOrigins)
      ? "403 Forbidden"
      : isFull(socket)
        ? "503 Service Unavailable"
        : undefined;
  if (status === undefined) return true;
  // From here on nobody else looks after it.
  (socket as Socket).on("error", () => socket.destroy());
  socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.destroySoon();
  return false;
}

/** How often the log says that there are too many sockets, in milliseconds. */
const SAY_FULL = 60_000;

/** Counts the sockets that are open. @returns whether there is no place for one more; if there is, it takes it */
function socketCount({ maxSockets, log }: ColyseusOptions): (socket: Socket) => boolean {
  let open = 0;
  let said = Number.NEGATIVE_INFINITY;
  return (socket) => {
    if (open < maxSockets) {
      open += 1;
      socket.once("close", () => {
        open -= 1;
      });
      return false;
    }
    if (performance.now() - said > SAY_FULL) {
      said = performance.now();
      log.warn("a socket was refused: there are as many as the setting WALRAS_SOCKETS allows", { open });
    }
    return true;
  };
}

/** Whether a WebSocket may be opened: no Origin (not a browser), our own, or an allowed one. */
export function isSameOrigin({ origin, host }: IncomingHttpHeaders, allowed: readonly string[]): boolean {
  return origin === undefined || allowed.includes(origin) || URL.parse(origin)?.host === host;
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

/** Of what Colyseus prints, errors are kept, without their stacks; but not what is no fault of anybody's. */
function quietLogger(log: Log) {
  const drop = (): void => {};
  return {
    debug: drop,
    info: drop,
    trace: drop,
    warn: drop,
    error: (text: unknown) => {
      const error = String(text).split("\n", 1)[0] ?? "";
      if (!error.includes(NOT_HERE)) log.warn("a connection failed", { error });
    },
  };
}
