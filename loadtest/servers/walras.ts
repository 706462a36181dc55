import { join } from "node:path";
import { readSettings } from "../../server/config.ts";
import { makeLog } from "../../server/log.ts";
import { PROJECT_ROOT, serve } from "../../server/serve.ts";
import { answer } from "../control.ts";
import { addHistory } from "./history.ts";
import { serverCommands } from "./usage.ts";

/** The whole server as `npm start` runs it, with one session in it. */
export interface WalrasOptions {
  /** `auction` is the repository's app; `echo` and `ticks` those of loadtest/project. */
  app: "auction" | "echo" | "ticks";
  participants: number;
  /** Settings as environment variables. */
  env: Record<string, string>;
  /** Milliseconds that each commit takes longer, as on a slow disk: the process waits with it. */
  commitDelay?: number;
  /** Groups (by their place, from 0) that have so many messages behind them already. */
  history?: { from: number; entries: number };
}

const { app, participants, env, commitDelay = 0, history } = JSON.parse(process.argv[2] ?? "{}") as WalrasOptions;
const root = app === "auction" ? PROJECT_ROOT : join(import.meta.dirname, "../project");
const settings = readSettings({
  HOST: "127.0.0.1",
  PORT: "0",
  // The load is the measure here; its participants send faster than people.
  WALRAS_RATE: "100000",
  WALRAS_BURST: "100000",
  ...env,
});
const never = new Int32Array(new SharedArrayBuffer(4));
const slow = { beforeCommit: () => void Atomics.wait(never, 0, 0, commitDelay) };
const game = await serve(root, settings, makeLog(), commitDelay > 0 ? slow : {});
const config = { name: app, appSequence: [app], numDemoParticipants: 4 };
const session = await game.createSession(config, { participants, isDemo: false });
const rows = await game.store.read.participants(Number(session.id));
if (history !== undefined) {
  const spec = game.apps.get(app);
  if (spec === undefined) throw new Error(`no app ${app}`);
  await addHistory(game.store, spec, { session: Number(session.id), ...history });
}
answer(serverCommands({ port: game.port, codes: rows.map((row) => String(row.code)) }));
