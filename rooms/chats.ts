import { messageOf } from "../client-sdk/errors.ts";
import type { ChatFrame, ChatLine } from "../client-sdk/protocol.ts";
import type { Reads, StoredUnit } from "../entities/store.ts";
import { ChatTable } from "../entities/system-tables.ts";
import type { Values } from "../entities/tables.ts";
import type { Actor } from "./actor.ts";
import type { ActorWorld } from "./actor-world.ts";
import type { ChatPlace, ChatSeal } from "./chat-seal.ts";
import { type Connection, GATE_LIMITS } from "./gate.ts";
import type { Log } from "./log.ts";

/** A page's chat that is open, on one connection. */
export interface ChatListener {
  readonly connection: Connection;
  readonly actor: Actor;
  /** Which of the page's chats it is. */
  readonly box: number;
  readonly place: ChatPlace;
  /** The last number of each source that the page has. */
  readonly seen: Readonly<Record<string, number>>;
}

/** The chats of all groups, as actors and sockets need them. */
export interface ChatDesk {
  readonly seal: ChatSeal;
  /** A group has stored a message. */
  posted(channel: string, actorId: number): void;
  /** From here on the page gets the channel's messages, first those that it does not have. */
  listen(listener: ChatListener): void;
  leave(connection: Connection): void;
}

export interface ChatsOptions {
  readonly seal: ChatSeal;
  readonly read: Pick<Reads, "chatHeads" | "chatMessages">;
  readonly log: Log;
  readonly sleep: (ms: number) => Promise<void>;
  readonly after: (ms: number, run: () => void) => unknown;
}

interface Member extends ChatListener {
  /** Null: has everything that there is. Else what has come while it was being caught up. */
  backlog: Line[] | null;
}

/** A channel in which somebody of this process listens. */
interface Channel {
  readonly name: string;
  readonly members: Set<Member>;
  /** By group, the last number that the members were told. */
  readonly told: Map<number, number>;
  isOpen: boolean;
  /** Groups that have written since. */
  dirty: Set<number>;
  /** One reading of the channel at a time, so that nothing overtakes. */
  work: Promise<void>;
}

/** A message as it goes out; the same text to all but the one who wrote it. */
interface Line {
  readonly participantId: number | null;
  readonly text: string;
}

/** Lines in one frame. */
const CHUNK = 100;
/** Chats that a page may have. */
const BOXES = 20;
/** Lines that wait for a page which is being caught up. */
const BACKLOG = 10_000;
/** A reading that failed is tried again after this many milliseconds. */
const AGAIN = 1_000;

/**
 * Tells pages what is said in their channels. A channel may be shared by many groups, in many processes, each of
 * which numbers its own messages without holes; so whatever has to be told is read from the database, on from the
 * last number of each group, be it news of this process, of another one, or what a page missed. There is no second
 * way that could lose or repeat something, and nothing is seen before it is stored (P3).
 */
export class Chats implements ChatDesk {
  readonly seal: ChatSeal;
  readonly #options: ChatsOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #byConnection = new Map<Connection, Map<number, [Channel, Member]>>();

  constructor(options: ChatsOptions) {
    this.#options = options;
    this.seal = options.seal;
  }

  posted(name: string, actorId: number): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    channel.dirty.add(actorId);
    this.#look(channel);
  }

  /** Other processes may have written: asks the database, for every channel in which somebody listens here. */
  async poll(): Promise<void> {
    const open = [...this.#channels.values()].filter(({ isOpen }) => isOpen);
    if (open.length === 0) return;
    for (const { channel, actorId, n } of await this.#options.read.chatHeads(open.map(({ name }) => name))) {
      if (n > (this.#channels.get(channel)?.told.get(actorId) ?? 0)) this.posted(channel, actorId);
    }
  }

  listen(listener: ChatListener): void {
    const { connection, box, place } = listener;
    const boxes = this.#byConnection.get(connection) ?? new Map<number, [Channel, Member]>();
    if (boxes.has(box) || boxes.size >= BOXES) return;
    const channel: Channel = this.#channels.get(place.channel) ?? {
      ...{ name: place.channel, members: new Set(), told: new Map() },
      ...{ isOpen: false, dirty: new Set(), work: Promise.resolve() },
    };
    const member: Member = { ...listener, backlog: [] };
    this.#channels.set(channel.name, channel);
    this.#byConnection.set(connection, boxes.set(box, [channel, member]));
    channel.members.add(member);
    channel.work = channel.work
      .then(() => this.#join(channel, member))
      .catch((error: unknown) => {
        this.#options.log.warn("a chat could not be read", { channel: channel.name, error: messageOf(error) });
        listener.actor.gate.drop(connection);
        this.leave(connection);
      });
  }

  leave(connection: Connection): void {
    for (const [channel, member] of this.#byConnection.get(connection)?.values() ?? []) {
      channel.members.delete(member);
      if (channel.members.size === 0 && this.#channels.get(channel.name) === channel) {
        this.#channels.delete(channel.name);
      }
    }
    this.#byConnection.delete(connection);
  }

  /** Brings a page to where the others are; what is said meanwhile waits in its backlog. */
  async #join(channel: Channel, member: Member): Promise<void> {
    if (!channel.members.has(member)) return;
    const { name, told } = channel;
    if (!channel.isOpen) {
      for (const { actorId, n } of await this.#options.read.chatHeads([name])) told.set(actorId, n);
      channel.isOpen = true;
    }
    const missed = new Map<number, number>();
    for (const [actorId, n] of told) {
      const source = this.seal.source(actorId);
      const seen = Object.hasOwn(member.seen, source) ? (member.seen[source] as number) : 0;
      if (seen < n) missed.set(actorId, seen);
    }
    const rows = missed.size === 0 ? [] : await this.#options.read.chatMessages(name, missed);
    // What has been stored since comes to everybody together.
    const lines = rows.filter((row) => Number(row.n) <= (told.get(Number(row.actorId)) ?? 0)).map(this.#lineOf);
    // A slow page must not keep the others waiting.
    void this.#catchUp(channel, member, lines);
  }

  async #catchUp(channel: Channel, member: Member, lines: Line[]): Promise<void> {
    const backlog = member.backlog ?? [];
    const all = [lines, backlog];
    for (const list of all) {
      for (let i = 0; i < list.length; i += CHUNK) {
        while (channel.members.has(member) && member.connection.buffered > GATE_LIMITS.pace) {
          await this.#options.sleep(20);
        }
        if (!channel.members.has(member)) return;
        this.#send(member, list.slice(i, i + CHUNK));
      }
    }
    member.backlog = null;
    this.#send(member, [], true);
  }

  /** Tells what is new, after whatever is under way. */
  #look(channel: Channel): void {
    channel.work = channel.work.then(async () => {
      const { dirty } = channel;
      // Several messages at once were told together.
      if (channel.members.size === 0 || dirty.size === 0) return;
      channel.dirty = new Set();
      try {
        await this.#tell(channel, dirty);
      } catch (error) {
        this.#options.log.warn("a chat could not be read", { channel: channel.name, error: messageOf(error) });
        for (const actorId of dirty) channel.dirty.add(actorId);
        this.#options.after(AGAIN, () => this.#look(channel));
      }
    });
  }

  async #tell({ name, told, members }: Channel, dirty: ReadonlySet<number>): Promise<void> {
    const after = new Map([...dirty].map((actorId) => [actorId, told.get(actorId) ?? 0]));
    const rows = await this.#options.read.chatMessages(name, after);
    for (const { actorId, n } of rows) {
      told.set(Number(actorId), Math.max(Number(n), told.get(Number(actorId)) ?? 0));
    }
    const lines = rows.map(this.#lineOf);
    for (const member of members) {
      if (member.backlog !== null) this.#keep(member, lines);
      else if (lines.length > 0) this.#send(member, lines);
    }
  }

  /** For later, within bounds: who cannot be caught up comes back and reads on. */
  #keep({ backlog, actor, connection }: Member, lines: readonly Line[]): void {
    backlog?.push(...lines);
    if ((backlog?.length ?? 0) > BACKLOG) actor.gate.drop(connection);
  }

  /** Never throws: what goes wrong with one page must not keep the others from being told. */
  #send(member: Member, lines: readonly Line[], isUpToDate = false): void {
    const { actor, connection } = member;
    try {
      if (!actor.dead) this.#write(member, lines, isUpToDate);
    } catch (error) {
      this.#options.log.error("a page could not be told of a chat", { error: messageOf(error) });
      actor.gate.drop(connection);
    }
  }

  #write({ connection, actor, box, place }: Member, lines: readonly Line[], isUpToDate: boolean): void {
    if (actor.pageOf(place.participantId) !== place.page) {
      // Moved on, or about to: nothing is withheld in silence, and where the page stays it comes back and reads on.
      actor.gate.drop(connection);
      return;
    }
    const texts = lines.map(({ participantId, text }) =>
      participantId === place.participantId ? `${text.slice(0, -1)},"me":1}` : text,
    );
    const end = isUpToDate ? ',"u":1' : "";
    actor.gate.pass(connection, `{"k":${CHAT},"b":${box},"m":[${texts.join()}]${end}}`);
  }

  readonly #lineOf = ({ actorId, n, at, nickname, body, participantId }: Values): Line => {
    const line: ChatLine = {
      s: this.seal.source(Number(actorId)),
      n: Number(n),
      t: Number(at),
      nickname: String(nickname),
      text: String(body),
    };
    return { participantId: participantId === null ? null : Number(participantId), text: JSON.stringify(line) };
  };
}

const CHAT = JSON.stringify("chat" satisfies ChatFrame["k"]);

/** A unit has committed: out with the chat messages in it. */
export function tellChats({ chats }: ActorWorld, { changes }: StoredUnit): void {
  for (const change of changes) {
    if (change.op === "insert" && change.table === ChatTable) {
      chats?.posted(String(change.values.channel), Number(change.values.actorId));
    }
  }
}
