import { createHash } from "node:crypto";
import { type PassThrough, Readable } from "node:stream";
import { ZipFile } from "yazl";
import type { AppSpec } from "../../entities/app-spec.ts";
import type { Version } from "../version.ts";
import type { DataSet } from "./data-set.ts";
import { type FormatOptions, write } from "./formats.ts";
import { noteOn } from "./note.ts";

export interface ArchiveOptions extends FormatOptions {
  /** What the project has now. */
  readonly apps: readonly AppSpec[];
  /** What was played and is no longer there. */
  readonly removedApps: readonly string[];
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
  const out = zip.outputStream as PassThrough;
  const mtime = new Date(options.now);
  const sums: string[] = [];
  const counts: { set: DataSet; rows: number }[] = [];
  // What comes last tells of what came before: each part is made when its turn comes.
  const add = (name: string, make: () => Iterable<string> | AsyncIterable<string>) =>
    zip.addReadStreamLazy(name, { mtime }, (done) => {
      const part = Readable.from(summed(name, make(), sums), { objectMode: false });
      // Of a part that cannot be made, such as an app's own export that throws, yazl says nothing: the error would end
      // the process, and nobody the archive.
      part.once("error", (error) => out.destroy(error));
      done(null, part);
    });
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
  add("apps.json", () => [`${JSON.stringify(options.apps.map(describeApp), null, 2)}\n`]);
  add("versions.json", () => [versions(options)]);
  add("README.txt", () => [readme(counts, options)]);
  add("SHA256SUMS", () => [`${sums.join("\n")}\n`]);
  zip.end();
  return out;
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

/** What the numbers of an app depend on, beside its code. */
function describeApp(app: AppSpec): object {
  const { name, title, doc = "", playersPerGroup, rounds, roles, constants, pages } = app;
  return { name, title, doc, playersPerGroup, rounds, roles, constants, pages: pages.map((page) => page.name) };
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
  const { session, spreadsheet = false, now, apps, removedApps } = options;
  const width = Math.max(...counts.map(({ set }) => set.file.length)) + 6;
  const line = (name: string, about: string) => `  ${name.padEnd(width)}${about}`;
  const files = counts.map(({ set, rows }) =>
    line(`${set.file}.csv`, `${set.about.replace(/[^.!?]$/, "$&.")} ${rows === 1 ? "1 row." : `${rows} rows.`}`),
  );
  const note = noteOn(removedApps);
  return `Data of ${session === undefined ? "all sessions" : `session ${session}`}, exported ${new Date(now).toISOString()}.

Everything was read from one moment of the database: the files agree with each other.${note === "" ? "" : `\n${note}`}

Begin with
  sessions.csv         what was played, when, by how many, with which parameters
  all_apps_wide.csv    one row per person, everything side by side
  data_dictionary.csv  every column of every file: type, unit, meaning, app, round, allowed values

  Rows of demo sessions (session.is_demo, or is_demo in sessions.csv, is 1) and of bots (participant._is_bot is 1) are
  no data of people. participant.visited is 0 where nobody ever came.

Files
${files.join("\n")}
${line("apps.json", "The apps as they are now: group size, rounds, roles, constants, pages.")}
${line("versions.json", "Versions of Walras and Node and the git commit of the project that ran, and when.")}
${line("SHA256SUMS", "Checksums of all files; check them with: sha256sum --check SHA256SUMS")}

Apps
${apps.map(({ name, title, doc }) => line(name, [title, doc].filter((text) => text !== undefined && text !== "").join(". "))).join("\n")}

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
  participant.code (participant_code) names a person in all files, session.code (session_code) a session. A group is
  the session, the app, the round (subsession.round_number) and group.id_in_subsession; its members are told apart by
  player.id_in_group. A row of an extra model names the group in which it was made, and the people whom it is about.
  Names of columns and their order are those of oTree's exports, so that scripts made for those run.

  participant.payoff is the sum of player.payoff over all apps and rounds. payments.csv has it in real money: times
  session.config.real_world_currency_per_point where the game is about points, plus session.config.participation_fee.

The journal
  journal.csv has every message and everything else that changed a group, as it was stored, with milliseconds. Within
  a group (group_id), seq gives the order; entries without a participant were caused by the server. The column kind
  says what happened, input what came in, output who got what, changes which rows became what: a list of
  {"insert" | "update" | "delete": table, "key": …, "values": …}, with names as in the app's code. Played again with
  the same code (npm run walras -- replay), the journal gives the same rows and messages.
`;
}
