import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { BotsJob } from "./play-bots.ts";

export interface BotsThreadData {
  job: BotsJob;
  /** [0] counts up while the thread gives back control; [1] is the participant whose script ran last. */
  shared: SharedArrayBuffer;
}

export type BotsThreadMessage = { print: string } | { passed: boolean };

/** A script that holds the CPU for longer, in milliseconds, never gives it back. */
const HELD_MS = 10_000;

/**
 * Plays in a thread of its own, and ends it if a script loops without end.
 *
 * @param print gets the report
 * @returns whether all bots came to the end
 */
export function playBotsInThread(job: BotsJob, print: (text: string) => void, heldMs = HELD_MS): Promise<boolean> {
  const shared = new SharedArrayBuffer(8);
  const beat = new Int32Array(shared);
  const data: BotsThreadData = { job, shared };
  const worker = new Worker(join(import.meta.dirname, "bots-worker.ts"), {
    workerData: data,
    execArgv: ["--no-warnings"],
  });
  return new Promise((resolve) => {
    let seen = -1;
    let since = Date.now();
    let hasEnded = false;
    const end = (passed: boolean): void => {
      hasEnded = true;
      clearInterval(timer);
      // Whatever a script has left behind, such as an interval of its own, ends here.
      void worker.terminate();
      resolve(passed);
    };
    const timer = setInterval(() => {
      const now = Atomics.load(beat, 0);
      if (now !== seen) {
        seen = now;
        since = Date.now();
      } else if (now > 0 && Date.now() - since > heldMs) {
        const participant = Atomics.load(beat, 1);
        const whose = participant === 0 ? "A bot's script" : `A bot's script, probably that of P${participant},`;
        print(`${whose} has held the CPU for ${heldMs / 1000} s: a loop without an end and without await? FAILED`);
        end(false);
      }
    }, 250);
    worker.on("message", (message: BotsThreadMessage) => {
      if ("print" in message) print(message.print);
      else end(message.passed);
    });
    worker.once("error", (error) => {
      print(String(error instanceof Error ? error.stack : error));
      end(false);
    });
    worker.once("exit", (code) => {
      if (hasEnded) return;
      print(`A bot's script has ended the run by process.exit(${code}). FAILED`);
      end(false);
    });
  });
}
