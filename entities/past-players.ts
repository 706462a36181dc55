import { AuthorError } from "../client-sdk/errors.ts";
import type { ModelSpec } from "./app-spec.ts";
import { ASKED_BY_OTHERS, fieldsOf, type Handle, ROW, VIEW } from "./handle.ts";
import type { Values } from "./tables.ts";

/** The participant's players of earlier rounds, as frozen plain objects: another actor owns those rows. */
export function earlierRounds(handle: Handle): Record<string, unknown>[] {
  const { memory } = handle[VIEW];
  const { participantId, idInGroup } = handle[ROW].values;
  const rows = memory.earlier.get(participantId as number);
  if (rows === undefined && memory.roundNumber > 1) {
    throw new AuthorError(
      "participant_elsewhere",
      `${memory.app.name}: player ${idInGroup} has not arrived in round ${memory.roundNumber} yet, so their earlier rounds may still change and cannot be read.`,
    );
  }
  const model = handle[ROW].model as ModelSpec;
  return (rows ?? []).map((values) => frozenPlayer(model, values));
}

/** Which plain objects are players of earlier rounds: templates know them in snake_case. */
export const pastPlayers = new WeakSet<object>();

function frozenPlayer(model: ModelSpec, values: Values): Record<string, unknown> {
  const past: Record<string, unknown> = {};
  for (const name of ["id", "idInGroup", "roundNumber"]) past[name] = values[name];
  for (const [name, spec] of Object.entries(fieldsOf(model))) {
    const value = values[name] ?? null;
    past[name] =
      spec.kind === "json" && value !== null
        ? JSON.parse(value as string, (_key, inner: unknown) => Object.freeze(inner))
        : value;
  }
  const refuse = (_target: Record<string, unknown>, name: string | symbol): boolean => {
    throw new AuthorError(
      "earlier_round",
      `${model.app}: ${model.name}.${String(name)} of round ${values.roundNumber} cannot be changed in a later round; write to this round's player.`,
    );
  };
  const frozen = new Proxy(past, {
    get(target, name) {
      if (typeof name === "string" && !(name in target) && !ASKED_BY_OTHERS.has(name)) {
        throw new AuthorError(
          "unknown_field",
          `${model.app}: ${model.name} of round ${values.roundNumber} has no field "${name}". It has ${Object.keys(target).join(", ")}.`,
        );
      }
      return Reflect.get(target, name);
    },
    set: refuse,
    defineProperty: refuse,
    deleteProperty: refuse,
  });
  pastPlayers.add(frozen);
  return frozen;
}
