import type { Store } from "../../entities/store.ts";
import { defineApp, integer, json, link, type PlayerOf, text } from "../../index.ts";
import { at, seatedGroup, type useSqlite } from "./sqlite.ts";
import type { TestConnection } from "./world.ts";

/** Its async calls do what a test says, and wait at doors that the test opens. */
export const app = defineApp({
  name: "slow",
  playersPerGroup: 2,
  group: {
    total: integer({ initial: 0 }),
    other: integer({ initial: 0 }),
    note: text({ blank: true }),
    moves: json<number[]>({ initial: [] }),
  },
  extraModels: { Item: { player: link("player"), value: integer() } },
});
export const { Item } = app.extraModels;
export type Player = PlayerOf<typeof app>;

let work: (player: Player) => AsyncGenerator<unknown, unknown, unknown>;
/** What the waiting points of calls wait for. */
let doors: Map<string, { open(): void; opened: Promise<void> }>;

/** From now on an async call does this. */
export function calls(next: typeof work): void {
  work = next;
}

/** A waiting point: calls wait until it is `opened`, tests `open` it. */
export function door(name: string) {
  let found = doors.get(name);
  if (found === undefined) {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    found = { open, opened };
    doors.set(name, found);
  }
  return found;
}

/** From now on all are shut again. */
export function shutDoors(): void {
  doors = new Map();
}

export type Message =
  | { type: "work" }
  | { type: "once" }
  | { type: "do"; field?: "total" | "other"; add?: number; push?: number; fail?: boolean; remove?: boolean };

app.page("Play", {
  live: {
    async *work(player: Player) {
      return yield* work(player) as AsyncGenerator<object, object, unknown>;
    },
    async once(player: Player) {
      player.group.total += 1;
      await door("once").opened;
      player.group.other += 1;
      return { 0: [player.group.total, player.group.other] };
    },
    do(player: Player, data: Extract<Message, { type: "do" }>) {
      const { group } = player;
      if (data.add !== undefined) group[data.field ?? "total"] += data.add;
      if (data.push !== undefined) group.moves.push(data.push);
      if (data.remove) for (const item of Item.filter({ group })) item.delete();
      if (data.fail) throw new Error("mistake");
      return {
        0: { total: group.total, other: group.other, moves: group.moves, items: Item.filter({ group }).length },
      };
    },
  } as never,
});
app.page("After", {});

/** A group of two, on the page of such calls. */
export async function openGroup(sqlite: ReturnType<typeof useSqlite>) {
  shutDoors();
  const stage = await seatedGroup(await sqlite.world([app.spec]), ["slow"], 2);
  const [one, two] = stage.players as [TestConnection, TestConnection];
  return { ...stage, one, two };
}

/** Its row, as stored. */
export async function groupRow(store: Store, actorId: number) {
  return at(await store.read.rows(app.spec.group.table, { id: actorId }), 0);
}

/** Asks for such a call. */
export const GO: Message = { type: "work" };
