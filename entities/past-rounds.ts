import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, ModelSpec } from "./app-spec.ts";
import { ASKED_BY_OTHERS, fieldsOf, type Handle, ROW, VIEW } from "./handle.ts";
import type { Value, Values } from "./tables.ts";

type Past = Record<string, unknown>;

/** An object in one round, and in the rounds before. */
interface Rounds {
  /** "game: player", as errors name it. */
  readonly what: string;
  readonly now: number;
  readonly self: object;
  /** Oldest first. */
  earlier(): Past[];
}

/** How players, groups and subsessions name their other rounds. @param roundsOf what the method is called on */
export function roundMethods<This>(roundsOf: (self: This) => Rounds) {
  function inRounds({ what, now, self, earlier }: Rounds, call: string, first: unknown, last: unknown): object[] {
    const isRound = (round: unknown): round is number => Number.isSafeInteger(round) && Number(round) >= 1;
    if (!isRound(first) || !isRound(last) || first > last || last > now) {
      throw new AuthorError(
        "no_such_round",
        `${what}.${call} in round ${now}: only this round and earlier ones can be read.`,
      );
    }
    const past = first < now ? earlier().slice(first - 1, last) : [];
    return last === now ? [...past, self] : past;
  }
  return {
    inPreviousRounds(this: This) {
      return roundsOf(this).earlier();
    },
    inAllRounds(this: This) {
      const { earlier, self } = roundsOf(this);
      return [...earlier(), self];
    },
    inRound(this: This, round: unknown) {
      return inRounds(roundsOf(this), `inRound(${String(round)})`, round, round)[0];
    },
    inRounds(this: This, first: unknown, last: unknown) {
      return inRounds(roundsOf(this), `inRounds(${String(first)}, ${String(last)})`, first, last);
    },
  };
}

/** @param earlier the object in the rounds before, oldest first */
export function handleRounds(what: "player" | "group", earlier: (handle: Handle) => Past[]) {
  return roundMethods((handle: Handle) => ({
    what: `${handle[VIEW].memory.app.name}: ${what}`,
    now: handle[ROW].values.roundNumber as number,
    self: handle,
    earlier: () => earlier(handle),
  }));
}

/** @param past rows of the app's rounds before, oldest first @param self the subsession of this round, as authors hold it */
export function subsessionRounds(
  { name, subsession: fields }: AppSpec,
  now: number,
  past: readonly Values[],
  self: () => object,
) {
  const model = { app: name, name: "Subsession", kind: "subsession", fields } as const;
  return roundMethods<unknown>(() => ({
    what: `${name}: subsession`,
    now,
    self: self(),
    earlier: () =>
      past.map((row) => {
        const own = typeof row.fields === "string" ? (JSON.parse(row.fields) as Past) : {};
        const values = Object.entries(fields).map(([field, { kind, initial = null }]): [string, Value] => {
          const value = own[field] ?? null;
          // As a column would hold it.
          return [field, value === null ? initial : kind === "json" ? JSON.stringify(value) : (value as Value)];
        });
        return frozen(
          model,
          ["roundNumber"],
          { roundNumber: row.roundNumber ?? null, ...Object.fromEntries(values) },
          {},
        );
      }),
  }));
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

/** Whose rows they are. */
interface PastModel extends Pick<ModelSpec, "app" | "name" | "fields"> {
  readonly kind: ModelSpec["kind"] | "subsession";
}

/** Where to look for what players and groups have in their own round only, in the words of code or of templates. */
export function ofEarlierRounds(name: string): string | undefined {
  switch (name.replaceAll("_", "").toLowerCase()) {
    case "participant":
      return "It is the same person in all rounds: player.participant";
    case "getothersingroup":
    case "getplayers":
    case "getplayerbyid":
    case "getplayerbyrole":
      return "Others may be in other groups by now: when a round ends, keep what later ones show of them in a field of the player or the group";
    default:
      return undefined;
  }
}

function frozen(model: PastModel, builtIns: readonly string[], values: Values, more: Past): Past {
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
            : (ofEarlierRounds(name) ?? `It has ${Object.keys(target).join(", ")}`);
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
