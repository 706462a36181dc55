import { JournalTable, ParticipantTable } from "../../entities/system-tables.ts";
import type { Value, Values } from "../../entities/tables.ts";
import { type SessionFacts, type Source, utc } from "./cells.ts";
import type { DataColumn, DataTable } from "./data-set.ts";
import { actorsOf } from "./per-app.ts";

interface Entry {
  readonly values: Values;
  readonly actor: Values | undefined;
  readonly session: SessionFacts | undefined;
  readonly participant: Values | undefined;
}

type JournalColumn = DataColumn & { of(entry: Entry): Value };

const own = (name: string, kind: DataColumn["kind"], meaning: string): JournalColumn => ({
  name: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  kind,
  meaning,
  of: ({ values }) => values[name] ?? null,
});

const COLUMNS: readonly JournalColumn[] = [
  { name: "session_code", kind: "text", meaning: "the session's code", of: ({ session }) => session?.row.code ?? null },
  { name: "app", kind: "text", meaning: "the app", of: ({ actor }) => actor?.app ?? null },
  {
    name: "round_number",
    kind: "integer",
    meaning: "the round, from 1",
    of: ({ actor }) => actor?.roundNumber ?? null,
  },
  {
    name: "group_id",
    kind: "id",
    meaning: "the group, unique over all apps",
    of: ({ values }) => values.actorId ?? null,
  },
  own("seq", "integer", "1, 2, 3 ... in the group: what happened in which order"),
  { ...own("at", "timestamp", "when it happened"), unit: "milliseconds since 1970-01-01 UTC" },
  { name: "time_utc", kind: "text", meaning: "when it happened, UTC", of: ({ values }) => utc(values.at) },
  own(
    "kind",
    "text",
    "what it was: message (a liveSend), refused (a message that was not carried out), submit, view, start, loaded ...",
  ),
  {
    name: "participant_code",
    kind: "text",
    meaning: "who did it; empty: nobody did, as with a timer",
    of: ({ participant }) => participant?.code ?? null,
  },
  {
    name: "participant_id_in_session",
    kind: "integer",
    meaning: "the same, as 1, 2, 3 ... in the session",
    of: ({ participant }) => participant?.idInSession ?? null,
  },
  own("page", "text", "app/round/page on which it was done"),
  own("clientId", "text", "the page load that sent the message"),
  own("n", "integer", "number of the message within its page load"),
  own("input", "json", "what came in, as JSON"),
  own("output", "json", "what went out, as JSON: d: who (to) got which message (m); e: why it was refused"),
  own("changes", "json", "the rows that it changed, as JSON"),
  own("seed", "integer", "seed of its random numbers"),
];

/** Every message and everything else that changed a group, with millisecond times. */
export function journal(source: Source): DataTable {
  return {
    columns: COLUMNS,
    total: () => source.snapshot.count(JournalTable, source.sessionId),
    async *rows() {
      for await (const entries of source.snapshot.scan(JournalTable, source.sessionId)) {
        const actors = await actorsOf(
          source,
          entries.map((entry) => Number(entry.actorId)),
        );
        const people = await participantsOf(source, entries);
        yield entries.map((values) => {
          const actor = actors.get(Number(values.actorId));
          const session = source.sessions.get(Number(actor?.sessionId));
          const participant = people.get(Number(values.participantId));
          return COLUMNS.map((column) => column.of({ values, actor, session, participant }));
        });
      }
    },
  };
}

/** The participants that these entries name, by id. */
async function participantsOf(source: Source, entries: readonly Values[]): Promise<Map<number, Values>> {
  const ids = new Set(
    entries.flatMap(({ participantId }) => (typeof participantId === "number" ? [participantId] : [])),
  );
  const rows = await source.snapshot.among(ParticipantTable, "id", [...ids]);
  return new Map(rows.map((row) => [Number(row.id), row]));
}
