import { BOT_PARAMETER } from "../../client-sdk/protocol.ts";
import type { AppSpec, FieldSpec, ModelSpec, PinnedPage } from "../../entities/app-spec.ts";
import type { Formats } from "../../entities/money.ts";
import type { OwnFieldSpecs } from "../../entities/own-fields.ts";
import { orderedPages } from "../../entities/page-order.ts";
import type { Snapshot } from "../../entities/snapshot.ts";
import { ParticipantTable, SessionTable } from "../../entities/system-tables.ts";
import { snakeCase, type Value, type Values } from "../../entities/tables.ts";
import type { DataColumn } from "./data-set.ts";

/** What every data set is made from. */
export interface Source {
  readonly snapshot: Snapshot;
  readonly apps: readonly AppSpec[];
  /** By id: all sessions, or the one that is exported. */
  readonly sessions: ReadonlyMap<number, SessionFacts>;
  /** Set: only this session's rows. */
  readonly sessionId: number | undefined;
  /** Decimal places of amounts. */
  readonly decimals: number;
  /** What the project declares for its participants and sessions. */
  readonly ownFields: OwnFieldSpecs;
  /** What an amount counts, e.g. "points" or "EUR". */
  readonly currencyUnit: string;
  /** How amounts are written, and what points are paid in. */
  readonly formats: Formats | undefined;
}

export interface SessionFacts {
  readonly row: Values;
  readonly config: Readonly<Record<string, unknown>>;
  readonly pages: readonly PinnedPage[];
}

/** A column and how its value is found. */
export interface Cell<Row> extends DataColumn {
  of(row: Row): Value;
}

/** A participant with what is not in their own row. */
export interface Person {
  readonly values: Values;
  readonly session: SessionFacts;
  readonly payoff: number;
}

/** All sessions that are to be exported, in the order of their creation. */
export async function sessionsOf(
  snapshot: Snapshot,
  sessionId: number | undefined,
): Promise<Map<number, SessionFacts>> {
  const sessions = new Map<number, SessionFacts>();
  for await (const rows of snapshot.scan(SessionTable, sessionId)) {
    for (const row of rows) {
      const config = JSON.parse(String(row.config)) as Record<string, unknown>;
      sessions.set(Number(row.id), { row, config, pages: JSON.parse(String(row.pages)) as PinnedPage[] });
    }
  }
  return sessions;
}

/** The participants with these ids, with what they earned over all apps and rounds. */
export async function peopleOf(source: Source, rows: readonly Values[]): Promise<Map<number, Person>> {
  const ids = rows.map((row) => Number(row.id));
  // Of all groups, also of apps that are no longer there.
  const payoffs = await source.snapshot.read.payoffsElsewhere(ids, 0, source.decimals);
  const people = new Map<number, Person>();
  for (const values of rows) {
    const session = source.sessions.get(Number(values.sessionId));
    if (session === undefined) continue;
    people.set(Number(values.id), { values, session, payoff: payoffs.get(Number(values.id)) ?? 0 });
  }
  return people;
}

/** As {@link peopleOf}, by id. */
export async function peopleById(source: Source, ids: Iterable<number>): Promise<Map<number, Person>> {
  return peopleOf(source, await source.snapshot.among(ParticipantTable, "id", [...new Set(ids)]));
}

/** The columns that oTree's exports have of a participant, under oTree's names and in its order, `entry` and `status`. */
export function participantCells(source: Source): Cell<Person>[] {
  const page = ({ values, session }: Person) =>
    orderedPages(session.pages, values.pageOrder)[Number(values.pageIndex) - 1];
  const cell = (
    name: string,
    kind: DataColumn["kind"],
    meaning: string,
    of: (person: Person) => Value,
  ): Cell<Person> => ({
    name: `participant.${name}`,
    kind,
    meaning,
    of,
  });
  return [
    cell("id_in_session", "integer", "1, 2, 3 ... in the session", ({ values }) => values.idInSession ?? null),
    cell(
      "code",
      "text",
      "the participant's own code, which is also in their link",
      ({ values }) => values.code ?? null,
    ),
    cell("label", "text", "label given by the experimenter or the lab", ({ values }) => values.label ?? null),
    cell("_is_bot", "boolean", "1: played by a bot", ({ values }) => entryOf(values)[BOT_PARAMETER] !== undefined),
    cell(
      "_index_in_pages",
      "integer",
      "the page reached, counted over all apps and rounds; 0: not started",
      ({ values }) => values.pageIndex ?? null,
    ),
    cell("_max_page_index", "integer", "number of pages of the session", ({ session }) => session.pages.length),
    cell("_current_app_name", "text", "app of the page reached", (person) => page(person)?.app ?? null),
    cell("_current_page_name", "text", "name of the page reached", (person) => page(person)?.page ?? null),
    cell("time_started_utc", "text", "when the participant opened their link, UTC", ({ values }) =>
      utc(values.startedAt),
    ),
    cell("visited", "boolean", "1: the participant opened their link", ({ values }) => values.startedAt !== null),
    cell(
      "mturk_worker_id",
      "text",
      "worker of Amazon Mechanical Turk",
      ({ values }) => entryOf(values).workerId ?? null,
    ),
    cell(
      "mturk_assignment_id",
      "text",
      "assignment of Amazon Mechanical Turk",
      ({ values }) => entryOf(values).assignmentId ?? null,
    ),
    {
      ...cell("payoff", "currency", "sum of the payoffs of all apps and rounds", ({ payoff }) => payoff),
      unit: source.currencyUnit,
    },
    cell("entry", "json", "parameters of the link by which the participant came", ({ values }) => values.entry ?? null),
    cell("status", "text", "what the app last said of the participant", ({ values }) => values.status ?? null),
    cell("replaced_utc", "text", "when the computer took the participant's place, UTC", ({ values }) =>
      utc(values.replacedAt),
    ),
    ...ownCells("participant", source.ownFields.participant, source, ({ values }: Person) => values),
  ];
}

/**
 * The columns of what is declared for participants, sessions or subsessions, kept as JSON in the row's `fields`.
 *
 * @param app whose fields they are; left out: the project's
 */
export function ownCells<Row>(
  prefix: string,
  specs: OwnFieldSpecs["participant"],
  source: Source,
  rowOf: (row: Row) => Values,
  app?: string,
): Cell<Row>[] {
  return Object.entries(specs).map(([name, spec]) => {
    const cell = fieldCell(name, spec, source, `${prefix}.`, "");
    return {
      ...cell,
      app,
      of: (row: Row) => {
        const { fields } = rowOf(row);
        const values = typeof fields === "string" ? (JSON.parse(fields) as Record<string, unknown>) : {};
        return cellValue(values[name], spec.kind);
      },
    };
  });
}

function entryOf({ entry }: Values): Record<string, string> {
  return typeof entry === "string" ? (JSON.parse(entry) as Record<string, string>) : {};
}

/** `session.…` of what the project declares for its sessions. */
export function ownSessionCells(source: Source): Cell<SessionFacts>[] {
  return ownCells("session", source.ownFields.session, source, ({ row }: SessionFacts) => row);
}

/** The columns that oTree's exports have of a session, under oTree's names and in its order. */
export function sessionCells(): Cell<SessionFacts>[] {
  const cell = (
    name: string,
    kind: DataColumn["kind"],
    meaning: string,
    of: (row: Values) => Value,
  ): Cell<SessionFacts> => ({
    name: `session.${name}`,
    kind,
    meaning,
    of: ({ row }) => of(row),
  });
  return [
    cell("code", "text", "the session's code", (row) => row.code ?? null),
    cell("label", "text", "label given by the experimenter", (row) => row.label ?? null),
    cell("mturk_HITId", "text", "HIT of Amazon Mechanical Turk", (row) => row.mturkHitId ?? null),
    cell("mturk_HITGroupId", "text", "HIT group of Amazon Mechanical Turk", (row) => row.mturkHitGroupId ?? null),
    cell("comment", "longText", "comment of the experimenter", (row) => row.comment ?? null),
    cell("is_demo", "boolean", "1: started from the demo page", (row) => row.isDemo ?? null),
  ];
}

/** Parameters of session configs that describe the config rather than the treatment. */
const ABOUT_THE_CONFIG = new Set(["displayName", "doc", "appSequence", "numDemoParticipants"]);

/** What every session has, whether its config says so or not: scripts multiply by it. */
const CONFIG_DEFAULTS: Readonly<Record<string, unknown>> = { realWorldCurrencyPerPoint: 1, participationFee: 0 };

/** `session.config.…`: the name first, then every parameter of any session in order of appearance. */
export function configCells(source: Source): Cell<SessionFacts>[] {
  const names = new Set(["name", ...Object.keys(CONFIG_DEFAULTS)]);
  for (const { config } of source.sessions.values()) {
    for (const name of Object.keys(config)) if (!ABOUT_THE_CONFIG.has(name)) names.add(name);
  }
  return [...names].map((name) => {
    const of = (config: SessionFacts["config"]) => config[name] ?? CONFIG_DEFAULTS[name];
    const kind = kindOf([...source.sessions.values()].map(({ config }) => of(config)));
    return {
      name: `session.config.${snakeCase(name)}`,
      kind,
      meaning: `parameter ${name} of the session config`,
      of: ({ config }: SessionFacts) => cellValue(of(config), kind),
    };
  });
}

/** The columns of a model that its author declared. */
export function fieldCells(model: ModelSpec, source: Source, prefix: string): Cell<Values>[] {
  return Object.entries(model.fields).flatMap(([name, spec]) =>
    spec.kind === "link" ? [] : [fieldCell(name, spec, source, prefix, model.app)],
  );
}

export function fieldCell(name: string, spec: FieldSpec, source: Source, prefix: string, app: string): Cell<Values> {
  return {
    name: `${prefix}${snakeCase(name)}`,
    kind: spec.kind,
    unit: spec.form?.unit ?? unitOf(spec.kind, source),
    meaning: spec.doc ?? spec.label ?? `${prefix}${snakeCase(name)}, which the app does not describe (no doc)`,
    app,
    choices: spec.choices,
    min: spec.min,
    max: spec.max,
    of: (row) => row[name] ?? null,
  };
}

export function unitOf(kind: DataColumn["kind"], source: Source): string | undefined {
  if (kind === "currency") return source.currencyUnit;
  return kind === "timestamp" ? "milliseconds since 1970-01-01 UTC" : undefined;
}

/** `2026-11-22 14:03:07.123`, UTC. */
export function utc(at: Value | undefined): string | null {
  return typeof at === "number" ? new Date(at).toISOString().replace("T", " ").replace("Z", "") : null;
}

function kindOf(values: readonly unknown[]): DataColumn["kind"] {
  const types = new Set(values.filter((value) => value !== undefined && value !== null).map((value) => typeof value));
  const [type] = types;
  if (types.size !== 1) return types.size === 0 ? "text" : "json";
  if (type === "number") return "float";
  if (type === "boolean") return "boolean";
  return type === "string" ? "text" : "json";
}

function cellValue(value: unknown, kind: DataColumn["kind"]): Value {
  if (value === undefined || value === null) return null;
  return kind === "json" ? JSON.stringify(value) : (value as Value);
}
