import { orderedPages } from "../../entities/page-order.ts";
import { JournalTable, ParticipantTable } from "../../entities/system-tables.ts";
import type { Value, Values } from "../../entities/tables.ts";
import type { SessionFacts, Source } from "./cells.ts";
import type { DataColumn, DataTable } from "./data-set.ts";

/** oTree's columns, in its order. */
const COLUMNS: readonly DataColumn[] = [
  { name: "session_code", kind: "text", meaning: "the session's code" },
  { name: "participant_id_in_session", kind: "integer", meaning: "1, 2, 3 ... in the session" },
  { name: "participant_code", kind: "text", meaning: "the participant's own code" },
  { name: "page_index", kind: "integer", meaning: "the page, counted over all apps and rounds; 0: the start link" },
  { name: "app_name", kind: "text", meaning: "app of the page" },
  { name: "page_name", kind: "text", meaning: "name of the page" },
  {
    name: "epoch_time_completed",
    kind: "float",
    unit: "seconds since 1970-01-01 UTC, to the millisecond",
    meaning: "when the participant left the page",
  },
  { name: "round_number", kind: "integer", meaning: "the round, from 1" },
  { name: "timeout_happened", kind: "boolean", meaning: "1: the page was left because its time was up" },
  { name: "is_wait_page", kind: "boolean", meaning: "1: it is a wait page" },
];

/** A participant left a page. */
interface Move {
  readonly participantId: number;
  readonly at: number;
  readonly to: number;
  readonly timeout: boolean;
}

/**
 * When each participant left each page that they saw, as oTree's page times: taken from the journal,
 * which has every move in the very transaction that made it, so that none is ever lost.
 */
export function pageTimes(source: Source): DataTable {
  return {
    columns: COLUMNS,
    total: () => Promise.resolve(undefined),
    async *rows() {
      // A session at a time: a participant's moves are spread over the journals of the groups that they were in.
      for (const [id, session] of source.sessions) yield await timesOf(source, id, session);
    },
  };
}

async function timesOf(source: Source, sessionId: number, session: SessionFacts): Promise<Value[][]> {
  const moves = new Map<number, Move[]>();
  for await (const entries of source.snapshot.scan(JournalTable, sessionId)) {
    for (const move of entries.flatMap(movesOf)) {
      const own = moves.get(move.participantId);
      if (own === undefined) moves.set(move.participantId, [move]);
      else own.push(move);
    }
  }
  const rows: Value[][] = [];
  for await (const participants of source.snapshot.scan(ParticipantTable, sessionId)) {
    for (const participant of participants) {
      const pages = orderedPages(session.pages, participant.pageOrder);
      let from = 0;
      // Ties are between groups: who leaves one and enters the next within a millisecond moves forward.
      const own = (moves.get(Number(participant.id)) ?? []).sort((a, b) => a.at - b.at || a.to - b.to);
      for (const { at, to, timeout } of own) {
        const page = pages[from - 1];
        const named = page === undefined ? ["", "InitializeParticipant"] : [page.app, page.page];
        rows.push([
          ...[session.row.code ?? null, participant.idInSession ?? null, participant.code ?? null, from, ...named],
          ...[at / 1000, page?.round ?? null, timeout, isWaitPage(source, from, session)],
        ]);
        from = to;
      }
    }
  }
  return rows;
}

/** The moves in one entry: one participant's, or those of all whom a wait page let go. */
function movesOf(entry: Values): Move[] {
  const { changes, at, input } = entry;
  // Most entries move nobody; to look is cheaper than to parse.
  if (typeof changes !== "string" || !changes.includes('"pageIndex"')) return [];
  const parsed = JSON.parse(changes) as { update?: string; key?: { id: number }; values?: { pageIndex?: number } }[];
  return parsed.flatMap(({ update, key, values }) =>
    update === ParticipantTable.name && key !== undefined && values?.pageIndex !== undefined
      ? [{ participantId: key.id, at: Number(at), to: values.pageIndex, timeout: isTimeout(input) }]
      : [],
  );
}

function isTimeout(input: Value | undefined): boolean {
  return typeof input === "string" && input.includes('"timeoutHappened":true');
}

function isWaitPage(source: Source, index: number, session: SessionFacts): boolean {
  const pinned = session.pages[index - 1];
  const page = source.apps.find(({ name }) => name === pinned?.app)?.pages.find(({ name }) => name === pinned?.page);
  return page?.wait !== undefined;
}
