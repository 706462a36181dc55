import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import type { Game } from "../../rooms/calls.ts";
import { readSettings } from "../../server/config.ts";
import { type HttpOptions, mountHttp } from "../../server/http.ts";
import { makeLog } from "../../server/log.ts";
import { serve } from "../../server/serve.ts";

/** The project in tests/helpers/project. */
export const TEST_PROJECT = join(import.meta.dirname, "project");

/** A response, read to its end. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  location: string;
  text: string;
}

/** One HTTP request as it is, Host and all; redirects are not followed. */
export function ask(
  url: string,
  options: { method?: string; headers?: OutgoingHttpHeaders; body?: string; form?: Record<string, string> } = {},
): Promise<Answer> {
  const body = options.form === undefined ? options.body : new URLSearchParams(options.form).toString();
  const type = options.form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
  return new Promise((resolve, reject) => {
    const method = options.method ?? (body === undefined ? "GET" : "POST");
    const sent = request(url, { method, headers: { ...type, ...options.headers } }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, location: headers.location ?? "", text });
      });
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

export interface TestServer {
  base: string;
  game: Game;
  /** What was logged. */
  lines: string[];
  stop(): Promise<void>;
}

/** The whole server for a project, by default the test project, on a free port, with a database of its own. */
export async function startTestServer(
  env: Record<string, string> = {},
  project: string = TEST_PROJECT,
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), "walras-http-"));
  const lines: string[] = [];
  const settings = readSettings({ PORT: "0", HOST: "127.0.0.1", WALRAS_DB: join(folder, "db.sqlite3"), ...env });
  const game = await serve(
    project,
    settings,
    makeLog((line) => lines.push(line)),
  );
  return {
    base: `http://127.0.0.1:${game.port}`,
    game,
    lines,
    async stop() {
      await game.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** The same pages once more, with other options or another game behind them, without Colyseus. */
export async function mountAgain(game: Game, options: HttpOptions): Promise<{ base: string; stop(): Promise<void> }> {
  const app = express();
  mountHttp(app, game, options);
  const server = app.listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => new Promise((done) => server.close(() => done())),
  };
}

/** A new session of a config, made on the demo page: its code and the participants' codes. */
export async function makeSession(base: string, config: string): Promise<{ code: string; participants: string[] }> {
  const { location } = await ask(`${base}/demo/${config}`, { method: "POST" });
  const page = await ask(base + location);
  const links = new Set([...page.text.matchAll(/\/InitializeParticipant\/([\w-]+)/g)].map((match) => match[1] ?? ""));
  return { code: location.replace("/SessionStartLinks/", ""), participants: [...links] };
}

/** Opens a participant's link and gives the URL of the page they land on. */
export async function enter(base: string, code: string): Promise<string> {
  return base + (await ask(`${base}/InitializeParticipant/${code}`)).location;
}
