import { AuthorError, messageOf } from "../../client-sdk/errors.ts";
import { toJson } from "../../client-sdk/json.ts";
import type { AppSpec, CustomExport } from "../../entities/app-spec.ts";
import { runIn } from "../../entities/current-view.ts";
import { DirectView } from "../../entities/direct-view.ts";
import { GroupMemory, Row } from "../../entities/memory.ts";
import { SessionTable } from "../../entities/system-tables.ts";
import type { Value, Values } from "../../entities/tables.ts";
import type { Source } from "./cells.ts";
import type { DataTable } from "./data-set.ts";

/** An app's own table: its author's function gives the rows of one group after the other. */
export function customExport(app: AppSpec, custom: CustomExport, source: Source): DataTable {
  const where = `${app.name}: export ${custom.name}`;
  return {
    columns: custom.columns.map((name) => ({
      name,
      kind: "text",
      meaning: custom.doc ?? "made by the app itself",
      app: app.name,
    })),
    total: () => Promise.resolve(undefined),
    async *rows() {
      for await (const groups of source.snapshot.scan(app.group.table, source.sessionId)) {
        for (const group of groups) {
          // Whoever waits to be grouped by arrival is in no group yet.
          if (group.idInSubsession !== 0) yield rowsOf(await memoryOf(source, app, group), custom, where);
        }
      }
    },
  };
}

async function memoryOf(source: Source, app: AppSpec, group: Values): Promise<GroupMemory> {
  const { read } = source.snapshot;
  const rows = await read.group(Number(group.id), app);
  const facts = source.sessions.get(Number(group.sessionId));
  const session = {
    id: Number(rows.session.id),
    code: String(rows.session.code),
    config: facts?.config ?? {},
    isDemo: rows.session.isDemo === true,
    row: new Row(SessionTable, null, rows.session),
    ownFields: source.ownFields,
    formats: source.formats,
  };
  const memory = new GroupMemory(app, rows, session, source.decimals);
  const ids = rows.participants.map(({ id }) => Number(id));
  const elsewhere = await read.payoffsElsewhere(ids, Number(group.id), source.decimals);
  for (const participant of rows.participants) {
    participant.payoffElsewhere = elsewhere.get(Number(participant.id)) ?? 0;
    const round = memory.roundNumber;
    const earlier = round > 1 ? await read.earlierPlayers(Number(participant.id), app, round) : [];
    memory.adopt(participant, earlier);
    if (round > 1) memory.rememberGroups(await read.earlierGroups(Number(participant.id), app, round));
  }
  return memory;
}

function rowsOf(memory: GroupMemory, custom: CustomExport, where: string): Value[][] {
  const random = () => {
    throw new AuthorError(
      "not_random",
      `${where}: random() has no place in an export, which must be the same each time.`,
    );
  };
  const view = new DirectView(memory, { what: where, at: Date.now(), random });
  const rows = named(where, () => runIn(view, () => custom.rows(view.group() as never)));
  if (typeof rows !== "object" || rows === null || !(Symbol.iterator in rows)) {
    throw new AuthorError(
      "wrong_export",
      `${where}: rows(group) did not give rows. Return an array of rows, or write a generator: *rows(group) { yield [1, 2]; }`,
    );
  }
  const result: Value[][] = [];
  const iterator = rows[Symbol.iterator]();
  for (;;) {
    const step = named(where, () => runIn(view, () => iterator.next()));
    if (step.done === true) break;
    result.push(rowOf(step.value, custom, where));
  }
  view.finish();
  if (view.unit.changes().length > 0) {
    throw new AuthorError("read_only", `${where}: an export cannot change anything; it only reads.`);
  }
  return result;
}

/** What an author's code throws says by itself neither which export it was nor where. */
function named<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AuthorError && error.message.startsWith(where)) throw error;
    const frame =
      error instanceof Error ? /^\s+at .*?((?:apps)[/\\][^()]+?:\d+):\d+\)?$/m.exec(error.stack ?? "") : null;
    const at = frame === null ? "" : ` (${frame[1]})`;
    throw new AuthorError("failed_export", `${where} failed: ${messageOf(error)}${at}`, { cause: error });
  }
}

function rowOf(row: unknown, { columns }: CustomExport, where: string): Value[] {
  if (!Array.isArray(row) || row.length !== columns.length) {
    const got = Array.isArray(row) ? `${row.length} values` : typeof row;
    throw new AuthorError(
      "wrong_export",
      `${where}: a row has ${got}, but there are ${columns.length} columns (${columns.join(", ")}).`,
    );
  }
  return row.map((value: unknown, i) => {
    if (value === null || value === undefined) return null;
    if (typeof value === "object") {
      try {
        return toJson(value, `${where}: column ${columns[i]}`);
      } catch (error) {
        throw new AuthorError("wrong_export", messageOf(error), { cause: error });
      }
    }
    if (typeof value === "boolean" || typeof value === "number" || typeof value === "string") return value;
    throw new AuthorError(
      "wrong_export",
      `${where}: column ${columns[i]} has a ${typeof value}; give it a text, number, true, false, null, or something that JSON can carry.`,
    );
  });
}
