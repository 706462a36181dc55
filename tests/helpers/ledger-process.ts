import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A server for the ledger, or another project of this folder, in a process of its own. */
export class LedgerProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #log: { text: string };

  private constructor(child: ChildProcess, port: number, log: { text: string }) {
    this.#child = child;
    this.port = port;
    this.#log = log;
  }

  /** Starts it on a free port. Participants may talk as fast as they like.
   * @param env settings beside these
   * @param project the folder beside this file */
  static async start(env: Record<string, string>, project = "ledger"): Promise<LedgerProcess> {
    const child = spawn(process.execPath, [join(import.meta.dirname, project, "server.ts")], {
      // Without IPC: a Colyseus process that was forked spins when its parent dies.
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        NODE_OPTIONS: "",
        PORT: "0",
        HOST: "127.0.0.1",
        WALRAS_RATE: "100000",
        WALRAS_BURST: "100000",
        ...env,
      },
    });
    const log = { text: "" };
    const port = new Promise<number>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        log.text = (log.text + chunk.toString()).slice(-100_000);
        const ready = /listening on (\d+)/.exec(log.text);
        if (ready !== null) resolve(Number(ready[1]));
      };
      child.stdout?.on("data", read);
      child.stderr?.on("data", read);
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${log.text}`)));
    });
    return new LedgerProcess(child, await port, log);
  }

  get base(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The newest of what it has printed, both streams. */
  get output(): string {
    return this.#log.text;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** SIGSTOP and SIGCONT among others. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resident memory in bytes. */
  get memory(): number {
    const [, pages] = readFileSync(`/proc/${this.#child.pid}/statm`, "utf8").split(" ");
    return Number(pages) * 4096;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const gone = once(this.#child, "exit");
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    await gone;
  }
}
