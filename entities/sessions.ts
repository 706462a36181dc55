import { randomBytes, randomInt } from "node:crypto";
import { WalrasError } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";
import type { AppSpec, PinnedPage } from "./app-spec.ts";
import type { Writer } from "./store.ts";
import { ActorTable, ParticipantTable, SessionTable, SubsessionTable } from "./system-tables.ts";
import type { Table, Values } from "./tables.ts";
import { initialValues } from "./values.ts";

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
 * Writes all rows of a new session: itself, its participants, and for every app and round the
 * subsession, the groups (blocks of participants in order, the same in every round) with their actors,
 * and the players.
 *
 * @throws WalrasError `unknown_app`, `app_twice`, `no_apps`, `wrong_number_of_participants`
 */
export async function createSession(
  write: Writer,
  options: NewSession,
): Promise<{ session: Values; participants: Values[] }> {
  const { config, isDemo, now, codes = SECRET_CODES } = options;
  const apps = appsOf(options);
  checkParticipants(options.participants, config.name, apps);
  const session = await one(write, SessionTable, {
    code: codes.session(),
    configName: config.name,
    config: toJson(config, `Session config "${config.name}"`),
    pages: JSON.stringify(apps.flatMap(pinnedPages)),
    createdAt: now,
    isDemo,
    label: null,
    comment: null,
  });
  const sessionId = session.id as number;
  const participants = await many(
    write,
    ParticipantTable,
    Array.from({ length: options.participants }, (_, i) => ({
      sessionId,
      idInSession: i + 1,
      code: codes.participant(),
      label: null,
      pageIndex: 0,
      startedAt: null,
    })),
  );
  for (const app of apps) {
    const subsessions = await many(
      write,
      SubsessionTable,
      rounds(app).map((roundNumber) => ({ sessionId, app: app.name, roundNumber })),
    );
    for (const subsession of subsessions) await formGroups(write, app, subsession, participants, options.decimals);
  }
  return { session, participants };
}

/** One round of an app: its actors, groups and players. */
async function formGroups(
  write: Writer,
  app: AppSpec,
  subsession: Values,
  participants: readonly Values[],
  decimals: number,
) {
  const { sessionId, roundNumber } = subsession as { sessionId: number; roundNumber: number };
  const common = { sessionId, subsessionId: subsession.id as number, roundNumber };
  const size = app.playersPerGroup === "all" ? participants.length : app.playersPerGroup;
  const actorIds = await write.insert(
    ActorTable,
    Array.from({ length: participants.length / size }, () => ({ sessionId, app: app.name, roundNumber })),
  );
  await write.insert(
    app.group.table,
    actorIds.map((id, i) => ({ ...initialValues(app.group.table, decimals), ...common, id, idInSubsession: i + 1 })),
  );
  const { id: _, ...values } = initialValues(app.player.table, decimals);
  await write.insert(
    app.player.table,
    participants.map((participant, i) => ({
      ...values,
      ...common,
      groupId: actorIds[Math.floor(i / size)] ?? null,
      participantId: participant.id ?? null,
      idInGroup: (i % size) + 1,
    })),
  );
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

function checkParticipants(participants: number, configName: string, apps: readonly AppSpec[]): void {
  const sizes = apps.map((app) => app.playersPerGroup).filter((size) => size !== "all");
  const multiple = sizes.reduce((a, b) => (a / greatestCommonDivisor(a, b)) * b, 1);
  if (Number.isSafeInteger(participants) && participants > 0 && participants % multiple === 0) return;
  throw new WalrasError(
    "wrong_number_of_participants",
    `A session of "${configName}" cannot have ${participants} participants: its groups need ` +
      (multiple === 1 ? "a whole number of at least 1." : `a multiple of ${multiple}.`),
  );
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function rounds(app: AppSpec): number[] {
  return Array.from({ length: app.rounds }, (_, i) => i + 1);
}

function pinnedPages(app: AppSpec): PinnedPage[] {
  return rounds(app).flatMap((round) => app.pages.map((page) => ({ app: app.name, round, page: page.name })));
}

/** Inserts rows of a numbered table and returns them with their ids. */
async function many(write: Writer, table: Table, rows: readonly Values[]): Promise<Values[]> {
  const ids = await write.insert(table, rows);
  return rows.map((row, i) => ({ id: ids[i] ?? null, ...row }));
}

async function one(write: Writer, table: Table, row: Values): Promise<Values> {
  const [inserted = row] = await many(write, table, [row]);
  return inserted;
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
