import { Worker } from "node:worker_threads";
import type { Log } from "./log.ts";

/**
 * Names the author's function that holds the CPU. A slow one is logged when it returns; one that does
 * not return is named by a thread of its own, since the main thread cannot.
 */
export interface Watchdog {
  /** Runs an author's function under a name such as `auction/Bidding live`. */
  watch<T>(name: string, call: () => T): T;
  stop(): void;
}

/** For tests and simulations: watches nothing. */
export const NO_WATCHDOG: Watchdog = { watch: (_name, call) => call(), stop: () => {} };

// Runs in the worker. It writes to the file descriptor itself: process.stderr of a worker goes through
// the main thread, which is the one that hangs.
const WORKER = `
const { parentPort, workerData } = require("node:worker_threads");
const fs = require("node:fs");
const beat = new Int32Array(workerData.shared);
const names = new Map();
parentPort.on("message", ({ id, name }) => names.set(id, name));
let seen = 0, since = 0, said = 0;
setInterval(() => {
  const call = Atomics.load(beat, 0);
  const id = Atomics.load(beat, 1);
  if (call !== seen || id === 0) { seen = call; since = Date.now(); said = 0; return; }
  const ms = Date.now() - since;
  if (ms >= workerData.stuckMs * 2 ** said) {
    said++;
    fs.writeSync(2, JSON.stringify({ level: "error", message: "a function has not returned and holds the whole server", where: names.get(id) ?? "unknown", ms }) + "\\n");
  }
}, 250).unref();
`;

/**
 * @param slowMs a call that takes longer is logged when it returns
 * @param stuckMs a call that has not returned by then is named by the thread, again after 2, 4, 8 ... times that
 */
export function startWatchdog(log: Log, slowMs = 200, stuckMs = 1000): Watchdog {
  const shared = new SharedArrayBuffer(8);
  // [0]: number of the call, [1]: id of its name while it runs, else 0.
  const beat = new Int32Array(shared);
  const ids = new Map<string, number>();
  let worker: Worker | undefined;
  let calls = 0;

  function idOf(name: string): number {
    let id = ids.get(name);
    if (id === undefined) {
      id = ids.size + 1;
      ids.set(name, id);
      if (worker === undefined) {
        // Without the flags of this process: with --input-type=module the text would not be CommonJS.
        worker = new Worker(WORKER, { eval: true, workerData: { shared, stuckMs }, execArgv: [] });
        worker.unref();
      }
      worker.postMessage({ id, name });
    }
    return id;
  }

  return {
    watch(name, call) {
      const id = idOf(name);
      const outer = beat[1] ?? 0;
      const start = performance.now();
      beat[0] = calls = (calls + 1) | 0;
      beat[1] = id;
      try {
        return call();
      } finally {
        beat[1] = outer;
        const ms = performance.now() - start;
        if (ms > slowMs) log.warn("a function held the whole server", { where: name, ms: Math.round(ms) });
      }
    },
    stop() {
      void worker?.terminate();
      worker = undefined;
    },
  };
}
