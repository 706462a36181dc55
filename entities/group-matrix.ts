import { AuthorError } from "../client-sdk/errors.ts";
import { describe } from "./values.ts";

/** Who plays with whom in a round: a row per group, in it the players in the order of their idInGroup, each by
 * idInSession. */
export type GroupMatrix = readonly (readonly number[])[];

/** Blocks in order; the last one is smaller if the number is no multiple. */
export function blocks(players: readonly number[], size: number): number[][] {
  const matrix: number[][] = [];
  for (let i = 0; i < players.length; i += size) matrix.push(players.slice(i, i + size));
  return matrix;
}

/**
 * A matrix as an author gives it, checked: everybody exactly once, no empty group.
 *
 * @param everybody who must be in it
 * @param idOf reads one element; undefined if it is neither a player of this round nor a number
 * @throws AuthorError `wrong_matrix`
 */
export function checkMatrix(
  given: unknown,
  everybody: readonly number[],
  idOf: (element: unknown) => number | undefined,
  where: string,
): number[][] {
  const wrong = (what: string) =>
    new AuthorError(
      "wrong_matrix",
      `${where}: ${what}. Give it an array of groups, each an array of players or of their idInSession, with everybody in exactly one, e.g. [[1, 4], [2, 3]].`,
    );
  if (!Array.isArray(given)) throw wrong(`the matrix is ${describe(given)}`);
  const known = new Set(everybody);
  const seen = new Set<number>();
  const matrix = given.map((group: unknown, at) => {
    if (!Array.isArray(group)) throw wrong(`group ${at + 1} is ${describe(group)}`);
    if (group.length === 0) throw wrong(`group ${at + 1} is empty`);
    return group.map((element: unknown) => {
      const id = idOf(element);
      if (id === undefined || !known.has(id)) {
        throw wrong(`group ${at + 1} has ${describe(element)}, who is no player of this round`);
      }
      if (seen.has(id)) throw wrong(`player ${id} is in it twice`);
      seen.add(id);
      return id;
    });
  });
  const missing = everybody.filter((id) => !seen.has(id));
  if (missing.length > 0) {
    const some = missing.slice(0, 5).join(", ");
    throw wrong(
      `${missing.length === 1 ? "player" : "players"} ${some}${missing.length > 5 ? " ..." : ""} missing in it`,
    );
  }
  return matrix;
}

/**
 * The same group sizes with everybody somewhere else by chance.
 *
 * @param fixedIdInGroup everybody keeps their idInGroup, and with it their role
 */
export function shuffled(matrix: GroupMatrix, random: () => number, fixedIdInGroup: boolean): number[][] {
  if (!fixedIdInGroup) {
    const everybody = shuffle(matrix.flat(), random);
    let from = 0;
    return matrix.map((group) => {
      from += group.length;
      return everybody.slice(from - group.length, from);
    });
  }
  const result: number[][] = matrix.map(() => []);
  const largest = Math.max(0, ...matrix.map((group) => group.length));
  for (let place = 0; place < largest; place++) {
    const groups = matrix.flatMap((group, at) => (place < group.length ? [at] : []));
    const players = shuffle(
      groups.map((at) => matrix[at]?.[place] as number),
      random,
    );
    for (const [i, at] of groups.entries()) result[at]?.push(players[i] as number);
  }
  return result;
}

/** Fisher-Yates, as a copy. */
export function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j] as T, mixed[i] as T];
  }
  return mixed;
}
