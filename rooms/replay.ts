import { messageOf } from "../client-sdk/errors.ts";
import type { AppSpec } from "../entities/app-spec.ts";
import { type GroupMemory, Row } from "../entities/memory.ts";
import type { OwnFieldSpecs } from "../entities/own-fields.ts";
import { applyRecorded } from "../entities/recorded-changes.ts";
import type { EntryKind, GroupRows, JournalEntry, Reads } from "../entities/store.ts";
import type { Table, Values } from "../entities/tables.ts";
import { changesToJson } from "../entities/unit.ts";
import { initialValues } from "../entities/values.ts";
import { Actor } from "./actor.ts";
import type { RecordedSeats } from "./barrier-work.ts";
import type { Command } from "./calls.ts";
import type { RecordedChat } from "./chat-turn.ts";
import type { RecordedOutput } from "./deliveries.ts";
import { type FoundAtLoad, NO_MONEY, type UnfinishedRounds, withMoney } from "./found-at-load.ts";
import type { Languages } from "./languages.ts";
import { replayOutside } from "./live-call.ts";
import { MessageTurn } from "./message-turn.ts";
import { PageTurn } from "./page-turns.ts";
import { PresenceTurn } from "./presence.ts";
import { compareChanges, compareOutput, compareRows, type Difference } from "./replay-compare.ts";
import { type ReplayWorld, replayWorld } from "./replay-world.ts";
import { REFUSED_BY_STORE, type RecordedFiring, TimerTurn } from "./timer-turn.ts";
import type { Outcome, Turn } from "./turn.ts";
import { WaitTurn } from "./wait-turns.ts";

export interface ReplayOptions {
  readonly actorId: number;
  readonly app: AppSpec;
  /** All entries of the group, oldest first. */
  readonly entries: AsyncIterable<JournalEntry>;
  /** The moment of the database to which the entries belong: its rows are compared at the end. */
  readonly read: Reads;
  readonly decimals: number;
  /** By which amounts in posted forms are read. Default: English. */
  readonly languages?: Languages | undefined;
  readonly ownFields: OwnFieldSpecs;
  /** Ends after the entry with this seq; the rows at the end are not compared then. */
  readonly upto?: number | undefined;
  /** Only brings the rows to where they were, by what the journal says; runs none of the app's code. */
  readonly recordedOnly?: boolean;
}

export interface ReplayResult {
  /** Entries whose code ran again, and entries of which only the recorded changes were taken. */
  readonly ran: number;
  readonly recorded: number;
  /** Where it first went another way; undefined: all is the same. */
  readonly difference: Difference | undefined;
  /** The group as it is after the last entry that was taken; undefined: there was none. */
  readonly memory: GroupMemory | undefined;
  /** Set: the group cannot be run again, and why. */
  readonly reason?: string;
}

/** An entry's code did something else than before. */
class Differs extends Error {
  readonly difference: Difference;
  constructor(difference: Difference) {
    super(difference.what);
    this.difference = difference;
  }
}

/**
 * Runs a group's journal again on a fresh memory, entry by entry, with the recorded times and seeds, and
 * compares what each entry's code changes and sends with what it did. Async calls interleave with the world
 * outside: of their units the recorded changes are taken, as of what all groups of a round did together.
 */
export async function replayGroup(options: ReplayOptions): Promise<ReplayResult> {
  const counts = { ran: 0, recorded: 0 };
  const world = replayWorld(options);
  let actor: Actor | undefined;
  let last = 0;
  try {
    for await (const entry of options.entries) {
      if (options.upto !== undefined && entry.seq > options.upto) break;
      last = entry.seq;
      if (entry.kind === "loaded") {
        const loaded: Actor | string = await load(options, world, actor, entry);
        if (typeof loaded === "string") return { ...counts, difference: undefined, memory: undefined, reason: loaded };
        actor = loaded;
        counts.recorded++;
        continue;
      }
      // What all groups did together before this one was first loaded is in its first rows.
      if (actor === undefined) continue;
      if (take(actor, world, entry, options.recordedOnly === true)) counts.ran++;
      else counts.recorded++;
      for (const [id] of actor.memory.participants) if (actor.here(id) === undefined) actor.memory.release(id);
    }
    if (actor !== undefined && options.upto === undefined && options.recordedOnly !== true) {
      await compareEnd(options, actor, last);
    }
  } catch (error) {
    if (!(error instanceof Differs)) throw error;
    return { ...counts, difference: error.difference, memory: actor?.memory };
  }
  return { ...counts, difference: undefined, memory: actor?.memory };
}

/** A new incarnation: of the rows as they were found the first time, later of those that the replay has come to. */
async function load(
  options: ReplayOptions,
  world: ReplayWorld,
  before: Actor | undefined,
  entry: JournalEntry,
): Promise<Actor | string> {
  const { actorId, app, read } = options;
  const found = JSON.parse(entry.input ?? "null") as FoundAtLoad | null;
  if (found?.participants === undefined)
    return "its journal is of an older version, which did not keep what was there at first";
  if (found.rows === undefined && before === undefined) return "the beginning of its journal is missing";
  const stored = await read.group(actorId, app);
  const first = found.rows;
  // A column that came later has the value that its rows got then.
  const whole = (table: Table, rows: readonly Values[]) =>
    rows.map((row) => ({ ...initialValues(table, options.decimals), ...row }));
  const [group] = whole(app.group.table, [first?.group ?? (before as Actor).memory.group.values]);
  const rows: GroupRows = {
    group: group as Values,
    players: whole(app.player.table, first?.players ?? (before as Actor).memory.players.map(({ values }) => values)),
    participants: copies(found.participants),
    extras: new Map(
      Object.values(app.extras).map(({ table }) => [
        table.name,
        whole(table, first?.extras[table.name] ?? valuesOf((before as Actor).memory.extrasOf(table).values())),
      ]),
    ),
    waits: copies(first?.waits ?? valuesOf((before as Actor).memory.waits.values())),
    timers: copies(first?.timers ?? valuesOf((before as Actor).memory.timers.values())),
    session: {
      ...stored.session,
      fields: (found.session ?? null) as string | null,
      ...(found.money === undefined
        ? {}
        : { config: withMoney(stored.session.config, { ...NO_MONEY, ...found.money }) }),
    },
    earlierSubsessions: stored.earlierSubsessions,
    subsession: { ...stored.subsession, fields: (found.subsession ?? null) as string | null },
    seq: entry.seq - 1,
    isNew: first !== undefined,
  };
  const round = rows.group.roundNumber as number;
  for (const { participantId } of stored.players) {
    const id = participantId as number;
    if (round === 1) continue;
    world.earlier.set(id, await read.earlierPlayers(id, app, round));
    world.groups.push(...(await read.earlierGroups(id, app, round)));
  }
  const actor = new Actor(actorId, world.of(rows));
  // Nothing runs by itself: the journal says what came next.
  actor.hold({});
  world.at(entry);
  await actor.load();
  actor.memory.rememberGroups(world.groups);
  asTheyWere(actor, found.unfinished);
  for (const person of stored.participants) actor.memory.people.set(person.id as number, person);
  return actor;
}

/** What an `adopted` entry has beside the participant's columns. */
interface Adopted {
  readonly unfinished?: UnfinishedRounds;
}

/** Rows of earlier rounds that have changed since they were read. */
function asTheyWere({ memory }: Actor, { players, groups }: UnfinishedRounds = { players: [], groups: [] }): void {
  memory.rememberGroups(groups);
  for (const row of players) {
    const id = row.participantId as number;
    const earlier = memory.earlier.get(id) ?? [];
    memory.earlier.set(
      id,
      earlier.map((one) => (one.id === row.id ? row : one)),
    );
  }
}

/** One entry. @returns whether its code ran */
function take(actor: Actor, world: ReplayWorld, entry: JournalEntry, recordedOnly: boolean): boolean {
  if (entry.kind === "adopted") {
    const { unfinished, ...participant } = JSON.parse(entry.input as string) as Values & Adopted;
    const earlier = world.earlier.get(participant.id as number) ?? [];
    const groups = new Set(earlier.map(({ groupId }) => groupId));
    actor.memory.rememberGroups(world.groups.filter(({ id }) => groups.has(id as number)));
    actor.memory.adopt(participant, earlier);
    asTheyWere(actor, unfinished);
    return false;
  }
  const turn = recordedOnly ? undefined : turnOf(actor, entry);
  if (turn === undefined) {
    applyRecorded(actor.memory, entry.changes);
    if (entry.kind === "barrier" && entry.input !== null) seatAnew(actor.memory, entry.input);
    return false;
  }
  world.at(entry);
  const output = entry.output === null ? {} : (JSON.parse(entry.output) as RecordedOutput);
  let outcome: Outcome;
  try {
    outcome = replayOutside(output.o ?? [], () => turn.run(actor));
  } catch (error) {
    throw differs(actor, entry, "it failed", "what the journal has", messageOf(error));
  }
  if (outcome.entry === undefined) throw differs(actor, entry, "it did nothing", entry.kind, "nothing");
  const { kind } = outcome.entry;
  if (kind !== entry.kind) {
    throw differs(
      actor,
      entry,
      "it became something else",
      said(entry.kind, entry.output),
      said(kind, outcome.entry.output ?? null),
    );
  }
  outcome.unit?.stamp();
  const changes = changesToJson(outcome.unit?.changes() ?? []);
  const difference =
    compareChanges(entry.changes, changes) ?? compareOutput(entry.output, outcome.entry.output ?? null);
  if (difference !== undefined) throw differs(actor, entry, difference.what, difference.expected, difference.got);
  outcome.unit?.settle();
  return true;
}

/** The group was formed anew. @param input JSON text of {@link RecordedSeats} */
function seatAnew(memory: GroupMemory, input: string): void {
  const { players } = JSON.parse(input) as RecordedSeats;
  const { table } = memory.app.player;
  memory.seat(players.map((values) => new Row(table, memory.app.player, { ...values })));
}

/** Kinds of entry of which hooks of the author may be a part; see {@link HookedTurn}. */
const WITH_HOOKS: ReadonlySet<EntryKind> = new Set(["start", "view", "submit", "advance", "presence", "timer", "wait"]);

/** What runs an entry again; undefined: what it changed is taken as recorded. */
function turnOf(actor: Actor, entry: JournalEntry): Turn | undefined {
  const { kind, participantId, clientId, n, page, input } = entry;
  // What async hooks did depends on the world outside, as async calls do.
  if (WITH_HOOKS.has(kind) && JSON.parse(input ?? "{}").asyncHooks === true) return undefined;
  switch (kind) {
    case "message":
    case "refused":
    case "started": {
      // Refused on sight, or by the database: there is nothing that could be run.
      if (input === null || participantId === null || clientId === null || n === null) return undefined;
      actor.clients.learn(participantId, clientId, n - 1);
      const data: unknown = JSON.parse(input);
      return new MessageTurn(participantId, { k: "send", c: clientId, n, p: page ?? "", d: data, text: input }, null);
    }
    case "chat": {
      // As with messages: refused on sight, or by the database.
      if (input === null || participantId === null || clientId === null || n === null) return undefined;
      actor.clients.learn(participantId, clientId, n - 1);
      const { channel, nickname, text } = JSON.parse(input) as RecordedChat;
      const p = page ?? "";
      const t = actor.world.chats?.seal.seal({ participantId, page: p, channel, nickname }) ?? "";
      const message = { k: "send" as const, c: clientId, n, p, d: text, t, text: JSON.stringify(text) };
      return new MessageTurn(participantId, message, null);
    }
    case "start":
    case "view":
    case "submit":
    case "advance":
      return new PageTurn(JSON.parse(input as string) as Command, () => {});
    case "replaced":
      // Without: what another group has done for somebody who has left this one.
      return input === null ? undefined : new PageTurn(JSON.parse(input) as Command, () => {});
    case "presence":
      return new PresenceTurn(participantId as number, () => {}, JSON.parse(input as string).connected);
    case "timer":
      // What its database refused, another would take.
      if (entry.output?.includes(REFUSED_BY_STORE) === true) return undefined;
      return new TimerTurn({ begun: () => {}, look: () => {} }, (JSON.parse(input as string) as RecordedFiring).n);
    case "wait": {
      const wait = actor.itinerary.waits.find((one) => one.identity === page && actor.waits.isComplete(one));
      // Of all groups: that they had gone on before is not this group's to know.
      return wait === undefined || wait.wait.scope === "subsession" ? undefined : new WaitTurn(wait, () => {});
    }
    default:
      return undefined;
  }
}

async function compareEnd({ actorId, app, read }: ReplayOptions, actor: Actor, seq: number): Promise<void> {
  const stored = await read.group(actorId, app);
  // Written to since its journal was read, which is of the same moment: only by hand.
  const difference = compareRows(stored, actor.memory);
  if (difference !== undefined) {
    throw new Differs({ seq, kind: "rows", at: 0, page: null, participant: null, input: null, ...difference });
  }
}

function differs(actor: Actor, entry: JournalEntry, what: string, expected: string, got: string): Differs {
  const { seq, kind, at, page, participantId, input } = entry;
  const player = participantId === null ? undefined : actor.memory.playerOf(participantId);
  const participant = player === undefined ? null : (player.values.idInGroup as number);
  return new Differs({ seq, kind, at, page, participant, input, what, expected, got });
}

function said(kind: string, output: string | null): string {
  return output === null ? kind : `${kind} ${output}`;
}

function valuesOf(rows: Iterable<{ readonly values: Values; readonly deleted: boolean }>): Values[] {
  return [...rows].filter(({ deleted }) => !deleted).map(({ values }) => values);
}

function copies(rows: readonly Values[]): Values[] {
  return rows.map((row) => ({ ...row }));
}
