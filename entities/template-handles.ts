import { AuthorError } from "../client-sdk/errors.ts";
import type { ModelSpec } from "./app-spec.ts";
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
    const name = pastObjects.has(value) ? snakeCase : (key: string) => key;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [name(key), forTemplate(inner)]));
  }
  return value;
}

/** A page is looked at, not worked on; and the class is nobody's business. */
const NOT_FOR_TEMPLATES: ReadonlySet<string> = new Set([
  ...["constructor", "toJSON", "delete"],
  ...["after", "every", "at", "cancel", "timers", "postChat"],
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
