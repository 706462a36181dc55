import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, ModelSpec } from "./app-spec.ts";
import { type Handle, isHandle, ROW } from "./handle.ts";
import { ownSnapshot } from "./own-fields.ts";
import { pastObjects } from "./past-rounds.ts";
import { snakeCase } from "./tables.ts";

/**
 * The same object for templates: names in snake_case, nothing can be written, whole handles inside
 * are wrapped too.
 */
export function forTemplate(value: unknown): unknown {
  if (isHandle(value)) return templateHandle(value);
  if (Array.isArray(value)) return value.map(forTemplate);
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const isPast = pastObjects.has(value);
    const name = isPast ? snakeCase : (key: string) => key;
    const shown = Object.fromEntries(Object.entries(value).map(([key, inner]) => [name(key), forTemplate(inner)]));
    if (isPast) pastObjects.add(shown);
    return shown;
  }
  return value;
}

/** A page is looked at, not worked on; and the class is nobody's business. */
const NOT_FOR_TEMPLATES: ReadonlySet<string> = new Set([
  ...["constructor", "toJSON", "delete"],
  ...["after", "every", "at", "cancel", "timers", "postChat"],
]);

const snakeNames = new WeakMap<ModelSpec, Map<string, string>>();

/** Made once for each handle, so that templates can compare: `{{ if p == player }}`, `{{ if player in winners }}`. */
const templateHandles = new WeakMap<Handle, object>();

function templateHandle(handle: Handle): object {
  let shown = templateHandles.get(handle);
  if (shown === undefined) {
    shown = makeTemplateHandle(handle);
    templateHandles.set(handle, shown);
  }
  return shown;
}

function makeTemplateHandle(handle: Handle): object {
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
    // For those who ask what was meant.
    ownKeys: () => [...known.keys()],
    set(_target, key) {
      throw new AuthorError("read_only", `${model.app}: a template tried to set ${model.name}.${String(key)}.`);
    },
  });
}

/**
 * An app's constants under the names that templates use: `numRounds` also as `num_rounds`; `ENDOWMENT` as it is; and what
 * every app has in oTree: `NUM_ROUNDS`, `PLAYERS_PER_GROUP`, `NAME_IN_URL`.
 */
export function constantsForTemplate({ name, rounds, playersPerGroup, constants }: AppSpec): Record<string, unknown> {
  const named = inSnakeCase(constants);
  const size = typeof playersPerGroup === "number" && playersPerGroup > 1 ? playersPerGroup : null;
  const builtIn = { NAME_IN_URL: name, NUM_ROUNDS: rounds, PLAYERS_PER_GROUP: size };
  for (const [key, value] of Object.entries(builtIn)) {
    // There for who asks; not among those that somebody lists.
    if (!Object.hasOwn(named, key)) Object.defineProperty(named, key, { value });
  }
  return named;
}

/** The same values, also under the names that templates use. */
function inSnakeCase(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named: Record<string, unknown> = { ...values };
  for (const [name, value] of Object.entries(values)) {
    if (/^[a-z]/.test(name)) named[snakeCase(name)] = value;
  }
  return named;
}

/** participant, session and subsession are small plain objects; templates know them in snake_case. */
function plainSnake(name: string, value: unknown): unknown {
  if (name !== "participant" && name !== "session" && name !== "subsession") return value;
  const plain = Object.fromEntries(
    Object.entries(ownSnapshot(value as object)).map(([key, inner]) => [snakeCase(key), inner]),
  );
  // A parameter's own name is the experimenter's; what Walras knows of it is in snake_case like all the rest.
  if (name === "session") plain.config = inSnakeCase(plain.config as Record<string, unknown>);
  return plain;
}
