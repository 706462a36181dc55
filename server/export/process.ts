/**
 * An export in a process of its own, so that however long it takes, no group waits for it. The job comes
 * as a message from the parent; the data go to standard output, progress and errors back as messages.
 */
import { createWriteStream } from "node:fs";
import { codeOf, messageOf } from "../../client-sdk/errors.ts";
import { type ExportJob, type Progress, runExport } from "./job.ts";

/** What the process tells its parent. */
export type ExportMessage =
  | { k: "progress"; progress: Progress }
  | { k: "failed"; code: string; message: string }
  | { k: "done" };

/** Milliseconds between two reports. */
const REPORT_EVERY = 200;

// An app that prints must not print into the data.
console.log = console.error;

let isDone = false;

process.once("message", async (job: ExportJob) => {
  let reported = Number.NEGATIVE_INFINITY;
  // The pipe itself: process.stdout does not say when everything has been written.
  const out = createWriteStream("", { fd: 1 });
  try {
    let last: Progress | undefined;
    await runExport(job, out, (progress) => {
      last = progress;
      if (performance.now() - reported < REPORT_EVERY) return;
      reported = performance.now();
      tell({ k: "progress", progress });
    });
    if (last !== undefined) tell({ k: "progress", progress: last });
    tell({ k: "done" });
  } catch (error) {
    tell({ k: "failed", code: codeOf(error), message: messageOf(error) });
    process.exitCode = 1;
  }
  isDone = true;
  process.disconnect();
});

// The parent has gone: nobody reads the rest.
process.once("disconnect", () => {
  if (!isDone) process.exit(1);
});

function tell(message: ExportMessage): void {
  process.send?.(message);
}
