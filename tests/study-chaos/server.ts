/** The server under attack: as `npm start`, for the project beside this file. */
import { join } from "node:path";
import { readSettings } from "../../server/config.ts";
import { makeLog } from "../../server/log.ts";
import { serve } from "../../server/serve.ts";

await serve(join(import.meta.dirname, "project"), readSettings(process.env), makeLog());
