import { WalrasError } from "../client-sdk/errors.ts";
import type { PinnedPage } from "../entities/app-spec.ts";
import { GroupMemory, Row } from "../entities/memory.ts";
import { configOf } from "../entities/money.ts";
import { SessionTable } from "../entities/system-tables.ts";
import type { Values } from "../entities/tables.ts";
import type { ActorWorld } from "./actor-world.ts";
import { foundAtLoad, type UnfinishedRounds } from "./found-at-load.ts";
import { Itinerary } from "./itinerary.ts";
import type { Language } from "./languages.ts";

/** A group as an actor works on it. */
export interface Group {
  readonly memory: GroupMemory;
  /** The session's pages, and which of them are this group's. */
  readonly itinerary: Itinerary;
  /** In which the session speaks to its participants. */
  readonly language: Language;
}

/** A participant as they were when they were read, with their rows of earlier rounds, and those of their groups. */
export interface Newcomer {
  readonly participant: Values;
  readonly earlier: readonly Values[];
  readonly earlierGroups: readonly Values[];
  /** What of them may change after this, for the journal; undefined: nothing. */
  readonly unfinished?: UnfinishedRounds | undefined;
}

/**
 * Reads a group from the database, with those of its participants who have got to it.
 *
 * @returns the group, its newest seq, and for the journal what was found
 * @throws WalrasError `no_such_group`, `no_such_app`
 */
export async function readGroup(
  world: ActorWorld,
  actorId: number,
): Promise<{ group: Group; seq: number; found: string }> {
  const { store, apps, currency } = world;
  const actor = await store.read.actor(actorId);
  if (actor === undefined) throw new WalrasError("no_such_group", `There is no group ${actorId}.`);
  const app = apps.get(actor.app);
  if (app === undefined) {
    throw new WalrasError(
      "no_such_app",
      `Group ${actorId} belongs to app "${actor.app}", which is not in apps/ any more.`,
    );
  }
  const rows = await store.read.group(actorId, app);
  const pages = JSON.parse(rows.session.pages as string) as PinnedPage[];
  const itinerary = new Itinerary(pages, app, rows.group.roundNumber as number);
  const config = deepFreeze(configOf(rows.session.config as string));
  const language = world.languages.of(config.language);
  const session = {
    id: rows.session.id as number,
    code: rows.session.code as string,
    config,
    isDemo: rows.session.isDemo === true,
    row: new Row(SessionTable, null, rows.session),
    ownFields: world.ownFields,
    formats: language,
  };
  const group = { memory: new GroupMemory(app, rows, session, currency.decimals), itinerary, language };
  // Also who is not connected at the moment: what is addressed to them now they get when they are back.
  const reached = rows.participants.filter(({ pageIndex }) => itinerary.reached(pageIndex as number));
  await findPayoffs(world, group, reached);
  const unfinished: UnfinishedRounds[] = [];
  for (const participant of reached) {
    const one = await newcomer(world, group, participant);
    takeIn(group, one);
    if (one.unfinished !== undefined) unfinished.push(one.unfinished);
  }
  return { group, seq: rows.seq, found: foundAtLoad(world.version, rows, reached, unfinished) };
}

/** Reads a participant of the group who is not in its memory. undefined: they have not got to it. */
export async function readNewcomer(
  world: ActorWorld,
  group: Group,
  participantId: number,
): Promise<Newcomer | undefined> {
  const participant = await world.store.read.participant(participantId);
  // Who has not got here yet still plays an earlier round, whose rows may change.
  if (participant === undefined || !group.itinerary.reached(participant.pageIndex as number)) return undefined;
  await findPayoffs(world, group, [participant]);
  return newcomer(world, group, participant);
}

/** Takes a participant into memory; of who has gone on already, their earlier rounds. */
export function takeIn({ memory, itinerary }: Group, { participant, earlier, earlierGroups }: Newcomer): void {
  memory.rememberGroups(earlierGroups);
  if (itinerary.owns(participant.pageIndex as number)) memory.adopt({ ...participant }, earlier);
  else memory.earlier.set(participant.id as number, earlier);
}

/** Adds what participants earned outside of this group: an input, which the journal keeps with them. */
async function findPayoffs(world: ActorWorld, group: Group, participants: readonly Values[]): Promise<void> {
  const wanted = participants.filter(({ payoffElsewhere }) => payoffElsewhere === undefined);
  if (wanted.length === 0) return;
  const ids = wanted.map(({ id }) => id as number);
  const { actorId, decimals } = group.memory;
  const found = group.itinerary.isWhole ? undefined : await world.store.read.payoffsElsewhere(ids, actorId, decimals);
  for (const participant of wanted) participant.payoffElsewhere = found?.get(participant.id as number) ?? 0;
}

async function newcomer({ store }: ActorWorld, { memory, itinerary }: Group, participant: Values): Promise<Newcomer> {
  const { app, roundNumber } = memory;
  if (roundNumber === 1) return { participant, earlier: [], earlierGroups: [] };
  const id = participant.id as number;
  // First: what is finished now is read as it stays.
  const open = await store.read.unfinishedGroups(id, app, roundNumber, itinerary.first);
  const [earlier, earlierGroups] = await Promise.all([
    store.read.earlierPlayers(id, app, roundNumber),
    store.read.earlierGroups(id, app, roundNumber),
  ]);
  if (open.size === 0) return { participant, earlier, earlierGroups };
  const unfinished = {
    players: earlier.filter(({ groupId }) => open.has(groupId as number)),
    groups: earlierGroups.filter((group) => open.has(group.id as number)),
  };
  return { participant, earlier, earlierGroups, unfinished };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
