import { Refusal } from "../../client-sdk/protocol.ts";
import type { PinnedPage } from "../../entities/app-spec.ts";
import { pageIdentity } from "../../entities/app-spec.ts";
import type { Values } from "../../entities/tables.ts";
import type { Command, Reply } from "../../rooms/calls.ts";
import type { TestConnection, TestWorld } from "./world.ts";

/** A participant who walks the pages by commands, in whichever group they are. */
export class Walker {
  readonly world: TestWorld;
  readonly id: number;
  readonly code: string;

  constructor(world: TestWorld, participant: Values) {
    this.world = world;
    this.id = participant.id as number;
    this.code = participant.code as string;
  }

  /** Sends a command to the group they are in. */
  async ask(make: (participantId: number, pageIndex: number) => Command): Promise<Reply> {
    for (let tries = 0; tries < 50; tries++) {
      const place = await this.world.store.read.whereabouts(this.code);
      if (place === undefined || place.actorId === null) return { kind: "goto", pageIndex: -1 };
      const reply = await this.world.actors.call(
        place.actorId,
        make(this.id, Math.max(1, place.participant.pageIndex as number)),
      );
      // Two servers that take a group from each other may not get to it; a browser would come again, too.
      const isMoved = reply.kind === "refused" && reply.code === Refusal.MOVED;
      if (reply.kind !== "elsewhere" && !isMoved) return reply;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error("always elsewhere");
  }

  start(): Promise<Reply> {
    return this.ask((participantId) => ({ kind: "start", participantId }));
  }

  /** Opens the page on which they are. */
  view(): Promise<Reply> {
    return this.ask((participantId, pageIndex) => ({ kind: "view", participantId, pageIndex }));
  }

  submit(): Promise<Reply> {
    return this.ask((participantId, pageIndex) => ({
      kind: "submit",
      participantId,
      pageIndex,
      outbox: [],
      form: {},
    }));
  }

  /** The page on which they are, as the database has it: `app/round/Page`, "nowhere" before and "finished" after. */
  async page(): Promise<string> {
    const place = await this.world.store.read.whereabouts(this.code);
    const index = Number(place?.participant.pageIndex);
    if (index === 0) return "nowhere";
    return place?.page == null ? "finished" : pageIdentity(place.page as PinnedPage);
  }

  /** Waits until they are on a page. */
  async reaches(page: string): Promise<void> {
    let at = await this.page();
    for (let tries = 0; at !== page; tries++) {
      if (tries > 400) throw new Error(`on ${at}, not on ${page}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      at = await this.page();
    }
  }

  /** Opens the socket of the page on which they are. */
  async connect(): Promise<TestConnection> {
    const place = await this.world.store.read.whereabouts(this.code);
    if (place === undefined || place.actorId === null) throw new Error("nowhere");
    return this.world.connect(place.actorId, this.id);
  }
}

/** Everybody of a new session, not started. */
export async function walkers(
  world: TestWorld,
  appSequence: string[],
  participants: number,
  parameters: Record<string, unknown> = {},
): Promise<Walker[]> {
  const { people } = await world.session(appSequence, participants, parameters);
  return people.map((person) => new Walker(world, person));
}
