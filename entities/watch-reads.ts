import type { AppSpec } from "./app-spec.ts";
import type { ReadSide } from "./reads.ts";
import type { SqlTable, SqlTables } from "./sql.ts";
import { ParticipantTable, WaitPageTable } from "./system-tables.ts";
import type { Values } from "./tables.ts";

/** Where one participant of a session is. */
export interface Position {
  readonly id: number;
  readonly idInSession: number;
  readonly code: string;
  readonly label: string | null;
  /** As in the participant's row. */
  readonly pageIndex: number;
  readonly pageOrder: string | null;
  /** When they came to their page, in milliseconds since 1970; null: not known, or not begun. */
  readonly pageAt: number | null;
  /** What the app says of them. */
  readonly status: string | null;
  /** The computer has their place. */
  readonly isReplaced: boolean;
}

/** One player of a group that is watched. */
export interface GroupSeat {
  readonly participantId: number;
  readonly groupId: number;
  readonly idInSubsession: number;
  readonly connected: boolean;
}

/** What whoever watches a running session reads: only the columns that are shown, and no group is loaded for it. */
export interface WatchReads {
  /** Everybody of a session, in their order. */
  positions(sessionId: number): Promise<Position[]>;
  /** All players of the groups in which these participants are in a round of an app. */
  seats(app: AppSpec, round: number, participantIds: readonly number[]): Promise<GroupSeat[]>;
  /** The rows of these participants in a round of an app, and of their groups. */
  rowsOfRound(
    app: AppSpec,
    round: number,
    participantIds: readonly number[],
  ): Promise<{ players: Values[]; groups: Values[] }>;
  /** Wait pages of a session whose function has failed, and is not done. */
  failedWaits(sessionId: number): Promise<Values[]>;
}

/** The reads of {@link WatchReads}, the same for both databases. */
export function createWatchReads(side: ReadSide, sql: SqlTables): WatchReads {
  const participant = sql.get(ParticipantTable);
  const wait = sql.get(WaitPageTable);
  const text = {
    positions: `select ${listOf(participant, ["id", "idInSession", "code", "label", "pageIndex", "pageOrder", "pageAt", "status", "replacedAt"])}
      from ${participant.path} where ${participant.at("sessionId")} = $1 order by ${participant.at("idInSession")}`,
    failed: `select ${wait.list()} from ${wait.path} where ${wait.at("sessionId")} = $1
      and ${wait.at("failedAt")} is not null and ${wait.at("doneAt")} is null
      order by ${wait.at("actorId")}, ${wait.at("page")}`,
  };

  const among = side.dialect === "postgres" ? "= any($1::bigint[])" : "in (select value from json_each($1))";
  const list = (ids: readonly number[]) => (side.dialect === "postgres" ? ids : JSON.stringify(ids));

  function seatsText({ player: { table }, group: { table: groups } }: AppSpec): string {
    const player = sql.get(table);
    const group = sql.get(groups);
    return `select p.${player.at("participantId")} as "participantId", p.${player.at("groupId")} as "groupId",
      g.${group.at("idInSubsession")} as "idInSubsession", p.${player.at("connected")} as "connected"
      from ${player.path} p join ${group.path} g on g.${group.at("id")} = p.${player.at("groupId")}
      where p.${player.at("groupId")} in (select ${player.at("groupId")} from ${player.path}
        where ${player.at("participantId")} ${among} and ${player.at("roundNumber")} = $2)`;
  }

  return {
    async positions(sessionId) {
      const rows = await side.all<Record<Exclude<keyof Position, "isReplaced"> | "replacedAt", string | number | null>>(
        {
          text: text.positions,
          values: [sessionId],
        },
      );
      return rows.map(({ id, idInSession, code, label, pageIndex, pageOrder, pageAt, status, replacedAt }) => ({
        id: Number(id),
        idInSession: Number(idInSession),
        code: String(code),
        label: label === null ? null : String(label),
        pageIndex: Number(pageIndex),
        pageOrder: pageOrder === null ? null : String(pageOrder),
        pageAt: pageAt === null ? null : Number(pageAt),
        status: status === null ? null : String(status),
        isReplaced: replacedAt !== null,
      }));
    },

    async seats(app, round, participantIds) {
      const rows = await side.all<Record<keyof GroupSeat, string | number | boolean | null>>({
        text: seatsText(app),
        values: [list(participantIds), round],
      });
      return rows.map(({ participantId, groupId, idInSubsession, connected }) => ({
        participantId: Number(participantId),
        groupId: Number(groupId),
        idInSubsession: Number(idInSubsession),
        connected: connected === true || connected === 1,
      }));
    },

    async rowsOfRound(app, round, participantIds) {
      const player = sql.get(app.player.table);
      const group = sql.get(app.group.table);
      const players = await side.all<Values>({
        text: `select ${player.list()} from ${player.path}
          where ${player.at("participantId")} ${among} and ${player.at("roundNumber")} = $2`,
        values: [list(participantIds), round],
      });
      const ids = [...new Set(players.map(({ groupId }) => Number(groupId)))];
      const groups = await side.all<Values>({
        text: `select ${group.list()} from ${group.path} where ${group.at("id")} ${among}`,
        values: [list(ids)],
      });
      return { players: players.map((row) => player.decode(row)), groups: groups.map((row) => group.decode(row)) };
    },

    async failedWaits(sessionId) {
      const rows = await side.all<Values>({ text: text.failed, values: [sessionId] });
      return rows.map((row) => wait.decode(row));
    },
  };
}

function listOf(table: SqlTable, names: readonly string[]): string {
  return names.map((name) => `${table.at(name)} as "${name}"`).join(", ");
}
