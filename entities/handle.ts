import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldSpec, ModelSpec } from "./app-spec.ts";
import type { Row } from "./memory.ts";
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
export const ASKED_BY_OTHERS: ReadonlySet<string> = new Set(["then", "toJSON", "constructor", "inspect"]);

/** Of a built-in property. */
export type Getter = (this: Handle) => unknown;

interface HandleClass {
  new (view: View, row: Row): Handle;
}

const classes = new WeakMap<ModelSpec, HandleClass>();

/**
 * One class per model, with an accessor per field on its prototype. Whatever is not declared falls
 * through to the prototype's prototype, a Proxy that names the mistake; declared names never reach
 * it, so they cost no more than a getter.
 */
export function classOf(
  model: ModelSpec,
  builtIns: Record<string, Getter>,
  methods: Record<string, unknown>,
): HandleClass {
  let made = classes.get(model);
  if (made === undefined) {
    made = makeClass(model, builtIns, methods);
    classes.set(model, made);
  }
  return made;
}

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
        // What rows are told apart by elsewhere.
        const hint = name === "id" ? " n is its number in the group." : "";
        throw new AuthorError(
          "unknown_field",
          `${model.app}: ${model.name} has no field "${name}".${hint} It has ${known()}.`,
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

/** The declared fields, and what every player has. */
export function fieldsOf({
  kind,
  fields,
}: {
  readonly kind: string;
  readonly fields: ModelSpec["fields"];
}): ModelSpec["fields"] {
  return kind === "player" ? { payoff: PAYOFF, ...fields } : fields;
}
