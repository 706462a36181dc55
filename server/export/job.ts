import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WalrasError } from "../../client-sdk/errors.ts";
import type { DatabaseOptions } from "../../entities/open-store.ts";
import { openSnapshot, type Snapshot } from "../../entities/snapshot.ts";
import { JournalTable } from "../../entities/system-tables.ts";
import { loadProject } from "../apps.ts";
import { type Version, versionOf } from "../version.ts";
import { type ArchiveOptions, archive, type RanVersion } from "./archive.ts";
import { catalog, choose } from "./catalog.ts";
import type { DataSet } from "./data-set.ts";
import { type Format, write } from "./formats.ts";

/** One download. */
export interface ExportJob extends DatabaseOptions {
  /** The project's folder. */
  readonly root: string;
  /** Id of a data set; `all`: an archive of all of them. */
  readonly what: string;
  /** Code of the one session that is meant; left out: all sessions. */
  readonly session?: string | undefined;
  readonly format: Format;
  readonly spreadsheet: boolean;
}

export interface Progress {
  rows: number;
  /** About how many rows there will be; undefined: not known. */
  total: number | undefined;
  /** Apps that were played and have no folder any more: of them, only payoffs are exported. */
  readonly removedApps: readonly string[];
}

/**
 * Carries out an export: reads one moment of the database and writes it to a stream, a chunk at a time.
 *
 * @throws WalrasError or AuthorError for what is wrong with the job, the database or an app's own export
 */
export async function runExport(
  job: ExportJob,
  out: Writable,
  onProgress: (progress: Progress) => void,
): Promise<void> {
  const { apps, config } = await loadProject(job.root);
  const snapshot = await openSnapshot({ databaseUrl: job.databaseUrl, file: job.file, apps: [...apps.values()] });
  try {
    const { sets, removedApps, sessionId } = await catalog(snapshot, { apps, config, session: job.session });
    const chosen = job.what === "all" ? sets : [choose(sets, job.what)];
    const progress: Progress = { rows: 0, total: await totalOf(chosen), removedApps };
    onProgress(progress);
    const onRows = (rows: number) => {
      progress.rows += rows;
      onProgress(progress);
    };
    const [first] = chosen;
    if (job.what !== "all" && first !== undefined) {
      await pipeline(Readable.from(write(first, job.format, job, onRows)), out);
      return;
    }
    if (job.format !== "csv") {
      throw new WalrasError("no_such_format", "The archive has CSV files. Export single data sets as JSON.");
    }
    const ran = await ranVersions(snapshot, sessionId);
    const options: ArchiveOptions = {
      apps: [...apps.values()],
      removedApps,
      session: job.session,
      spreadsheet: job.spreadsheet,
      version: await versionOf(job.root),
      ran: () => ran,
      now: Date.now(),
    };
    await pipeline(archive(chosen, options, onRows), out);
  } finally {
    await snapshot.close();
  }
}

/** Name of the downloaded file, as oTree's with the day of the export. */
export function fileName(job: Pick<ExportJob, "what" | "session" | "format">, file: string, now: number): string {
  const day = new Date(now).toISOString().slice(0, 10);
  const of = job.session === undefined ? "" : `_${job.session}`;
  return `${file}${of}_${day}.${job.what === "all" ? "zip" : job.format}`;
}

async function totalOf(sets: readonly DataSet[]): Promise<number | undefined> {
  let sum = 0;
  let known = false;
  for (const set of sets) {
    const total = await set.total();
    if (total === undefined) continue;
    known = true;
    sum += total;
  }
  return known ? sum : undefined;
}

/** What the `loaded` entries say of the code that ran. */
async function ranVersions(snapshot: Snapshot, sessionId: number | undefined): Promise<RanVersion[]> {
  const found = new Map<string, { version: Version; first: number; last: number }>();
  for await (const entries of snapshot.scan(JournalTable, sessionId)) {
    for (const { kind, input, at } of entries) {
      if (kind !== "loaded" || typeof input !== "string") continue;
      const time = Number(at);
      const { version } = JSON.parse(input) as { version: Version | null };
      if (version === null) continue;
      const key = JSON.stringify(version);
      const known = found.get(key);
      if (known === undefined) found.set(key, { version, first: time, last: time });
      else {
        known.first = Math.min(known.first, time);
        known.last = Math.max(known.last, time);
      }
    }
  }
  return [...found.values()].sort((a, b) => a.first - b.first);
}
