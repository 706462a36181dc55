import { WalrasError } from "../../client-sdk/errors.ts";
import type { AdvanceAnswer, AdvanceRequest } from "../../client-sdk/monitor/rows.ts";
import { pageIdentity } from "../../entities/app-spec.ts";
import type { Position } from "../../entities/watch-reads.ts";
import type { Game } from "../../rooms/calls.ts";
import { Participants } from "../participants.ts";
import { GroupsOf, namesOf, stretchesOf } from "./look.ts";
import type { SessionPlan } from "./session-plan.ts";

/** So many participants are moved at the same time. */
const AT_ONCE = 8;
/** Names that a question spells out. */
const MOST_NAMED = 10;

/** Somebody who is to be moved on, and from which page. */
interface Candidate {
  readonly position: Position;
  /** Where the experimenter saw them. */
  readonly seen: number;
}

/** Moves participants of a session on, for an experimenter. */
export class Advance {
  readonly #game: Game;
  readonly #participants: Participants;

  constructor(game: Game) {
    this.#game = game;
    this.#participants = new Participants(game);
  }

  /** Says what would happen, where others than those who were chosen are concerned; or does it. */
  async carryOut(plan: SessionPlan, { who, confirmed }: AdvanceRequest): Promise<AdvanceAnswer> {
    const positions = await this.#game.store.read.positions(plan.id);
    const byId = new Map(positions.map((position) => [position.idInSession, position]));
    const candidates: Candidate[] = [];
    const done: { text: string; ok: boolean }[] = [];
    for (const [id, seen] of new Map(who)) {
      const position = byId.get(id);
      if (position === undefined) done.push({ ok: false, text: `There is no P${id} in this session.` });
      else candidates.push({ position, seen });
    }
    const [waiting, others] = split(candidates, ({ position }) => plan.at(position)?.page?.wait !== undefined);
    if (confirmed !== true) {
      const confirm = await this.#foresee(plan, positions, waiting);
      if (confirm.length > 0) return { confirm };
    }
    // Who comes to a wait page by this may be the one whom others wait for.
    for (const some of [others, waiting]) {
      for (let i = 0; i < some.length; i += AT_ONCE) {
        done.push(...(await Promise.all(some.slice(i, i + AT_ONCE).map((one) => this.#move(plan, one)))));
      }
    }
    return { done };
  }

  /** In words, what becomes of those who wait; a sentence for each group. */
  async #foresee(plan: SessionPlan, positions: readonly Position[], waiting: readonly Candidate[]): Promise<string[]> {
    const still = waiting.filter(({ position, seen }) => position.pageIndex === seen).map(({ position }) => position);
    const groups = new GroupsOf(positions);
    const places = still.map((position) => plan.at(position));
    for (const { place, ids } of stretchesOf(still, places)) {
      if (place.app !== undefined) {
        groups.add(place, await this.#game.store.read.seats(place.app, place.pinned.round, ids));
      }
    }
    const sentences = new Set<string>();
    for (const position of still) {
      const place = plan.at(position);
      if (place === undefined) continue;
      const page = pageIdentity(place.pinned);
      const { ids, waiting: here, inLobby } = groups.missing(place, position);
      const others = ids.length === 0 ? "anybody else" : namesOf(ids, MOST_NAMED);
      if (inLobby) {
        const name = `P${position.idInSession}`;
        sentences.add(
          `${name} waits on ${page} for a group: it is formed of those who are connected there now, however few.`,
        );
      } else if (place.page?.wait?.scope === "subsession") {
        sentences.add(`All who wait on ${page} (${namesOf(here, MOST_NAMED)}) go on without ${others}.`);
      } else {
        const go = here.length === 1 ? "goes" : "go";
        sentences.add(
          `${namesOf(here, MOST_NAMED)} ${go} on from ${page} without ${others}, who will go past it later.`,
        );
      }
    }
    return [...sentences];
  }

  async #move(plan: SessionPlan, { position, seen }: Candidate): Promise<{ text: string; ok: boolean }> {
    const name = `P${position.idInSession}`;
    const place = plan.at(position);
    if (position.pageIndex > plan.pages.length) return { ok: false, text: `${name} has finished.` };
    if (position.pageIndex !== seen) return { ok: false, text: `${name} had moved on already.` };
    const page = place === undefined ? "" : pageIdentity(place.pinned);
    try {
      const found = await this.#participants.find(position.code);
      if (found === undefined) throw new WalrasError("unknown_participant", "They are not there any more.");
      const { reply } = await this.#participants.ask(found, (participantId) => ({
        kind: "advance",
        participantId,
        pageIndex: seen,
      }));
      if (reply !== "finished" && reply.kind === "refused") {
        return { ok: false, text: `${name} is still on ${page}: ${reply.message}` };
      }
      if (seen === 0) return { ok: true, text: `${name} has begun.` };
      const waits = place?.page?.wait !== undefined;
      return {
        ok: true,
        text: waits ? `${page} does not wait any longer, for ${name}.` : `${name} was moved on from ${page}.`,
      };
    } catch (error) {
      if (!(error instanceof WalrasError)) throw error;
      return { ok: false, text: `${name} was not moved: ${error.message}` };
    }
  }
}

function split<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
