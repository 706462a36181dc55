import { messageOf, WalrasError } from "../../client-sdk/errors.ts";
import { readSettings } from "../../server/config.ts";
import { makeLog } from "../../server/log.ts";
import { serve } from "../../server/serve.ts";
import { answer } from "../control.ts";

/** The whole server as `npm start` runs it, for a load test. */
export interface OwnServerOptions {
  /** The folder with apps/ and walras.config.ts. */
  root: string;
  /** Settings as environment variables. */
  env: Record<string, string>;
}

export interface OwnServerCommands {
  port(): number;
}

const { root, env } = JSON.parse(process.argv[2] ?? "{}") as OwnServerOptions;
const log = makeLog();
process.on("unhandledRejection", (error) => log.error("a promise was rejected and nobody noticed", { error }));
try {
  const game = await serve(root, readSettings({ ...env, PORT: "0" }), log);
  answer({ port: () => game.port } satisfies OwnServerCommands);
} catch (error) {
  console.error(error instanceof WalrasError ? messageOf(error) : error);
  process.exit(1);
}
