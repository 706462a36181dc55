import { parseArgs } from "node:util";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import type { GroupMemory, Row } from "../entities/memory.ts";
import type { DatabaseOptions } from "../entities/open-store.ts";
import { NO_OWN_FIELDS } from "../entities/own-fields.ts";
import { openSnapshot, type Snapshot } from "../entities/snapshot.ts";
import { ActorTable } from "../entities/system-tables.ts";
import { type ReplayResult, replayGroup } from "../rooms/replay.ts";
import type { Difference } from "../rooms/replay-compare.ts";
import { loadProject, type Project } from "./apps.ts";

const USAGE = "npm run walras -- replay <session | group | all> [--upto SEQ] [--inspect SEQ]";
/** Characters of a value that are shown. */
const LONGEST = 300;

interface Group {
  readonly id: number;
  readonly app: AppSpec;
  readonly round: number;
}

/**
 * `npm run walras -- replay <session | group | all> [--upto SEQ]`: runs the journals of a session's groups, of one
 * group, or of all groups, again with the code as it is now, and prints where each first goes another way. `--inspect SEQ` prints
 * a group's rows as they were after that entry. Nothing is written, and the server may be running.
 *
 * @returns whether everything was the same
 * @throws WalrasError for a wrong option, or a session or group that is not there
 */
export async function replayCommand(
  root: string,
  database: DatabaseOptions,
  args: readonly string[],
  say: (line: string) => void = console.log,
): Promise<boolean> {
  const { target, upto, inspect } = read(args);
  const project = await loadProject(root);
  const snapshot = await openSnapshot({ ...database, apps: [...project.apps.values()] });
  try {
    const groups = await groupsOf(snapshot, project, target);
    if (inspect !== undefined) {
      const [group, ...more] = groups;
      if (group === undefined || more.length > 0) {
        throw new WalrasError(
          "wrong_use",
          `--inspect is for one group, by its number: ${groups.map(({ id }) => id).join(", ")}.`,
        );
      }
      const { memory, reason } = await replay(snapshot, project, group, inspect, true);
      if (memory === undefined)
        throw new WalrasError("no_history", `${nameOf(group)}: ${reason ?? "nobody has entered it"}.`);
      for (const line of rowsOf(memory)) say(line);
      return true;
    }
    return await replayAll(snapshot, project, groups, upto, say);
  } finally {
    await snapshot.close();
  }
}

async function replayAll(
  snapshot: Snapshot,
  project: Project,
  groups: readonly Group[],
  upto: number | undefined,
  say: (line: string) => void,
): Promise<boolean> {
  let same = 0;
  let untold = 0;
  for (const group of groups) {
    const { difference, reason, memory, ran, recorded } = await replay(snapshot, project, group, upto, false);
    if (difference !== undefined) {
      say(`${nameOf(group)}: differs`);
      for (const line of wordsOf(difference)) say(`  ${line}`);
    } else if (memory === undefined) {
      untold++;
      say(`${nameOf(group)}: ${reason ?? "nobody has entered it"}`);
    } else {
      same++;
      say(`${nameOf(group)}: the same; ${ran} entries run again, ${recorded} taken as recorded`);
    }
  }
  const differing = groups.length - same - untold;
  say(
    `${groups.length} groups: ${same} the same, ${differing} differ${untold > 0 ? `, ${untold} with nothing to run` : ""}.`,
  );
  return differing === 0;
}

function replay(
  snapshot: Snapshot,
  { config }: Project,
  { id, app }: Group,
  upto: number | undefined,
  recordedOnly: boolean,
): Promise<ReplayResult> {
  return replayGroup({
    actorId: id,
    app,
    entries: snapshot.journal(id),
    read: snapshot.read,
    decimals: config.currency.decimals,
    languages: config.languages,
    ownFields: config.ownFields ?? NO_OWN_FIELDS,
    upto,
    recordedOnly,
  });
}

async function groupsOf(snapshot: Snapshot, project: Project, target: string): Promise<Group[]> {
  const groupOf = (row: { id: number; app: string; round: number }): Group => {
    const app = project.apps.get(row.app);
    if (app !== undefined) return { id: row.id, app, round: row.round };
    throw new WalrasError(
      "no_such_app",
      `Group ${row.id} belongs to app "${row.app}", which is not in apps/ any more.`,
    );
  };
  const session = target === "all" ? undefined : await snapshot.read.session({ code: target });
  if (session !== undefined || target === "all") {
    const groups: Group[] = [];
    const sessionId = session === undefined ? undefined : Number(session.id);
    for await (const rows of snapshot.scan(ActorTable, sessionId)) {
      for (const { id, app, roundNumber } of rows) {
        groups.push(groupOf({ id: Number(id), app: String(app), round: Number(roundNumber) }));
      }
    }
    return groups;
  }
  const actor = /^\d+$/.test(target) ? await snapshot.read.actor(Number(target)) : undefined;
  if (actor !== undefined) return [groupOf(actor)];
  throw new WalrasError("no_such_session", `There is no session or group ${target}. See npm run walras -- sessions.`);
}

function read(args: readonly string[]) {
  const seq = (name: string, text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new WalrasError(
      "wrong_use",
      `--${name} ${text}: give it the seq of an entry, 1, 2, 3 ... Use it so: ${USAGE}`,
    );
  };
  try {
    const options = { upto: { type: "string" }, inspect: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    const [target, ...more] = positionals;
    if (target === undefined || more.length > 0) throw new Error("Name one session or one group");
    return { target, upto: seq("upto", values.upto), inspect: seq("inspect", values.inspect) };
  } catch (error) {
    if (error instanceof WalrasError) throw error;
    throw new WalrasError("wrong_use", `${messageOf(error)}. Use it so: ${USAGE}`);
  }
}

function nameOf({ id, app, round }: Group): string {
  return `group ${id} (${app.name}, round ${round})`;
}

function wordsOf({ seq, kind, at, page, participant, input, what, expected, got }: Difference): string[] {
  const where = kind === "rows" ? "after the last entry" : `at entry ${seq}, ${kind}`;
  const who = participant === null ? "" : ` of player ${participant}`;
  const when = at === 0 ? "" : ` at ${new Date(at).toISOString()}`;
  const differing = `${where}${who}${page === null ? "" : ` on ${page}`}${when}`;
  return [
    differing,
    ...(input === null ? [] : [`input     ${cut(input)}`]),
    `what      ${what}`,
    `recorded  ${cut(expected)}`,
    `now       ${cut(got)}`,
  ];
}

function rowsOf(memory: GroupMemory): string[] {
  const shown = (row: Row): string =>
    row.table.columns.map(({ name, column }) => `${column}=${cut(JSON.stringify(row.values[name] ?? null))}`).join(" ");
  const tables: [string, Iterable<Row>][] = [
    [memory.app.group.table.name, [memory.group]],
    [memory.app.player.table.name, memory.players],
    ["participant", memory.participants.values()],
    ...[...memory.extras].map(([name, rows]): [string, Iterable<Row>] => [name, rows.values()]),
    ["timer", memory.timers.values()],
    ["wait_page", memory.waits.values()],
  ];
  return tables.flatMap(([name, rows]) =>
    [...rows].filter((row) => !row.deleted).map((row) => `${name}: ${shown(row)}`),
  );
}

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)} … (${text.length} characters)`;
}
