/** A server for the project beside this file, in a process of its own. */
import { readSettings } from "../../../server/config.ts";
import { makeLog } from "../../../server/log.ts";
import { serve } from "../../../server/serve.ts";

const game = await serve(import.meta.dirname, readSettings(process.env), makeLog());
process.on("SIGTERM", () => void game.stop().then(() => process.exit(0)));
console.log(`listening on ${game.port}`);
