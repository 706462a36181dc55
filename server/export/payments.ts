import { dueTo, formatsOf } from "../../entities/money.ts";
import { ParticipantTable } from "../../entities/system-tables.ts";
import type { Value } from "../../entities/tables.ts";
import { type Cell, type Person, peopleOf, type Source, utc } from "./cells.ts";
import type { DataTable } from "./data-set.ts";

/** What each participant is to be paid, a row per participant. */
export function payments(source: Source): DataTable {
  const { formats } = source;
  const unit = formatsOf({ formats }).money.code ?? "real money";
  const due = ({ values, session, payoff }: Person) => dueTo(values, payoff, { config: session.config, formats });
  const cells: Cell<Person>[] = [
    {
      name: "session_code",
      kind: "text",
      meaning: "the session's code",
      of: ({ session }) => session.row.code ?? null,
    },
    {
      name: "id_in_session",
      kind: "integer",
      meaning: "1, 2, 3 ... in the session",
      of: ({ values }) => values.idInSession ?? null,
    },
    {
      name: "participant_code",
      kind: "text",
      meaning: "the participant's own code",
      of: ({ values }) => values.code ?? null,
    },
    {
      name: "label",
      kind: "text",
      meaning: "label given by the experimenter or the lab",
      of: ({ values }) => values.label ?? null,
    },
    {
      name: "finished",
      kind: "boolean",
      meaning: "1: the participant is past the last page",
      of: ({ values, session }) => Number(values.pageIndex) > session.pages.length,
    },
    {
      name: "payoff",
      kind: "currency",
      unit: source.currencyUnit,
      meaning: "sum of the payoffs of all apps and rounds; of who was replaced, until then",
      of: (person) => due(person).payoff,
    },
    {
      name: "payoff_in_real_world_currency",
      kind: "currency",
      unit,
      meaning: "that sum in real money",
      of: (person) => due(person).bonus,
    },
    {
      name: "participation_fee",
      kind: "currency",
      unit,
      meaning: "what everybody gets for taking part, and who was replaced for that",
      of: (person) => due(person).fee,
    },
    {
      name: "payoff_plus_participation_fee",
      kind: "currency",
      unit,
      meaning: "what the participant is to be paid",
      of: (person) => due(person).total,
    },
    {
      name: "replaced_utc",
      kind: "text",
      meaning: "when the computer took their place, UTC",
      of: ({ values }) => utc(values.replacedAt),
    },
  ];
  return {
    columns: cells,
    total: () => source.snapshot.count(ParticipantTable, source.sessionId),
    async *rows() {
      for await (const participants of source.snapshot.scan(ParticipantTable, source.sessionId)) {
        const people = await peopleOf(source, participants);
        yield [...people.values()].map((person): Value[] => cells.map((cell) => cell.of(person)));
      }
    },
  };
}
