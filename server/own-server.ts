import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WalrasError } from "../client-sdk/errors.ts";
import { ownEnvironment } from "./own-environment.ts";

const MAIN = join(import.meta.dirname, "main.js");
/** Then a server that does not stop is killed, in milliseconds. */
const STOP_MS = 15_000;

/** A server of this project in a process of its own, for as long as somebody needs it. */
export interface OwnServer {
  /** `http://localhost:41234` */
  readonly base: string;
  /** Stops it, and removes its database unless a file was named. */
  stop(): Promise<void>;
}

/**
 * Starts a server on a free port of this machine.
 *
 * @param options `databaseFile`: the SQLite file to use, and to keep; default: a temporary one.
 *   `print` gets the lines that the server writes, its greeting aside
 * @throws WalrasError `server_failed` with what it said
 */
export async function startOwnServer(options: {
  databaseFile?: string | undefined;
  print(line: string): void;
}): Promise<OwnServer> {
  const folder = options.databaseFile === undefined ? mkdtempSync(join(tmpdir(), "walras-")) : undefined;
  const file = options.databaseFile ?? join(folder ?? "", "db.sqlite3");
  const tidy = (): void => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  };
  const child = spawn(process.execPath, ["--no-warnings", MAIN], {
    // Without IPC: a Colyseus process that has a channel spins when its parent dies. In a group of its
    // own, so that Control+C reaches only us, and we stop it when the bots have ended.
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: ownEnvironment({ HOST: "127.0.0.1", PORT: "0", WALRAS_DB: file, WALRAS_SYNCHRONOUS: "NORMAL" }),
  });
  // Whatever ends this process ends the server as well.
  const kill = (): void => {
    child.kill("SIGKILL");
    tidy();
  };
  process.once("exit", kill);
  let isStopping = false;
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const said: string[] = [];
  try {
    const port = await new Promise<number>((resolve, reject) => {
      let isReady = false;
      const read = (line: string): void => {
        const ready = /is ready on http:\/\/localhost:(\d+)/.exec(line);
        if (ready !== null) {
          isReady = true;
          for (const before of said) options.print(before);
          resolve(Number(ready[1]));
        } else if (!isReady) {
          // If it does not start, this says why.
          if (said.length < 100) said.push(line);
        } else if (!isStopping && !line.startsWith("To stop it,")) {
          options.print(line);
        }
      };
      lines(child, read);
      child.once("error", reject);
      child.once("exit", (code) => {
        reject(
          new WalrasError(
            "server_failed",
            `The server did not start (exit status ${code}).\n${said.join("\n").trim()}`.trim(),
          ),
        );
        if (isReady && !isStopping) options.print(`the server has ended with exit status ${code}`);
      });
    });
    return {
      base: `http://localhost:${port}`,
      async stop() {
        isStopping = true;
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
        await ended;
        clearTimeout(timer);
        process.off("exit", kill);
        tidy();
      },
    };
  } catch (error) {
    process.off("exit", kill);
    kill();
    throw error;
  }
}

function lines(child: ChildProcess, read: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", read);
  }
}
