import { expect, test } from "@jest/globals";
import { makeAuction } from "./helpers/apps.ts";
import { type Guest, TestGame } from "./helpers/game.ts";

/** Too much of the same: each participant has a token bucket. */
const MARK = "payload-that-no-log-may-show";

async function start(limits: { rate: number; burst: number }) {
  const own = await TestGame.start([makeAuction({ playersPerGroup: 2 })], { limits });
  const guests = await own.guests(["auction"], 2);
  return { own, attacker: await own.connect(guests[0] as Guest), other: await own.connect(guests[1] as Guest) };
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
