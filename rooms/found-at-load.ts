import type { GroupRows } from "../entities/store.ts";
import type { Values } from "../entities/tables.ts";

/** What a `loaded` entry keeps, as JSON in its input. */
export interface FoundAtLoad {
  /** Which code runs from here on. */
  readonly version: unknown;
  /** Participants who were in the group, or had been, as they were then. */
  readonly participants: readonly Values[];
  /** What the project declares for sessions, as it was then: JSON text. */
  readonly session: unknown;
  /** What the app declares under `subsession`, as it was then: JSON text. */
  readonly subsession?: unknown;
  /** What an experimenter may change of the session's parameters, as it was then. */
  readonly money?: SessionMoney;
  /** Of these participants. */
  readonly unfinished?: UnfinishedRounds;
  /** The first time only: the group's rows as its session was made. From here on, the journal has every change. */
  readonly rows?: {
    readonly group: Values;
    readonly players: readonly Values[];
    /** Rows of extra models by table. */
    readonly extras: Readonly<Record<string, readonly Values[]>>;
    readonly waits: readonly Values[];
    readonly timers: readonly Values[];
  };
}

/** Rows of participants' earlier rounds that somebody was still playing when they were read, so that they may have
 * changed afterwards. The others the database has as they were. */
export interface UnfinishedRounds {
  readonly players: readonly Values[];
  readonly groups: readonly Values[];
}

/** Parameters of a session that may be changed while it runs; left out: it has none of that name. */
export interface SessionMoney {
  readonly participationFee?: unknown;
  readonly realWorldCurrencyPerPoint?: unknown;
}

/** Takes both out of a config. */
export const NO_MONEY: SessionMoney = { participationFee: undefined, realWorldCurrencyPerPoint: undefined };

function moneyOf({ config }: Values): SessionMoney {
  const { participationFee, realWorldCurrencyPerPoint } = JSON.parse(config as string) as SessionMoney;
  return { participationFee, realWorldCurrencyPerPoint };
}

/** A session's config with these in place of its own: JSON text. */
export function withMoney(config: Values[string] | undefined, money: SessionMoney): string {
  return JSON.stringify({ ...(JSON.parse(String(config)) as SessionMoney), ...money });
}

/** JSON text of {@link FoundAtLoad}: the journal holds every input of a group, and this is the first. */
export function foundAtLoad(
  version: string | null,
  rows: GroupRows,
  participants: readonly Values[],
  unfinished: readonly UnfinishedRounds[] = [],
): string {
  const { group, players, extras, waits, timers } = rows;
  const found: FoundAtLoad = {
    version: version === null ? null : JSON.parse(version),
    participants,
    session: rows.session.fields ?? null,
    money: moneyOf(rows.session),
    subsession: rows.subsession.fields ?? null,
    ...(unfinished.length === 0
      ? {}
      : {
          unfinished: {
            players: unfinished.flatMap((one) => one.players),
            groups: unfinished.flatMap((one) => one.groups),
          },
        }),
    ...(rows.isNew ? { rows: { group, players, extras: Object.fromEntries(extras), waits, timers } } : {}),
  };
  return JSON.stringify(found);
}
