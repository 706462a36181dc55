import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldSpec, ModelSpec } from "./app-spec.ts";
import { fieldSpec } from "./fields.ts";
import { checkPublish } from "./published.ts";
import { EXTRA_COLUMNS, GROUP_COLUMNS, makeTable, PLAYER_COLUMNS, type TableOptions } from "./system-tables.ts";
import { type ColumnKind, snakeCase, type Value } from "./tables.ts";
import { describe } from "./values.ts";

/** PostgreSQL cuts longer names off in silence. */
const NAME_LIMIT = 63;
/** So that `uq_<app>_player_participant_id_round_number`, our longest name, stays within {@link NAME_LIMIT}. */
export const APP_NAME_LIMIT = 25;

interface ModelKind {
  readonly columns: Readonly<Record<string, ColumnKind>>;
  readonly table: Pick<TableOptions, "key" | "generated" | "unique" | "indexes" | "initial">;
  /** What handles of this kind have beside the author's fields; see handles.ts. */
  readonly members: readonly string[];
}

const KINDS: Readonly<Record<ModelSpec["kind"], ModelKind>> = {
  group: {
    columns: GROUP_COLUMNS,
    // Not generated: a group's id is its actor's.
    table: { key: ["id"], initial: { extraCount: 0, timerCount: 0 } },
    members: [
      ...["fieldDisplay", "session", "subsession", "getPlayers", "getPlayerById", "getPlayerByRole"],
      ...["inPreviousRounds", "inRound", "inRounds", "inAllRounds", "after", "every", "at", "cancel", "timers"],
      "postChat",
    ],
  },
  player: {
    columns: PLAYER_COLUMNS,
    table: {
      key: ["id"],
      generated: true,
      initial: { payoff: 0, connected: false },
      unique: [["participantId", "roundNumber"]],
      indexes: [["groupId"]],
    },
    members: [
      ...["fieldDisplay", "session", "subsession", "group", "participant"],
      ...["getOthersInGroup", "getOthersInSubsession", "inPreviousRounds", "inRound", "inRounds", "inAllRounds"],
    ],
  },
  extra: {
    columns: EXTRA_COLUMNS,
    table: { key: ["actorId", "n"] },
    members: ["id", "session", "sessionId", "subsession", "participant", "delete"],
  },
};

/** Names that JavaScript itself asks objects for. */
const OF_THE_LANGUAGE = [
  "constructor",
  "prototype",
  "then",
  "toJSON",
  "toString",
  "toLocaleString",
  "valueOf",
  "inspect",
].concat(["hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"]);

/**
 * One model of an app, with its fields checked and its table described: the built-in columns first,
 * the author's after them.
 *
 * @param name "Group", "Player" or the extra model's name
 * @param fields as given to defineApp
 * @throws AuthorError `wrong_fields`, `wrong_name`, `reserved_name`, `name_taken`, and as {@link fieldSpec}
 */
export function makeModel(app: string, kind: ModelSpec["kind"], name: string, fields: unknown): ModelSpec {
  const where = `${app}: ${name}`;
  requireFields(fields, where);
  const { columns: builtIn, table, members } = KINDS[kind];
  const taken = new Map(Object.keys(builtIn).map((field) => [snakeCase(field), field]));
  const specs: Record<string, FieldSpec> = {};
  const columns: Record<string, ColumnKind> = { ...builtIn };
  const columnNames: Record<string, string> = {};
  const initial: Record<string, Value> = { ...table.initial };
  for (const [field, declared] of Object.entries(fields)) {
    const at = `${where}.${field}`;
    checkFieldName(field, at, [...Object.keys(builtIn), ...members]);
    const spec = fieldSpec(declared, at);
    checkPublish(spec, kind, at);
    const column = spec.kind === "link" ? `${snakeCase(field)}_id` : snakeCase(field);
    if (column.length > NAME_LIMIT) {
      throw new AuthorError(
        "wrong_name",
        `${at} would be stored as ${column}, ${column.length} characters; databases take ${NAME_LIMIT}. Choose a shorter name.`,
      );
    }
    const other = taken.get(column);
    if (other !== undefined) {
      throw new AuthorError(
        "name_taken",
        `${at} would be stored as ${column}, as ${name}.${other} is already. Choose another name.`,
      );
    }
    taken.set(column, field);
    specs[field] = spec;
    columns[field] = spec.kind;
    columnNames[field] = column;
    if (spec.initial !== undefined) initial[field] = spec.initial;
  }
  const tableName = `${app}_${modelColumnName(name)}`;
  return {
    name,
    app,
    kind,
    fields: specs,
    table: makeTable({ ...table, name: tableName, columns, columnNames, initial }),
  };
}

/**
 * Checks the names of an app's extra models and makes them.
 *
 * @throws AuthorError `wrong_name`, `reserved_name`, `no_link`, and as {@link makeModel}
 */
export function makeExtraModels(app: string, models: Readonly<Record<string, unknown>>): Record<string, ModelSpec> {
  const made: Record<string, ModelSpec> = {};
  for (const [name, fields] of Object.entries(models)) {
    const where = `${app}: extra model ${name}`;
    if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) {
      throw new AuthorError(
        "wrong_name",
        `${where} must be named like Bid or TradeOffer: a capital letter, then letters and digits.`,
      );
    }
    if (name === "Group" || name === "Player") {
      throw new AuthorError(
        "reserved_name",
        `${where} is built in; declare its fields under \`${name.toLowerCase()}\` instead.`,
      );
    }
    const table = `${app}_${modelColumnName(name)}`;
    if (table.length > NAME_LIMIT) {
      throw new AuthorError(
        "wrong_name",
        `${where} would have the table ${table}; databases take ${NAME_LIMIT} characters. Choose a shorter name.`,
      );
    }
    const model = makeModel(app, "extra", name, fields);
    if (!Object.values(model.fields).some((spec) => spec.kind === "link")) {
      throw new AuthorError(
        "no_link",
        `${where} belongs to nobody. Give it a link, e.g. { player: link("player") } or { group: link("group") }.`,
      );
    }
    made[name] = model;
  }
  return made;
}

/** What a subsession has beside the author's fields. */
const SUBSESSION_MEMBERS = [
  ...["id", "sessionId", "app", "roundNumber", "session", "getGroups", "getPlayers", "getGroupMatrix"],
  ...["setGroupMatrix", "groupRandomly", "groupLikeRound", "inRound", "inRounds", "inPreviousRounds", "inAllRounds"],
];

/**
 * The checked fields of an app in one round. They are kept together in one column, as those of sessions are.
 *
 * @throws AuthorError `wrong_fields`, `wrong_name`, `reserved_name`, `wrong_option`, and as {@link fieldSpec}
 */
export function subsessionFields(app: string, fields: unknown): Readonly<Record<string, FieldSpec>> {
  const where = `${app}: Subsession`;
  requireFields(fields, where);
  const specs: Record<string, FieldSpec> = {};
  for (const [field, declared] of Object.entries(fields)) {
    const at = `${where}.${field}`;
    checkFieldName(field, at, SUBSESSION_MEMBERS);
    const spec = fieldSpec(declared, at);
    if (spec.kind === "link") {
      throw new AuthorError("wrong_option", `${at} is a link, which leads into one group. Use integer() or text().`);
    }
    if (spec.publish !== undefined) {
      throw new AuthorError(
        "wrong_option",
        `${at}: publish shows what changes while a group plays, and the subsession's fields do not. Put it into varsForTemplate or jsVars.`,
      );
    }
    specs[field] = spec;
  }
  return specs;
}

function requireFields(fields: unknown, where: string): asserts fields is Record<string, unknown> {
  if (typeof fields === "object" && fields !== null && !Array.isArray(fields)) return;
  throw new AuthorError(
    "wrong_fields",
    `${where} is ${describe(fields)}; give it an object of fields, e.g. { age: integer() }.`,
  );
}

/** `TradeOffer` → `trade_offer`. */
function modelColumnName(name: string): string {
  return snakeCase(name).replace(/^_/, "");
}

function checkFieldName(field: string, at: string, builtIn: readonly string[]): void {
  if (!/^[a-z][A-Za-z0-9]*$/.test(field)) {
    const camel = field.replace(
      /[^A-Za-z0-9]+([A-Za-z0-9])?/g,
      (_, next: string | undefined) => next?.toUpperCase() ?? "",
    );
    const better = camel.charAt(0).toLowerCase() + camel.slice(1);
    const example = /^[a-z][A-Za-z0-9]*$/.test(better) ? better : "highestBid";
    throw new AuthorError(
      "wrong_name",
      `${at} must be named in camelCase, e.g. ${example}: a small letter, then letters and digits. Its column will be ${snakeCase(example)}.`,
    );
  }
  if (builtIn.includes(field) || OF_THE_LANGUAGE.includes(field)) {
    const why = builtIn.includes(field) ? "built in" : "a name that JavaScript itself uses";
    throw new AuthorError(
      "reserved_name",
      `${at} is ${why}. Choose another name, e.g. my${field.charAt(0).toUpperCase()}${field.slice(1)}.`,
    );
  }
}
