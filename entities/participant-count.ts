import { WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec } from "./app-spec.ts";

/** The number of participants of a session must be a multiple of this: the groups of all apps are full. */
export function groupMultiple(apps: readonly AppSpec[]): number {
  const sizes = apps
    .filter(isDivided)
    .map((app) => app.playersPerGroup)
    .filter((size) => size !== "all");
  return sizes.reduce((a, b) => (a / greatestCommonDivisor(a, b)) * b, 1);
}

/** @throws WalrasError `wrong_number_of_participants` */
export function checkParticipants(participants: number, configName: string, apps: readonly AppSpec[]): void {
  const multiple = groupMultiple(apps);
  if (Number.isSafeInteger(participants) && participants > 0 && participants % multiple === 0) return;
  throw wrongNumber(participants, configName, multiple);
}

export function wrongNumber(participants: number, configName: string, multiple: number): WalrasError {
  return new WalrasError(
    "wrong_number_of_participants",
    `A session of "${configName}" cannot have ${participants} participants: its groups need ` +
      (multiple === 1 ? "a whole number of at least 1." : `a multiple of ${multiple}.`),
  );
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Whether an app's groups form when participants arrive. */
export function formsGroupsByArrival(app: AppSpec): boolean {
  return app.pages[0]?.wait?.scope === "arrival";
}

/** Whether the number of participants must be a multiple of the groups' size. */
function isDivided(app: AppSpec): boolean {
  return app.creatingSession === undefined && !formsGroupsByArrival(app);
}
