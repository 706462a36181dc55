import type { EntryKind } from "../../entities/store.ts";
import { JournalTable, ParticipantTable } from "../../entities/system-tables.ts";
import type { Value, Values } from "../../entities/tables.ts";
import { type SessionFacts, type Source, utc } from "./cells.ts";
import type { DataColumn, DataTable } from "./data-set.ts";
import { actorsOf } from "./per-app.ts";

interface Entry {
  readonly values: Values;
  readonly actor: Values | undefined;
  /** 1, 2, 3 ... in the round; null: unknown. */
  readonly idInSubsession: Value;
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

/** What entries are, for those who read them. */
const KINDS: Readonly<Record<EntryKind, string>> = {
  loaded: "the server took the group into memory, with everything that it was then",
  adopted: "a participant came into the group",
  start: "a participant opened their link",
  view: "a participant opened a page",
  submit: "a participant left a page by its form, or their time was up",
  message: "a page sent something to the server (liveSend)",
  refused: "a message that was not carried out",
  chat: "a message in a chat, posted or refused",
  started: "an answer that takes its time was begun",
  yield: "a part of that answer",
  done: "the end of that answer",
  timer: "a deadline passed",
  presence: "a participant was there, or gone",
  wait: "all of a group had arrived and went on",
  barrier: "all groups of a round had arrived and went on",
  formed: "a group was formed of those who waited",
  advance: "the experimenter moved a participant on",
  replaced: "the computer took the place of somebody who was missing",
  armed: "the time that people may wait began to run",
  held: "an async handler of a timer began, or was still running",
  failed: "the app's own code failed on a wait page",
};

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
  {
    name: "group_id_in_subsession",
    kind: "integer",
    meaning: "the same group as 1, 2, 3 ... in the round, as in the tables of the apps; 0: not yet in a group",
    of: ({ idInSubsession }) => idInSubsession,
  },
  own("seq", "integer", "1, 2, 3 ... in the group: what happened in which order"),
  { ...own("at", "timestamp", "when it happened"), unit: "milliseconds since 1970-01-01 UTC" },
  { name: "time_utc", kind: "text", meaning: "when it happened, UTC", of: ({ values }) => utc(values.at) },
  own(
    "kind",
    "text",
    Object.entries(KINDS)
      .map(([kind, what]) => `${kind}: ${what}`)
      .join("; "),
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
  own(
    "output",
    "json",
    "what went out, as JSON: d: who (to, by id_in_group) got which message (m); v: the answer; e: why it was refused",
  ),
  own(
    "changes",
    "json",
    "the rows that it changed, as JSON: insert, update or delete of a table's row, its key, its new values",
  ),
  own("seed", "integer", "seed of its random numbers; empty: it drew none"),
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
        const groups = await groupNumbers(source, actors);
        const people = await participantsOf(source, entries);
        yield entries.map((values) => {
          const actor = actors.get(Number(values.actorId));
          const session = source.sessions.get(Number(actor?.sessionId));
          const participant = people.get(Number(values.participantId));
          const idInSubsession = groups.get(Number(values.actorId)) ?? null;
          return COLUMNS.map((column) => column.of({ values, actor, idInSubsession, session, participant }));
        });
      }
    },
  };
}

/** The numbers of these groups in their rounds, by actor. */
async function groupNumbers(source: Source, actors: ReadonlyMap<number, Values>): Promise<Map<number, Value>> {
  const numbers = new Map<number, Value>();
  for (const [name, own] of Map.groupBy(actors.values(), ({ app }) => app)) {
    const app = source.apps.find((one) => one.name === name);
    if (app === undefined) continue;
    const ids = own.map(({ id }) => Number(id));
    for (const { id, idInSubsession } of await source.snapshot.among(app.group.table, "id", ids)) {
      numbers.set(Number(id), idInSubsession ?? null);
    }
  }
  return numbers;
}

/** The participants that these entries name, by id. */
async function participantsOf(source: Source, entries: readonly Values[]): Promise<Map<number, Values>> {
  const ids = new Set(
    entries.flatMap(({ participantId }) => (typeof participantId === "number" ? [participantId] : [])),
  );
  const rows = await source.snapshot.among(ParticipantTable, "id", [...ids]);
  return new Map(rows.map((row) => [Number(row.id), row]));
}
