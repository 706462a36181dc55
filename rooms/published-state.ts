import type { PublishedTree } from "../client-sdk/protocol.ts";
import type { GroupMemory } from "../entities/memory.ts";
import { type Published, type PublishedField, publishedOf } from "../entities/published.ts";
import type { RowChange, Values } from "../entities/tables.ts";

/** What one unit changed of what pages see: parts of a JSON object, to be joined by commas. */
export interface StateChange {
  /** `"group":{...},"players":{...}`, or empty. */
  readonly everybody: string;
  /** `"player":{...}` by idInGroup. */
  readonly own: ReadonlyMap<number, string>;
}

/**
 * What pages see of a group in step (`live.state`): a copy of its published fields as they are committed. It
 * changes in one place, when the actor lets a committed unit out, whatever kind of turn that was, so that
 * no page can see what may still be taken back.
 */
export class PublishedState {
  /** The newest committed seq that changed it. */
  changedAt: number;
  readonly #published: Published;
  readonly #memory: GroupMemory;
  readonly #group: Values;
  /** By idInGroup - 1. */
  readonly #players: readonly Values[];

  /** @param memory as it was just read: all of it is committed @param seq at which it was read */
  private constructor(published: Published, memory: GroupMemory, seq: number) {
    this.#published = published;
    this.#memory = memory;
    this.#group = copy(memory.group.values, published.group);
    this.#players = memory.players.map(({ values }) => copy(values, [...published.players, ...published.player]));
    // Not 0, which is what a page shows that has no state yet.
    this.changedAt = Math.max(seq, 1);
  }

  /** undefined: the app publishes nothing. */
  static of(memory: GroupMemory, seq: number): PublishedState | undefined {
    const published = publishedOf(memory.app);
    return published === null ? undefined : new PublishedState(published, memory, seq);
  }

  /** Takes in what a unit changed. Units come in order of seq. @returns undefined if pages see nothing of it */
  commit(seq: number, changes: readonly RowChange[]): StateChange | undefined {
    const { app, group } = this.#memory;
    let parts = "";
    let players = "";
    const own = new Map<number, string>();
    for (const change of changes) {
      if (change.op !== "update") continue;
      if (change.table === group.table) {
        const fields = this.#take(this.#group, change.values, this.#published.group);
        if (fields !== "") parts = `"group":{${fields}}`;
      } else if (change.table === app.player.table) {
        const id = this.#memory.playerById(change.key.id as number)?.values.idInGroup as number;
        const values = this.#players[id - 1] as Values;
        const seen = this.#take(values, change.values, this.#published.players);
        if (seen !== "") players += `${players === "" ? "" : ","}"${id}":{${seen}}`;
        const hidden = this.#take(values, change.values, this.#published.player);
        if (hidden !== "") own.set(id, `"player":{${hidden}}`);
      }
    }
    if (players !== "") parts += `${parts === "" ? "" : ","}"players":{${players}}`;
    if (parts === "" && own.size === 0) return undefined;
    this.changedAt = seq;
    return { everybody: parts, own };
  }

  /** JSON text of all that a player's page sees. */
  snapshot(idInGroup: number): string {
    return this.#whole(idInGroup, this.#group, this.#players);
  }

  /** All that a page sees which is rendered now, in the group's turn: memory as it is, committed or not. The page
   * waits until it is. */
  rendered(idInGroup: number): PublishedTree {
    const { group, players } = this.#memory;
    const whole = this.#whole(
      idInGroup,
      group.values,
      players.map(({ values }) => values),
    );
    return JSON.parse(whole) as PublishedTree;
  }

  #whole(idInGroup: number, group: Values, players: readonly Values[]): string {
    const { published, memory } = { published: this.#published, memory: this.#memory };
    const object = (values: Values, fields: readonly PublishedField[]) =>
      fields.map(({ name, text }) => `"${name}":${text(values[name] ?? null, memory)}`).join();
    const everybody = players.map((values, i) => `"${i + 1}":{${object(values, published.players)}}`).join();
    const id = `"idInGroup":${idInGroup}`;
    const own = [id, object(players[idInGroup - 1] as Values, published.player)].filter((text) => text !== "").join();
    return `{"group":{${object(group, published.group)}},"player":{${own}},"players":{${everybody}}}`;
  }

  /** Copies what is new of some fields. @returns it as the inside of a JSON object, empty: nothing */
  #take(into: Values, from: Values, fields: readonly PublishedField[]): string {
    let taken = "";
    for (const { name, text } of fields) {
      const value = from[name];
      if (value === undefined) continue;
      into[name] = value;
      taken += `${taken === "" ? "" : ","}"${name}":${text(value, this.#memory)}`;
    }
    return taken;
  }
}

function copy(values: Values, fields: readonly PublishedField[]): Values {
  return Object.fromEntries(fields.map(({ name }) => [name, values[name] ?? null]));
}
