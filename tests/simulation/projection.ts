import type { GroupState } from "../../client-sdk/live-state.ts";
import market from "../chaos/project/apps/market/index.ts";
import type { Database } from "./database.ts";

interface PlayerFacts {
  readonly money: number;
  readonly connected: boolean;
  readonly given: number;
}

/** What of a group is published, at some seq. */
export interface Facts {
  readonly transfers: number;
  readonly players: readonly PlayerFacts[];
}

type Change = { update?: string; key?: { id: number }; values: Record<string, unknown> };

/** What was published of each group at each seq, as its journal says, and as nothing of Walras has computed it. */
export class Projection {
  readonly #database: Database;
  readonly #groups = new Map<number, { ids: number[]; facts: Facts[] }>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** undefined: nothing of this seq is stored. */
  at(group: number, seq: number): Facts | undefined {
    const { ids, facts } = this.#group(group);
    const journal = this.#database.journal(group);
    while (facts.length <= seq && facts.length <= journal.length) {
      const last = facts.at(-1) as Facts;
      facts.push(changed(last, ids, JSON.parse(journal[facts.length - 1]?.changes ?? "[]")));
    }
    return facts[seq];
  }

  #group(group: number): { ids: number[]; facts: Facts[] } {
    let known = this.#groups.get(group);
    if (known === undefined) {
      const rows = this.#database.rows(market.spec.player.table, { groupId: group });
      rows.sort((a, b) => Number(a.idInGroup) - Number(b.idInGroup));
      const initial = market.spec.player.table.columns.find(({ name }) => name === "money")?.initial;
      const players = rows.map(() => ({ money: Number(initial), connected: false, given: 0 }));
      known = { ids: rows.map(({ id }) => Number(id)), facts: [{ transfers: 0, players }] };
      this.#groups.set(group, known);
    }
    return known;
  }
}

function changed(facts: Facts, ids: readonly number[], changes: readonly Change[]): Facts {
  let { transfers } = facts;
  const players = [...facts.players];
  for (const { update, key, values } of changes) {
    if (update === market.spec.group.table.name) transfers = Number(values.transfers ?? transfers);
    if (update !== market.spec.player.table.name) continue;
    const at = ids.indexOf(Number(key?.id));
    players[at] = { ...(players[at] as PlayerFacts), ...values };
  }
  return { transfers, players };
}

/** As `live.state` has it. */
export function asSeenBy({ transfers, players }: Facts, idInGroup: number): GroupState {
  const all = Object.fromEntries(
    players.map(({ money, connected }, i) => [i + 1, { idInGroup: i + 1, money, connected }]),
  );
  const { given } = players[idInGroup - 1] as PlayerFacts;
  const own = all[idInGroup] as { idInGroup: number };
  return { group: { transfers }, player: { ...own, given }, players: all };
}
