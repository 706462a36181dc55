import { ChatTable, ParticipantTable } from "../../entities/system-tables.ts";
import type { Value, Values } from "../../entities/tables.ts";
import type { Source } from "./cells.ts";
import type { DataColumn, DataTable } from "./data-set.ts";

/** oTree's columns, in its order. */
const COLUMNS: readonly DataColumn[] = [
  { name: "session_code", kind: "text", meaning: "the session's code" },
  {
    name: "id_in_session",
    kind: "integer",
    meaning: "who wrote it: 1, 2, 3 ... in the session; empty: the app itself",
  },
  { name: "participant_code", kind: "text", meaning: "the participant's own code" },
  {
    name: "channel",
    kind: "text",
    meaning:
      "session, app and name of the channel, with hyphens between them; the name is the group's id if none was given",
  },
  { name: "nickname", kind: "text", meaning: "under which the others saw it" },
  { name: "body", kind: "text", meaning: "the text" },
  {
    name: "timestamp",
    kind: "float",
    unit: "seconds since 1970-01-01 UTC, to the millisecond",
    meaning: "when it was posted",
  },
];

/** What was said in chats, session by session in the order of time, as oTree's chat export. */
export function chat(source: Source): DataTable {
  return {
    columns: COLUMNS,
    total: () => source.snapshot.count(ChatTable, source.sessionId),
    async *rows() {
      // A session at a time: what is said in one channel is spread over the groups of those who said it.
      for (const [id, session] of source.sessions) yield await linesOf(source, id, session.row.code ?? null);
    },
  };
}

async function linesOf({ snapshot }: Source, sessionId: number, code: Value): Promise<Value[][]> {
  const messages: Values[] = [];
  for await (const rows of snapshot.scan(ChatTable, sessionId)) messages.push(...rows);
  if (messages.length === 0) return [];
  const people = new Map<Value, Values>();
  for await (const rows of snapshot.scan(ParticipantTable, sessionId))
    for (const row of rows) people.set(row.id ?? null, row);
  return messages
    .sort((a, b) => Number(a.at) - Number(b.at))
    .map(({ participantId, channel, nickname, body, at }) => {
      const person = people.get(participantId ?? null);
      const who = [person?.idInSession ?? null, person?.code ?? null];
      return [code, ...who, channel ?? null, nickname ?? null, body ?? null, Number(at) / 1000];
    });
}
