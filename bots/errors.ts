import { WalrasError } from "../client-sdk/errors.ts";

/** Where and doing what a bot was. */
export interface BotStep {
  /** In the session: 1 for P1; 0: nobody's. */
  readonly participant: number;
  /** Null where it has no group. */
  readonly idInGroup: number | null;
  readonly app: string;
  readonly round: number;
  /** Empty: none of the app's pages. */
  readonly page: string;
  /** Which call of the script this is, from 1, over all its rounds; 0: none yet. */
  readonly step: number;
  /** The call as it would be written: `live.send(50)`. */
  readonly action: string;
}

/** What went wrong in one bot: the message says where, what was expected, what came, and the line of the script. */
export class BotError extends WalrasError {
  override readonly name: string = "BotError";
  readonly at: BotStep;
  /** What happened, without the place. */
  readonly what: string;
  /** `apps/auction/bots.ts:17`, if it is known. */
  readonly line: string | undefined;

  constructor(at: BotStep, what: string, options: { line?: string | undefined; cause?: unknown; code?: string } = {}) {
    const where = options.line === undefined ? "" : `\n  at ${options.line}`;
    super(options.code ?? "bot_failed", `${placeOf(at)}: ${what}${where}`, { cause: options.cause });
    this.at = at;
    this.what = what;
    this.line = options.line;
  }
}

/** Something went wrong in a call; it becomes a {@link BotError} with the place. */
export class Failure extends WalrasError {
  constructor(what: string, code = "bot_failed") {
    super(code, what);
  }
}

/** `auction, page Bidding, round 2, P3, step 4, live.send(50)` */
export function placeOf(at: BotStep): string {
  const parts = [
    at.app,
    at.page === "" ? "" : `page ${at.page}`,
    at.page === "" ? "" : `round ${at.round}`,
    at.participant === 0 ? "" : `P${at.participant}`,
    at.step === 0 ? "" : `step ${at.step}`,
    at.action,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** A value as an error shows it. */
export function show(value: unknown, limit = 300): string {
  if (value === undefined) return "undefined";
  if (typeof value === "function") return value.name === "" ? "(...) => ..." : value.name;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // A circle, a BigInt.
  }
  text ??= String(value);
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

/** Our own floors, whose lines say nothing about a script. */
const OURS = /^(?:bots|client-sdk|server|entities|rooms|loadtest|node_modules)\//;

/**
 * The line of the script that led to an error, by its stack: `apps/auction/bots.ts:17`.
 *
 * @param locate turns a place of the stack, `file:line:column`, into one of the project, `apps/...:line`;
 *   undefined where it is none
 */
export function scriptLine(
  stack: string | undefined,
  locate: (place: string) => string | undefined,
): string | undefined {
  for (const frame of (stack ?? "").split("\n")) {
    // Chromium and Node: `at f (file:1:2)` or `at file:1:2`; Firefox and Safari: `f@file:1:2`.
    const place = /(?:\(|at |@)((?:\w+:\/\/|\/)[^()\s]*:\d+:\d+)\)?$/.exec(frame.trim())?.[1];
    const line = place === undefined ? undefined : locate(place);
    if (line !== undefined && !OURS.test(line)) return line;
  }
  return undefined;
}
