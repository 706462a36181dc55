import type { AppSpec, ModelSpec, PageSpec } from "../../entities/app-spec.ts";
import {
  EXTRA_COLUMNS,
  GROUP_COLUMNS,
  makeTable,
  PLAYER_COLUMNS,
  type TableOptions,
} from "../../entities/system-tables.ts";
import type { ColumnKind, Values } from "../../entities/tables.ts";

/** One column of every kind. */
const ALL_KINDS = {
  anInteger: "integer",
  aFloat: "float",
  aBoolean: "boolean",
  aText: "text",
  aLongText: "longText",
  anAmount: "currency",
  aJson: "json",
  aTimestamp: "timestamp",
  aLink: "link",
} as const satisfies Record<string, ColumnKind>;

export interface TestAppOptions {
  name?: string;
  playersPerGroup?: number | "all";
  rounds?: number;
  pages?: string[];
  /** Authors' columns by TypeScript name. */
  group?: Record<string, ColumnKind>;
  player?: Record<string, ColumnKind>;
  bid?: Record<string, ColumnKind>;
  /** More about the player's table. */
  playerTable?: Pick<TableOptions, "required" | "unique">;
  /** Initial values of authors' columns, in whichever table they are. */
  initial?: Values;
}

/** An app as the storage floor sees it: a group table, a player table and one extra model, Bid. */
export function testApp(options: TestAppOptions = {}): AppSpec & { extras: { Bid: ModelSpec } } {
  const { name = "auction", initial = {}, group = { highestBid: "currency" } } = options;
  const { player = { valuation: "currency" }, bid = { amount: "currency", ...ALL_KINDS } } = options;
  const model = (kind: ModelSpec["kind"], modelName: string, table: ModelSpec["table"]): ModelSpec => {
    return { name: modelName, app: name, kind, fields: {}, table };
  };
  return {
    name,
    title: name,
    doc: undefined,
    playersPerGroup: options.playersPerGroup ?? 2,
    rounds: options.rounds ?? 1,
    roles: [],
    creatingSession: undefined,
    pageOrder: undefined,
    presenceGrace: 5,
    publishPresence: false,
    constants: {},
    subsession: {},
    group: model(
      "group",
      "Group",
      makeTable({
        name: `${name}_group`,
        columns: { ...GROUP_COLUMNS, ...group },
        key: ["id"],
        initial: { extraCount: 0, ...initial },
      }),
    ),
    player: model(
      "player",
      "Player",
      makeTable({
        name: `${name}_player`,
        columns: { ...PLAYER_COLUMNS, ...player },
        key: ["id"],
        generated: true,
        initial: { payoff: 0, ...initial },
        unique: [["participantId", "roundNumber"]],
        indexes: [["groupId"]],
        ...options.playerTable,
      }),
    ),
    extras: {
      Bid: model(
        "extra",
        "Bid",
        makeTable({ name: `${name}_bid`, columns: { ...EXTRA_COLUMNS, ...bid }, key: ["actorId", "n"], initial }),
      ),
    },
    exports: [],
    pages: (options.pages ?? ["Bidding"]).map((page) => ({ name: page }) as PageSpec),
    timers: new Map(),
  };
}
