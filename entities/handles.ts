import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldSpec, ModelSpec } from "./app-spec.ts";
import type { Row } from "./memory.ts";
import { ownSnapshot } from "./own-fields.ts";
import { snakeCase, type Values } from "./tables.ts";
import { after, atTime, cancel, every, timers } from "./timers.ts";
import type { View } from "./view.ts";

/** The view a handle belongs to. */
export const VIEW: unique symbol = Symbol("walras.view");
/** The row a handle stands for. */
export const ROW: unique symbol = Symbol("walras.row");

/** What authors hold: a player, a group or an extra row, seen through a view. */
export interface Handle {
  readonly [VIEW]: View;
  readonly [ROW]: Row;
}

export function isHandle(value: unknown): value is Handle {
  return typeof value === "object" && value !== null && VIEW in value;
}

/** Asked for by await, JSON, console.log and the like, not by authors. */
const ASKED_BY_OTHERS: ReadonlySet<string> = new Set(["then", "toJSON", "constructor", "inspect"]);

type Getter = (this: Handle) => unknown;

interface HandleClass {
  new (view: View, row: Row): Handle;
}

const classes = new WeakMap<ModelSpec, HandleClass>();

function classOf(model: ModelSpec, builtIns: Record<string, Getter>, methods: Record<string, unknown>): HandleClass {
  let made = classes.get(model);
  if (made === undefined) {
    made = makeClass(model, builtIns, methods);
    classes.set(model, made);
  }
  return made;
}

/**
 * One class per model, with an accessor per field on its prototype. Whatever is not declared falls
 * through to the prototype's prototype, a Proxy that names the mistake; declared names never reach
 * it, so they cost no more than a getter.
 */
function makeClass(model: ModelSpec, builtIns: Record<string, Getter>, methods: Record<string, unknown>): HandleClass {
  class ModelHandle {
    readonly [VIEW]: View;
    readonly [ROW]: Row;
    constructor(view: View, row: Row) {
      this[VIEW] = view;
      this[ROW] = row;
    }
  }
  const prototype = ModelHandle.prototype;
  for (const [name, get] of Object.entries(builtIns)) {
    // An app without roles may have a field of that name.
    if (Object.hasOwn(model.fields, name)) continue;
    Object.defineProperty(prototype, name, {
      enumerable: true,
      get,
      set() {
        throw new AuthorError(
          "read_only",
          `${model.app}: ${model.name}.${name} is set by Walras and cannot be changed.`,
        );
      },
    });
  }
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(prototype, name, { value });
  for (const [name, spec] of Object.entries(fieldsOf(model))) {
    Object.defineProperty(prototype, name, {
      enumerable: true,
      get(this: Handle) {
        return this[VIEW].readField(this[ROW], name, spec);
      },
      set(this: Handle, value: unknown) {
        this[VIEW].writeField(this[ROW], name, spec, value);
      },
    });
  }
  Object.defineProperty(prototype, "toJSON", {
    value() {
      throw new AuthorError(
        "not_json",
        `${model.app}: a whole ${model.name} was sent or stored. Send the fields you mean, e.g. \`{ id: player.idInGroup }\`.`,
      );
    },
  });
  const known = () => Object.keys(prototype).concat(Object.keys(methods)).join(", ");
  Object.setPrototypeOf(
    prototype,
    new Proxy(Object.create(null), {
      get(_target, name) {
        if (typeof name === "symbol" || ASKED_BY_OTHERS.has(name)) return undefined;
        throw new AuthorError(
          "unknown_field",
          `${model.app}: ${model.name} has no field "${name}". It has ${known()}.`,
        );
      },
      set(_target, name) {
        throw new AuthorError(
          "unknown_field",
          `${model.app}: ${model.name} has no field "${String(name)}", so it cannot be set. Declare it in defineApp, or use one of ${known()}.`,
        );
      },
      has: () => false,
    }),
  );
  return ModelHandle;
}

const PAYOFF: FieldSpec = {
  kind: "currency",
  initial: 0,
  min: undefined,
  max: undefined,
  choices: undefined,
  label: undefined,
  doc: "What the player earned in this round.",
  blank: false,
  to: undefined,
  publish: undefined,
};

function fieldsOf(model: ModelSpec): Readonly<Record<string, FieldSpec>> {
  return model.kind === "player" ? { payoff: PAYOFF, ...model.fields } : model.fields;
}

function builtIn(name: string): Getter {
  return function (this: Handle) {
    return this[VIEW].builtIn(this[ROW], name);
  };
}

const SESSION: Getter = function (this: Handle) {
  return this[VIEW].session();
};

const SUBSESSION: Getter = function (this: Handle) {
  return { roundNumber: this[VIEW].memory.roundNumber };
};

const PLAYER_BUILT_INS: Record<string, Getter> = {
  id: builtIn("id"),
  idInGroup: builtIn("idInGroup"),
  roundNumber: builtIn("roundNumber"),
  connected: builtIn("connected"),
  session: SESSION,
  subsession: SUBSESSION,
  group(this: Handle) {
    return this[VIEW].group();
  },
  participant(this: Handle) {
    const { memory } = this[VIEW];
    const id = this[VIEW].builtIn(this[ROW], "participantId") as number;
    const row = memory.participants.get(id);
    if (row === undefined) {
      throw new AuthorError(
        "participant_elsewhere",
        `${memory.app.name}: the participant of player ${this[ROW].values.idInGroup} is not in this group at the moment (not arrived yet, or moved on), so player.participant cannot be read.`,
      );
    }
    return this[VIEW].participant(row);
  },
  role(this: Handle) {
    return this[VIEW].memory.app.roles[(this[VIEW].builtIn(this[ROW], "idInGroup") as number) - 1] ?? "";
  },
};

/** The label of what was chosen; the value itself where the field names no choices, and "" if nothing is set. */
function fieldDisplay(this: Handle, name: unknown): string {
  const { model } = this[ROW];
  const fields = (model as ModelSpec).fields;
  // Templates name fields as columns are named.
  const field = Object.keys(fields).find((one) => one === name || snakeCase(one) === name);
  if (field === undefined) {
    throw new AuthorError(
      "unknown_field",
      `${model?.app}: ${model?.name}.fieldDisplay(${JSON.stringify(name)}): its fields are ${Object.keys(fields).join(", ")}.`,
    );
  }
  const value = this[VIEW].builtIn(this[ROW], field);
  const chosen = fields[field]?.choices?.find((choice) => choice.value === value);
  return chosen?.label ?? (value === null ? "" : String(value));
}

const PLAYER_METHODS = {
  fieldDisplay,
  getOthersInGroup(this: Handle) {
    const view = this[VIEW];
    return view.memory.players.filter((row) => row !== this[ROW]).map((row) => view.player(row));
  },
  inPreviousRounds(this: Handle) {
    return earlierRounds(this);
  },
  inAllRounds(this: Handle) {
    return [...earlierRounds(this), this];
  },
  inRound(this: Handle, round: number) {
    if (round === this[ROW].values.roundNumber) return this;
    const found = earlierRounds(this).find((past) => past.roundNumber === round);
    if (found === undefined) {
      throw new AuthorError(
        "no_such_round",
        `${this[VIEW].memory.app.name}: player.inRound(${round}) in round ${this[ROW].values.roundNumber}: only this round and earlier ones can be read.`,
      );
    }
    return found;
  },
};

const GROUP_BUILT_INS: Record<string, Getter> = {
  id: builtIn("id"),
  idInSubsession: builtIn("idInSubsession"),
  roundNumber: builtIn("roundNumber"),
  session: SESSION,
  subsession: SUBSESSION,
};

const GROUP_METHODS = {
  fieldDisplay,
  getPlayers(this: Handle) {
    const view = this[VIEW];
    return view.memory.players.map((row) => view.player(row));
  },
  getPlayerById(this: Handle, idInGroup: number) {
    const view = this[VIEW];
    const row = view.memory.playerAt(idInGroup);
    if (row === undefined) {
      throw new AuthorError(
        "unknown_player",
        `${view.memory.app.name}: getPlayerById(${idInGroup}): the group has players 1 to ${view.memory.players.length}.`,
      );
    }
    return view.player(row);
  },
  getPlayerByRole(this: Handle, role: string) {
    const { memory } = this[VIEW];
    const { roles } = memory.app;
    const row = memory.playerAt(roles.indexOf(role) + 1);
    if (row !== undefined) return this[VIEW].player(row);
    const cure = roles.includes(role)
      ? `this group has only ${memory.players.length} players`
      : roles.length === 0
        ? 'the app has no roles; name them in defineApp: roles: ["buyer", "seller"]'
        : `the roles are ${roles.join(", ")}`;
    throw new AuthorError("unknown_role", `${memory.app.name}: getPlayerByRole(${JSON.stringify(role)}): ${cure}.`);
  },
  after(this: Handle, seconds: unknown, timer: unknown, payload: unknown) {
    return after(this[VIEW], seconds, timer, payload);
  },
  every(this: Handle, seconds: unknown, timer: unknown, payload: unknown) {
    return every(this[VIEW], seconds, timer, payload);
  },
  at(this: Handle, timeMs: unknown, timer: unknown, payload: unknown) {
    return atTime(this[VIEW], timeMs, timer, payload);
  },
  cancel(this: Handle, which: unknown) {
    return cancel(this[VIEW], which);
  },
  timers(this: Handle, which: unknown) {
    return timers(this[VIEW], which);
  },
};

const EXTRA_BUILT_INS: Record<string, Getter> = { n: builtIn("n") };

const EXTRA_METHODS = {
  delete(this: Handle) {
    this[VIEW].deleteRow(this[ROW]);
  },
};

export function playerHandle(view: View, row: Row): Handle {
  return new (classOf(row.model as ModelSpec, PLAYER_BUILT_INS, PLAYER_METHODS))(view, row);
}

export function groupHandle(view: View, row: Row): Handle {
  return new (classOf(row.model as ModelSpec, GROUP_BUILT_INS, GROUP_METHODS))(view, row);
}

export function extraHandle(view: View, row: Row): Handle {
  return new (classOf(row.model as ModelSpec, EXTRA_BUILT_INS, EXTRA_METHODS))(view, row);
}

/** The participant's players of earlier rounds, as frozen plain objects: another actor owns those rows. */
function earlierRounds(handle: Handle): Record<string, unknown>[] {
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
const pastPlayers = new WeakSet<object>();

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

/**
 * The same object for templates: names in snake_case, nothing can be written, whole handles inside
 * are wrapped too.
 */
export function forTemplate(value: unknown): unknown {
  if (isHandle(value)) return templateHandle(value);
  if (Array.isArray(value)) return value.map(forTemplate);
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const name = pastPlayers.has(value) ? snakeCase : (key: string) => key;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [name(key), forTemplate(inner)]));
  }
  return value;
}

/** A page is looked at, not worked on; and the class is nobody's business. */
const NOT_FOR_TEMPLATES: ReadonlySet<string> = new Set([
  ...["constructor", "toJSON", "delete"],
  ...["after", "every", "at", "cancel", "timers"],
]);

const snakeNames = new WeakMap<ModelSpec, Map<string, string>>();

function templateHandle(handle: Handle): object {
  const model = handle[ROW].model as ModelSpec;
  let names = snakeNames.get(model);
  if (names === undefined) {
    names = new Map();
    // Enumerable names and methods alike live on the class's prototype.
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(handle))) {
      if (!NOT_FOR_TEMPLATES.has(name)) names.set(snakeCase(name), name);
    }
    snakeNames.set(model, names);
  }
  const known = names;
  return new Proxy(Object.create(null), {
    get(_target, key) {
      if (typeof key === "symbol") return undefined;
      const name = known.get(key) ?? ([...known.values()].includes(key) ? key : undefined);
      if (name === undefined) return undefined;
      const value: unknown = Reflect.get(handle, name);
      if (typeof value !== "function") return forTemplate(plainSnake(name, value));
      return (...args: unknown[]) => forTemplate(value.apply(handle, args));
    },
    has: (_target, key) => typeof key === "string" && known.has(key),
    set(_target, key) {
      throw new AuthorError("read_only", `${model.app}: a template tried to set ${model.name}.${String(key)}.`);
    },
  });
}

/** An app's constants under the names that templates use: `numRounds` also as `num_rounds`; `ENDOWMENT` as it is. */
export function constantsForTemplate(constants: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named: Record<string, unknown> = { ...constants };
  for (const [name, value] of Object.entries(constants)) {
    if (/^[a-z]/.test(name)) named[snakeCase(name)] = value;
  }
  return named;
}

/** participant, session and subsession are small plain objects; templates know them in snake_case. */
function plainSnake(name: string, value: unknown): unknown {
  if (name !== "participant" && name !== "session" && name !== "subsession") return value;
  return Object.fromEntries(
    Object.entries(ownSnapshot(value as object)).map(([key, inner]) => [snakeCase(key), inner]),
  );
}
