import { ParticipantTable } from "./system-tables.ts";
import type { RowChange } from "./tables.ts";

/**
 * When participants came to the pages on which they are, for whoever watches a session: it follows from a unit's
 * time and its moves, so that the journal need not keep it a second time.
 *
 * @param at the unit's time
 * @returns what is stored beside the unit's own changes
 */
export function pageArrivals(changes: readonly RowChange[], at: number): RowChange[] {
  const arrivals: RowChange[] = [];
  for (const change of changes) {
    if (change.op === "update" && change.table === ParticipantTable && "pageIndex" in change.values) {
      arrivals.push({ op: "update", table: ParticipantTable, key: change.key, values: { pageAt: at } });
    }
  }
  return arrivals;
}
