import { join } from "node:path";
import type { Way } from "./join.ts";
import type { WalrasOptions } from "./servers/walras.ts";

/** One line of the table: a server, and what it is compared with. */
export interface Row {
  name: string;
  what: string;
  way: Way;
  /** The row whose CPU per message this one's is divided by; of the same work without Walras. */
  floor?: "bare-room" | "bare-echo";
  database?: "sqlite" | "postgres";
  /** The server's file, and what it is started with. */
  server: string;
  args(session: { participants: number; sqliteFile: string; databaseUrl: string }): unknown;
}

const walras = (
  app: WalrasOptions["app"],
  synchronous = "FULL",
  more: Pick<WalrasOptions, "commitDelay" | "history"> = {},
): Pick<Row, "way" | "database" | "server" | "args"> => ({
  way: "walras",
  database: "sqlite",
  server: "walras.ts",
  args: ({ participants, sqliteFile }): WalrasOptions => ({
    app,
    participants,
    env: { WALRAS_DB: sqliteFile, WALRAS_SYNCHRONOUS: synchronous },
    ...more,
  }),
});

/** The auction on SQLite FULL, made difficult: for the bars. */
export function auctionWith(more: Pick<WalrasOptions, "commitDelay" | "history">): Row {
  return {
    name: "walras-auction",
    what: "auction, SQLite FULL",
    floor: "bare-room",
    ...walras("auction", "FULL", more),
  };
}

export const ROWS: readonly Row[] = [
  { name: "raw-ws", what: "ws alone, to all four", way: "raw-ws", server: "raw-ws.ts", args: () => ({}) },
  {
    name: "bare-room",
    what: "bare Colyseus room, to all four",
    way: "bare",
    server: "bare.ts",
    args: () => ({ echo: false }),
  },
  {
    name: "bare-echo",
    what: "bare Colyseus room, to the sender",
    way: "bare",
    server: "bare.ts",
    args: () => ({ echo: true }),
  },
  { name: "walras-echo", what: "live method, to the sender", floor: "bare-echo", ...walras("echo") },
  { name: "walras-auction", what: "auction, SQLite FULL", floor: "bare-room", ...walras("auction") },
  { name: "walras-auction-normal", what: "auction, SQLite NORMAL", floor: "bare-room", ...walras("auction", "NORMAL") },
  {
    name: "walras-auction-postgres",
    what: "auction, PostgreSQL",
    floor: "bare-room",
    ...walras("auction"),
    database: "postgres",
    args: ({ participants, databaseUrl }): WalrasOptions => ({
      app: "auction",
      participants,
      env: { DATABASE_URL: databaseUrl },
    }),
  },
];

export function serverFile(row: Row): string {
  return join(import.meta.dirname, "servers", row.server);
}
