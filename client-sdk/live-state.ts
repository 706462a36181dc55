import type { PublishedTree, StateFrame } from "./protocol.ts";

/** The published fields of one player. */
export interface PlayerState {
  readonly idInGroup: number;
  readonly [field: string]: unknown;
}

/** What a page sees of its group, in step with what is stored: plain objects that cannot be changed. */
export interface GroupState {
  /** The group's published fields. */
  readonly group: { readonly [field: string]: unknown };
  /** This page's own player: also the fields that nobody else sees. */
  readonly player: PlayerState;
  /** Every player of the group by idInGroup, with the fields that everybody sees. */
  readonly players: { readonly [idInGroup: number]: PlayerState };
}

/** Told what a part of the state is now, and what it was; `before` is undefined at first. */
export type OnValue = (value: unknown, before: unknown) => void;
/** Told what the whole state is now. */
export type OnState<S = GroupState> = (state: S) => void;

type Listener = { readonly path: string[]; value: unknown; readonly call: OnValue };
type Report = (message: string, detail?: unknown) => void;

/**
 * The browser's copy of what its group publishes. Each change makes new objects on the way to what has
 * changed and leaves the others as they are, so that `!==` tells what is new.
 */
export class LiveState {
  value: GroupState;
  /** The group's seq that the copy stands for: everything up to there is in it. */
  seq: number;
  private tree: PublishedTree;
  private listeners: Listener[] = [];
  private readonly report: Report;

  /** @param tree undefined: the app publishes nothing */
  constructor(tree: PublishedTree | undefined, seq: number, report: Report) {
    this.tree = freeze(tree ?? { group: {}, player: {}, players: {} });
    this.seq = seq;
    this.report = report;
    this.value = compose(this.tree);
  }

  apply(frame: StateFrame): void {
    this.seq = frame.s;
    const tree = freeze(frame.f === 1 ? whole(frame.x, this.tree) : changed(frame.x, this.tree));
    if (tree === this.tree) return;
    this.tree = tree;
    this.value = compose(tree, this.value);
    for (const listener of [...this.listeners]) this.tell(listener);
  }

  /**
   * Calls back now and at each change.
   *
   * @param path `"group.highestBid"`, `"players.2"`: only when that changes
   * @returns a function that stops it
   */
  onChange(callback: OnState): () => void;
  onChange(path: string, callback: OnValue): () => void;
  onChange(...[first, second]: [OnState] | [string, OnValue]): () => void {
    const path = typeof first === "string" ? first.split(".") : [];
    const call = (second ?? first) as OnValue;
    if (typeof call !== "function") {
      throw new TypeError(
        'live.onChange takes a function, or a path and a function: live.onChange("group.price", show)',
      );
    }
    const listener: Listener = { path, value: undefined, call };
    this.listeners.push(listener);
    if (path.length > 0 && this.at(path) === undefined) {
      this.report(`live.onChange("${path.join(".")}"): nothing of this name is published. live.state has:`, this.value);
    }
    this.tell(listener);
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener);
    };
  }

  private tell(listener: Listener): void {
    const { value: before } = listener;
    const value = this.at(listener.path);
    if (value === before) return;
    listener.value = value;
    try {
      listener.call(value, before);
    } catch (error) {
      this.report("A function that was given to live.onChange threw an error:", error);
    }
  }

  private at(path: string[]): unknown {
    let value: unknown = this.value;
    for (const name of path) {
      if (typeof value !== "object" || value === null || !Object.keys(value).includes(name)) return undefined;
      value = (value as { [name: string]: unknown })[name];
    }
    return value;
  }
}

/** The tree with its changes put in. */
function changed({ group, player, players }: Partial<PublishedTree>, tree: PublishedTree): PublishedTree {
  const all = { ...tree.players };
  for (const id in players) all[id] = { ...all[id], ...players[id] };
  return {
    group: group ? { ...tree.group, ...group } : tree.group,
    player: player ? { ...tree.player, ...player } : tree.player,
    players: players ? all : tree.players,
  };
}

/** A new tree that stands for all; what is the same as before stays the same object. */
function whole(fresh: Partial<PublishedTree>, tree: PublishedTree): PublishedTree {
  return same(fresh, tree) ? tree : (keep(fresh, tree) as unknown as PublishedTree);
}

/** The new value, with the old one's parts where nothing has changed. */
function keep(fresh: object, old: object): object {
  const kept: [string, unknown][] = Object.entries(fresh).map(([name, value]) => {
    const before: unknown = Reflect.get(old, name);
    if (same(value, before)) return [name, before];
    return [name, isObject(value) && isObject(before) && !Array.isArray(value) ? keep(value, before) : value];
  });
  return Object.fromEntries(kept);
}

function same(one: unknown, other: unknown): boolean {
  return one === other || (isObject(one) && isObject(other) && JSON.stringify(one) === JSON.stringify(other));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** What authors see, of what travels: each player knows their number, and one's own has both kinds of fields. */
function compose({ group, player, players }: PublishedTree, before?: GroupState): GroupState {
  const all: Record<number, PlayerState> = {};
  let isNew = before === undefined;
  for (const key in players) {
    all[Number(key)] = reuse({ idInGroup: Number(key), ...players[key] }, before?.players[Number(key)]);
    isNew ||= all[Number(key)] !== before?.players[Number(key)];
  }
  const own = reuse({ ...all[Number(player.idInGroup)], ...player } as PlayerState, before?.player);
  return Object.freeze({ group, player: own, players: isNew || !before ? Object.freeze(all) : before.players });
}

/** The one from before if it has the very same fields. */
function reuse(fresh: PlayerState, before: PlayerState | undefined): PlayerState {
  const isSame = before !== undefined && Object.keys(fresh).every((name) => fresh[name] === before[name]);
  return isSame ? before : Object.freeze(fresh);
}

/** Deeply; what is frozen already has been so to its depths. */
function freeze<T>(value: T): T {
  if (isObject(value) && !Object.isFrozen(value)) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
