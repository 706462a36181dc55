import { performance } from "node:perf_hooks";
import { FRAME_HEADER } from "../client-sdk/wire.ts";
import { answer } from "./control.ts";
import { Histogram, type HistogramData } from "./histogram.ts";
import { join, type Way } from "./join.ts";
import type { LeanSocket } from "./lean-socket.ts";

/** What one generator process is to play. */
export interface GeneratorOptions {
  way: Way;
  port: number;
  /** Walras: the participants' codes, group by group. */
  codes: string[];
  /** Groups `from` to `to` (not included) are played by this process. */
  from: number;
  to: number;
  groupSize: number;
}

/** What has happened since the sample before. */
export interface Sample {
  /** Milliseconds. */
  time: number;
  /** Messages whose answer (or, from a server that does not answer, whose own copy) has come back. */
  messages: number;
  /** Of those, how many were delivered rather than only answered: an auction's accepted bids. */
  accepted: number;
  refused: number;
  /** All messages that came. */
  deliveries: number;
  /** From the intended moment to the answer. */
  latencies: HistogramData;
  /** Milliseconds of CPU time that this process used. */
  cpu: number;
  /** Share of one core that this process used, or of the time that its loop was occupied if that is more. */
  busy: number;
}

export interface GeneratorCommands {
  /** Lets the participants of so many groups in who are still outside; with how many a second, and how busy it was. */
  admit(groups: number): Promise<{ participants: number; seconds: number; busy: number }>;
  /** Closed loop: everybody sends again when the own message came back. */
  startClosed(): void;
  /** Open loop: so many messages a second over all, come what may. */
  startOpen(rate: number): void;
  sample(): Sample;
  /** Sends no more; resolves with how many are still unanswered after a while. */
  halt(): Promise<number>;
}

const options = JSON.parse(process.argv[2] ?? "{}") as GeneratorOptions;
/** Participants who come in at the same time. */
const ADMITTED_TOGETHER = 32;

// Bytes of a frame's JSON: {"k":"send","c":"0000000000000000000001", and {"k":"recv" or {"k":"answer".
const ID_LENGTH = 22;
const ID_END = FRAME_HEADER.length + '{"k":"send","c":"'.length + ID_LENGTH;
const KIND_AT = FRAME_HEADER.length + '{"k":"'.length;
const BRACE = "}".charCodeAt(0);
const OF_ANSWER = "a".charCodeAt(0);

let isClosedLoop = false;
let latencies = new Histogram();
const count = { messages: 0, accepted: 0, refused: 0, deliveries: 0, lost: 0 };

/** The number that all members of a group count up: an auction's next bid. */
interface Group {
  bid: number;
}

class Player {
  readonly #group: Group;
  readonly #id: string;
  #socket: LeanSocket | null = null;
  #before = "";
  #after = "";
  #n = 0;
  /** Intended moments of what is under way: answers come in order. */
  #sent: number[] = [];

  constructor(group: Group, index: number) {
    this.#group = group;
    this.#id = String(index).padStart(ID_LENGTH, "0");
  }

  get waiting(): number {
    return this.#sent.length;
  }

  async join(port: number, code: string, group: number): Promise<void> {
    const { socket, page } = await join(
      { way: options.way, port, code, group, clientId: this.#id },
      {
        message: (bytes, start, end) => this.#receive(bytes, start, end),
        closed: () => {
          count.lost += 1;
        },
      },
    );
    this.#socket = socket;
    this.#before = `{"k":"send","c":"${this.#id}","n":`;
    this.#after = `,"p":"${page}","d":`;
  }

  /** @param intended the moment from which the latency counts */
  send(intended: number): void {
    this.#sent.push(intended);
    this.#n += 1;
    this.#group.bid += 1;
    this.#socket?.send(FRAME_HEADER, `${this.#before}${this.#n}${this.#after}${this.#group.bid}}`);
  }

  #receive(bytes: Buffer, start: number, end: number): void {
    count.deliveries += 1;
    if (options.way === "walras" ? !this.#isAnswer(bytes, start, end) : !this.#isOwn(bytes, start)) return;
    const now = performance.now();
    latencies.add(now - (this.#sent.shift() ?? now));
    count.messages += 1;
    if (isClosedLoop) this.send(now);
  }

  /** The answer is the last thing in a frame, so that frames with one end on two braces, refusals on three. */
  #isAnswer(bytes: Buffer, start: number, end: number): boolean {
    if (bytes[end - 2] !== BRACE) return false;
    if (bytes[end - 3] === BRACE) count.refused += 1;
    else if (bytes[start + KIND_AT] !== OF_ANSWER) count.accepted += 1;
    return true;
  }

  /** What came is what was sent: by whom, its last digits say. */
  #isOwn(bytes: Buffer, start: number): boolean {
    const at = start + ID_END;
    for (let i = 1; i <= 6; i++) if (bytes[at - i] !== this.#id.charCodeAt(ID_LENGTH - i)) return false;
    count.accepted += 1;
    return true;
  }
}

const { port, codes, from, to, groupSize } = options;
const players: Player[] = [];
let outside = from;
let open: NodeJS.Timeout | undefined;
let mark = now();

function now() {
  const { user, system } = process.cpuUsage();
  return { time: performance.now(), cpu: (user + system) / 1000, loop: performance.eventLoopUtilization() };
}

function busySince(then: typeof mark): number {
  const { time, cpu, loop } = now();
  return Math.max((cpu - then.cpu) / (time - then.time), performance.eventLoopUtilization(loop, then.loop).utilization);
}

const commands: GeneratorCommands = {
  async admit(groups) {
    const entering: { player: Player; group: number; index: number }[] = [];
    for (; outside < to && groups > 0; outside++, groups--) {
      const group: Group = { bid: 0 };
      for (let i = 0; i < groupSize; i++) {
        const index = outside * groupSize + i;
        entering.push({ player: new Player(group, index), group: outside, index });
      }
    }
    const participants = entering.length;
    for (const { player } of entering) players.push(player);
    const start = now();
    const one = async (): Promise<void> => {
      for (let next = entering.shift(); next !== undefined; next = entering.shift()) {
        await next.player.join(port, codes[next.index] ?? "", next.group);
      }
    };
    await Promise.all(Array.from({ length: ADMITTED_TOGETHER }, one));
    return { participants, seconds: (performance.now() - start.time) / 1000, busy: busySince(start) };
  },
  startClosed() {
    isClosedLoop = true;
    for (const player of players) player.send(performance.now());
  },
  startOpen(rate) {
    isClosedLoop = false;
    // Neighbours in time are of different groups.
    const order = Array.from({ length: groupSize }, (_, i) => players.filter((_, at) => at % groupSize === i)).flat();
    const gap = 1000 / rate;
    let due = performance.now();
    let at = 0;
    const tick = (): void => {
      for (const end = performance.now(); due <= end; due += gap) order[at++ % order.length]?.send(due);
      open = setTimeout(tick, 1);
    };
    tick();
  },
  sample() {
    const { messages, accepted, refused, deliveries, lost } = count;
    if (lost > 0) throw new Error(`The server closed ${lost} connections.`);
    const sample = {
      time: performance.now() - mark.time,
      messages,
      accepted,
      refused,
      deliveries,
      latencies: latencies.toData(),
      cpu: now().cpu - mark.cpu,
      busy: busySince(mark),
    };
    Object.assign(count, { messages: 0, accepted: 0, refused: 0, deliveries: 0 });
    latencies = new Histogram();
    mark = now();
    return sample;
  },
  async halt() {
    isClosedLoop = false;
    clearTimeout(open);
    const waiting = () => players.reduce((sum, player) => sum + player.waiting, 0);
    for (let tries = 0; waiting() > 0 && tries < 200; tries++) await new Promise((done) => setTimeout(done, 10));
    return waiting();
  },
};
answer(commands);
