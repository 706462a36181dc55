import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "./faults.ts";

/** How long a server may take to answer after a start. The machine may be busy. */
const START_TIMEOUT = 60_000;

/** The server under attack: one process after another, on the same port and database. */
export class ServerProcess {
  readonly url: string;
  /** Deaths that nobody ordered. */
  crashes = 0;
  /** When it last answered for the first time after a start, by `performance.now()`. */
  readyAt = 0;
  readonly #script: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: number;
  #child: ChildProcess | undefined;
  #isExpected = false;
  #answers: Promise<void> = Promise.resolve();

  /** @param env beside the harness's own; it must hold PORT @param logFile gets what it prints
   * @param script what runs, by default the server of the project beside this file */
  constructor(env: Record<string, string>, logFile: string, script = join(import.meta.dirname, "server.ts")) {
    this.#script = script;
    this.#env = { ...process.env, ...env };
    this.url = `http://127.0.0.1:${env.PORT}`;
    this.#log = openSync(logFile, "a");
    process.once("exit", () => this.#child?.kill("SIGKILL"));
  }

  /** Starts a process; {@link ready} tells when it answers. */
  start(): void {
    this.#isExpected = false;
    // Without an IPC channel: a forked Colyseus process spins when its parent dies.
    const child = spawn(process.execPath, [this.#script], {
      env: this.#env,
      stdio: ["ignore", this.#log, this.#log],
    });
    const startedAt = performance.now();
    this.#child = child;
    child.once("exit", () => {
      if (child !== this.#child || this.#isExpected) return;
      this.crashes += 1;
      // One that never answered would not the next time either.
      if (this.readyAt > startedAt) this.start();
    });
    this.#answers = this.#ask(child);
    this.#answers.catch(() => {});
  }

  /** Resolves when the process that was started last answers. @throws if it ends before, or does not within a minute */
  ready(): Promise<void> {
    return this.#answers;
  }

  async #ask(child: ChildProcess): Promise<void> {
    const end = performance.now() + START_TIMEOUT;
    while (child === this.#child) {
      const isUp = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(5_000) }).then(
        (response) => response.text().then(() => response.ok),
        () => false,
      );
      if (isUp) {
        this.readyAt = performance.now();
        return;
      }
      const ended = this.#isExpected ? null : (child.exitCode ?? child.signalCode);
      if (ended !== null) throw new Error(`The server does not start (${ended}). See its log.`);
      if (performance.now() > end) throw new Error("The server does not answer. See its log.");
      await sleep(50);
    }
  }

  /** Ends the process with a signal, and waits until it is gone. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.#isExpected = true;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  /** Carries out one fault; it is over when the server goes on, or has been started. */
  async suffer({ kind, ms }: Fault): Promise<void> {
    if (kind === "pause") {
      // Its sockets stay open, and take what is sent.
      this.#child?.kill("SIGSTOP");
      await sleep(ms);
      this.#child?.kill("SIGCONT");
      return;
    }
    await this.end(kind === "kill" ? "SIGKILL" : "SIGTERM");
    this.start();
  }

  async close(): Promise<void> {
    await this.end("SIGKILL");
    this.#child = undefined;
    closeSync(this.#log);
  }
}
