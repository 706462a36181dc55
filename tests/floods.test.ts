import { expect, test } from "@jest/globals";
import { codeOf } from "../client-sdk/errors.ts";
import { CloseCode } from "../client-sdk/protocol.ts";
import { makeAuction } from "./helpers/apps.ts";
import { type Guest, TestGame } from "./helpers/game.ts";

/** Too much of the same: each participant has a token bucket. */
const MARK = "payload-that-no-log-may-show";

async function start(limits: { rate?: number; burst?: number; sockets?: number }) {
  const own = await TestGame.start([makeAuction({ playersPerGroup: 2 })], { limits });
  const guests = await own.guests(["auction"], 2);
  const [guest, second] = guests as [Guest, Guest];
  return { own, guest, attacker: await own.connect(guest), other: await own.connect(second) };
}

test("who sends too fast is told when to go on, and nobody else waits", async () => {
  const { own, attacker, other } = await start({ rate: 40, burst: 10 });
  try {
    for (let n = 1; n <= 200; n++) attacker.post({ do: "add", amount: 1 }, { n });
    await attacker.pong();
    expect(await other.ask({ do: "echo", with: "meanwhile" })).not.toHaveProperty("e");
    await attacker.until(() => attacker.answers(200).length > 0);
    const done = Array.from({ length: 200 }, (_, i) => attacker.answers(i + 1)[0]).filter(
      (answer) => answer?.e === undefined,
    );
    expect(done.length).toBeGreaterThanOrEqual(10);
    expect(done.length).toBeLessThan(100);
    const next = done.length + 1;
    const refusal = attacker.answers(next)[0]?.e;
    expect(refusal).toMatchObject({ code: "too_fast", retry: true, after: expect.any(Number) });
    await new Promise((resolve) => setTimeout(resolve, (refusal?.after as number) + 5));
    expect(await attacker.ask({ do: "add", amount: 1 }, { n: next })).toEqual({ c: attacker.clientId, n: next });
    await other.until(
      () => other.received.filter((data) => (data as { sum?: number }).sum !== undefined).length === next,
    );
    expect(other.received.at(-1)).toEqual({ sum: next });
    expect(own.log.lines).toEqual([]);
  } finally {
    await own.stop();
  }
});

test("a flood of rubbish writes no more into the log than its sender may say", async () => {
  const { own, attacker, other } = await start({ rate: 1, burst: 10 });
  try {
    for (let i = 0; i < 5000; i++) attacker.text(MARK);
    await attacker.pong();
    // The bucket may have got a token or two back meanwhile.
    expect(own.log.lines.length).toBeGreaterThanOrEqual(10);
    expect(own.log.lines.length).toBeLessThan(100);
    expect(attacker.answers(0)).toHaveLength(own.log.lines.length);
    expect(attacker.closed).toBeUndefined();
    expect(await other.ask({ do: "echo", with: "meanwhile" })).not.toHaveProperty("e");
    expect(JSON.stringify(own.log.lines)).not.toContain(MARK);
  } finally {
    await own.stop();
  }
});

test("who opens one page after the other keeps the newest ten, and nobody else notices", async () => {
  const { own, guest, attacker, other } = await start({});
  try {
    const sockets = [attacker];
    for (let i = 0; i < 40; i++) sockets.push(await own.connect(guest));
    const old = sockets.slice(0, -10);
    await Promise.all(old.map((socket) => socket.until(() => socket.closed !== undefined)));
    expect(new Set(old.map(({ closed }) => closed))).toEqual(new Set([CloseCode.TOO_MANY]));
    expect(await other.ask({ do: "echo", with: "meanwhile" })).not.toHaveProperty("e");
    for (const socket of sockets.slice(-10)) {
      await socket.until(() => socket.received.includes("meanwhile"));
      expect(socket.closed).toBeUndefined();
    }
    expect(own.game.health().sockets).toBe(11);
  } finally {
    await own.stop();
  }
});

test("beyond the setting's number of sockets one more is answered with 503, until one has closed", async () => {
  const { own, guest, other } = await start({ sockets: 3 });
  try {
    const third = await own.connect(guest);
    for (let i = 0; i < 20; i++) {
      const refused = await own.socket(await own.seat(guest));
      expect([refused.joined, refused.status]).toEqual([false, 503]);
    }
    expect(own.log.lines).toEqual([expect.objectContaining({ message: expect.stringContaining("WALRAS_SOCKETS") })]);
    expect(await other.ask({ do: "echo", with: "meanwhile" })).not.toHaveProperty("e");
    await third.close();
    let next = await own.socket(await own.seat(guest));
    while (next.status === 503) next = await own.socket(await own.seat(guest));
    expect(next.joined).toBe(true);
  } finally {
    await own.stop();
  }
});

test("who asks for seat after seat is put off, and nobody else is", async () => {
  const { own, guest, attacker, other } = await start({});
  try {
    let code = "";
    let seats = 0;
    for (; seats < 1000 && code === ""; seats++) {
      await own.seat(guest).catch((error: unknown) => {
        code = codeOf(error);
      });
    }
    expect(code).toBe("too_fast");
    expect(seats).toBeGreaterThan(100);
    expect(await attacker.ask({ do: "echo", with: "still here" })).not.toHaveProperty("e");
    await other.until(() => other.received.includes("still here"));
    const [, second] = await own.guests(["auction"], 2);
    expect((await own.connect(second as Guest)).closed).toBeUndefined();
  } finally {
    await own.stop();
  }
});
