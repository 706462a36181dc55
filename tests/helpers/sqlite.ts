import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll } from "@jest/globals";
import type { AppSpec } from "../../entities/app-spec.ts";
import { openStore } from "../../entities/open-store.ts";
import type { Store } from "../../entities/store.ts";
import type { Values } from "../../entities/tables.ts";
import type { ActorWorld } from "../../rooms/actor-world.ts";
import { decodeFrame } from "../../rooms/frames.ts";
import type { IncomingMessage } from "../../rooms/message-turn.ts";
import { type TestConnection, TestWorld } from "./world.ts";

/** Worlds on SQLite files of their own, all closed when the test ends. */
export function useSqlite() {
  let directory: string;
  let files = 0;
  const ends = new Map<TestWorld, { file: string; end(): Promise<void> }>();

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "walras-actor-"));
  });
  afterEach(async () => {
    for (const { end } of [...ends.values()]) await end();
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function open(file: string, apps: readonly AppSpec[], overrides: Partial<ActorWorld>): Promise<TestWorld> {
    const store = await openStore({ file, synchronous: "NORMAL", apps });
    const made = new TestWorld(store, apps, overrides);
    const end = async (): Promise<void> => {
      ends.delete(made);
      await made.close();
      await store.close();
    };
    ends.set(made, { file, end });
    return made;
  }

  return {
    /** Actors of these apps over a new database. */
    world(apps: readonly AppSpec[], overrides: Partial<ActorWorld> = {}): Promise<TestWorld> {
      return open(join(directory, `${++files}.sqlite3`), apps, overrides);
    },
    /** The server stops, and another one starts on its database. */
    async restart(world: TestWorld, apps: readonly AppSpec[], overrides: Partial<ActorWorld> = {}): Promise<TestWorld> {
      const opened = ends.get(world);
      if (opened === undefined) throw new Error("the world is closed already");
      await opened.end();
      return open(opened.file, apps, overrides);
    },
  };
}

/** Participants on their first page, each with a socket. */
export interface Group {
  readonly world: TestWorld;
  readonly store: Store;
  readonly people: Values[];
  readonly actorId: number;
  readonly players: TestConnection[];
}

/** One session of these apps in which all participants have arrived and are connected. */
export async function seatedGroup(world: TestWorld, apps: string[], participants: number): Promise<Group> {
  const { people } = await world.session(apps, participants);
  let actorId = 0;
  for (const person of people) actorId = await world.arrive(person);
  const players: TestConnection[] = [];
  for (const person of people) players.push(await world.connect(actorId, person.id as number));
  return { world, store: world.store, people, actorId, players };
}

/** A list's element, which a test knows to be there. */
export function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`there is no element ${index} in a list of ${list.length}`);
  return found;
}

/** A message as it comes out of the bytes of a frame. */
export function fromWire(connection: TestConnection, n: number, data: unknown): IncomingMessage {
  const frame = { k: "send", c: connection.clientId, n, p: connection.page, d: data };
  const decoded = decodeFrame(Buffer.from(JSON.stringify(frame)), 64 * 1024);
  if (decoded.kind !== "send") throw new Error(`not a message: ${JSON.stringify(decoded)}`);
  return decoded.message;
}

/** From now on commits wait, as on a slow database, until they are let through. */
export function holdCommits(store: Store): { release(): void; readonly waiting: number } {
  const commit = store.commit.bind(store);
  let waiting = 0;
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  store.commit = async (units) => {
    waiting++;
    await gate;
    return commit(units);
  };
  return {
    release() {
      store.commit = commit;
      open();
    },
    get waiting() {
      return waiting;
    },
  };
}

/** Lets everything that is ready happen: timers of 0, commits, reads. */
export async function settle(world: TestWorld): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    await world.committer.drained();
  }
}
