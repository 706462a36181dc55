import type { AppSpec, ModelSpec } from "../../entities/app-spec.ts";
import { ActorTable, SubsessionTable } from "../../entities/system-tables.ts";
import { snakeCase, type Table, type Value, type Values } from "../../entities/tables.ts";
import { fieldCell, type Person, participantCells, peopleById, type Source, sessionCells } from "./cells.ts";
import type { DataColumn, DataTable } from "./data-set.ts";
import { groupCells, playerCells, subsessionCells } from "./model-cells.ts";

/** One app with a row per player and round, as oTree's per-app files. */
export function perApp(app: AppSpec, source: Source): DataTable {
  const person = participantCells(source);
  const player = playerCells(app, source);
  const group = groupCells(app, source);
  const subsession = subsessionCells(app, source);
  const session = sessionCells();
  return {
    columns: [...person, ...player, ...group, ...subsession, ...session],
    total: () => source.snapshot.count(app.player.table, source.sessionId),
    async *rows() {
      for await (const players of source.snapshot.scan(app.player.table, source.sessionId)) {
        const people = await peopleById(source, idsOf(players, "participantId"));
        const groups = await byId(source, app.group.table, idsOf(players, "groupId"));
        const subsessions = await byId(source, SubsessionTable, idsOf(players, "subsessionId"));
        yield players.flatMap((row) => {
          const one = people.get(Number(row.participantId));
          if (one === undefined) return [];
          const own = groups.get(Number(row.groupId));
          return [
            [
              ...person.map((cell) => cell.of(one)),
              ...player.map((cell) => cell.of(row)),
              ...group.map((cell) => (own === undefined ? null : cell.of(own))),
              ...subsession.map((cell) => cell.of(subsessions.get(Number(row.subsessionId)) ?? row)),
              ...session.map((cell) => cell.of(one.session)),
            ],
          ];
        });
      }
    },
  };
}

/** What the columns of an extra model's row are taken from. */
interface ExtraRow {
  readonly values: Values;
  readonly sessionCode: Value;
  readonly round: Value;
  readonly group: Values | undefined;
  readonly players: ReadonlyMap<number, Values>;
  readonly people: ReadonlyMap<number, Person>;
}

type ExtraColumn = DataColumn & { of(row: ExtraRow): Value };

/** One extra model with a row per row; its links are written as the people and groups that they mean. */
export function extraModel(app: AppSpec, model: ModelSpec, source: Source): DataTable {
  const columns = extraColumns(app, model, source);
  const playerLinks = Object.keys(model.fields).filter((name) => model.fields[name]?.to === "player");
  return {
    columns,
    total: () => source.snapshot.count(model.table, source.sessionId),
    async *rows() {
      for await (const rows of source.snapshot.scan(model.table, source.sessionId)) {
        const groups = await byId(source, app.group.table, idsOf(rows, "actorId"));
        const players = await byId(
          source,
          app.player.table,
          playerLinks.flatMap((name) => idsOf(rows, name)),
        );
        const people = await peopleById(source, idsOf([...players.values()], "participantId"));
        yield rows.map((values) => {
          const group = groups.get(Number(values.actorId));
          const sessionCode = source.sessions.get(Number(group?.sessionId))?.row.code ?? null;
          const row: ExtraRow = { values, sessionCode, round: group?.roundNumber ?? null, group, players, people };
          return columns.map((column) => column.of(row));
        });
      }
    },
  };
}

function extraColumns(app: AppSpec, model: ModelSpec, source: Source): ExtraColumn[] {
  const about = { app: app.name };
  const columns: ExtraColumn[] = [
    { ...about, name: "session.code", kind: "text", meaning: "the session's code", of: (row) => row.sessionCode },
    {
      ...about,
      name: "subsession.round_number",
      kind: "integer",
      meaning: "the round, from 1",
      of: (row) => row.round,
    },
    {
      ...about,
      name: "group.id_in_subsession",
      kind: "integer",
      meaning: "1, 2, 3 ... in the round",
      of: (row) => row.group?.idInSubsession ?? null,
    },
    {
      ...about,
      name: "n",
      kind: "integer",
      meaning: "order of creation in the group",
      of: (row) => row.values.n ?? null,
    },
  ];
  for (const [name, spec] of Object.entries(model.fields)) {
    const column = snakeCase(name);
    if (spec.to === "player") {
      const playerOf = (row: ExtraRow) => row.players.get(Number(row.values[name]));
      const meaning = spec.doc ?? spec.label ?? `the player that ${column} means`;
      columns.push(
        {
          ...about,
          name: `${column}.participant_code`,
          kind: "text",
          meaning: `${meaning}: code of the participant`,
          of: (row) => row.people.get(Number(playerOf(row)?.participantId))?.values.code ?? null,
        },
        {
          ...about,
          name: `${column}.id_in_group`,
          kind: "integer",
          meaning: `${meaning}: 1, 2, 3 ... in the group`,
          of: (row) => playerOf(row)?.idInGroup ?? null,
        },
      );
    } else if (spec.kind !== "link") {
      const cell = fieldCell(name, spec, source, "", app.name);
      columns.push({ ...cell, of: (row) => cell.of(row.values) });
    }
  }
  return columns;
}

async function byId(source: Source, table: Table, ids: readonly number[]): Promise<Map<number, Values>> {
  const rows = await source.snapshot.among(table, "id", [...new Set(ids)]);
  return new Map(rows.map((row) => [Number(row.id), row]));
}

/** The ids in a column, without those that are not set. */
function idsOf(rows: readonly Values[], column: string): number[] {
  return rows.flatMap((row) => (typeof row[column] === "number" ? [row[column]] : []));
}

/** App, round and session of each of these actors. */
export async function actorsOf(source: Source, ids: Iterable<number>): Promise<Map<number, Values>> {
  const rows = await source.snapshot.among(ActorTable, "id", [...new Set(ids)]);
  return new Map(rows.map((row) => [Number(row.id), row]));
}
