import { randomBytes, randomInt } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { AuthorError, WalrasError } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";
import type { AppSpec, FieldSpec, PinnedPage } from "./app-spec.ts";
import { blocks } from "./group-matrix.ts";
import { Row, type SessionFacts } from "./memory.ts";
import { configOf, type Formats } from "./money.ts";
import { initialFields, NO_OWN_FIELDS, type OwnFieldSpecs } from "./own-fields.ts";
import { drawOrders } from "./page-order.ts";
import { checkParticipants, formsGroupsByArrival, wrongNumber } from "./participant-count.ts";
import { seededRandom, seedOf } from "./random.ts";
import type { Writer } from "./store.ts";
import { type GroupOfRows, WholeSubsession } from "./subsession.ts";
import { ActorTable, ParticipantTable, SessionTable, SubsessionTable } from "./system-tables.ts";
import type { Table, Value, Values } from "./tables.ts";
import { initialValues, roundCurrency } from "./values.ts";

/** Runs a function of the author that may be async, under a name. */
export type RunHook = (what: string, hook: (call: { readonly signal: AbortSignal }) => unknown) => Promise<unknown>;

export interface NewSession {
  /** One entry of walras.config.ts; all of it is kept as the session's `config`. */
  readonly config: {
    readonly name: string;
    readonly appSequence: readonly string[];
    readonly [parameter: string]: unknown;
  };
  readonly apps: ReadonlyMap<string, AppSpec>;
  readonly participants: number;
  readonly isDemo: boolean;
  /** Milliseconds since 1970 (UTC). */
  readonly now: number;
  /** Decimal places of currency fields. */
  readonly decimals: number;
  /** Labels of the participants, in their order. Default: none; creatingSession may give some. */
  readonly labels?: readonly string[] | undefined;
  /** How the session writes amounts. Default: whole points, in English. */
  readonly formats?: Formats | undefined;
  /** What the project declares for participants and sessions. */
  readonly ownFields?: OwnFieldSpecs | undefined;
  /** Runs creatingSession. Default: it takes as long as it takes. */
  readonly runHook?: RunHook;
  /** Where the codes come from; a CSPRNG unless a test wants to know them. */
  readonly codes?: CodeSource;
}

export interface CodeSource {
  /** Names the session in the experimenter's pages. */
  session(): string;
  /** The participant's secret: whoever knows it is the participant. */
  participant(): string;
}

/** Session codes of 8 letters and digits; participants' codes of 128 random bits. */
export const SECRET_CODES: CodeSource = {
  session: () => Array.from({ length: 8 }, () => LETTERS_AND_DIGITS[randomInt(LETTERS_AND_DIGITS.length)]).join(""),
  participant: () => base32(randomBytes(16)),
};

/**
 * Makes a session: works its rows out, runs the apps' `creatingSession` on them, and writes them all.
 *
 * @throws WalrasError `unknown_app`, `app_twice`, `no_apps`, `wrong_number_of_participants`; what creatingSession throws
 */
export async function createSession(
  write: Writer,
  options: NewSession,
): Promise<{ session: Values; participants: Values[] }> {
  return writeSession(write, await draftSession(options));
}

/** A session that is worked out and not stored yet. Ids are numbers of its own: places in the draft, from 1. */
export interface SessionDraft {
  readonly session: Row;
  readonly participants: readonly Row[];
  readonly apps: readonly AppDraft[];
}

interface AppDraft {
  readonly app: AppSpec;
  /** By round. */
  readonly subsessions: readonly Row[];
  readonly groups: readonly Row[];
  readonly players: readonly Row[];
  readonly extras: readonly Row[];
}

/** Rows that are worked out or written between two looks at what else there is to do: about 10 ms. */
const ROWS_AT_ONCE = 2_000;

/** Works a session out, without the database. Large ones let the event loop turn now and then. */
export async function draftSession(options: NewSession): Promise<SessionDraft> {
  const { config, isDemo, now, decimals, codes = SECRET_CODES, ownFields = NO_OWN_FIELDS } = options;
  const apps = appsOf(options);
  checkParticipants(options.participants, config.name, apps);
  const code = codes.session();
  const session = new Row(SessionTable, null, {
    code,
    configName: config.name,
    config: toJson(config, `Session config "${config.name}"`),
    pages: JSON.stringify(apps.flatMap(pinnedPages)),
    createdAt: now,
    isDemo,
    label: null,
    comment: null,
    archivedAt: null,
    fields: initialFields(ownFields.session, decimals),
  });
  const fields = initialFields(ownFields.participant, decimals);
  const orders = drawOrders(apps, options.participants, config, (what) => seededRandom(seedOf(`${code}/${what}`)));
  const participants = Array.from({ length: options.participants }, (_, i) => {
    const values = {
      idInSession: i + 1,
      code: codes.participant(),
      label: options.labels?.[i] ?? null,
      pageIndex: 0,
      startedAt: null,
      pageAt: null,
      replacedAt: null,
      replacedPayoff: null,
      entry: null,
      pageOrder: orders[i] ?? null,
      fields,
      status: null,
      // Not a column: what creatingSession has given them so far, in other rounds and apps.
      payoffElsewhere: 0,
    };
    return new Row(ParticipantTable, null, { id: i + 1, ...values });
  });
  const facts: SessionFacts = {
    id: 0,
    code,
    config: configOf(session.values.config as string),
    isDemo,
    row: session,
    ownFields,
    formats: options.formats,
  };
  const drafts: AppDraft[] = [];
  for (const app of apps) drafts.push(await draftApp(app, { options, facts, participants }));
  checkLabels(participants, config.name);
  return { session, participants, apps: drafts };
}

const runFreely: RunHook = async (_what, hook) => hook({ signal: new AbortController().signal });

/** A label is one participant's. */
function checkLabels(participants: readonly Row[], configName: string): void {
  const seen = new Map<Value, Value | undefined>();
  for (const { label = null, idInSession } of participants.map(({ values }) => values)) {
    if (label !== null && seen.has(label)) {
      throw new AuthorError(
        "wrong_label",
        `A session of "${configName}" would have the label "${label}" twice: of participants ${seen.get(label)} and ${idInSession}.`,
      );
    }
    seen.set(label, idInSession);
  }
}

interface DraftOf {
  readonly options: NewSession;
  readonly facts: SessionFacts;
  readonly participants: readonly Row[];
}

async function draftApp(app: AppSpec, { options, facts, participants }: DraftOf): Promise<AppDraft> {
  const { decimals, now, config, runHook = runFreely } = options;
  const lobby = formsGroupsByArrival(app);
  const everybody = participants.map((_, i) => i + 1);
  const byId = new Map(participants.map((row) => [row.values.id as number, row]));
  const groupValues = initialValues(app.group.table, decimals);
  const { id: _, ...playerValues } = initialValues(app.player.table, decimals);
  const draft = { subsessions: [] as Row[], groups: [] as Row[], players: [] as Row[], extras: [] as Row[] };
  const subsessionFields = initialFields(app.subsession, decimals);
  let groupCount = 0;
  const matrices: number[][][] = [];
  const earlier = new Map<number, Values[]>();
  const earlierGroups = new Map<number, Values>();
  for (const roundNumber of rounds(app)) {
    const size = lobby || app.playersPerGroup === "all" ? participants.length : app.playersPerGroup;
    const groups = blocks(everybody, size).map((ids, i): GroupOfRows => {
      const idInSubsession = lobby ? LOBBY : i + 1;
      const group = { ...groupValues, id: ++groupCount, roundNumber, idInSubsession };
      const row = new Row(app.group.table, app.group, group);
      draft.groups.push(row);
      const players = ids.map((participantId, at) => {
        const id = draft.players.length + 1;
        const values = { ...playerValues, id, groupId: group.id, participantId, roundNumber, idInGroup: at + 1 };
        const player = new Row(app.player.table, app.player, values);
        draft.players.push(player);
        return player;
      });
      return { row, players };
    });
    const subsession = { id: roundNumber, app: app.name, roundNumber, fields: subsessionFields };
    const row = new Row(SubsessionTable, null, subsession);
    draft.subsessions.push(row);
    const isEven = lobby || participants.length % size === 0;
    if (app.creatingSession === undefined) {
      if (draft.players.length % ROWS_AT_ONCE < participants.length) await turn();
      continue;
    }
    const random = seededRandom(seedOf(`${facts.code}/${app.name}/${roundNumber}`));
    const what = `${app.name} creatingSession, round ${roundNumber}`;
    const round = new WholeSubsession({
      app,
      session: facts,
      row,
      roundNumber,
      groups,
      participants: byId,
      earlier: (id) => earlier.get(id) ?? [],
      earlierGroups,
      earlierSubsessions: draft.subsessions.slice(0, -1).map(({ values }) => values),
      matrixOf: (n) => matrices[n - 1],
      newGroup: (idInSubsession) => {
        const values = { ...groupValues, id: ++groupCount, roundNumber, idInSubsession };
        const group = new Row(app.group.table, app.group, values);
        draft.groups.push(group);
        return group;
      },
      ...(lobby
        ? { fixed: "its groups form when participants arrive, so that creatingSession cannot form them." }
        : {}),
      unnumbered: true,
      decimals,
      what,
      at: now,
      random,
    });
    const hook = app.creatingSession as (subsession: object, call: unknown) => unknown;
    await runHook(what, (call) => round.run((subsession) => hook(subsession, call)));
    round.finish();
    if (!isEven && !round.regrouped) throw wrongNumber(options.participants, config.name, size);
    matrices.push(round.matrix);
    const kept = new Set(round.groups.map(({ row }) => row));
    draft.groups = draft.groups.filter((row) => row.values.roundNumber !== roundNumber || kept.has(row));
    for (const { view, row: group } of round.groups) {
      earlierGroups.set(group.values.id as number, group.values);
      for (const rows of view.memory.extras.values()) draft.extras.push(...[...rows.values()].filter(isThere));
    }
    for (const player of draft.players.slice(-participants.length)) {
      const id = player.values.participantId as number;
      earlier.set(id, [...(earlier.get(id) ?? []), player.values]);
      const { values } = byId.get(id) as Row;
      const [before, payoff] = [values.payoffElsewhere, player.values.payoff] as [number, number];
      values.payoffElsewhere = roundCurrency(before + payoff, decimals);
    }
    await turn();
  }
  return { app, ...draft };
}

/** Writes a session that was worked out. The rows get their ids from the database. */
export async function writeSession(
  write: Writer,
  { session, participants, apps }: SessionDraft,
): Promise<{ session: Values; participants: Values[] }> {
  const [stored = session.values] = await many(write, SessionTable, [session.values]);
  const sessionId = stored.id as number;
  const people = await many(
    write,
    ParticipantTable,
    participants.map(({ values: { id: _, payoffElsewhere: __, ...values } }) => ({ ...values, sessionId })),
  );
  for (const { app, groups, players, extras, ...draft } of apps) {
    const subsessions = await many(
      write,
      SubsessionTable,
      draft.subsessions.map(({ values: { id: _, ...values } }) => ({ ...values, sessionId })),
    );
    const common = (row: Row) => {
      const roundNumber = row.values.roundNumber as number;
      return { sessionId, subsessionId: subsessions[roundNumber - 1]?.id ?? null };
    };
    const actors = groups.map(({ values }) => ({ sessionId, app: app.name, roundNumber: values.roundNumber ?? null }));
    const groupIds = newIds(groups, await insert(write, ActorTable, actors));
    const groupId = (draft: Value | undefined) => groupIds.get(draft as number) ?? null;
    await insert(
      write,
      app.group.table,
      groups.map((row) => ({ ...row.values, ...common(row), id: groupId(row.values.id) })),
    );
    const playerIds = newIds(
      players,
      await insert(
        write,
        app.player.table,
        players.map((row) => {
          const { id: _, ...values } = row.values;
          const participantId = people[(values.participantId as number) - 1]?.id ?? null;
          return { ...values, ...common(row), groupId: groupId(values.groupId), participantId };
        }),
      ),
    );
    const linked = (spec: FieldSpec, id: Value) =>
      id === null ? null : spec.to === "group" ? groupId(id) : (playerIds.get(id as number) ?? null);
    for (const [table, rows] of Map.groupBy(extras, (row) => row.table)) {
      const stored = rows.map(({ model, values }) => {
        const row: Values = { ...values, actorId: groupId(values.actorId) };
        for (const [name, spec] of Object.entries(model?.fields ?? {})) {
          if (spec.kind === "link") row[name] = linked(spec, values[name] ?? null);
        }
        return row;
      });
      await insert(write, table, stored);
    }
  }
  return { session: stored, participants: people };
}

/** idInSubsession of the group in which all players of a round are until groups form out of it. */
const LOBBY = 0;

function isThere(row: Row): boolean {
  return !row.deleted;
}

function newIds(drafts: readonly Row[], ids: readonly number[]): Map<number, number> {
  return new Map(drafts.map((row, i) => [row.values.id as number, ids[i] as number]));
}

/** Inserts rows bit by bit, so that a large session does not hold everything else up. */
async function insert(write: Writer, table: Table, rows: readonly Values[]): Promise<number[]> {
  const ids: number[] = [];
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    if (from > 0) await turn();
    for (const id of await write.insert(table, rows.slice(from, from + ROWS_AT_ONCE))) ids.push(id);
  }
  return ids;
}

/** The apps of a config, in order. */
function appsOf({ config, apps }: NewSession): AppSpec[] {
  const where = `Session config "${config.name}"`;
  if (config.appSequence.length === 0) throw new WalrasError("no_apps", `${where} has an empty appSequence.`);
  return config.appSequence.map((name, i) => {
    if (config.appSequence.indexOf(name) !== i) {
      throw new WalrasError("app_twice", `${where} has the app "${name}" twice; use rounds, or a copy of the app.`);
    }
    const app = apps.get(name);
    if (app === undefined) {
      const known = apps.size === 0 ? "there is none" : `there are: ${[...apps.keys()].join(", ")}`;
      throw new WalrasError("unknown_app", `${where} names the app "${name}", which is not in apps/ (${known}).`);
    }
    return app;
  });
}

function rounds(app: AppSpec): number[] {
  return Array.from({ length: app.rounds }, (_, i) => i + 1);
}

function pinnedPages(app: AppSpec): PinnedPage[] {
  return rounds(app).flatMap((round) => app.pages.map((page) => ({ app: app.name, round, page: page.name })));
}

/** Inserts rows of a numbered table and returns them with their ids. */
async function many(write: Writer, table: Table, rows: readonly Values[]): Promise<Values[]> {
  const ids = await insert(write, table, rows);
  return rows.map((row, i) => ({ id: ids[i] ?? null, ...row }));
}

const LETTERS_AND_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789";
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Lower-case base32 without padding: readable aloud, and double-clicked as one word. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xffff;
    for (count += 8; count >= 5; count -= 5) text += BASE32[(bits >> (count - 5)) & 31];
  }
  return count === 0 ? text : text + BASE32[(bits << (5 - count)) & 31];
}
