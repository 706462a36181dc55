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

/** JSON text of {@link FoundAtLoad}: the journal holds every input of a group, and this is the first. */
export function foundAtLoad(version: string | null, rows: GroupRows, participants: readonly Values[]): string {
  const { group, players, extras, waits, timers } = rows;
  const found: FoundAtLoad = {
    version: version === null ? null : JSON.parse(version),
    participants,
    session: rows.session.fields ?? null,
    subsession: rows.subsession.fields ?? null,
    ...(rows.isNew ? { rows: { group, players, extras: Object.fromEntries(extras), waits, timers } } : {}),
  };
  return JSON.stringify(found);
}
