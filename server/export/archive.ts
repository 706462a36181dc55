import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { ZipFile } from "yazl";
import type { Version } from "../version.ts";
import type { DataSet } from "./data-set.ts";
import { type FormatOptions, write } from "./formats.ts";

export interface ArchiveOptions extends FormatOptions {
  readonly session: string | undefined;
  readonly version: Version;
  /** Distinct versions that the journal names, with the time of the first and last group loaded by them. */
  readonly ran: () => readonly RanVersion[];
  readonly now: number;
}

export interface RanVersion {
  readonly version: Version;
  readonly first: number;
  readonly last: number;
}

/**
 * Everything in one ZIP file: the tables as CSV, the data dictionary, a README, the versions that ran, and
 * the SHA-256 of every file. It is made while it is read; nothing of it is kept in memory.
 */
export function archive(
  sets: readonly DataSet[],
  options: ArchiveOptions,
  onRows: (rows: number) => void,
): NodeJS.ReadableStream {
  const zip = new ZipFile();
  const mtime = new Date(options.now);
  const sums: string[] = [];
  const counts: { set: DataSet; rows: number }[] = [];
  // What comes last tells of what came before: each part is made when its turn comes.
  const add = (name: string, make: () => Iterable<string> | AsyncIterable<string>) =>
    zip.addReadStreamLazy(name, { mtime }, (done) =>
      done(null, Readable.from(summed(name, make(), sums), { objectMode: false })),
    );
  for (const set of sets) {
    add(`${set.file}.csv`, () => {
      const count = { set, rows: 0 };
      counts.push(count);
      return write(set, "csv", options, (rows) => {
        count.rows += rows;
        onRows(rows);
      });
    });
  }
  add("versions.json", () => [versions(options)]);
  add("README.txt", () => [readme(counts, options)]);
  add("SHA256SUMS", () => [`${sums.join("\n")}\n`]);
  zip.end();
  return zip.outputStream;
}

async function* summed(
  name: string,
  chunks: Iterable<string> | AsyncIterable<string>,
  sums: string[],
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    hash.update(bytes);
    yield bytes;
  }
  sums.push(`${hash.digest("hex")}  ${name}`);
}

function versions({ version, ran }: ArchiveOptions): string {
  const iso = (at: number) => new Date(at).toISOString();
  const text = {
    exportedBy: version,
    ran: ran().map((one) => ({ ...one.version, from: iso(one.first), to: iso(one.last) })),
  };
  return `${JSON.stringify(text, null, 2)}\n`;
}

function readme(counts: readonly { set: DataSet; rows: number }[], options: ArchiveOptions): string {
  const { session, spreadsheet = false, now } = options;
  const width = Math.max(...counts.map(({ set }) => set.file.length)) + 6;
  const files = counts.map(({ set, rows }) => `  ${`${set.file}.csv`.padEnd(width)}${set.about} ${rows} rows.`);
  return `Data of ${session === undefined ? "all sessions" : `session ${session}`}, exported ${new Date(now).toISOString()}.

Everything was read from one moment of the database: the files agree with each other.

Files
${files.join("\n")}
  ${"versions.json".padEnd(width)}Versions of Walras and Node and the git commit of the project that ran, and when.
  ${"SHA256SUMS".padEnd(width)}Checksums of all files; check them with: sha256sum --check SHA256SUMS

How to read them
  The files are CSV (RFC 4180) in UTF-8: commas between the cells, quotes around cells with commas, quotes or line
  breaks. The first line has the names of the columns; data_dictionary.csv says what each of them holds, in which unit.
  True and false are 1 and 0. An empty cell means that there is no value. Amounts and times have all their digits.
${
  spreadsheet
    ? "  Made for spreadsheets: texts that begin like a formula have a quote (') before them, so values are not all exact.\n"
    : "  Values are exact. A spreadsheet may run texts that begin with = + - @ as formulas: use R, Python or Stata, or\n  export with the spreadsheet option.\n"
}
  R       read.csv("all_apps_wide.csv", check.names = FALSE)
  Python  pandas.read_csv("all_apps_wide.csv")
  Stata   import delimited "all_apps_wide.csv", varnames(1) case(preserve) bindquote(strict) maxquotedrows(unlimited)

How they belong together
  participant.code names a person in all files; session.code a session. Names of columns and their order are those of
  oTree's exports. journal.csv has every message and everything else that happened, in milliseconds; within a group
  (group_id), seq gives the order.
`;
}
