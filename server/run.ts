import { WalrasError } from "../client-sdk/errors.ts";
import type { Game } from "../rooms/calls.ts";
import { readSettings, type Settings } from "./config.ts";
import { makeLog } from "./log.ts";
import { PROJECT_ROOT, serve } from "./serve.ts";

/** Starts the server of this project, says where it is, and stops it on SIGINT and SIGTERM. */
export async function run(): Promise<void> {
  const log = makeLog();
  // A stray rejection in an app must not end everybody's experiment.
  process.on("unhandledRejection", (error) => log.error("a promise was rejected and nobody noticed", { error }));
  try {
    const settings = readSettings(process.env);
    const game = await serve(PROJECT_ROOT, settings, log);
    console.log(banner(game, settings));
    stopOnSignals(game);
  } catch (error) {
    // Our own errors say what is wrong and how to mend it; a stack would only bury that.
    const isOurs = error instanceof WalrasError && error.cause === undefined;
    console.error(isOurs ? `\n${error.message}\n` : error);
    process.exit(1);
  }
}

function banner(game: Game, settings: Settings): string {
  const lines = [`Walras is ready on http://localhost:${game.port}/`];
  if (!settings.production) lines.push("To stop it, press Control+C.");
  return lines.join("\n");
}

function stopOnSignals(game: Game): void {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // A second Control+C means now.
    if (isStopping) process.exit(1);
    isStopping = true;
    console.log(`${signal}: finishing what is under way.`);
    game.stop().then(
      () => process.exit(0),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}
