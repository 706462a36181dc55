import { ParticipantTable } from "../../entities/system-tables.ts";
import type { Value } from "../../entities/tables.ts";
import { type Cell, type SessionFacts, type Source, utc } from "./cells.ts";
import type { DataTable } from "./data-set.ts";

/** The sessions themselves, a row each: what was played, with which parameters, when, by how many. */
export function sessionTable(source: Source): DataTable {
  const cells: Cell<SessionFacts>[] = [
    { name: "session_code", kind: "text", meaning: "the session's code", of: ({ row }) => row.code ?? null },
    { name: "config_name", kind: "text", meaning: "the session config", of: ({ row }) => row.configName ?? null },
    {
      name: "display_name",
      kind: "text",
      meaning: "the session config's name for people",
      of: ({ config }) => textOf(config.displayName),
    },
    {
      name: "label",
      kind: "text",
      meaning: "label given by the experimenter",
      of: ({ row }) => row.label ?? null,
    },
    {
      name: "comment",
      kind: "longText",
      meaning: "comment of the experimenter",
      of: ({ row }) => row.comment ?? null,
    },
    {
      name: "is_demo",
      kind: "boolean",
      meaning: "1: started from the demo page, or for bots",
      of: ({ row }) => row.isDemo ?? null,
    },
    { name: "created_utc", kind: "text", meaning: "when it was made, UTC", of: ({ row }) => utc(row.createdAt) },
    {
      name: "app_sequence",
      kind: "json",
      meaning: "the apps, in the order in which they are played",
      of: ({ config }) => JSON.stringify(config.appSequence ?? []),
    },
    {
      name: "pages",
      kind: "integer",
      meaning: "number of pages, over all apps and rounds",
      of: ({ pages }) => pages.length,
    },
    {
      name: "config",
      kind: "json",
      meaning: "everything that the session config said when the session was made",
      of: ({ config }) => JSON.stringify(config),
    },
  ];
  return {
    columns: [
      ...cells,
      { name: "participants", kind: "integer", meaning: "number of places" },
      { name: "started", kind: "integer", meaning: "participants who opened their link" },
      { name: "finished", kind: "integer", meaning: "participants who are past the last page" },
    ],
    total: () => Promise.resolve(source.sessions.size),
    async *rows() {
      for (const [id, session] of source.sessions) {
        const counts = await countsOf(source, id, session);
        yield [[...cells.map((cell) => cell.of(session)), ...counts]];
      }
    },
  };
}

async function countsOf(source: Source, sessionId: number, { pages }: SessionFacts): Promise<Value[]> {
  let [all, started, finished] = [0, 0, 0];
  for await (const participants of source.snapshot.scan(ParticipantTable, sessionId)) {
    all += participants.length;
    started += participants.filter(({ pageIndex }) => Number(pageIndex) > 0).length;
    finished += participants.filter(({ pageIndex }) => Number(pageIndex) > pages.length).length;
  }
  return [all, started, finished];
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
