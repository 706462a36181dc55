import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * Questions between the benchmark and the processes it starts: one JSON line each way, over stdin and
 * stdout. Not the IPC channel of `fork`, on which a Colyseus process spins when its parent dies.
 */
interface Question {
  id: number;
  name: string;
  args: unknown[];
}

type Answer = { id: number; value: unknown } | { id: number; error: string };

/** What a process answers, by name. */
export type Commands = object;

type Command = (...args: unknown[]) => unknown;
type Arguments<C, K extends keyof C> = C[K] extends (...args: infer A) => unknown ? A : never;
type Value<C, K extends keyof C> = C[K] extends (...args: never[]) => infer V ? Awaited<V> : never;

/** In the child: answers questions until its parent goes away, which ends it. */
export function answer(commands: Commands): void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, name, args } = JSON.parse(line) as Question;
    let reply: Answer;
    try {
      const command = Reflect.get(commands, name) as Command;
      reply = { id, value: (await command(...args)) ?? null };
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  });
  lines.on("close", () => process.exit(0));
  // A terminal's Control+C goes to all its processes; what it means, the parent decides.
  process.on("SIGINT", () => {});
  process.stdout.write("ready\n");
}

/** In the parent: a process that answers the commands `C`. */
export class Child<C extends Commands> {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #questions = 0;
  #errors = "";
  #ended: string | undefined;

  /** @param file a TypeScript file that calls {@link answer} @param args for it, as JSON */
  static async start<C extends Commands>(file: string, args: unknown): Promise<Child<C>> {
    const child = new Child<C>(file, args);
    await child.#wait(0);
    return child;
  }

  private constructor(file: string, args: unknown) {
    this.#name = file;
    // gc: memory is measured after a collection, else it is mostly chance. The young generation as in `npm start`:
    // by default it grows to 128 MB in a rush of participants and is not given back.
    const flags = ["--max-semi-space-size=16", "--expose-gc", "--no-warnings"];
    this.#process = spawn(process.execPath, [...flags, file, JSON.stringify(args)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#process.stderr?.on("data", (chunk) => {
      this.#errors = (this.#errors + String(chunk)).slice(-4000);
    });
    // One that is gone takes no more questions; its exit tells.
    this.#process.stdin?.on("error", () => {});
    this.#process.on("exit", (code, signal) => {
      this.#ended = String(signal ?? code);
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`${this.#name} ended (${signal ?? code}).\n${this.#errors}`));
      }
      this.#waiting.clear();
    });
    if (this.#process.stdout === null) throw new Error("no stdout");
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#read(line));
  }

  /** Asks, and waits for the answer. @throws what the command threw, or that the process has ended */
  ask<K extends string & keyof C>(name: K, ...args: Arguments<C, K>): Promise<Value<C, K>> {
    if (this.#ended !== undefined) {
      return Promise.reject(new Error(`${this.#name} has ended (${this.#ended}).\n${this.#errors}`));
    }
    const id = ++this.#questions;
    const answered = this.#wait(id) as Promise<Value<C, K>>;
    this.#process.stdin?.write(`${JSON.stringify({ id, name, args } satisfies Question)}\n`);
    return answered;
  }

  /** What it wrote to stderr, the end of it. */
  get errors(): string {
    return this.#errors;
  }

  /** The exit code or signal with which it has ended; undefined while it runs. */
  get ended(): string | undefined {
    return this.#ended;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }

  #wait(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #read(line: string): void {
    if (line !== "ready" && !line.startsWith("{")) return; // Somebody else's print.
    const reply: Answer = line === "ready" ? { id: 0, value: null } : JSON.parse(line);
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("error" in reply) waiting?.reject(new Error(`${this.#name}: ${reply.error}`));
    else waiting?.resolve(reply.value);
  }
}
