import { AuthorError } from "../client-sdk/errors.ts";
import { ASKED_BY_OTHERS } from "./handle.ts";
import type { Values } from "./tables.ts";

/**
 * Whoever is on another group's pages at the moment: what of them may change there is not known here, and cannot be
 * written. What never changes can be read.
 *
 * @param person undefined: not even that is known
 */
export function participantElsewhere(app: string, idInGroup: unknown, person: Values | undefined): object {
  const { code, idInSession } = person ?? {};
  const known: Record<string, unknown> = person === undefined ? {} : { code, idInSession };
  const refuse = (name: string | symbol): never => {
    throw new AuthorError(
      "participant_elsewhere",
      `${app}: participant.${String(name)} of player ${idInGroup}: they are not in this group at the moment (not arrived yet, or moved on), so that only ${Object.keys(known).join(" and ") || "nothing"} of player.participant can be read. Wait for all on a wait page, or keep what others need in a field of the player.`,
    );
  };
  return new Proxy(known, {
    get(target, name) {
      if (typeof name === "symbol" || name in target || ASKED_BY_OTHERS.has(name)) return Reflect.get(target, name);
      return refuse(name);
    },
    set: (_target, name) => refuse(name),
    defineProperty: (_target, name) => refuse(name),
    deleteProperty: (_target, name) => refuse(name),
  });
}
