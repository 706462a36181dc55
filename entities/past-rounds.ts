import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, ModelSpec } from "./app-spec.ts";
import { ASKED_BY_OTHERS, fieldsOf, type Handle, ROW, VIEW } from "./handle.ts";
import type { Values } from "./tables.ts";

type Past = Record<string, unknown>;

/** How players and groups name their other rounds. @param earlier the object in the rounds before, oldest first */
export function roundMethods(what: "player" | "group", earlier: (handle: Handle) => Past[]) {
  function inRounds(handle: Handle, call: string, first: unknown, last: unknown): (Past | Handle)[] {
    const now = handle[ROW].values.roundNumber as number;
    const isRound = (round: unknown): round is number => Number.isSafeInteger(round) && Number(round) >= 1;
    if (!isRound(first) || !isRound(last) || first > last || last > now) {
      throw new AuthorError(
        "no_such_round",
        `${handle[VIEW].memory.app.name}: ${what}.${call} in round ${now}: only this round and earlier ones can be read.`,
      );
    }
    const past = first < now ? earlier(handle).slice(first - 1, last) : [];
    return last === now ? [...past, handle] : past;
  }
  return {
    inPreviousRounds(this: Handle) {
      return earlier(this);
    },
    inAllRounds(this: Handle) {
      return [...earlier(this), this];
    },
    inRound(this: Handle, round: unknown) {
      return inRounds(this, `inRound(${String(round)})`, round, round)[0];
    },
    inRounds(this: Handle, first: unknown, last: unknown) {
      return inRounds(this, `inRounds(${String(first)}, ${String(last)})`, first, last);
    },
  };
}

/** The participant's players of earlier rounds, as frozen plain objects: another actor owns those rows. */
export function earlierPlayers(handle: Handle): Past[] {
  const { app, earlierGroups } = handle[VIEW].memory;
  const model = handle[ROW].model as ModelSpec;
  return earlierRows(handle, handle[ROW].values).map((values) => {
    const role = app.roles[(values.idInGroup as number) - 1] ?? "";
    const group = earlierGroups.get(values.groupId as number);
    return frozen(model, ["id", "idInGroup", "roundNumber"], values, {
      ...(Object.hasOwn(model.fields, "role") ? {} : { role }),
      ...(group === undefined ? {} : { group: pastGroup(app, group) }),
    });
  });
}

/** The same people as a group in earlier rounds. @throws AuthorError `regrouped` if they were not all in one group */
export function earlierGroups(handle: Handle): Past[] {
  const { memory } = handle[VIEW];
  const [first = [], ...others] = memory.players.map((player) => earlierRows(handle, player.values));
  return first.map(({ groupId, roundNumber }, i) => {
    const values = memory.earlierGroups.get(groupId as number);
    if (values === undefined || others.some((rows) => rows[i]?.groupId !== groupId)) {
      throw new AuthorError(
        "regrouped",
        `${memory.app.name}: the players of group ${memory.group.values.idInSubsession} were not together in round ${roundNumber}, so that the group has no earlier rounds. Ask its players: player.inRound(${roundNumber}).`,
      );
    }
    return pastGroup(memory.app, values);
  });
}

function pastGroup(app: AppSpec, values: Values): Past {
  return frozen(app.group, ["id", "idInSubsession", "roundNumber"], values, {});
}

/** A player's rows of earlier rounds, oldest first. */
function earlierRows(handle: Handle, { participantId, idInGroup }: Values): readonly Values[] {
  const { memory } = handle[VIEW];
  const rows = memory.earlier.get(participantId as number);
  if (rows === undefined && memory.roundNumber > 1) {
    throw new AuthorError(
      "participant_elsewhere",
      `${memory.app.name}: player ${idInGroup} has not arrived in round ${memory.roundNumber} yet, so their earlier rounds may still change and cannot be read.`,
    );
  }
  return rows ?? [];
}

/** Which plain objects are of earlier rounds: templates know them in snake_case. */
export const pastObjects = new WeakSet<object>();

function frozen(model: ModelSpec, builtIns: readonly string[], values: Values, more: Past): Past {
  const past: Past = {};
  for (const name of builtIns) past[name] = values[name];
  Object.assign(past, more);
  for (const [name, spec] of Object.entries(fieldsOf(model))) {
    const value = values[name] ?? null;
    past[name] =
      spec.kind === "json" && value !== null
        ? JSON.parse(value as string, (_key, inner: unknown) => Object.freeze(inner))
        : value;
  }
  const refuse = (_target: Past, name: string | symbol): boolean => {
    throw new AuthorError(
      "earlier_round",
      `${model.app}: ${model.name}.${String(name)} of round ${values.roundNumber} cannot be changed in a later round; write to this round's ${model.kind}.`,
    );
  };
  const made = new Proxy(past, {
    get(target, name) {
      if (typeof name === "string" && !(name in target) && !ASKED_BY_OTHERS.has(name)) {
        const cure =
          name === "group"
            ? `Ask this round's: player.group.inRound(${values.roundNumber})`
            : `It has ${Object.keys(target).join(", ")}`;
        throw new AuthorError(
          "unknown_field",
          `${model.app}: ${model.name} of round ${values.roundNumber} has no field "${name}". ${cure}.`,
        );
      }
      return Reflect.get(target, name);
    },
    set: refuse,
    defineProperty: refuse,
    deleteProperty: refuse,
  });
  pastObjects.add(made);
  return made;
}
