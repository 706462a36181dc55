import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { WalrasError } from "../../client-sdk/errors.ts";
import type { ExportJob, Progress } from "./job.ts";
import type { ExportMessage } from "./process.ts";

/** Exports that run at once: each reads as fast as it can. */
const AT_ONCE = 3;

/** An export that runs in a process of its own. */
export interface RunningExport {
  readonly data: Readable;
  readonly progress: Readonly<Progress>;
  /** Resolves when all data have been read from the stream. @throws WalrasError with what went wrong */
  readonly done: Promise<void>;
  cancel(): void;
}

/** The exports of one server. */
export class Exports {
  readonly #running = new Set<RunningExport>();

  /** @throws WalrasError `busy`, to be tried again, when enough are running already */
  start(job: ExportJob): RunningExport {
    if (this.#running.size >= AT_ONCE) {
      throw new WalrasError("busy", `${AT_ONCE} exports are running already. Try again when one has finished.`, {
        retry: true,
      });
    }
    const running = startProcess(job);
    this.#running.add(running);
    const end = () => void this.#running.delete(running);
    running.done.then(end, end);
    return running;
  }
}

function startProcess(job: ExportJob): RunningExport {
  const child = spawn(process.execPath, ["--no-warnings", join(import.meta.dirname, "process.ts")], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const data = child.stdout as Readable;
  const progress: Progress = { rows: 0, total: undefined, removedApps: [] };
  let outcome: ExportMessage | undefined;
  child.on("message", (message: ExportMessage) => {
    if (message.k === "progress") Object.assign(progress, message.progress);
    else outcome = message;
  });
  const done = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (outcome?.k === "done") resolve();
      else if (outcome?.k === "failed") reject(new WalrasError(outcome.code, outcome.message));
      else reject(new WalrasError("export_ended", `The export ended before it was done (${code ?? "killed"}).`));
    });
  });
  child.send(job);
  return { data, progress, done, cancel: () => child.kill() };
}
