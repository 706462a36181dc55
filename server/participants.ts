import { setTimeout as sleep } from "node:timers/promises";
import { WalrasError } from "../client-sdk/errors.ts";
import type { PinnedPage } from "../entities/app-spec.ts";
import { orderedPages } from "../entities/page-order.ts";
import type { Whereabouts } from "../entities/store.ts";
import type { Command, Game, Reply } from "../rooms/calls.ts";

/** A participant as a request found them. */
export interface Found {
  code: string;
  id: number;
  sessionId: number;
  sessionCode: string;
  isDemo: boolean;
  label: string | null;
  /** What the app says of them. */
  status: string | null;
  /** The computer has taken their place. */
  isReplaced: boolean;
  actorId: number | null;
  /** The session's page sequence. */
  pages: readonly PinnedPage[];
  /** What the session's config says of it. */
  language: unknown;
}

/** What is the same for all participants of a session. */
interface SessionPlan {
  readonly pages: readonly PinnedPage[];
  readonly language: unknown;
  readonly sessionCode: string;
  readonly isDemo: boolean;
}

/** How often a command follows a participant who moves to another group meanwhile. */
const TRIES = 6;

/** Sessions of which that is kept. */
const KEPT_SESSIONS = 1000;

/** Finds participants by code and carries commands to wherever they are. */
export class Participants {
  readonly #game: Pick<Game, "store" | "call">;
  readonly #sleep: (ms: number) => Promise<unknown>;
  readonly #sessions = new Map<number, SessionPlan>();

  constructor(game: Pick<Game, "store" | "call">, wait: (ms: number) => Promise<unknown> = sleep) {
    this.#game = game;
    this.#sleep = wait;
  }

  /** undefined: there is no such participant. */
  async find(code: string): Promise<Found | undefined> {
    const place = await this.#game.store.read.whereabouts(code);
    if (place === undefined) return undefined;
    const { pages, ...session } = await this.#planOf(place);
    return {
      code,
      id: Number(place.participant.id),
      sessionId: place.sessionId,
      ...session,
      label: place.participant.label as string | null,
      status: (place.participant.status ?? null) as string | null,
      isReplaced: typeof place.participant.replacedAt === "number",
      actorId: place.actorId,
      pages: orderedPages(pages, place.participant.pageOrder),
    };
  }

  /**
   * Sends a command to the participant's actor, again to another one if they have moved on.
   *
   * @returns `finished` if they are past their last page
   */
  async ask(
    found: Found,
    command: (participantId: number) => Command,
  ): Promise<{ found: Found; reply: Reply | "finished" }> {
    let now: Found | undefined = found;
    for (let attempt = 0; now !== undefined && attempt < TRIES; attempt++) {
      if (attempt > 0) {
        // The group that they left commits before the next one has them.
        await this.#sleep(10 * 2 ** attempt);
        now = await this.find(found.code);
        if (now === undefined) break;
      }
      if (now.actorId === null) return { found: now, reply: "finished" };
      const reply = await this.#game.call(now.actorId, command(now.id));
      if (reply.kind !== "elsewhere") return { found: now, reply };
    }
    throw new WalrasError("busy", "The participant is moving to another group.", { retry: true });
  }

  async #planOf(place: Whereabouts): Promise<SessionPlan> {
    const known = this.#sessions.get(place.sessionId);
    if (known !== undefined) return known;
    const row = await this.#game.store.read.session({ id: place.sessionId });
    const { language } = JSON.parse(String(row?.config ?? "{}")) as { language?: unknown };
    const plan: SessionPlan = {
      pages: JSON.parse(String(row?.pages ?? "[]")),
      language,
      sessionCode: String(row?.code ?? ""),
      isDemo: row?.isDemo === true,
    };
    const oldest = this.#sessions.keys().next();
    if (this.#sessions.size >= KEPT_SESSIONS && !oldest.done) this.#sessions.delete(oldest.value);
    this.#sessions.set(place.sessionId, plan);
    return plan;
  }
}

/** Where the page at this index is; index 0 is the start link, beyond the last page is the end. */
export function pageUrl(found: Found, index: number): string {
  const page = found.pages[index - 1];
  if (page !== undefined) return `/p/${found.code}/${page.app}/${page.page}/${index}`;
  return index < 1 ? startUrl(found.code) : endUrl(found.code);
}

/** Where a live page gets a fresh seat. */
export function seatUrl(found: Found, index: number): string {
  return `${pageUrl(found, index)}/seat`;
}

export function startUrl(code: string): string {
  return `/InitializeParticipant/${code}`;
}

export function endUrl(code: string): string {
  return `/OutOfRangeNotification/${code}`;
}
