import type { AppSpec } from "../../entities/app-spec.ts";
import type { EntryKind, Store, StoredUnit } from "../../entities/store.ts";
import type { RowChange } from "../../entities/tables.ts";
import { changesToJson } from "../../entities/unit.ts";

/** Units in one transaction. */
const AT_ONCE = 500;

/**
 * Writes what so many messages of the auction leave behind, in each group of a session from the one at place `from`
 * (counted from 0) on: a journal entry and a bid for each, as the live method would have written them. The highest
 * bid stays as it is, so that new bids are accepted from the first on.
 */
export async function addHistory(
  store: Store,
  app: AppSpec,
  { session, from, entries }: { session: number; from: number; entries: number },
): Promise<void> {
  const bids = app.extras.Bid?.table;
  if (bids === undefined) throw new Error(`${app.name} keeps no bids`);
  const groups = (await store.read.rows(app.group.table, { sessionId: session })).slice(from);
  for (const { id } of groups) {
    const actorId = Number(id);
    const players = await store.read.rows(app.player.table, { groupId: actorId });
    const { seq } = await store.read.group(actorId, app);
    const make = (i: number): StoredUnit => {
      const player = players[i % players.length];
      if (player === undefined) throw new Error(`group ${actorId} has no players`);
      const bid = { player: Number(player.id), amount: i + 1 };
      const changes: RowChange[] = [
        { op: "insert", table: bids, values: { actorId, n: i + 1, ...bid } },
        { op: "update", table: app.group.table, key: { id: actorId }, values: { extraCount: i + 1 } },
      ];
      const entry = {
        ...{ actorId, seq: seq + i + 1, at: Date.now(), kind: "message" as EntryKind, page: `${app.name}/1/Bidding` },
        ...{ participantId: Number(player.participantId), clientId: null, n: null, input: String(i + 1) },
        output: `{"d":[{"to":[1,2,3,4],"m":{"id_in_group":${player.idInGroup},"bid":${i + 1}}}]}`,
        ...{ changes: changesToJson(changes), seed: null, writer: "history", batch: "history" },
      };
      return { entry, changes };
    };
    for (let i = 0; i < entries; i += AT_ONCE) {
      const units = Array.from({ length: Math.min(AT_ONCE, entries - i) }, (_, k) => make(i + k));
      const outcome = await store.commit(units);
      if (outcome.result !== "done") throw new Error(`the history could not be written: ${outcome.result}`);
    }
  }
}
