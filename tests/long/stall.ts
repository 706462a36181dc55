import { join } from "node:path";
import { HeadlessParticipant } from "../../client-sdk/headless.ts";
import { makeSession } from "../helpers/http.ts";
import type { Say } from "../helpers/ledger/apps/ledger/index.ts";
import { LedgerProcess } from "../helpers/ledger-process.ts";
import { RawSocket } from "../helpers/raw-socket.ts";

export interface StallOptions {
  /** How many messages of 1 kB the group exchanges while one of its sockets does not read. */
  readonly messages: number;
  /** How many before that. */
  readonly warmUp: number;
  /** Gets the SQLite file. */
  readonly directory: string;
}

export interface StallResult {
  messages: number;
  /** From sending to the answer, for the members who read, in milliseconds. */
  before: { p50: number; p99: number; max: number };
  during: { p50: number; p99: number; max: number };
  /** Resident memory of the server in MiB: before the socket stalls, then at its highest and at the end. */
  memory: { before: number; peak: number; after: number };
  /** Messages exchanged when the server had closed the socket. */
  closedAfter: number;
  /** What the stalled socket found in its own buffers when it read again, in KiB, and its close code. */
  buffered: number;
  code: number;
  /** What its participant got on coming back: the deliveries that it had missed, or the word to load again. */
  cameBack: "caught up" | "reload";
}

/** Messages on their way at the same time, for each of the two who talk. */
const WINDOW = 4;
const KILOBYTE = "x".repeat(1000);

/** Has a group of three exchange messages, before and while the socket of the third stops reading. */
export async function stall({ messages, warmUp, directory }: StallOptions): Promise<StallResult> {
  const server = await LedgerProcess.start({ WALRAS_DB: join(directory, "db.sqlite3") });
  const clients: HeadlessParticipant[] = [];
  let socket: RawSocket | undefined;
  try {
    const { participants } = await makeSession(server.base, "one_group");
    for (const code of participants) {
      const link = `${server.base}/InitializeParticipant/${code}`;
      clients.push(await HeadlessParticipant.open(link, { record: false }));
    }
    const talkers = clients.slice(0, 2);
    const third = clients[2];
    if (third?.page.live?.seat == null) throw new Error("the third participant has no seat");
    await Promise.all(clients.map((client) => client.until(() => client.status === "open")));
    // The same participant once more, by a socket that can be stopped; the page leaves.
    const { seat } = await (await fetch(new URL(third.page.live.seatUrl, third.page.url), { method: "POST" })).json();
    third.close();
    socket = new RawSocket(server.base.replace("http", "ws"), seat, { page: third.page.live.page });
    await socket.settled;
    await socket.hello(third.page.live.seq);

    const { frames } = socket;
    // What it reads while it reads need not be kept.
    const before = await exchange(talkers, warmUp, () => frames.splice(0, frames.length - 1));
    const memory = { before: server.memory, peak: 0, after: 0 };
    const seen = newest(socket);
    socket.ws.pause();
    let closedAfter = 0;
    let sockets = 3;
    const watch = setInterval(async () => {
      memory.peak = Math.max(memory.peak, server.memory);
      const health = await fetch(`${server.base}/health`).then((response) => response.json());
      sockets = health.sockets;
    }, 50);
    const during = await exchange(talkers, messages, (done) => {
      if (sockets < 3 && closedAfter === 0) closedAfter = done;
    });
    clearInterval(watch);
    memory.after = server.memory;
    memory.peak = Math.max(memory.peak, memory.after);

    const read = frames.length;
    socket.ws.resume();
    await socket.until(() => socket?.closed !== undefined);
    const late = frames.slice(read);
    const cameBack = await comeBack(server, third, Math.max(seen, newest(socket)));
    await third.reload();
    await third.until(() => third.status === "open");
    return {
      messages,
      before,
      during,
      memory: {
        before: toMiB(memory.before),
        peak: toMiB(memory.peak),
        after: toMiB(memory.after),
      },
      closedAfter,
      buffered: Math.round(late.reduce((sum, frame) => sum + JSON.stringify(frame).length, 0) / 1024),
      code: socket.closed ?? 0,
      cameBack,
    };
  } finally {
    for (const client of clients) client.close();
    socket?.destroy();
    await server.stop();
  }
}

/** Each talker keeps some messages on their way until all have been answered. */
async function exchange(
  talkers: readonly HeadlessParticipant[],
  messages: number,
  onAnswer: (done: number) => void = () => {},
): Promise<StallResult["before"]> {
  const times: number[] = [];
  let left = messages;
  const talk = async (client: HeadlessParticipant): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const begun = performance.now();
      await client.send({ text: KILOBYTE, mute: true } satisfies Say);
      times.push(performance.now() - begun);
      onAnswer(times.length);
    }
  };
  await Promise.all(talkers.flatMap((client) => Array.from({ length: WINDOW }, () => talk(client))));
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round((times[Math.ceil(share * times.length) - 1] ?? 0) * 100) / 100;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** The participant takes a fresh seat and says what was seen last. */
async function comeBack(
  server: LedgerProcess,
  third: HeadlessParticipant,
  seen: number,
): Promise<StallResult["cameBack"]> {
  const live = third.page.live;
  if (live === null) throw new Error("the page is not live");
  const { seat } = await (await fetch(new URL(live.seatUrl, third.page.url), { method: "POST" })).json();
  const socket = new RawSocket(server.base.replace("http", "ws"), seat, { page: live.page });
  await socket.settled;
  void socket.hello(seen);
  await socket.until(() => socket.frames.some(({ k }) => k === "welcome" || k === "reload"));
  const isReload = socket.frames.some(({ k }) => k === "reload");
  socket.destroy();
  return isReload ? "reload" : "caught up";
}

function newest(socket: RawSocket): number {
  return socket.frames.reduce((newest, frame) => (frame.k === "recv" ? frame.s : newest), 0);
}

function toMiB(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
