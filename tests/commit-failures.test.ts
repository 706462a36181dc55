import { expect, test } from "@jest/globals";
import type { Faults } from "../entities/faults.ts";
import type { Store, StoredUnit } from "../entities/store.ts";
import { JournalTable } from "../entities/system-tables.ts";
import { makeAuction } from "./helpers/apps.ts";
import { forEachStore, type StoreKit } from "./helpers/stores.ts";
import { type TestConnection, TestWorld } from "./helpers/world.ts";

/**
 * Design section 3, decision 3: a chain of 10 units in each of 100 groups goes into the database, and
 * unit k of one group fails in each of the ways in which a commit can fail. What must hold afterwards:
 * the other 99 groups are undisturbed, nobody saw what was not stored, the order is kept, and the rows
 * are right when read through another connection.
 */
const GROUPS = 100;
const CHAIN = 10;
const VICTIM = 37;
/** 1-based: every unit of the chain adds its own number, this one is to fail. */
const K = 5;

interface Stage {
  readonly world: TestWorld;
  readonly store: Store;
  /** One connection per group, of its first player. */
  readonly players: TestConnection[];
  readonly actorIds: number[];
}

async function setUp(kit: StoreKit, faults: Faults = {}): Promise<Stage> {
  const app = makeAuction({ playersPerGroup: 2 });
  const store = await kit.open({ apps: [app.spec], faults });
  const world = new TestWorld(store, [app.spec]);
  const { people } = await world.session(["auction"], GROUPS * 2);
  const players: TestConnection[] = [];
  const actorIds: number[] = [];
  for (let g = 0; g < GROUPS; g++) {
    const person = people[g * 2];
    if (person === undefined) throw new Error("missing participant");
    const actorId = await world.arrive(person);
    actorIds.push(actorId);
    players.push(await world.connect(actorId, person.id as number));
  }
  return { world, store, players, actorIds };
}

/** All groups send their chains in one turn of the loop, so that they meet in the same batches. */
function sendChains({ players }: Stage, special?: (g: number, k: number) => unknown, from = 1, to = CHAIN): void {
  for (let k = from; k <= to; k++) {
    for (let g = 0; g < GROUPS; g++) players[g]?.post(special?.(g, k) ?? { do: "add", amount: k });
  }
}

async function answered({ players }: Stage, except: number[] = [], to = CHAIN): Promise<void> {
  await Promise.all(
    players.map((player, g) =>
      except.includes(g) ? undefined : player.until(() => player.answerTo(to) !== undefined),
    ),
  );
}

function sumsUpTo(numbers: number[]): number[] {
  let sum = 0;
  return numbers.map((n) => (sum += n));
}

/** Everything a group saw, and everything the database holds, is the chain of these numbers. */
async function expectChain(stage: Stage, g: number, numbers: number[]): Promise<void> {
  const { store, world } = stage;
  const app = world.apps.get("auction");
  if (app === undefined) throw new Error("no app");
  const actorId = stage.actorIds[g] as number;
  const sums = sumsUpTo(numbers);
  expect(stage.players[g]?.received).toEqual(sums.map((sum) => ({ sum })));
  const [group] = await store.read.rows(app.group.table, { id: actorId });
  expect(group?.highestBid).toBe(sums.at(-1) ?? 0);
  const bids = await store.read.rows(app.extras.Bid?.table ?? app.group.table, { actorId });
  expect(bids.map((bid) => bid.amount)).toEqual(numbers);
  expect(bids.map((bid) => bid.n)).toEqual(numbers.map((_, i) => i + 1));
  const journal = await store.read.rows(JournalTable, { actorId });
  expect(journal.map((entry) => entry.seq)).toEqual(journal.map((_, i) => i + 1));
  const stored = journal
    .filter((entry) => entry.kind === "message")
    .map((entry) => JSON.parse(entry.input as string).amount);
  expect(stored).toEqual(numbers);
}

const WHOLE = Array.from({ length: CHAIN }, (_, i) => i + 1);

async function expectOthersWhole(stage: Stage): Promise<void> {
  for (let g = 0; g < GROUPS; g++) if (g !== VICTIM) await expectChain(stage, g, WHOLE);
}

/** Breaks the store's commit for batches that hold the victim's unit k, in a way of its own. */
function breakCommit(
  store: Store,
  hurt: (units: readonly StoredUnit[], commit: Store["commit"]) => ReturnType<Store["commit"]> | undefined,
): () => void {
  const original = store.commit.bind(store);
  store.commit = (units) => hurt(units, original) ?? original(units);
  return () => {
    store.commit = original;
  };
}

forEachStore((kit) => {
  test("a value that the store refuses: its sender is refused, its followers run again without it", async () => {
    const stage = await setUp(kit);
    const { store, players, actorIds, world } = stage;
    // PostgreSQL refuses it by itself; SQLite keeps anything, so there the refusal is planted where a statement meets it.
    const poison = "the store refuses this";
    breakCommit(store, (units, commit) => {
      const hit = units.some(
        ({ entry, changes }) =>
          entry.actorId === actorIds[VICTIM] &&
          changes.some((change) => "values" in change && change.values.note === poison),
      );
      if (!hit) return undefined;
      const bad = units.map((unit) => ({
        ...unit,
        changes: unit.changes.map((change) =>
          change.op === "update" && change.values.note === poison
            ? { ...change, values: { ...change.values, id: null } }
            : change,
        ),
      }));
      return commit(bad as StoredUnit[]);
    });
    sendChains(stage, (g, k) => (g === VICTIM && k === K ? { do: "note", text: poison } : undefined));
    await answered(stage);
    const victim = players[VICTIM];
    expect(victim?.answerTo(K)?.e).toMatchObject({ code: "failed", retry: false });
    for (const n of WHOLE) if (n !== K) expect(victim?.answerTo(n)).toEqual({ c: victim?.clientId, n });
    await expectChain(
      stage,
      VICTIM,
      WHOLE.filter((n) => n !== K),
    );
    await expectOthersWhole(stage);
    // The answer is stable: the same number again is refused again, and does nothing.
    const again = players[VICTIM]?.post({ do: "note", text: poison }, { n: K });
    expect(again).toBe(K);
    const answers = () => victim?.frames.filter((frame) => frame.k === "answer" && frame.a.n === K) ?? [];
    await victim?.until(() => answers().length === 2);
    expect(answers()[1]).toEqual(answers()[0]);
    await world.close();
  });

  test("another writer has the place: this incarnation ends, its clients come back to the winner", async () => {
    const stage = await setUp(kit);
    const { store, players, actorIds, world } = stage;
    const actorId = actorIds[VICTIM] as number;
    const actor = world.actors.get(actorId);
    const seqBefore = actor.seq;
    // The other writer takes the place that the victim's unit k would have.
    const restore = breakCommit(store, (units, commit) => {
      if (!units.some(({ entry }) => entry.actorId === actorId)) return undefined;
      restore();
      return (async () => {
        const theirs = Array.from({ length: K }, (_, i) => ({
          entry: {
            ...(units.find(({ entry }) => entry.actorId === actorId) as StoredUnit).entry,
            seq: seqBefore + 1 + i,
            kind: "loaded" as const,
            clientId: null,
            n: null,
            input: null,
            output: null,
            changes: null,
            writer: "another",
            batch: "theirs",
          },
          changes: [],
        }));
        expect(await commit(theirs)).toEqual({ result: "done" });
        return commit(units);
      })();
    });
    sendChains(stage);
    await answered(stage, [VICTIM]);
    const victim = players[VICTIM];
    expect(actor.dead).toBe(true);
    expect(victim?.closed).toBe(4010);
    expect(victim?.received).toEqual([]);
    await expectOthersWhole(stage);
    // It comes back, sends again what has no answer, and everything happens once.
    const back = await world.connect(actorId, victim?.participantId as number);
    for (const k of WHOLE) back.post({ do: "add", amount: k }, { c: victim?.clientId as string, n: k });
    await back.until(() => back.answerTo(CHAIN, victim?.clientId) !== undefined);
    stage.players[VICTIM] = back;
    await expectChain(stage, VICTIM, WHOLE);
    await world.close();
  });

  test("the store is away: everything waits and then goes on, nothing is lost or seen early", async () => {
    const stage = await setUp(kit);
    const { store, players, world } = stage;
    let away = true;
    const probe = store.probe.bind(store);
    store.probe = () => (away ? Promise.reject(new Error("disk full")) : probe());
    breakCommit(store, () => (away ? { result: "io", error: new Error("disk full") } : undefined));
    sendChains(stage);
    while (world.committer.halted === null) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(world.committer.halted).toBe("disk full");
    for (const player of players) {
      expect(player.received).toEqual([]);
      expect(player.frames.at(-1)).toEqual({ k: "notice", halted: true });
    }
    away = false;
    await answered(stage);
    expect(world.committer.halted).toBeNull();
    expect(world.halts).toEqual(["disk full", null]);
    await expectOthersWhole(stage);
    await expectChain(stage, VICTIM, WHOLE);
    await world.close();
  });

  test.each([
    ["was stored", true],
    ["was not stored", false],
  ])("the answer to COMMIT is lost and the batch %s: it is looked up, and takes effect once", async (_name, stored) => {
    const stage = await setUp(kit);
    const { store, actorIds, world } = stage;
    let cuts = 0;
    breakCommit(store, (units, commit) => {
      if (cuts > 0 || !units.some(({ entry }) => entry.actorId === actorIds[VICTIM])) return undefined;
      cuts++;
      const cut = { result: "unknown", error: new Error("connection lost") } as const;
      return stored ? Promise.resolve(commit(units)).then(() => cut) : cut;
    });
    sendChains(stage);
    await answered(stage);
    expect(cuts).toBe(1);
    await expectOthersWhole(stage);
    await expectChain(stage, VICTIM, WHOLE);
    await world.close();
  });

  test("a client number that another group has used: refused, and only that", async () => {
    const stage = await setUp(kit);
    const { store, players, actorIds, world } = stage;
    const victim = players[VICTIM] as TestConnection;
    sendChains(stage, undefined, 1, K - 1);
    await answered(stage, [], K - 1);
    // As if a message with the victim's number K had been stored under another group meanwhile.
    const restore = breakCommit(store, (units, commit) => {
      const own = units.find(({ entry }) => entry.actorId === actorIds[VICTIM] && entry.n === K);
      if (own === undefined) return undefined;
      restore();
      return (async () => {
        const elsewhere = { entry: { ...own.entry, actorId: 999_999, seq: 1, batch: "elsewhere" }, changes: [] };
        expect(await commit([elsewhere])).toEqual({ result: "done" });
        return commit(units);
      })();
    });
    sendChains(stage, undefined, K);
    await answered(stage);
    expect(victim.answerTo(K)?.e).toMatchObject({ code: "number_reused", retry: false });
    await expectChain(
      stage,
      VICTIM,
      WHOLE.filter((n) => n !== K),
    );
    await expectOthersWhole(stage);
    await world.close();
  });
});
