import { AuthorError } from "../client-sdk/errors.ts";
import { shuffle } from "./group-matrix.ts";
import { isHandle, ROW, VIEW } from "./handle.ts";
import { seededRandom, seedOf } from "./random.ts";
import { describe } from "./values.ts";

/**
 * Which treatment a group gets: balanced over the groups of a session by permuted blocks (see e.g. Efird,
 * "Blocked Randomization with Randomly Selected Block Sizes", 2011). Of each run of as many groups as there
 * are treatments, every group gets another one, in an order drawn for the run; so at no time are there two
 * more of one than of another, however many groups come, also where they form by arrival.
 *
 * The draw depends on the session's code and the group's idInSubsession alone: asked again, in another round
 * or after a restart, it says the same. To have a treatment twice as often, name it twice.
 *
 * @param group of any app
 * @param treatments their names
 * @throws AuthorError `wrong_treatments`, `no_group`
 */
export function treatmentOf<const T extends string>(group: object, treatments: readonly T[]): T {
  if (!Array.isArray(treatments) || treatments.length === 0) {
    throw new AuthorError(
      "wrong_treatments",
      `treatmentOf: the treatments are ${describe(treatments)}; give it their names, e.g. ["control", "nudge"].`,
    );
  }
  if (!isHandle(group) || group[ROW].model?.kind !== "group") {
    throw new AuthorError("no_group", `treatmentOf: ${describe(group)} is no group; use e.g. player.group.`);
  }
  const place = (group[VIEW].builtIn(group[ROW], "idInSubsession") as number) - 1;
  if (place < 0) {
    throw new AuthorError(
      "no_group",
      "treatmentOf: this group has not formed yet; ask in afterAllPlayersArrive(group).",
    );
  }
  const block = Math.floor(place / treatments.length);
  const { code } = group[VIEW].memory.session;
  const order = shuffle(treatments, seededRandom(seedOf(`${code}/${treatments.join("/")}/${block}`)));
  return order[place % treatments.length] as T;
}

/**
 * Gives each group of a round its treatment, see {@link treatmentOf}.
 *
 * ```ts
 * app.creatingSession((subsession) => {
 *   assignTreatments(subsession, ["control", "nudge"], (group, treatment) => {
 *     group.treatment = treatment;
 *   });
 * });
 * ```
 */
export function assignTreatments<Gr extends object, const T extends string>(
  subsession: { getGroups(): Gr[] },
  treatments: readonly T[],
  assign: (group: Gr, treatment: T) => void,
): void {
  for (const group of subsession.getGroups()) assign(group, treatmentOf(group, treatments));
}
