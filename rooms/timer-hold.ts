import type { Row } from "../entities/memory.ts";
import { Unit } from "../entities/unit.ts";
import type { Actor } from "./actor.ts";
import type { Outcome, Turn } from "./turn.ts";

/** Times in milliseconds. */
export const HOLD_TIMES = {
  /** So long other servers leave a timer alone whose async handler has begun, */
  time: 10_000,
  /** and so often they are told that it still runs. */
  again: 4_000,
} as const;

/**
 * On a database that others use too, a timer that is long overdue is taken to be nobody's, and whoever finds it takes its
 * group over. One whose handler waits is overdue as well: its row says that somebody is at it, before it runs and
 * again and again while it does. Of a server that has died the hold ends by itself.
 */
export function holdTimer({ memory, world }: Actor, row: Row): Pick<Outcome, "unit" | "entry"> {
  if (!world.store.shared) return {};
  const at = world.now();
  const unit = new Unit(memory);
  unit.set(row, "heldUntil", at + HOLD_TIMES.time);
  const { n, name } = row.values;
  return { unit, entry: { kind: "held", at, input: JSON.stringify({ n, name }) } };
}

/** Goes on holding a timer while its handler runs. */
export function keepHolding(actor: Actor, row: Row): void {
  if (!actor.world.store.shared) return;
  actor.world.after(HOLD_TIMES.again, () => {
    if (!actor.dead && actor.memory.firing.has(row)) actor.resume(new HoldTurn(row));
  });
}

class HoldTurn implements Turn {
  readonly bytes = 0;
  readonly #row: Row;

  constructor(row: Row) {
    this.#row = row;
  }

  run(actor: Actor): Outcome {
    const row = this.#row;
    // It was cancelled, or its handler is through.
    if (row.deleted || !actor.memory.firing.has(row)) return { release: () => {} };
    return { ...holdTimer(actor, row), release: () => keepHolding(actor, row) };
  }

  fail(): void {}
}
