import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** The way from participants to a server, which can lead to another one from one moment to the next: a TCP proxy. */
export class Road {
  readonly base: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Those of them that carry plain requests. */
  readonly #requests = new Set<Socket>();
  #port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
    this.base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (near) => this.#carry(near));
  }

  /** Opens a way to a port of this machine. */
  static async to(port: number): Promise<Road> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Road(server, port);
  }

  /** From now on requests and new WebSockets go to another port; WebSockets that exist stay as they are. */
  redirect(port: number): void {
    this.#port = port;
    for (const socket of this.#requests) socket.destroy();
  }

  /** Ends all connections that exist. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #carry(near: Socket): void {
    const far = connect(this.#port, "127.0.0.1");
    this.#requests.add(near);
    near.once("data", (chunk: Buffer) => {
      // The address of a seat: this connection is going to be a WebSocket.
      if (chunk.includes("?sessionId=")) this.#requests.delete(near);
    });
    near.once("close", () => this.#requests.delete(near));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => {});
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
