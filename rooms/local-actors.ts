import type { Values } from "../entities/tables.ts";
import type { Actor } from "./actor.ts";
import type { ActorWorld } from "./actor-world.ts";
import type { HookRuns } from "./hook-run.ts";

/** What barriers need of the actors of this process. */
export interface LocalActors {
  readonly world: ActorWorld;
  readonly hooks: HookRuns;
  /** The group's actor, if this process has it. */
  find(actorId: number): Actor | undefined;
  /** @throws WalrasError `moved` when the server ends */
  get(actorId: number): Actor;
  /** No actor of these groups comes to life until the returned function is called. */
  bar(actorIds: readonly number[]): () => void;
  /** A participant has come to a page without a request of their own. */
  follow(participant: Values): Promise<void>;
  /** A participant has left the study, past these apps and rounds. */
  leave(participant: Values, skipped: readonly { app: string; round: number }[]): Promise<void>;
  /** Ends the session's actors, so that they load again. */
  endSession(sessionId: number): void;
}
