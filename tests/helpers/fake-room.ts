import {
  type Answer,
  type ClientFrame,
  CloseCode,
  type Delivery,
  type PageLive,
  PROTOCOL_VERSION,
  type RefusalBody,
  type Seat,
  type SeatAnswer,
  type Send,
  type ServerFrame,
} from "../../client-sdk/protocol.ts";
import { decodeMessage, encodeFrame, type Socket, type SocketEvents } from "../../client-sdk/wire.ts";
import type { VirtualClock } from "./virtual-clock.ts";

interface Member {
  send(frame: ServerFrame): void;
  close(code: number): void;
  ready: boolean;
}

/**
 * The server's half of protocol.ts for one player on one page, in memory: numbers count once and in
 * order, deliveries are kept for those who come back. Knows nothing of sockets.
 */
export class FakeGroup {
  /** What took effect, in order. */
  readonly effects: Send[] = [];
  /** Every send that came, repetitions included. */
  readonly arrivals: Send[] = [];
  readonly hellos: { c: string; s: number; h: boolean }[] = [];
  /** Says whether to refuse a send that is next in turn; a refusal that is not for retry uses up the number. */
  refuse: (send: Send) => RefusalBody | null = () => null;
  /** What a live method would return: messages to the sender, null for silence. */
  reply: (send: Send) => unknown[] | null = () => null;
  /** True: live methods take effect but do not end, so that their answers wait. */
  slow = false;
  seq = 0;
  private readonly deliveries: Delivery[] = [];
  private readonly last = new Map<string, number>();
  private readonly answers = new Map<string, Answer>();
  private readonly members = new Set<Member>();

  get connections(): number {
    return this.members.size;
  }

  /** A socket has taken its seat. */
  join(send: (frame: ServerFrame) => void, close: (code: number) => void) {
    const member: Member = { send, close, ready: false };
    this.members.add(member);
    return {
      receive: (text: string) => this.receive(member, JSON.parse(text)),
      left: () => this.members.delete(member),
    };
  }

  /** A unit with messages to the player. */
  deliver(...messages: unknown[]): Delivery {
    const delivery: Delivery = { k: "recv", s: ++this.seq, p: this.deliveries.at(-1)?.s ?? 0, m: messages };
    this.deliveries.push(delivery);
    this.broadcast(delivery);
    return delivery;
  }

  /** As {@link deliver}, but no open socket gets it. */
  deliverUnsent(...messages: unknown[]): void {
    const members = [...this.members];
    this.members.clear();
    this.deliver(...messages);
    for (const member of members) this.members.add(member);
  }

  broadcast(frame: ServerFrame): void {
    for (const member of this.members) if (member.ready) member.send(frame);
  }

  closeAll(code: number): void {
    for (const member of this.members) member.close(code);
    this.members.clear();
  }

  private receive(member: Member, frame: ClientFrame): void {
    const response = this.respond(member, frame);
    if (response) member.send(response);
  }

  private respond(member: Member, frame: ClientFrame): ServerFrame | null {
    if (frame.k === "hello") {
      this.hellos.push({ c: frame.c, s: frame.s, h: frame.h === true });
      if (frame.v !== PROTOCOL_VERSION) return { k: "reload", why: "protocol" };
      for (const delivery of this.deliveries) if (delivery.s > frame.s) member.send(delivery);
      member.ready = true;
      return { k: "welcome", s: this.seq, t: 0 };
    }
    if (frame.k === "away" || frame.k === "listen") return null;
    this.arrivals.push(frame);
    const { c, n } = frame;
    const known = this.answers.get(`${c}.${n}`);
    if (known) return { k: "answer", a: known };
    if (n !== (this.last.get(c) ?? 0) + 1) {
      const e = { code: "out_of_order", message: "An earlier number is missing.", retry: true };
      return { k: "answer", a: { c, n, e } };
    }
    const e = this.refuse(frame);
    if (e?.retry) return { k: "answer", a: { c, n, e } };
    const answer: Answer = e ? { c, n, e } : { c, n, v: `${c}.${n}` };
    this.last.set(c, n);
    this.answers.set(`${c}.${n}`, answer);
    if (e) return { k: "answer", a: answer };
    this.effects.push(frame);
    if (this.slow) return null;
    const messages = this.reply(frame);
    if (!messages) {
      this.seq += 1;
      return { k: "answer", a: answer };
    }
    const delivery: Delivery = { k: "recv", s: ++this.seq, p: this.deliveries.at(-1)?.s ?? 0, m: messages };
    this.deliveries.push(delivery);
    for (const other of this.members) {
      if (other.ready) other.send(other === member ? { ...delivery, a: answer } : delivery);
    }
    return null;
  }
}

/**
 * Seats and sockets in virtual time before a {@link FakeGroup}: latency, cuts, silence, refused seats.
 * Speaks Colyseus' framing, so that wire.ts runs too.
 */
export class FakeNetwork {
  /** One way, in milliseconds. */
  latency = 10;
  /** Bytes are swallowed in both directions, and nobody is told; a socket that has lost some stays dead. */
  dead = false;
  /** What the HTTP side does when it is asked for a seat. */
  seatAnswer: "seat" | "error" | "reload" | "hang" = "seat";
  seatsAsked = 0;
  socketsOpened = 0;
  private seats = 0;
  private readonly valid = new Set<string>();
  private readonly clock: VirtualClock;
  private readonly group: FakeGroup;

  constructor(clock: VirtualClock, group: FakeGroup) {
    this.clock = clock;
    this.group = group;
  }

  issueSeat(): Seat {
    const sessionId = `seat${++this.seats}`;
    this.valid.add(sessionId);
    return { processId: "p", roomId: "r", sessionId };
  }

  readonly fetchSeat = (): Promise<SeatAnswer> => {
    this.seatsAsked += 1;
    if (this.seatAnswer === "hang" || this.dead) return new Promise(() => {});
    if (this.seatAnswer === "error") return Promise.reject(new Error("503"));
    return Promise.resolve(this.seatAnswer === "reload" ? { seat: null, reload: true } : { seat: this.issueSeat() });
  };

  readonly openSocket = (seat: Seat, on: SocketEvents): Socket => {
    this.socketsOpened += 1;
    let open = true;
    let broken = false;
    // A cut kills what is still on its way, in both directions.
    const later = (run: () => void) => {
      this.clock.after(this.latency, () => {
        broken ||= this.dead;
        if (open && !broken) run();
      });
    };
    const end = (code: number) => {
      if (!open) return;
      open = false;
      member?.left();
      on.close(code);
    };
    let member: ReturnType<FakeGroup["join"]> | null = null;
    later(() => {
      if (!this.valid.delete(seat.sessionId)) {
        on.message(Uint8Array.of(11, 0xcd, 524 & 255, 524 >> 8, 0xa3, 0x6e, 0x6f, 0x21));
        end(4002);
        return;
      }
      on.message(Uint8Array.of(10, 0, 0, 0));
    });
    const join = () =>
      this.group.join(
        (frame) => later(() => on.message(encodeFrame(JSON.stringify(frame)))),
        (code) => end(code),
      );
    return {
      send: (bytes) =>
        later(() => {
          const message = decodeMessage(bytes);
          if (message.kind === "joined") member = join();
          else if (message.kind === "pong") later(() => on.message(bytes));
          else if (message.kind === "frame") member?.receive(message.text);
        }),
      close: (code) => {
        if (this.dead || broken) {
          open = false;
          member?.left();
        } else {
          end(code === CloseCode.LEFT ? 1000 : code);
        }
      },
    };
  };

  /** What the server would have put into the page just now. */
  page(changes: Partial<PageLive> = {}): PageLive {
    return {
      v: PROTOCOL_VERSION,
      page: "auction/1/Bidding",
      seq: this.group.seq,
      now: 0,
      seat: this.issueSeat(),
      seatUrl: "/seat",
      messageLimit: 65_536,
      history: false,
      currency: { locale: "en", code: null, decimals: 0, points: ["point", "points"] },
      ...changes,
    };
  }
}
