import type { Json } from "./json.ts";

/**
 * What the server tells the panel of a page's designer, and nobody else: in development, in demo sessions, to
 * whom the desk is open. These frames travel beside those of the protocol and do not exist in production.
 */
export type InspectionFrame = FieldsFrame | FailureFrame;

/** Fields of the group and of the page's own player as they are stored, published or not. */
export interface FieldsFrame {
  k: "fields";
  /** The newest seq that they have seen. */
  s: number;
  /** Kind of the journal entry that changed them, e.g. `message` or `timer`; left out: these are all fields. */
  kind?: string;
  group: Record<string, Json>;
  player: Record<string, Json>;
}

/** An author's function has failed in the group. Comes before the answer to the message, if it was one. */
export interface FailureFrame {
  k: "failure";
  /** What failed, e.g. `auction/1/Bidding live`. */
  where: string;
  /** idInGroup of the player whose turn it was. */
  player?: number;
  /** Client and number of the message that it answered. */
  c?: string;
  n?: number;
  message: string;
  stack?: string;
  source?: SourceExcerpt;
}

/** The line of an author's file that an error's stack leads to. */
export interface SourceExcerpt {
  /** From the project's folder on: `apps/auction/index.ts`. */
  file: string;
  line: number;
  /** That line and those around it. */
  lines: { number: number; text: string }[];
}
