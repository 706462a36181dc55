import type { Fields } from "../entities/fields.ts";
import type { FieldsOf, Group, NoFields, Player, Session, SubsessionRounds } from "./author-types.ts";

/** One app in one round with all of its groups, as `creatingSession` and the wait pages of all groups get it. */
export type WholeSubsession<G extends Fields, P extends Fields, S extends Fields = NoFields> = SubsessionBuiltIns<
  G,
  P,
  S
> &
  SubsessionRounds<S> &
  FieldsOf<S, G, P, S>;

export interface SubsessionBuiltIns<G extends Fields, P extends Fields, S extends Fields> {
  readonly roundNumber: number;
  /** Its declared fields may be set here. */
  readonly session: Session;
  /** All groups, by idInSubsession. */
  getGroups(): Group<G, P, S>[];
  /** All players, by the participant's idInSession. */
  getPlayers(): Player<G, P, S>[];
  /** The groups as lists of the participants' idInSession, in the order of idInGroup. */
  getGroupMatrix(): number[][];
  /**
   * Forms the groups anew: everybody in exactly one, of any size; their order in a group gives idInGroup.
   *
   * @throws AuthorError `group_data` once a field of a group was set: it would be lost
   */
  setGroupMatrix(matrix: readonly (readonly (number | Player<G, P, S>)[])[]): void;
  /** Mixes players over groups of the same sizes. @param options.fixedIdInGroup each keeps their idInGroup, and so their role */
  groupRandomly(options?: { fixedIdInGroup?: boolean }): void;
  /** The groups of an earlier round of this app. */
  groupLikeRound(roundNumber: number): void;
}
