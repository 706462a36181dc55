import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import { outputOf, type RecordedOutput } from "../../rooms/deliveries.ts";
import { startPostgres } from "../helpers/postgres.ts";
import type { Database } from "./history.ts";
import type { Rung } from "./project/apps/market/index.ts";

export type DatabaseKind = "sqlite" | "postgres";

/** Where the server keeps its data, and a way to it that shares no code with the server. */
export interface Place {
  /** Settings of the server. */
  readonly env: Record<string, string>;
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Lets nobody write until the function that it gives is called. */
  stall(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** @param directory for the SQLite file */
export async function openPlace(kind: DatabaseKind, directory: string): Promise<Place> {
  if (kind === "postgres") {
    const server = await startPostgres();
    const url = await server.database();
    return {
      env: { DATABASE_URL: url },
      query: (sql) => server.query(sql, url),
      async stall() {
        const client = new Client(url);
        await client.connect();
        await client.query("begin");
        await client.query("lock table journal in exclusive mode");
        return () => client.end();
      },
      close: () => server.stop(),
    };
  }
  const file = join(directory, "db.sqlite3");
  return {
    env: { DATABASE_URL: "", WALRAS_DB: file },
    async query(sql) {
      const db = new DatabaseSync(file);
      try {
        return db.prepare(sql).all();
      } finally {
        db.close();
      }
    },
    async stall() {
      const db = new DatabaseSync(file, { timeout: 5_000 });
      db.exec("begin immediate");
      return async () => db.close();
    },
    async close() {},
  };
}

/** Everything that the checker needs, read anew. */
export async function readDatabase({ query }: Place): Promise<Database> {
  const participants = await query("select id, code from participant");
  const codes = new Map(participants.map((row) => [Number(row.id), String(row.code)]));
  const players = await query(
    "select id, participant_id, round_number, group_id, id_in_group, money from market_player order by id",
  );
  const entries = await query(
    "select actor_id, seq, kind, participant_id, page, client_id, n, input, output from journal order by actor_id, seq",
  );
  const transfers = await query(
    "select actor_id, n, player_id, receiver, amount, uid from market_transfer order by actor_id, n",
  );
  const groups = await query("select id, rung from market_group order by id");
  const timers = await query("select actor_id, payload from timer order by actor_id, n");
  const places = new Map(players.map((row) => [Number(row.id), Number(row.id_in_group)]));
  return {
    players: players.map((row) => ({
      participant: codes.get(Number(row.participant_id)) ?? "",
      round: Number(row.round_number),
      group: Number(row.group_id),
      idInGroup: Number(row.id_in_group),
      money: Number(row.money),
    })),
    entries: entries.map((row) => {
      const output: RecordedOutput = JSON.parse(text(row.output) ?? "{}");
      return {
        group: Number(row.actor_id),
        seq: Number(row.seq),
        kind: String(row.kind),
        participant: row.participant_id === null ? null : (codes.get(Number(row.participant_id)) ?? ""),
        page: text(row.page),
        client: text(row.client_id),
        n: row.n === null ? null : Number(row.n),
        input: text(row.input),
        refusal: output.e?.code ?? null,
        deliveries: outputOf({ output: text(row.output), page: text(row.page) }).map(({ to, page, text: data }) => ({
          to,
          page,
          data,
        })),
      };
    }),
    transfers: transfers.map((row) => ({
      group: Number(row.actor_id),
      n: Number(row.n),
      uid: String(row.uid),
      from: places.get(Number(row.player_id)) ?? 0,
      to: Number(row.receiver),
      amount: Number(row.amount),
    })),
    rung: groups.flatMap((row) =>
      (JSON.parse(String(row.rung)) as Rung[]).map((rung) => ({ group: Number(row.id), ...rung })),
    ),
    pending: timers.map((row) => ({ group: Number(row.actor_id), uid: String(JSON.parse(String(row.payload))) })),
  };
}

function text(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
