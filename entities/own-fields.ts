import { AuthorError } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";
import type { FieldSpec } from "./app-spec.ts";
import type { Row } from "./memory.ts";
import type { Value } from "./tables.ts";
import { checkValue, roundCurrency } from "./values.ts";

/** The fields that a project declares for its participants and sessions, in walras.config.ts. */
export interface OwnFieldSpecs {
  readonly participant: Readonly<Record<string, FieldSpec>>;
  readonly session: Readonly<Record<string, FieldSpec>>;
}

export const NO_OWN_FIELDS: OwnFieldSpecs = { participant: {}, session: {} };

/** Asked for by await, JSON, console.log and the like, not by authors. */
const ASKED_BY_OTHERS: ReadonlySet<string> = new Set(["then", "toJSON", "constructor", "inspect", "$$typeof"]);

interface Parsed {
  text: string | null;
  values: Record<string, unknown>;
}

/**
 * The declared fields of participants and sessions, as one call of an author's function sees them. A row
 * keeps them all as one JSON text in its column `fields`; it is parsed when first asked for, changed in place,
 * and what has changed shows at the end of the call.
 */
export class OwnFields {
  readonly #parsed = new Map<Row, Parsed>();

  /** @param text the row's column as it is now */
  values(row: Row, text: string | null): Record<string, unknown> {
    const known = this.#parsed.get(row);
    if (known !== undefined && (known.text === text || textOf(known.values) !== known.text)) return known.values;
    const values: Record<string, unknown> = text === null ? {} : JSON.parse(text);
    this.#parsed.set(row, { text, values });
    return values;
  }

  /** What has changed since it was last asked for. @throws AuthorError for what is not JSON */
  *changed(): Iterable<{ row: Row; text: string }> {
    for (const [row, known] of this.#parsed) {
      const text = textOf(known.values);
      if (text === known.text || text === null) continue;
      known.text = text;
      yield { row, text };
    }
  }

  forget(): void {
    this.#parsed.clear();
  }
}

function textOf(values: Record<string, unknown>): string | null {
  if (Object.keys(values).length === 0) return null;
  return toJson(values, "a participant's or session's fields");
}

/** The text of the initial values; null if there are none. @param decimals of the currency */
export function initialFields(fields: Readonly<Record<string, FieldSpec>>, decimals: number): string | null {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(fields)) {
    if (spec.initial !== undefined) values[name] = initialOf(spec, decimals);
  }
  return textOf(values);
}

/** Whose fields they are, as errors name it. */
export type Owner = "participant" | "session" | "subsession";

/** What an object of {@link ownObject} needs. */
export interface OwnAccess {
  readonly what: Owner;
  readonly app: string;
  /** What everybody has: code, label ... What has a setter may be set. */
  readonly builtIns: Readonly<Record<string, unknown>>;
  /** What can be called; not among its fields. */
  readonly methods?: Readonly<Record<string, unknown>> | undefined;
  readonly fields: Readonly<Record<string, FieldSpec>>;
  values(): Record<string, unknown>;
  /** @throws AuthorError if nobody may write here */
  requireWritable(field: string): void;
  readonly decimals: number;
}

/** A participant, session or subsession as authors hold it: what is built in, and the fields that are declared. */
export function ownObject(access: OwnAccess): object {
  const { what, app, builtIns, fields, decimals } = access;
  const object = {};
  const declared =
    what === "subsession" ? "Declare it in defineApp: subsession" : `Declare it in walras.config.ts: ${what}Fields`;
  for (const name of Object.keys(builtIns)) {
    // Of a project that had a field of that name before it was built in.
    if (Object.hasOwn(fields, name)) continue;
    const set = Object.getOwnPropertyDescriptor(builtIns, name)?.set;
    Object.defineProperty(object, name, {
      enumerable: true,
      get: () => builtIns[name],
      set(value: unknown) {
        if (set !== undefined) return set.call(builtIns, value);
        throw new AuthorError("read_only", `${app}: ${what}.${name} is set by Walras and cannot be changed.`);
      },
    });
  }
  for (const [name, value] of Object.entries(access.methods ?? {})) Object.defineProperty(object, name, { value });
  for (const [name, spec] of Object.entries(fields)) {
    Object.defineProperty(object, name, {
      enumerable: true,
      get() {
        // Of a session from before the field was declared, nothing was stored yet.
        const value = access.values()[name] ?? initialOf(spec, decimals);
        if (value !== null || spec.blank) return value;
        throw new AuthorError(
          "field_not_set",
          `${app}: ${what}.${name} was read but never set. Set it first, or declare it with an \`initial\` value, or with \`blank: true\` and check for null.`,
        );
      },
      set(value: unknown) {
        access.requireWritable(name);
        access.values()[name] = plain(spec, checkValue(spec, value, `${app}: ${what}.${name}`, decimals));
      },
    });
  }
  return new Proxy(object, {
    get(target, name) {
      if (typeof name === "string" && !(name in target) && !ASKED_BY_OTHERS.has(name)) throw unknown(name);
      return Reflect.get(target, name);
    },
    set(target, name, value) {
      if (!(name in target)) throw unknown(String(name));
      return Reflect.set(target, name, value);
    },
  });

  function unknown(name: string): AuthorError {
    const known = Object.keys(object).join(", ");
    return new AuthorError(
      "unknown_field",
      `${app}: ${what} has no field "${name}". It has ${known}. ${declared}: { ${/^[a-z]\w*$/i.test(name) ? name : "field"}: text() }.`,
    );
  }
}

/** The fields that are set, for templates: those that are not read as null. */
export function ownSnapshot(object: object): Record<string, unknown> {
  const snapshot: Record<string, unknown> = {};
  for (const name of Object.keys(object)) {
    try {
      snapshot[name] = Reflect.get(object, name);
    } catch (error) {
      if (!(error instanceof AuthorError) || error.code !== "field_not_set") throw error;
      snapshot[name] = null;
    }
  }
  return snapshot;
}

/** The value of somebody new; null: none. */
function initialOf(spec: FieldSpec, decimals: number): unknown {
  const { initial = null, kind } = spec;
  return kind === "currency" && typeof initial === "number" ? roundCurrency(initial, decimals) : plain(spec, initial);
}

/** As JSON holds it. */
function plain(spec: FieldSpec, held: Value): unknown {
  return spec.kind === "json" && typeof held === "string" ? JSON.parse(held) : held;
}
