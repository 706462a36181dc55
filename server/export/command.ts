import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { parseArgs } from "node:util";
import { messageOf, WalrasError } from "../../client-sdk/errors.ts";
import type { DatabaseOptions } from "../../entities/open-store.ts";
import { loadProject } from "../apps.ts";
import { choose, listing } from "./catalog.ts";
import { type ExportJob, fileName, type Progress, runExport } from "./job.ts";
import { noteOn } from "./note.ts";

/**
 * `npm run walras -- export [what] [--session CODE] [--format csv|json] [--spreadsheet] [--out FILE]`: writes
 * one data set, or everything as an archive, to a file. The server may be running.
 *
 * @throws WalrasError for a wrong option, data set or session; then no file is left
 */
export async function exportCommand(
  root: string,
  database: DatabaseOptions,
  args: readonly string[],
  say: (line: string) => void = console.log,
): Promise<void> {
  const { what, session, format, spreadsheet, out } = read(args);
  const { apps } = await loadProject(root);
  const sets = listing(apps);
  if (what === "list") {
    const width = Math.max(...sets.map(({ id }) => id.length)) + 2;
    for (const { id, about } of sets) say(`  ${id.padEnd(width)}${about}`);
    return;
  }
  const { file } = what === "all" ? { file: "all_data" } : choose(sets, what);
  const job: ExportJob = { root, ...database, what, session, format, spreadsheet };
  const path = out ?? fileName(job, file, Date.now());
  // Under its name only when it is whole.
  const partial = `${path}.partial`;
  const show = progressLine();
  let last: Progress = { rows: 0, total: undefined, removedApps: [] };
  const stream = await openFile(partial, path);
  try {
    await runExport(job, stream, (progress) => {
      last = progress;
      show(progress);
    });
    await rename(partial, path);
  } catch (error) {
    stream.destroy();
    if (!stream.closed) await once(stream, "close");
    await rm(partial, { force: true });
    throw error;
  } finally {
    show(undefined);
  }
  say(`Wrote ${last.rows === 1 ? "1 row" : `${last.rows} rows`} to ${path}`);
  const note = noteOn(last.removedApps);
  if (note !== "") say(note);
}

/** @throws WalrasError `cannot_write`, before anything was read */
async function openFile(partial: string, path: string): Promise<WriteStream> {
  const wrong = (why: string) =>
    new WalrasError("cannot_write", `${path} cannot be written: ${why}. Name another file with --out.`);
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory()) throw wrong("it is a folder");
  const stream = createWriteStream(partial);
  try {
    await once(stream, "open");
  } catch (error) {
    throw wrong(messageOf(error));
  }
  return stream;
}

function read(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        session: { type: "string" },
        format: { type: "string", default: "csv" },
        spreadsheet: { type: "boolean", default: false },
        out: { type: "string" },
      },
    });
    const { format, session, spreadsheet, out } = values;
    const [what = "all", ...more] = positionals;
    if (more.length > 0) throw new Error(`too many data sets: ${positionals.join(", ")}`);
    if (format !== "csv" && format !== "json") throw new Error(`there is no format ${format}, only csv and json`);
    return { what, session, format: format as "csv" | "json", spreadsheet, out };
  } catch (error) {
    const usage =
      "npm run walras -- export [all | list | data set] [--session CODE] [--format json] [--spreadsheet] [--out FILE]";
    throw new WalrasError("wrong_use", `${messageOf(error)}. Use it so: ${usage}`);
  }
}

/** Keeps one line of a terminal up to date; undefined wipes it. */
function progressLine(): (progress: Progress | undefined) => void {
  if (!process.stderr.isTTY) return () => {};
  let shown = 0;
  return (progress) => {
    if (progress === undefined) {
      process.stderr.write("\r\u001b[K");
      return;
    }
    if (performance.now() - shown < 100) return;
    shown = performance.now();
    const { rows, total } = progress;
    const part =
      total === undefined || total === 0 ? "" : `, about ${Math.min(99, Math.floor((100 * rows) / total))} %`;
    process.stderr.write(`\r\u001b[K${rows} rows${part}`);
  };
}
