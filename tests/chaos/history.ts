/**
 * What one run has left behind, as plain data: on one side what the participants' pages saw, on the
 * other what the database holds. The checker compares the two.
 */
export interface History {
  readonly tabs: readonly TabHistory[];
  readonly database: Database;
  /** What each player has at the beginning of each round. */
  readonly startMoney: number;
}

/** One tab of a participant's browser, over all pages that it loaded. */
export interface TabHistory {
  /** The participant's code. */
  readonly participant: string;
  /** It was open to the end, when everything had been answered: nothing of it may be missing. */
  stayed: boolean;
  /** Messages that had no answer at the end. */
  unanswered: number;
  /** In order of sending. */
  readonly sent: SentMessage[];
  /** The live pages that it loaded, in order. */
  readonly loads: PageLoad[];
}

/** One liveSend. */
export interface SentMessage {
  readonly uid: string;
  /** The number under which it goes over the wire: client and n. */
  readonly client: string;
  readonly n: number;
  /** `app/round/Page` */
  readonly page: string;
  /** JSON text. */
  readonly data: string;
  /** Set: it moves money and leaves a row if it is carried out. */
  readonly transfer: { to: number; amount: number } | null;
  /** `done`, the code of the refusal, or null: the page was left before an answer came. */
  answer: string | null;
}

/** One page as it was loaded, and what its liveRecv was called with. */
export interface PageLoad {
  readonly page: string;
  /** Deliveries after this seq are due to it. */
  readonly after: number;
  /** The seq that it was rendered at, and the number of transfers that it showed. */
  readonly seq: number;
  readonly transfers: number;
  readonly received: { seq: number; data: string }[];
}

/** Read over a connection of its own when the server is gone. */
export interface Database {
  readonly players: readonly PlayerRow[];
  /** The journal, by group and seq. */
  readonly entries: readonly Entry[];
  /** By group and n. */
  readonly transfers: readonly TransferRow[];
  /** Timers that have fired, in the order in which they did, and those that have not. */
  readonly rung: readonly RungTimer[];
  readonly pending: readonly { group: number; uid: string }[];
}

export interface PlayerRow {
  readonly participant: string;
  readonly round: number;
  readonly group: number;
  readonly idInGroup: number;
  readonly money: number;
}

export interface Entry {
  readonly group: number;
  readonly seq: number;
  readonly kind: string;
  readonly participant: string | null;
  readonly page: string | null;
  readonly client: string | null;
  readonly n: number | null;
  /** JSON text of the message. */
  readonly input: string | null;
  /** The refusal's code. */
  readonly refusal: string | null;
  /** `page` of the recipients. */
  readonly deliveries: readonly { to: readonly number[]; page: string; data: string }[];
}

export interface RungTimer {
  readonly group: number;
  readonly uid: string;
  readonly due: number;
  readonly fired: number;
}

export interface TransferRow {
  readonly group: number;
  readonly n: number;
  readonly uid: string;
  /** idInGroup */
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}
