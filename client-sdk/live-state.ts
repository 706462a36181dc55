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

/** `text`: JSON of the value that was told last, to tell what is new. */
type Listener = { readonly path: string[]; value: unknown; text: string | undefined; readonly call: OnValue };

/** The browser's copy of what its group publishes. Each change makes a new object, and the old one stays as it was. */
export class LiveState {
  value: GroupState;
  /** The group's seq that the copy stands for: everything up to there is in it. */
  seq: number;
  private tree: PublishedTree;
  private listeners: Listener[] = [];
  private readonly report: (message: string, detail?: unknown) => void;

  /** @param tree undefined: the app publishes nothing */
  constructor(tree: PublishedTree | undefined, seq: number, report: LiveState["report"]) {
    this.tree = tree ?? { group: {}, player: {}, players: {} };
    this.seq = seq;
    this.report = report;
    this.value = compose(this.tree);
  }

  apply({ s, x, f }: StateFrame): void {
    this.seq = s;
    this.tree = merge(f ? {} : this.tree, x);
    this.value = compose(this.tree);
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
    if (typeof call !== "function") throw new TypeError("live.onChange takes a function, or a path and a function");
    const listener: Listener = { path, value: undefined, text: undefined, call };
    this.listeners.push(listener);
    if (this.at(path) === undefined) {
      this.report(`live.onChange("${path.join(".")}"): nothing of this name is published. live.state is`, this.value);
    }
    this.tell(listener);
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener);
    };
  }

  private tell(listener: Listener): void {
    const value = this.at(listener.path);
    const text = JSON.stringify(value);
    if (text === listener.text) return;
    const before = listener.value;
    listener.value = value;
    listener.text = text;
    try {
      listener.call(value, before);
    } catch (error) {
      this.report("A function that was given to live.onChange threw an error:", error);
    }
  }

  private at(path: string[]): unknown {
    let value: unknown = this.value;
    for (const name of path)
      value = isObject(value) && Object.keys(value).includes(name) ? Reflect.get(value, name) : undefined;
    return value;
  }
}

/** A tree with changes put in: two levels for the group and oneself, three for the players. Values are left as they are. */
function merge(old: Partial<PublishedTree>, { group, player, players }: Partial<PublishedTree>): PublishedTree {
  const all = { ...old.players };
  for (const id in players) all[id] = { ...all[id], ...players[id] };
  return { group: { ...old.group, ...group }, player: { ...old.player, ...player }, players: all };
}

/** What authors see, of what travels: each player knows their number, and one's own has both kinds of fields. */
function compose({ group, player, players }: PublishedTree): GroupState {
  const all: Record<string, object> = {};
  for (const id in players) all[id] = { idInGroup: Number(id), ...players[id] };
  return freeze({ group, player: { ...all[String(player.idInGroup)], ...player }, players: all }) as GroupState;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Deeply; what is frozen already has been so to its depths. */
function freeze<T>(value: T): T {
  if (isObject(value) && !Object.isFrozen(value)) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
