import { join } from "node:path";
import { readSettings } from "../../server/config.ts";
import { makeLog } from "../../server/log.ts";
import { PROJECT_ROOT, serve } from "../../server/serve.ts";
import { answer } from "../control.ts";
import { serverCommands } from "./usage.ts";

/** The whole server as `npm start` runs it, with one session in it. */
export interface WalrasOptions {
  /** `auction` is the repository's app; `echo` the one of loadtest/project. */
  app: "auction" | "echo";
  participants: number;
  /** Settings as environment variables. */
  env: Record<string, string>;
}

const { app, participants, env } = JSON.parse(process.argv[2] ?? "{}") as WalrasOptions;
const root = app === "auction" ? PROJECT_ROOT : join(import.meta.dirname, "../project");
const settings = readSettings({
  HOST: "127.0.0.1",
  PORT: "0",
  // The load is the measure here; its participants send faster than people.
  WALRAS_RATE: "100000",
  WALRAS_BURST: "100000",
  ...env,
});
const game = await serve(root, settings, makeLog());
const config = { name: app, appSequence: [app], numDemoParticipants: 4 };
const session = await game.createSession(config, { participants, isDemo: false });
const rows = await game.store.read.participants(Number(session.id));
answer(serverCommands({ port: game.port, codes: rows.map((row) => String(row.code)) }));
