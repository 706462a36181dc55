import type { AppSpec } from "../../entities/app-spec.ts";
import type { JournalEntry } from "../../entities/store.ts";
import { JournalTable } from "../../entities/system-tables.ts";
import { type ReplayResult, replayGroup } from "../../rooms/replay.ts";
import { settle } from "./sqlite.ts";
import type { TestWorld } from "./world.ts";

/** Runs a group again, and compares it with what the database has of it. */
export async function replayed(world: TestWorld, app: AppSpec, actorId: number): Promise<ReplayResult> {
  await settle(world);
  const entries = await world.store.read.rows(JournalTable, { actorId });
  entries.sort((a, b) => Number(a.seq) - Number(b.seq));
  return replayGroup({
    actorId,
    app,
    entries: (async function* () {
      yield* entries as unknown as JournalEntry[];
    })(),
    read: world.store.read,
    decimals: world.world.currency.decimals,
    ownFields: world.world.ownFields,
  });
}
