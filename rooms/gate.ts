import {
  type Answer,
  CloseCode,
  type Delivery,
  type RefusalBody,
  type Reload,
  type ServerFrame,
} from "../client-sdk/protocol.ts";
import type { JournalEntry } from "../entities/store.ts";
import { type Outgoing, outputOf } from "./deliveries.ts";
import type { PublishedState, StateChange } from "./published-state.ts";

/** The answer to a message, and whose it was. */
export interface Answered {
  readonly to: Connection;
  readonly answer: Answer;
}

/** One open socket of a player, as the gate needs it. */
export interface Connection {
  readonly participantId: number;
  /** The page that the seat was issued for, by its index and identity. */
  readonly pageIndex: number;
  readonly page: string;
  /** Nobody looks at the page: see client-sdk/attention.ts. */
  away?: boolean;
  /** Sends the bytes of one frame, made by {@link GateOptions.encode}. */
  send(frame: Uint8Array): void;
  /** Bytes that wait in the socket. */
  readonly buffered: number;
  close(code: number): void;
}

export interface GateOptions {
  /** JSON text of a frame as bytes for the wire. */
  readonly encode: (json: string) => Uint8Array;
  /** Entries of the journal after a seq whose deliveries may have gone to a page, oldest first. */
  readonly readJournal: (after: number, limit: number, page: string) => Promise<JournalEntry[]>;
  /** Milliseconds since 1970 (UTC). */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly limits?: Partial<GateLimits> | undefined;
  /** What the group publishes, if anything. */
  readonly state?: PublishedState | undefined;
}

export interface GateLimits {
  /** Sockets of one player: with one more, the oldest is closed. A page has one; tabs and broken links add some. */
  sockets: number;
  /** A socket with more than this waiting is closed with the retry code, in bytes. */
  buffered: number;
  /** Catch-up waits while more than this is waiting in the socket, in bytes. */
  pace: number;
  /** Catch-up beyond these makes the page reload, unless it asked for its whole history. */
  catchUpEntries: number;
  catchUpBytes: number;
  /** Entries that are read from the journal at once. */
  chunk: number;
  /** What is kept in memory for those who come back soon. */
  recentEntries: number;
  recentBytes: number;
}

export const GATE_LIMITS: GateLimits = {
  sockets: 10,
  buffered: 1024 * 1024,
  pace: 256 * 1024,
  catchUpEntries: 1000,
  catchUpBytes: 1024 * 1024,
  chunk: 128,
  recentEntries: 64,
  recentBytes: 32 * 1024,
};

interface Sent {
  readonly seq: number;
  readonly outgoing: readonly Outgoing[];
  readonly bytes: number;
}

/** A connection's place in the group. */
interface Member {
  readonly connection: Connection;
  readonly idInGroup: number;
  /** Said hello and has been caught up. */
  ready: boolean;
  /** Has the published state, and gets its changes. */
  inStep: boolean;
  /** While the journal is read for it: what was delivered meanwhile. */
  backlog: Sent[] | null;
  backlogBytes: number;
  /** The newest seq that it was sent, or said it had seen. */
  last: number;
}

/**
 * The way out of an actor: what is committed goes to the members whose page is open there, in order of
 * seq, encoded once for all who get the same bytes. Who returns is caught up from memory or the
 * journal, or told to reload. Nothing here waits for a slow socket.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #limits: GateLimits;
  readonly #members = new Map<Connection, Member>();
  readonly #byPlayer = new Map<number, Set<Member>>();
  #recent: Sent[] = [];
  #recentBytes = 0;
  /** Everything delivered after this seq is in `#recent`. */
  #recentAfter: number;
  /** The newest committed seq. */
  #committed: number;
  /** The actor has ended: who comes now comes too late. */
  #closed = false;

  constructor(options: GateOptions, committed: number) {
    this.#options = options;
    this.#limits = { ...GATE_LIMITS, ...options.limits };
    this.#recentAfter = committed;
    this.#committed = committed;
  }

  get size(): number {
    return this.#members.size;
  }

  connections(): Iterable<Connection> {
    return this.#members.keys();
  }

  attach(connection: Connection, idInGroup: number): void {
    if (this.#closed) {
      connection.close(CloseCode.RETRY);
      return;
    }
    const member: Member = {
      connection,
      idInGroup,
      ready: false,
      inStep: false,
      backlog: null,
      backlogBytes: 0,
      last: 0,
    };
    this.#members.set(connection, member);
    const members = this.#byPlayer.get(idInGroup) ?? new Set();
    this.#byPlayer.set(idInGroup, members.add(member));
    const [oldest] = members;
    if (members.size > this.#limits.sockets && oldest !== undefined) this.drop(oldest.connection, CloseCode.TOO_MANY);
  }

  detach(connection: Connection): void {
    const member = this.#members.get(connection);
    if (member === undefined) return;
    this.#members.delete(connection);
    this.#byPlayer.get(member.idInGroup)?.delete(member);
  }

  /**
   * A page says what it has seen: it gets what it missed, then a welcome, then what comes.
   *
   * @param stateSeen seq of the published state that it shows
   */
  async hello(connection: Connection, seen: number, history: boolean, stateSeen = 0): Promise<void> {
    const member = this.#members.get(connection);
    if (member === undefined || member.ready || member.backlog !== null) return;
    if (Math.max(seen, stateSeen) > this.#committed) {
      // It saw what this database does not have (another or older database): nothing to go on from.
      this.reload(connection, "too_far_behind");
      return;
    }
    this.#bringInStep(member, stateSeen);
    const after = history ? 0 : seen;
    member.last = after;
    if (after >= this.#recentAfter) {
      for (const sent of this.#recent) if (sent.seq > after) this.#sendTo(member, sent);
    } else {
      const backlog: Sent[] = [];
      member.backlog = backlog;
      const caughtUp = await this.#catchUp(member, after, history);
      member.backlog = null;
      if (!caughtUp) return;
      // What came since the last look at the backlog: without a pause between it and being ready.
      for (const sent of backlog) if (sent.seq > member.last) this.#sendTo(member, sent);
    }
    member.ready = true;
    this.#frame(member, { k: "welcome", s: this.#committed, t: this.#options.now() });
  }

  /** After the commit of `seq`: out with its deliveries, to each page what is for that page, and with the answer to the sender. */
  deliver(seq: number, outgoing: readonly Outgoing[], reply?: Answered): void {
    this.#committed = seq;
    let answered = reply === undefined;
    if (outgoing.length > 0) {
      const sent: Sent = { seq, outgoing, bytes: sizeOf(outgoing) };
      this.#remember(sent);
      // One encoding for all who are told the same and the same previous seq: nearly always, everybody.
      let encoded: { texts: string; last: number; frame: Uint8Array } | undefined;
      for (const id of recipients(outgoing)) {
        for (const member of this.#byPlayer.get(id) ?? []) {
          const texts = textsFor(member, outgoing);
          if (texts === null) continue;
          if (member.backlog !== null) this.#keep(member, sent);
          // The journal may have had it already when this member was caught up.
          if (!member.ready || member.last >= seq) continue;
          if (member.connection === reply?.to) {
            answered = true;
            this.#write(member, this.#options.encode(recvJson(seq, member.last, texts, reply.answer)));
          } else {
            if (encoded === undefined || encoded.last !== member.last || encoded.texts !== texts) {
              const frame = this.#options.encode(recvJson(seq, member.last, texts));
              encoded = { texts, last: member.last, frame };
            }
            this.#write(member, encoded.frame);
          }
          member.last = seq;
        }
      }
    }
    if (!answered && reply !== undefined) this.answer(reply.to, reply.answer, outgoing.length > 0 ? seq : undefined);
  }

  /** After the commit of `seq`, before its deliveries: what it changed of the published state, to each page what its player may see. */
  publish(seq: number, { everybody, own }: StateChange): void {
    const encoded = new Map<string, Uint8Array>();
    for (const member of this.#members.values()) {
      if (!member.inStep) continue;
      const mine = own.get(member.idInGroup) ?? "";
      const change = everybody !== "" && mine !== "" ? `${everybody},${mine}` : everybody + mine;
      if (change === "") continue;
      let frame = encoded.get(change);
      if (frame === undefined) {
        frame = this.#options.encode(`{"k":"state","s":${seq},"x":{${change}}}`);
        encoded.set(change, frame);
      }
      this.#write(member, frame);
    }
  }

  /** First of all, so that a page never handles a delivery with a state from before it. */
  #bringInStep(member: Member, stateSeen: number): void {
    const { state, encode } = this.#options;
    if (state === undefined) return;
    member.inStep = true;
    if (state.changedAt <= stateSeen) return;
    const whole = state.snapshot(member.idInGroup);
    this.#write(member, encode(`{"k":"state","s":${this.#committed},"f":1,"x":${whole}}`));
  }

  /** A seq without deliveries has committed. */
  committed(seq: number): void {
    this.#committed = seq;
  }

  /** @param seq of the unit whose deliveries went to others only */
  answer(connection: Connection, answer: Answer, seq?: number): void {
    const member = this.#members.get(connection);
    if (member !== undefined) this.#frame(member, { k: "answer", ...(seq === undefined ? {} : { s: seq }), a: answer });
  }

  refuse(connection: Connection, c: string, n: number, refusal: RefusalBody): void {
    this.answer(connection, { c, n, e: refusal });
  }

  reload(connection: Connection, why: Reload["why"]): void {
    const member = this.#members.get(connection);
    if (member !== undefined) this.#frame(member, { k: "reload", why });
  }

  /** What a wait page says of those who are still to come. */
  waiting(connection: Connection, text: string): void {
    const member = this.#members.get(connection);
    if (member !== undefined) this.#frame(member, { k: "wait", text });
  }

  /** A frame that is none of the group's deliveries, as JSON text. */
  pass(connection: Connection, json: string): void {
    const member = this.#members.get(connection);
    if (member !== undefined) this.#write(member, this.#options.encode(json));
  }

  /** Whether the store takes writes, to one that could not hear the {@link broadcast}. */
  notice(connection: Connection, halted: boolean): void {
    const member = this.#members.get(connection);
    if (member !== undefined) this.#frame(member, { k: "notice", halted });
  }

  /** The same frame to every open socket of the group. */
  broadcast(frame: ServerFrame): void {
    const bytes = this.#options.encode(JSON.stringify(frame));
    for (const member of this.#members.values()) this.#write(member, bytes);
  }

  /** Closes a connection, by default so that its page comes back. */
  drop(connection: Connection, code: number = CloseCode.RETRY): void {
    this.detach(connection);
    connection.close(code);
  }

  /** The actor ends. */
  dropAll(): void {
    this.#closed = true;
    for (const connection of [...this.#members.keys()]) this.drop(connection);
  }

  /** From the journal. Returns false if the page was told to reload, or is gone. */
  async #catchUp(member: Member, after: number, history: boolean): Promise<boolean> {
    const { catchUpEntries, catchUpBytes, chunk } = this.#limits;
    const { connection } = member;
    const missed: Sent[] = [];
    let [from, entries, bytes] = [after, 0, 0];
    for (let more = true; more; ) {
      const read = await this.#options.readJournal(from, chunk, connection.page);
      more = read.length === chunk;
      from = read.at(-1)?.seq ?? from;
      for (const entry of read) {
        const outgoing = outputOf(entry).filter(({ page }) => page === connection.page);
        if (outgoing.length === 0) continue;
        const sent: Sent = { seq: entry.seq, outgoing, bytes: sizeOf(outgoing) };
        missed.push(sent);
        entries += 1;
        bytes += sent.bytes;
      }
      if (history) {
        // All of it, however long: a reload would only ask for it again.
        if (!(await this.#sendPaced(member, missed))) return false;
        missed.length = 0;
      } else if (entries > catchUpEntries || bytes > catchUpBytes) {
        this.reload(connection, "too_far_behind");
        return false;
      }
    }
    // What was delivered meanwhile comes behind.
    return (await this.#sendPaced(member, missed)) && (await this.#sendPaced(member, member.backlog ?? []));
  }

  /** Sends a list, which may grow meanwhile, as fast as the socket takes it. Returns false if the socket is gone. */
  async #sendPaced(member: Member, list: readonly Sent[]): Promise<boolean> {
    for (let i = 0; i < list.length; i++) {
      while (member.connection.buffered > this.#limits.pace && this.#members.has(member.connection)) {
        await this.#options.sleep(20);
      }
      const sent = list[i] as Sent;
      if (sent.seq > member.last) this.#sendTo(member, sent);
    }
    return this.#members.has(member.connection);
  }

  /** Keeps what is delivered while a member is being caught up, within what a socket may have waiting. */
  #keep(member: Member, sent: Sent): void {
    member.backlog?.push(sent);
    member.backlogBytes += sent.bytes;
    if (member.backlogBytes > this.#limits.buffered) this.drop(member.connection);
  }

  #sendTo(member: Member, { seq, outgoing }: Sent): void {
    const texts = textsFor(member, outgoing);
    if (texts === null) return;
    this.#write(member, this.#options.encode(recvJson(seq, member.last, texts)));
    member.last = seq;
  }

  #remember(sent: Sent): void {
    const { recentEntries, recentBytes } = this.#limits;
    this.#recent.push(sent);
    this.#recentBytes += sent.bytes;
    if (this.#recent.length <= recentEntries && this.#recentBytes <= recentBytes) return;
    // Half is dropped at a time, so that dropping costs nothing per message.
    const dropped = this.#recent.splice(0, Math.ceil(this.#recent.length / 2));
    for (const old of dropped) this.#recentBytes -= old.bytes;
    this.#recentAfter = (dropped.at(-1) as Sent).seq;
  }

  #frame(member: Member, frame: ServerFrame): void {
    this.#write(member, this.#options.encode(JSON.stringify(frame)));
  }

  /** Sends, or closes a socket that does not take it: it comes back and is caught up. */
  #write(member: Member, frame: Uint8Array): void {
    if (!this.#members.has(member.connection)) return;
    if (member.connection.buffered > this.#limits.buffered) {
      this.drop(member.connection);
      return;
    }
    member.connection.send(frame);
  }
}

/** Whom any of these is for, each once, in the order in which they are named. */
function recipients(outgoing: readonly Outgoing[]): Iterable<number> {
  const [first] = outgoing;
  if (outgoing.length === 1 && first !== undefined) return first.to;
  return new Set(outgoing.flatMap(({ to }) => to));
}

/** JSON texts of what a unit has for a member on their page, in order, with commas between them; null: nothing. */
function textsFor({ idInGroup, connection }: Member, outgoing: readonly Outgoing[]): string | null {
  let texts: string | null = null;
  for (const { to, page, text } of outgoing) {
    if (page === connection.page && to.includes(idInGroup)) texts = texts === null ? text : `${texts},${text}`;
  }
  return texts;
}

/** JSON text of a {@link Delivery}, from payload texts that exist already. */
function recvJson(seq: number, previous: number, texts: string, answer?: Answer): string {
  const riding = answer === undefined ? "" : `,"a":${JSON.stringify(answer satisfies Delivery["a"])}`;
  return `{"k":"recv","s":${seq},"p":${previous},"m":[${texts}]${riding}}`;
}

function sizeOf(outgoing: readonly Outgoing[]): number {
  return outgoing.reduce((sum, { text }) => sum + text.length, 0);
}
