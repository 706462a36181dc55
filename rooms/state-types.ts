import type { Field, Fields, LinkTo } from "../entities/fields.ts";
import type { App } from "./define-app.ts";

/** A field as pages see it: links are the player's idInGroup; what is not set is null. */
type Seen<F> =
  F extends Field<infer T> ? (NonNullable<T> extends LinkTo<"player" | "group"> ? number : T) | null : never;
/** Which of the fields are published only the definition knows, so that each may be missing. */
type AllSeen<F extends Fields> = { readonly [K in keyof F]?: Seen<F[K]> };

type PlayerSeen<P extends Fields> = { readonly idInGroup: number; readonly connected?: boolean } & AllSeen<P>;

/**
 * An app's published state as `live.state` has it, for bots and tests:
 * `await bot.live.until<StateOf<typeof app>>((state) => state.group.price === 5)`.
 */
export type StateOf<A> =
  A extends App<infer _C, infer G, infer P, infer _X>
    ? {
        readonly group: AllSeen<G>;
        readonly player: PlayerSeen<P>;
        readonly players: { readonly [idInGroup: number]: PlayerSeen<P> };
      }
    : never;
