/** What the experimenter's pages and the server tell each other, as JSON. */

/** Where one participant of a session is. */
export interface MonitorRow {
  /** 1, 2, 3 ... in the session. */
  readonly id: number;
  readonly code: string;
  readonly label: string;
  /** What the app says of them: `participant.status`. */
  readonly status: string;
  /** As in the participant's row: 0 before the first page, more than `pages` after the last. */
  readonly index: number;
  readonly pages: number;
  /** Of the page; empty before the first and after the last. */
  readonly app: string;
  readonly round: number;
  readonly page: string;
  /** `waiting`: on a wait page. `failed`: there, and what runs when everybody has arrived has failed. */
  readonly state: "new" | "playing" | "waiting" | "failed" | "done";
  /** null: the page has no connection that could tell. */
  readonly connected: boolean | null;
  /** Names of those who are missing, if they are few; or how many. */
  readonly waitingFor: string;
  /** When they came to the page, in milliseconds since 1970 by the server's clock; null: not known. */
  readonly since: number | null;
}

/** A wait page whose function has failed. */
export interface MonitorFailure {
  readonly actor: number;
  /** `app/round/Page`. */
  readonly page: string;
  readonly error: string;
  readonly stack: string;
}

/** Answer of `GET /SessionMonitor/<code>/changes?since=<token>`. */
export interface MonitorAnswer {
  /** Stands for this moment: give it the next time. */
  readonly token: string;
  /** All rows are here, not only those that have changed since the token. */
  readonly isWhole: boolean;
  /** The server's clock, in milliseconds since 1970. */
  readonly now: number;
  readonly started: number;
  readonly all: number;
  readonly rows: readonly MonitorRow[];
  /** The first of them; left out: as before. */
  readonly failures?: readonly MonitorFailure[];
  /** How many more there are. */
  readonly moreFailures?: number;
}

/** Body of `POST /AdvanceSession/<code>`: participants with the page index at which they were seen, so that a second
 * click does nothing. */
export interface AdvanceRequest {
  readonly who: readonly (readonly [id: number, index: number])[];
  /** What {@link AdvanceAnswer.confirm} says is meant. */
  readonly confirmed?: boolean;
}

export interface AdvanceAnswer {
  /** Nothing has been done yet: this would happen. */
  readonly confirm?: readonly string[];
  /** What was done, and what was not. */
  readonly done?: readonly { readonly text: string; readonly ok: boolean }[];
}

/** Answer of `GET /SessionData/<code>/rows`: the table's cells as they are shown. */
export interface DataAnswer {
  readonly columns: readonly string[];
  /** By participant, in the order of the columns. */
  readonly rows: readonly { readonly id: number; readonly cells: readonly string[] }[];
}
