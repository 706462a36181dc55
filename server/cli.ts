/** What `npm run walras -- <command>` runs. */
import { createInterface } from "node:readline/promises";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { resetDatabase } from "../entities/reset-database.ts";
import { openSnapshot } from "../entities/snapshot.ts";
import { nearestName } from "../entities/suggest.ts";
import { loadProject } from "./apps.ts";
import { botsCommand } from "./bots-command.ts";
import { readSettings } from "./config.ts";
import { exportCommand } from "./export/command.ts";
import { replayCommand } from "./replay-command.ts";
import { PROJECT_ROOT } from "./serve.ts";

interface Command {
  about: string;
  run(args: readonly string[]): Promise<void>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  resetdb: {
    about: "delete all data and tables; --yes does not ask",
    async run(args) {
      const settings = readSettings(process.env);
      const what = settings.databaseUrl === undefined ? settings.sqliteFile : "the database of DATABASE_URL";
      if (!args.includes("--yes") && !(await confirm(`Delete all sessions and data in ${what}? [y/N] `))) {
        console.log("Nothing was deleted.");
        process.exitCode = 1;
        return;
      }
      await resetDatabase({ databaseUrl: settings.databaseUrl, file: settings.sqliteFile });
      console.log("The database is empty. Tables are made at the next start.");
    },
  },
  sessions: {
    about: "list the sessions, newest first; the server may be running",
    async run() {
      const settings = readSettings(process.env);
      const { apps } = await loadProject(PROJECT_ROOT);
      const snapshot = await openSnapshot({
        databaseUrl: settings.databaseUrl,
        file: settings.sqliteFile,
        apps: [...apps.values()],
      });
      try {
        const sessions = await snapshot.read.sessions(1000);
        if (sessions.length === 0) console.log("There are no sessions yet.");
        for (const { code, configName, createdAt, isDemo } of sessions) {
          const created = new Date(Number(createdAt)).toISOString().slice(0, 16);
          console.log(`${code}  ${created}  ${configName}${isDemo ? " (demo)" : ""}`);
        }
      } finally {
        await snapshot.close();
      }
    },
  },
  export: {
    about: "write data to files: export [all | data set] [--session CODE] [--format json] [--spreadsheet] [--out FILE]",
    async run(args) {
      const { databaseUrl, sqliteFile } = readSettings(process.env);
      await exportCommand(PROJECT_ROOT, { databaseUrl, file: sqliteFile }, args);
    },
  },
  bots: {
    about: "bots play a session config, or all; [config] [participants] [--url URL] [--keep FILE] [--limit SECONDS]",
    async run(args) {
      if (!(await botsCommand(PROJECT_ROOT, args))) process.exitCode = 1;
    },
  },
  replay: {
    about:
      "run a session's or group's journal again and compare: replay <session | group | all> [--upto SEQ] [--inspect SEQ]",
    async run(args) {
      const { databaseUrl, sqliteFile } = readSettings(process.env);
      const same = await replayCommand(PROJECT_ROOT, { databaseUrl, file: sqliteFile }, args);
      if (!same) process.exitCode = 1;
    },
  },
  help: {
    about: "this list",
    async run() {
      console.log("npm run walras -- <command>\n");
      for (const [name, { about }] of Object.entries(COMMANDS)) console.log(`  ${name.padEnd(10)}${about}`);
    },
  },
};

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new WalrasError("cannot_ask", "There is no terminal to ask at. Add --yes if you mean it.");
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(question);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

const [name = "help", ...args] = process.argv.slice(3);
const command = COMMANDS[name];
try {
  if (command === undefined) {
    const meant = nearestName(name, Object.keys(COMMANDS));
    const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
    throw new WalrasError("unknown_command", `There is no command ${name}.${hint} See npm run walras -- help.`);
  }
  await command.run(args);
} catch (error) {
  console.error(error instanceof WalrasError ? messageOf(error) : error);
  process.exitCode = 1;
}
