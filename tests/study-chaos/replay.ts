/** Runs the journals of all groups again, as `npm run walras -- replay all`: the exit status says whether all is the same. */
import { join } from "node:path";
import { readSettings } from "../../server/config.ts";
import { replayCommand } from "../../server/replay-command.ts";

const { databaseUrl, sqliteFile } = readSettings(process.env);
const same = await replayCommand(join(import.meta.dirname, "project"), { databaseUrl, file: sqliteFile }, ["all"]);
process.exit(same ? 0 : 1);
