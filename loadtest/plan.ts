import { WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { nearestName } from "../entities/suggest.ts";
import type { SessionConfig } from "../rooms/calls.ts";
import type { LoadOptions } from "./options.ts";

/** What is played, by how many. */
export interface Plan {
  /** The session config to play; undefined: only `apps`, under a config made for them. */
  config: string | undefined;
  /** In their order. */
  apps: readonly string[];
  groups: number;
  players: number;
  participants: number;
  /** Every group needs a session of its own: an app plays with all of a session. */
  sessionPerGroup: boolean;
}

/**
 * What the options mean in this project.
 *
 * @throws WalrasError `unknown_app`, `unknown_config` with the nearest name, `wrong_players`
 */
export function makePlan(
  options: Pick<LoadOptions, "app" | "config" | "groups" | "players">,
  apps: ReadonlyMap<string, AppSpec>,
  sessionConfigs: readonly SessionConfig[],
): Plan {
  const { app, config, groups } = options;
  const sequence = config === undefined ? [app ?? ""] : sequenceOf(config, sessionConfigs);
  const specs = sequence.map((name) => {
    const spec = apps.get(name);
    if (spec !== undefined) return spec;
    throw unknown("app", name, [...apps.keys()], "apps/");
  });
  const numbers = specs.flatMap(({ playersPerGroup: size }) => (size === "all" ? [] : [size]));
  const withAll = specs.find(({ playersPerGroup }) => playersPerGroup === "all");
  const players = options.players ?? Math.max(withAll === undefined ? 1 : 2, ...numbers);
  for (const { name, playersPerGroup: size } of specs) {
    // With several apps, or several groups in a session of all, `players` may be a multiple.
    const fits = size === "all" || (specs.length === 1 ? players === size : players % size === 0);
    if (fits) continue;
    throw new WalrasError(
      "wrong_players",
      size === 1
        ? `--players is ${players}, but in ${name} each plays alone: leave it out, and give more --groups.`
        : `--players is ${players}, but ${name} plays in groups of ${size}: leave it out, or give ${specs.length === 1 ? size : `a multiple of ${size}`}.`,
    );
  }
  return {
    config,
    apps: sequence,
    groups,
    players,
    participants: groups * players,
    sessionPerGroup: withAll !== undefined,
  };
}

function sequenceOf(name: string, sessionConfigs: readonly SessionConfig[]): readonly string[] {
  const found = sessionConfigs.find((one) => one.name === name);
  if (found !== undefined) return found.appSequence;
  throw unknown(
    "session config",
    name,
    sessionConfigs.map((one) => one.name),
    "walras.config.ts",
  );
}

function unknown(what: string, name: string, known: readonly string[], place: string): WalrasError {
  const meant = nearestName(name, known);
  const hint = meant === undefined ? `There are: ${known.join(", ")}.` : `Did you mean ${meant}?`;
  return new WalrasError(
    what === "app" ? "unknown_app" : "unknown_config",
    `There is no ${what} ${name} in ${place}. ${hint}`,
  );
}
