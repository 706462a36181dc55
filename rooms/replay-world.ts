import type { GroupRows, JournalEntry, Reads, Store } from "../entities/store.ts";
import type { Values } from "../entities/tables.ts";
import type { ActorWorld } from "./actor-world.ts";
import { chatSeal } from "./chat-seal.ts";
import { Languages, PLAIN_POINTS } from "./languages.ts";
import { GAME_LIMITS } from "./limits.ts";
import type { ReplayOptions } from "./replay.ts";
import { NO_WATCHDOG } from "./watchdog.ts";

/** What a replayed actor gets in place of the world: the journal's times and seeds, and nothing that goes on by itself. */
export interface ReplayWorld {
  /** The world of an incarnation that finds these rows. */
  of(rows: GroupRows): ActorWorld;
  /** From now on it is this entry's time. */
  at(entry: JournalEntry): void;
  /** Rows of earlier rounds by participant: nobody plays those any more, so they are as the database has them now. */
  readonly earlier: Map<number, Values[]>;
  /** The groups of those rows, of which the same is true. */
  readonly groups: Values[];
}

export function replayWorld({ app, decimals, ownFields, ...options }: ReplayOptions): ReplayWorld {
  const currency = { ...PLAIN_POINTS, decimals };
  const languages = options.languages ?? new Languages({ currency });
  let now: Pick<JournalEntry, "at" | "seed"> = { at: 0, seed: null };
  const earlier = new Map<number, Values[]>();
  const groups: Values[] = [];
  const none = (): never => {
    throw new Error("a replayed group asked for something that it does not have");
  };
  const readOf = (rows: GroupRows): Partial<Reads> => ({
    actor: async (id) => ({
      id,
      app: app.name,
      round: rows.group.roundNumber as number,
      sessionId: rows.group.sessionId as number,
    }),
    group: async () => rows,
    // Of before the journal kept them with the participants.
    payoffsElsewhere: async () => new Map(),
    earlierPlayers: async (id) => earlier.get(id) ?? [],
    // All are known from the beginning: nobody reads them before everybody has come.
    earlierGroups: async () => groups,
    // The journal has said what was unfinished.
    unfinishedGroups: async () => new Set(),
  });
  return {
    of: (rows) => {
      const store: Pick<Store, "dialect" | "shared"> & { read: Partial<Reads> } = {
        dialect: "sqlite",
        shared: false,
        read: readOf(rows),
      };
      return {
        store: store as Store,
        committer: { halted: null, add: () => {}, together: none, transact: none },
        apps: new Map([[app.name, app]]),
        renderer: { render: () => ({ html: "", nonce: "" }) },
        currency,
        languages,
        version: null,
        ownFields,
        log: { info: () => {}, warn: () => {}, error: () => {} },
        development: true,
        watchdog: NO_WATCHDOG,
        now: () => now.at,
        monotonic: () => now.at,
        sleep: () => new Promise(() => {}),
        after: () => () => {},
        // Another draw than before shows in the entry's seed and in what follows from it.
        newSeed: () => now.seed ?? 0,
        newSecret: () => "replay",
        encodeFrame: none,
        limits: GAME_LIMITS,
        // Nobody listens, and places are sealed and opened again at once.
        chats: { seal: chatSeal("replay"), posted: () => {}, listen: none, leave: none },
      };
    },
    at: (entry) => {
      now = entry;
    },
    earlier,
    groups,
  };
}
