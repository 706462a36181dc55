/** `npm run slow-client -- --messages 100000`: what a socket that stops reading costs the server and its group. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stall } from "./stall.ts";

const { values } = parseArgs({ options: { messages: { type: "string", default: "100000" } } });
const messages = Number(values.messages);
if (!Number.isSafeInteger(messages) || messages < 1000) throw new Error("--messages is a whole number from 1000.");
const directory = mkdtempSync(join(tmpdir(), "walras-slow-client-"));
try {
  console.log(JSON.stringify(await stall({ messages, warmUp: messages, directory })));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
