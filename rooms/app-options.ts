import { AuthorError } from "../client-sdk/errors.ts";
import { APP_NAME_LIMIT } from "../entities/app-tables.ts";
import { describe } from "../entities/values.ts";

/** Of an app. @throws AuthorError `wrong_definition`, `wrong_name`, `reserved_name` */
export function checkName(definition: { name: string }): string {
  if (typeof definition !== "object" || definition === null) {
    throw new AuthorError(
      "wrong_definition",
      `defineApp was called with ${describe(definition)}; give it an object, e.g. { name: "auction" }.`,
    );
  }
  const { name } = definition;
  if (typeof name !== "string" || !/^[a-z][a-z0-9_]*$/.test(name)) {
    throw new AuthorError(
      "wrong_name",
      `defineApp: name is ${describe(name)}; give it a small letter, then small letters, digits and underscores, e.g. "public_goods". Use title for what people read.`,
    );
  }
  if (name.length > APP_NAME_LIMIT) {
    throw new AuthorError(
      "wrong_name",
      `${name}: the app's name has ${name.length} characters; choose one of at most ${APP_NAME_LIMIT}.`,
    );
  }
  if (/^sqlite(_|$)/.test(name)) {
    throw new AuthorError(
      "reserved_name",
      `${name}: SQLite keeps table names that begin with sqlite_ for itself. Choose another app name.`,
    );
  }
  return name;
}

/** @throws AuthorError `wrong_group_size` */
export function checkGroupSize(size: unknown, name: string): void {
  if (size === undefined || size === "all" || (Number.isSafeInteger(size) && (size as number) >= 2)) return;
  const cure =
    size === 1
      ? "Leave it out when each plays alone."
      : 'Give it a whole number from 2, or "all"; leave it out when each plays alone.';
  throw new AuthorError("wrong_group_size", `${name}: playersPerGroup is ${describe(size)}. ${cure}`);
}

/** @throws AuthorError `wrong_rounds` */
export function checkRounds(rounds: unknown, name: string): void {
  if (rounds === undefined || (Number.isSafeInteger(rounds) && (rounds as number) >= 1)) return;
  throw new AuthorError(
    "wrong_rounds",
    `${name}: rounds is ${describe(rounds)}; give it a whole number from 1, or leave it out for 1.`,
  );
}

/** Short breaks are no news: pages load, phones change from one network to another. */
const PRESENCE_GRACE = 5;
const LONGEST_GRACE = 24 * 60 * 60;

/** In seconds. @throws AuthorError `wrong_option` */
export function presenceGrace(seconds: unknown, name: string): number {
  if (seconds === undefined) return PRESENCE_GRACE;
  if (typeof seconds === "number" && seconds >= 0 && seconds <= LONGEST_GRACE) return seconds;
  throw new AuthorError(
    "wrong_option",
    `${name}: presenceGrace is ${describe(seconds)}; give it a number of seconds from 0 to ${LONGEST_GRACE}, or leave it out for ${PRESENCE_GRACE}.`,
  );
}

interface RolesAndPlayers {
  readonly name: string;
  readonly roles?: readonly string[];
  readonly playersPerGroup?: number | "all";
  readonly player?: object;
}

/** Names by idInGroup. @throws AuthorError `wrong_option`, `reserved_name` */
export function checkRoles({ name, roles, playersPerGroup, player }: RolesAndPlayers): string[] {
  if (roles === undefined) return [];
  if (!Array.isArray(roles) || roles.length === 0 || roles.some((role) => typeof role !== "string" || role === "")) {
    throw new AuthorError(
      "wrong_option",
      `${name}: roles is ${describe(roles)}; give it an array of names by idInGroup, e.g. ["buyer", "seller"].`,
    );
  }
  const twice = roles.find((role, at) => roles.indexOf(role) !== at);
  if (twice !== undefined) {
    throw new AuthorError("wrong_option", `${name}: roles has ${describe(twice)} twice; a role belongs to one player.`);
  }
  if (typeof playersPerGroup === "number" && roles.length > playersPerGroup) {
    throw new AuthorError(
      "wrong_option",
      `${name}: roles has ${roles.length} names, but a group has ${playersPerGroup} players. Name at most one role for each.`,
    );
  }
  if (player !== undefined && Object.hasOwn(player, "role")) {
    throw new AuthorError(
      "reserved_name",
      `${name}: Player.role is built in when the app has roles. Rename the field.`,
    );
  }
  return [...roles];
}

/** @throws AuthorError `wrong_option` */
export function publishPresence(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new AuthorError("wrong_option", `${name}: publishPresence is ${describe(value)}; give it true or false.`);
}
