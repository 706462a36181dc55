import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import prisoners from "../apps/prisoners_live/index.ts";
import { HeadlessParticipant } from "../client-sdk/headless.ts";
import { TimerTable } from "../entities/system-tables.ts";
import { defineApp, integer, longText, random } from "../index.ts";
import { TestGame } from "./helpers/game.ts";

/** So long that a busy machine does not turn a page load into somebody who is gone. */
const patient = defineApp({
  name: "patient",
  playersPerGroup: 2,
  presenceGrace: 1.5,
  group: { log: longText({ initial: "" }) },
});
patient.page("Play", {
  presence(player, connected) {
    player.group.log += connected ? "+" : "-";
  },
});

const app = defineApp({
  name: "bargain",
  playersPerGroup: 2,
  presenceGrace: 0.3,
  group: { log: longText({ initial: "" }), drops: integer({ initial: 0 }) },
  player: { luck: integer({ initial: 0 }) },
});

app.page("Offer", {
  live(player, data: string) {
    if (data === "who") return { [player.idInGroup]: player.group.getPlayers().map((one) => one.connected) };
    if (data === "set") Reflect.set(player, "connected", false);
    return { 0: data };
  },
  presence(player, connected) {
    const { group } = player;
    group.log += `${connected ? "+" : "-"}${player.idInGroup}`;
    player.luck = Math.floor(random() * 1000);
    if (!connected) group.drops += 1;
    if (group.log === "+1-1+1") throw new Error("the author's mistake");
    return { 0: { player: player.idInGroup, connected: player.connected, given: connected } };
  },
});
// No live method, but in an app with presence every page says who is there.
app.page("Wait");

let directory: string;
let game: TestGame;
let people: HeadlessParticipant[] = [];

const start = async () => {
  game = await TestGame.start([app, patient, prisoners], { directory, limits: { comeBack: 500, presenceWatch: 700 } });
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "walras-presence-"));
  await start();
});

afterEach(async () => {
  for (const person of people) person.close();
  people = [];
  await game.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function open(code: string): Promise<HeadlessParticipant> {
  const person = await HeadlessParticipant.open(`${game.base}/live/${code}`);
  people.push(person);
  await person.until(() => person.status === "open");
  return person;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const players = () => game.game.store.read.rows(app.spec.player.table);
const log = async (of = app.spec) => (await game.game.store.read.rows(of.group.table))[0]?.log;
const news = (player: number, connected: boolean) => ({ player, connected, given: connected });
const entries = async (actorId: number) =>
  (await game.game.store.read.journal(actorId, 0, 1000)).filter(({ kind }) => kind === "presence");

test("who comes is reported at once, who goes after the grace time, and the page's others are told", async () => {
  const [one, two] = await game.guests(["bargain"], 2);
  const first = await open(one?.code as string);
  expect(await first.receive()).toEqual(news(1, true));
  const second = await open(two?.code as string);
  expect(await first.receive()).toEqual(news(2, true));
  second.send("who").catch(() => {});
  expect(await second.receive((data) => Array.isArray(data))).toEqual([true, true]);
  second.close();
  expect(await first.receive()).toEqual(news(2, false));
  first.send("who").catch(() => {});
  expect(await first.receive((data) => Array.isArray(data))).toEqual([true, false]);
  expect(await log()).toBe("+1+2-2");
  expect((await players()).map((row) => row.connected)).toEqual([true, false]);
});

test("what replay needs is in the journal: who it was, what became of it, and the dice", async () => {
  const [one] = await game.guests(["bargain"], 2);
  const first = await open(one?.code as string);
  await first.receive();
  const [entry] = await entries(one?.actorId as number);
  expect(entry).toMatchObject({
    kind: "presence",
    participantId: one?.id,
    page: "bargain/1/Offer",
    input: '{"connected":true}',
    seed: expect.any(Number),
  });
  expect(entry?.changes).toContain('"connected":true');
});

test("neither a reload, nor a short break, nor a second tab that is closed is reported", async () => {
  const [one] = await game.guests(["patient"], 2);
  const first = await open(one?.code as string);
  await until(async () => (await log(patient.spec)) === "+");
  await first.reload();
  await first.until(() => first.status === "open");
  first.cut();
  await first.until(() => first.status !== "open");
  await first.until(() => first.status === "open");
  const tab = await first.duplicate();
  people.push(tab);
  await tab.until(() => tab.status === "open");
  tab.close();
  await sleep(2_000);
  expect(await log(patient.spec)).toBe("+");
  first.close();
  await until(async () => (await log(patient.spec)) === "+-");
});

test("a request for the page is a sign of life, however slow the page is then", async () => {
  const [one] = await game.guests(["patient"], 2);
  const { actorId = 0, id: participantId = 0 } = one ?? {};
  const first = await open(one?.code as string);
  await until(async () => (await log(patient.spec)) === "+");
  first.close();
  for (let i = 0; i < 4; i++) {
    await sleep(600);
    await game.game.call(actorId, { kind: "view", participantId, pageIndex: 1 });
  }
  expect(await log(patient.spec)).toBe("+");
});

test("a hook that throws changes nothing but who is there", async () => {
  const [one] = await game.guests(["bargain"], 2);
  const first = await open(one?.code as string);
  await first.receive();
  first.close();
  await until(async () => (await log()) === "+1-1");
  await open(one?.code as string);
  await until(async () => (await players())[0]?.connected === true);
  expect(await log()).toBe("+1-1");
  expect(await entries(one?.actorId as number)).toMatchObject([{}, {}, { output: expect.stringContaining("mistake") }]);
  expect(game.log.lines.some(({ message }) => message === "a presence hook failed")).toBe(true);
});

test("after a restart of the server those are reported who do not come back, and only those", async () => {
  const [one, two] = await game.guests(["bargain"], 2);
  const first = await open(one?.code as string);
  const second = await open(two?.code as string);
  await first.receive((data) => JSON.stringify(data) === JSON.stringify(news(2, true)));
  first.close();
  second.close();
  // Sooner than the grace time is over.
  await game.stop();
  await start();
  expect((await players()).map((row) => row.connected)).toEqual([true, true]);
  const back = await open(two?.code as string);
  expect(await back.receive()).toEqual(news(1, false));
  expect(await log()).toBe("+1+2-1");
});

test("those who do not come back after a restart are reported also if nobody else does", async () => {
  const [one, two] = await game.guests(["bargain"], 2);
  const first = await open(one?.code as string);
  const second = await open(two?.code as string);
  await first.receive((data) => JSON.stringify(data) === JSON.stringify(news(2, true)));
  first.close();
  second.close();
  await game.stop();
  await start();
  await until(async () => (await players()).every(({ connected }) => connected === false));
  expect(await log()).toBe("+1+2-1-2");
  // And then it is quiet.
  await until(async () => (await game.game.store.read.rows(TimerTable)).length === 0);
});

test("a page without a live method is connected too, and its own hook is asked", async () => {
  const [one] = await game.guests(["bargain"], 2);
  const { actorId = 0, id: participantId = 0 } = one ?? {};
  const first = await open(one?.code as string);
  await first.receive();
  await game.game.call(actorId, { kind: "submit", participantId, pageIndex: 1, outbox: [], form: {} });
  await first.until(() => first.reloadRequests > 0);
  const view = await game.game.call(actorId, { kind: "view", participantId, pageIndex: 2 });
  expect(view).toMatchObject({ kind: "page", live: { page: "bargain/1/Wait" } });
  const socket = await game.socket(await game.game.seat(actorId, participantId, 2));
  await socket.hello();
  first.close();
  await sleep(500);
  expect((await players())[0]?.connected).toBe(true);
  socket.destroy();
  await until(async () => (await players())[0]?.connected === false);
  // Not the hook of the page on which they were before.
  expect(await log()).toBe("+1");
});

test("whoever has gone on to another group is not there any more, and nobody is told that they dropped out", async () => {
  const [one] = await game.guests(["bargain"], 2);
  const { actorId = 0, id: participantId = 0 } = one ?? {};
  const first = await open(one?.code as string);
  await first.receive();
  for (const pageIndex of [1, 2]) {
    await game.game.call(actorId, { kind: "submit", participantId, pageIndex, outbox: [], form: {} });
  }
  first.close();
  await until(async () => (await players())[0]?.connected === false);
  expect(await log()).toBe("+1");
});

test("in the prisoner's dilemma the computer steps in for whoever is gone, until they are back", async () => {
  const [one, two] = await game.guests(["prisoners_live"], 2, { patience: 0.2 });
  const first = await open(one?.code as string);
  const second = await open(two?.code as string);
  await first.until(() => first.state.players[2]?.connected === true);
  // If this page took its time to come, the computer has done the same for it, and this does not count.
  await second.send("cooperate");
  await first.send("defect");
  expect(first.state.group).toMatchObject({ period: 2, history: [["defect", "cooperate"]] });
  second.close();
  await first.send("defect");
  await first.until(() => first.state.group.period === 3, 20_000);
  expect(first.state.players[2]).toEqual({ idInGroup: 2, hasMoved: true, byComputer: true, connected: false });
  await first.send("cooperate");
  expect(first.state.group.period).toBe(4);
  const back = await open(two?.code as string);
  await first.until(() => first.state.players[2]?.byComputer === false);
  // What the computer has done meanwhile stays done.
  expect(back.state).toMatchObject({ group: { period: 4 }, player: { move: "cooperate" } });
  await first.send("defect");
  await back.until(() => back.state.group.period === 5);
  expect(back.state.player.move).toBe(null);
  await first.send("defect");
  await back.send("defect");
  expect(back.state.group).toMatchObject({
    isOver: true,
    history: [
      ["defect", "cooperate"],
      ["defect", "cooperate"],
      ["cooperate", "cooperate"],
      ["defect", "cooperate"],
      ["defect", "defect"],
    ],
  });
});

test("connected is read-only", async () => {
  const [one] = await game.guests(["bargain"], 2);
  const first = await open(one?.code as string);
  await expect(first.send("set")).rejects.toMatchObject({ code: "failed" });
  expect(game.log.lines.at(-1)?.fields?.error).toContain("connected is set by Walras");
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}
