import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** The server as `npm start` runs it, in a process of its own, on a free port and a database of its own. */
export class ServerProcess {
  readonly directory: string;
  readonly #environment: Record<string, string>;
  #child: ChildProcess | undefined;
  #port = 0;
  /** What it has printed, both streams. */
  output = "";

  constructor(environment: Record<string, string> = {}) {
    this.directory = mkdtempSync(join(tmpdir(), "walras-server-"));
    this.#environment = environment;
  }

  get base(): string {
    return `http://localhost:${this.#port}`;
  }

  get databaseFile(): string {
    return join(this.directory, "db.sqlite3");
  }

  /** Starts it; again on the same port after a stop or a kill. Resolves when it listens. */
  start(): Promise<void> {
    const child = spawn(process.execPath, ["server/main.js"], {
      cwd: ROOT,
      // Without IPC: a Colyseus process that was forked spins when its parent dies.
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        NODE_OPTIONS: "",
        PORT: String(this.#port),
        WALRAS_DB: this.databaseFile,
        ...this.#environment,
      },
    });
    this.#child = child;
    return new Promise((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        this.output += chunk.toString();
        const ready = /ready on http:\/\/localhost:(\d+)/.exec(this.output);
        if (ready === null) return;
        this.#port = Number(ready[1]);
        resolve();
      };
      child.stdout?.on("data", read);
      child.stderr?.on("data", read);
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${this.output}`)));
    });
  }

  /** Ends it with a signal, SIGKILL to have it drop everything, and waits for the end. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill(signal);
    const code = await ended;
    this.output = "";
    return code;
  }

  /** Ends it and removes its files. */
  async remove(): Promise<void> {
    await this.end();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
