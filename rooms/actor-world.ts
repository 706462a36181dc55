import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import type { Committer } from "../entities/committer.ts";
import type { OwnFieldSpecs } from "../entities/own-fields.ts";
import type { Store } from "../entities/store.ts";
import type { Renderer } from "./calls.ts";
import type { ChatDesk } from "./chats.ts";
import type { GateLimits } from "./gate.ts";
import type { Languages } from "./languages.ts";
import type { Log } from "./log.ts";
import type { Watchdog } from "./watchdog.ts";

/** What a process gives to its actors. Clock, randomness and the loop are here, so that tests can drive them. */
export interface ActorWorld {
  readonly store: Store;
  readonly committer: Pick<Committer, "add" | "halted" | "together" | "transact">;
  readonly apps: ReadonlyMap<string, AppSpec>;
  readonly renderer: Renderer;
  readonly currency: CurrencyFormat;
  readonly languages: Languages;
  /** JSON text of which code runs; each `loaded` entry keeps it. */
  readonly version: string | null;
  /** What the project declares for participants and sessions. */
  readonly ownFields: OwnFieldSpecs;
  readonly log: Log;
  /** Participants are told what went wrong in the author's code. */
  readonly development: boolean;
  readonly watchdog: Watchdog;
  /** Milliseconds since 1970 (UTC). */
  readonly now: () => number;
  /** Milliseconds of a clock that never jumps. */
  readonly monotonic: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Runs something once, after so many milliseconds. @returns a function that cancels it */
  readonly after: (ms: number, run: () => void) => () => void;
  /** A 32-bit integer for a unit's dice. */
  readonly newSeed: () => number;
  /** Unguessable text, for writers and seat slots. */
  readonly newSecret: () => string;
  /** JSON text of a frame as bytes for the wire. */
  readonly encodeFrame: (json: string) => Uint8Array;
  readonly limits: ActorLimits;
  /** The chats of all groups. Left out: there are none. */
  readonly chats?: ChatDesk | undefined;
}

export interface ActorLimits {
  /** Bytes of one live message. */
  readonly messageBytes: number;
  /** Live messages a second and participant, in the long run and at once. */
  readonly rate: number;
  readonly burst: number;
  /** Characters of one chat message, and for how many live messages it counts. */
  readonly chatCharacters: number;
  readonly chatCost: number;
  /** Units and bytes of one group that run ahead of the database. */
  readonly uncommittedUnits: number;
  readonly uncommittedBytes: number;
  /** Turns that wait in one group's mailbox. */
  readonly mailbox: number;
  /** Async live calls of one participant that are under way in a group. */
  readonly asyncCalls: number;
  /** How long an async call may take, and how long to end when it is told to, in milliseconds. */
  readonly callTime: number;
  readonly callGrace: number;
  /** Least time to come back to a group that was loaded anew, in milliseconds. */
  readonly comeBack: number;
  /** How often a group in which somebody is connected is looked at, if it is not loaded, in milliseconds. */
  readonly presenceWatch: number;
  /** Where they differ from the gate's own. */
  readonly gate?: Partial<GateLimits>;
}
