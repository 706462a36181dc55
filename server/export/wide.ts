import type { AppSpec } from "../../entities/app-spec.ts";
import { ParticipantTable, SubsessionTable } from "../../entities/system-tables.ts";
import type { Value, Values } from "../../entities/tables.ts";
import {
  type Cell,
  configCells,
  ownSessionCells,
  participantCells,
  peopleOf,
  type Source,
  sessionCells,
} from "./cells.ts";
import type { DataTable } from "./data-set.ts";
import { groupCells, playerCells, subsessionCells } from "./model-cells.ts";

/** One app in one round, with its columns. */
interface Block {
  readonly app: AppSpec;
  readonly round: number;
  readonly player: readonly Cell<Values>[];
  readonly group: readonly Cell<Values>[];
  readonly subsession: readonly Cell<Values>[];
}

/**
 * All apps in one table with a row per participant, as oTree's "all apps (wide)": its columns, names and
 * order, so that scripts written for those files run.
 */
export async function wide(source: Source): Promise<DataTable> {
  const person = participantCells(source);
  const session = [...sessionCells(), ...configCells(source), ...ownSessionCells(source)];
  const blocks = await blocksOf(source);
  const columns = [
    ...person,
    ...session,
    ...blocks.flatMap(({ player, group, subsession }) => [...player, ...group, ...subsession]),
  ];

  async function* rows(): AsyncGenerator<Value[][]> {
    for await (const participants of source.snapshot.scan(ParticipantTable, source.sessionId)) {
      // A participant has a row in every round: of many rounds, fewer participants at once.
      for (let from = 0; from < participants.length; from += 100) {
        yield await chunk(participants.slice(from, from + 100));
      }
    }
  }

  async function chunk(participants: readonly Values[]): Promise<Value[][]> {
    const people = await peopleOf(source, participants);
    const played = new Map<string, { player: Values; group: Values | undefined; subsession: Values }>();
    for (const app of new Set(blocks.map((block) => block.app))) {
      const players = await source.snapshot.among(app.player.table, "participantId", [...people.keys()]);
      const ids = new Set(players.flatMap(({ groupId }) => (groupId === null ? [] : [Number(groupId)])));
      const groups = await source.snapshot.among(app.group.table, "id", [...ids]);
      const groupById = new Map(groups.map((group) => [group.id, group]));
      const rounds = await source.snapshot.among(SubsessionTable, "id", [
        ...new Set(players.map(({ subsessionId }) => Number(subsessionId))),
      ]);
      const roundById = new Map(rounds.map((round) => [round.id, round]));
      for (const player of players) {
        const key = `${player.participantId}/${app.name}/${player.roundNumber}`;
        const group = groupById.get(player.groupId ?? null);
        played.set(key, { player, group, subsession: roundById.get(player.subsessionId ?? null) ?? player });
      }
    }
    return [...people.values()].map((one) => {
      const row = [...person.map((cell) => cell.of(one)), ...session.map((cell) => cell.of(one.session))];
      for (const { app, round, player, group, subsession } of blocks) {
        const found = played.get(`${one.values.id}/${app.name}/${round}`);
        for (const cell of player) row.push(found === undefined ? null : cell.of(found.player));
        for (const cell of group) row.push(found?.group === undefined ? null : cell.of(found.group));
        for (const cell of subsession) row.push(found === undefined ? null : cell.of(found.subsession));
      }
      return row;
    });
  }

  return {
    columns,
    total: () => source.snapshot.count(ParticipantTable, source.sessionId),
    rows,
  };
}

/** Apps in the order of the sequence that most participants play, each with as many rounds as any session has. */
async function blocksOf(source: Source): Promise<Block[]> {
  const rounds = new Map<string, number>();
  for await (const subsessions of source.snapshot.scan(SubsessionTable, source.sessionId)) {
    for (const { app, roundNumber } of subsessions) {
      rounds.set(String(app), Math.max(rounds.get(String(app)) ?? 0, Number(roundNumber)));
    }
  }
  const apps = (await orderOf(source)).flatMap((name) => source.apps.filter((app) => app.name === name));
  return apps.flatMap((app) =>
    Array.from({ length: rounds.get(app.name) ?? 0 }, (_, i) => {
      const round = i + 1;
      const of = (cells: Cell<Values>[]): Cell<Values>[] =>
        cells.map((cell) => ({ ...cell, name: `${app.name}.${round}.${cell.name}`, round }));
      return {
        app,
        round,
        player: of(playerCells(app, source)),
        group: of(groupCells(app, source)),
        subsession: of(subsessionCells(app, source)),
      };
    }),
  );
}

async function orderOf(source: Source): Promise<string[]> {
  const weights = new Map<string, number>();
  for await (const participants of source.snapshot.scan(ParticipantTable, source.sessionId)) {
    for (const { sessionId } of participants) {
      const sequence = JSON.stringify(source.sessions.get(Number(sessionId))?.config.appSequence ?? []);
      weights.set(sequence, (weights.get(sequence) ?? 0) + 1);
    }
  }
  const sequences = [...weights].sort(([, a], [, b]) => b - a).map(([sequence]) => JSON.parse(sequence) as string[]);
  return [...new Set(sequences.flat())];
}
