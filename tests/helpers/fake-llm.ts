import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeLlmOptions {
  /** Tokens of an answer. Default: 20. */
  tokens?: number;
  /** Milliseconds between two tokens. Default: 20, fifty a second. */
  pauseMs?: number;
}

/** The token at a place in an answer. */
export const token = (index: number): string => `${index === 0 ? "" : " "}word${index}`;

/** A language model's streaming HTTP API on loopback: POST a conversation, get server-sent events. */
export class FakeLlm {
  /** Conversations that came, parsed. */
  readonly requests: { model?: string; stream?: boolean; messages: { role: string; content: string }[] }[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Answers under way, and those whose client went away before their end. */
  streaming = 0;
  abandoned = 0;
  /** A status other than 200 is answered to every request. */
  status = 200;
  /** Streams stop before their last token until this resolves. */
  lastToken: Promise<void> = Promise.resolve();
  readonly url: string;
  readonly #server;
  readonly #options: Required<FakeLlmOptions>;

  private constructor(server: ReturnType<typeof createServer>, options: FakeLlmOptions) {
    this.#server = server;
    this.#options = { tokens: 20, pauseMs: 20, ...options };
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`;
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  static async start(options: FakeLlmOptions = {}): Promise<FakeLlm> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FakeLlm(server, options);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    this.requests.push(JSON.parse(body));
    this.authorizations.push(request.headers.authorization);
    if (this.status !== 200) {
      response.writeHead(this.status).end(JSON.stringify({ error: { message: "overloaded" } }));
      return;
    }
    const { tokens, pauseMs } = this.#options;
    this.streaming += 1;
    response.writeHead(200, { "content-type": "text/event-stream" });
    const event = (data: unknown) => response.write(`data: ${JSON.stringify(data)}\n\n`);
    event({ choices: [{ delta: { role: "assistant" } }] });
    for (let index = 0; index < tokens && !response.destroyed; index++) {
      if (index === tokens - 1) await this.lastToken;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      event({ choices: [{ delta: { content: token(index) } }] });
    }
    if (response.destroyed) this.abandoned += 1;
    this.streaming -= 1;
    response.end("data: [DONE]\n\n");
  }
}
