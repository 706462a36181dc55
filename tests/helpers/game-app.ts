import { expect } from "@jest/globals";
import {
  boolean,
  currency,
  defineApp,
  float,
  integer,
  json,
  link,
  longText,
  type PlayerOf,
  text,
  timestamp,
} from "../../index.ts";
import { at, seatedGroup, type useSqlite } from "./sqlite.ts";
import type { TestConnection } from "./world.ts";

/** An app with fields of every kind; its messages and templates do what a test says. */
export const app = defineApp({
  name: "game",
  playersPerGroup: 2,
  rounds: 2,
  constants: { endowment: 100 },
  group: {
    pot: currency({ initial: 0.125 }),
    openedAt: timestamp({ blank: true }),
    board: json<{ cells: string[]; at?: unknown }>({ initial: { cells: ["", ""] } }),
  },
  player: {
    age: integer({ min: 18, max: 99, blank: true }),
    weight: float(),
    kind: text({ choices: ["buyer", ["seller", "Seller"]], blank: true }),
    essay: longText({ initial: "" }),
    ready: boolean({ initial: false }),
    price: currency({ initial: 1.005, max: 50 }),
    history: json<number[]>({ initial: [] }),
    never: integer(),
  },
  extraModels: {
    Offer: {
      player: link("player"),
      to: link("player", { blank: true }),
      price: currency({ initial: 2.675 }),
      tags: json<string[]>({ blank: true }),
    },
    Event: { group: link("group"), name: text() },
  },
});
export const { Offer, Event } = app.extraModels;
export type Player = PlayerOf<typeof app>;

/** What the next message does; gives what is delivered to its sender. */
let act: (player: Player) => unknown;
app.page("Play", {
  live: (player) => {
    const given = act(player);
    return given === undefined ? undefined : { [player.idInGroup]: given };
  },
  varsForTemplate: (player) => vars(player),
});
let vars: (player: Player) => Record<string, unknown> = () => ({});

/** From now on templates get these variables. */
export function shows(next: typeof vars): void {
  vars = next;
}

/** A group of two, on its first page. */
export async function openStage(sqlite: ReturnType<typeof useSqlite>) {
  vars = () => ({});
  const group = await seatedGroup(await sqlite.world([app.spec]), ["game"], 2);
  const [one, two] = group.players as [TestConnection, TestConnection];
  return { ...group, one, two };
}

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** Runs a function in a live method. @returns what it returned, as JSON; null for nothing */
export async function run(connection: TestConnection, work: (player: Player) => unknown): Promise<unknown> {
  act = (player) => ({ result: work(player) ?? null });
  const before = connection.received.length;
  const answer = await connection.ask("go");
  if (answer.e !== undefined) throw Object.assign(new Error(answer.e.message), { code: answer.e.code });
  return (connection.received[before] as { result: unknown }).result;
}

/** All rows of the group, as stored. */
export async function rows({ store, actorId }: Stage) {
  const { group, player, extras } = app.spec;
  return {
    group: at(await store.read.rows(group.table, { id: actorId }), 0),
    players: await store.read.rows(player.table, { groupId: actorId }),
    offers: await store.read.rows((extras.Offer as typeof group).table, { actorId }),
    events: await store.read.rows((extras.Event as typeof group).table, { actorId }),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the mistakes of those who do not run the type checker
export type Loose = any;

export async function nextRound(s: Stage, who: number): Promise<TestConnection> {
  const person = at(s.people, who);
  const participantId = person.id as number;
  const submit = { kind: "submit" as const, participantId, pageIndex: 1, outbox: [], form: {} };
  expect(await s.world.actors.call(s.actorId, submit)).toEqual({ kind: "goto", pageIndex: 2 });
  const actorId = (await s.store.read.whereabouts(person.code as string))?.actorId as number;
  expect(await s.world.view(actorId, participantId, 2)).toMatchObject({ kind: "page" });
  return s.world.connect(actorId, participantId);
}
