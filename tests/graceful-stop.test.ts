import { expect, test } from "@jest/globals";
import { type Answer, PROTOCOL_VERSION, type ServerFrame } from "../client-sdk/protocol.ts";
import { GAME_LIMITS } from "../rooms/limits.ts";
import { Reception } from "../rooms/reception.ts";
import { makeAuction } from "./helpers/apps.ts";
import { forEachStore } from "./helpers/stores.ts";
import { TestWorld } from "./helpers/world.ts";

forEachStore((kit) => {
  test("a server that stops finishes what it has taken, and takes nothing more from those who go on sending", async () => {
    const app = makeAuction({ playersPerGroup: 2 });
    const store = await kit.open({ apps: [app.spec] });
    const world = new TestWorld(store, [app.spec], { limits: { ...GAME_LIMITS, rate: 1e9, burst: 1e9 } });
    const { people } = await world.session(["auction"], 2);
    const [person] = people;
    if (person === undefined) throw new Error("missing participant");
    const actorId = await world.arrive(person);
    const page = world.actors.get(actorId).pageOf(person.id as number) ?? "";
    const participantId = person.id as number;
    const holder = { sessionId: "s", participantId, pageIndex: 1, page };

    // Somebody who sends the next message as soon as one is answered, without a breath between them.
    const client = "somebody-in-a-hurry";
    const answers: Answer[] = [];
    const frame = (content: object) => Buffer.from(JSON.stringify(content));
    const sendNext = () =>
      reception.receive(
        seated,
        frame({ k: "send", c: client, n: answers.length + 1, p: page, d: { do: "add", amount: 1 } }),
      );
    const reception = new Reception(world.actors, actorId);
    const seated = await reception.seat(holder, {
      buffered: 0,
      close: () => {},
      send: (bytes) => {
        const said = JSON.parse(Buffer.from(bytes).toString()) as ServerFrame;
        if ((said.k !== "answer" && said.k !== "recv") || said.a === undefined) return;
        answers.push(said.a);
        if (said.a.e === undefined) sendNext();
      },
    });
    reception.receive(seated, frame({ k: "hello", v: PROTOCOL_VERSION, c: client, s: 0 }));
    sendNext();
    await world.actors.finish(Number.POSITIVE_INFINITY);
    await world.close();

    const refused = answers.pop();
    expect(refused?.e).toMatchObject({ code: "moved", retry: true });
    expect(answers.every((answer) => answer.e === undefined)).toBe(true);
    expect(answers.length).toBeGreaterThan(0);
    expect(await store.read.lastNumber(participantId, client)).toBe(answers.length);
  });
});
