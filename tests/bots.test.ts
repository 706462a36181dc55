import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Bots } from "../bots/define-bots.ts";
import { fillForm } from "../bots/form.ts";
import { headlessTab } from "../bots/headless-tab.ts";
import { locateIn } from "../bots/locate.ts";
import { type BotsOutcome, runBots } from "../bots/run-bots.ts";
import { defineApp, defineBots } from "../index.ts";
import type { Game } from "../rooms/calls.ts";
import { loadBots } from "../server/bots-project.ts";
import { playBotsInThread } from "../server/bots-thread.ts";
import { readSettings } from "../server/config.ts";
import { DeskClient } from "../server/desk-client.ts";
import { makeLog } from "../server/log.ts";
import { type BotsJob, playBots } from "../server/play-bots.ts";
import { serve } from "../server/serve.ts";
import { ask } from "./helpers/http.ts";

const ROOT = join(import.meta.dirname, "helpers/bots-project");
const folder = mkdtempSync(join(tmpdir(), "walras-bots-"));
let game: Game;
let url: string;
beforeAll(async () => {
  const settings = readSettings({ PORT: "0", HOST: "127.0.0.1", WALRAS_DB: join(folder, "db.sqlite3") });
  game = await serve(
    ROOT,
    settings,
    makeLog(() => {}),
  );
  url = `http://127.0.0.1:${game.port}`;
});
afterAll(async () => {
  await game.stop();
  rmSync(folder, { recursive: true });
});

/** Plays the app `game` in one of its cases. */
async function play(caseName: string, limitMs = 20_000): Promise<BotsOutcome> {
  const bots = await loadBots(ROOT, ["game"]);
  const caseNumber = bots.get("game")?.cases.indexOf(caseName) ?? -1;
  if (caseNumber < 0) throw new Error(`there is no case ${caseName}`);
  const { links } = await new DeskClient(url, undefined).createSession({
    config: "game",
    participants: 2,
    isDemo: true,
  });
  const participants = links.map((link) => headlessTab(link));
  return runBots({ participants, bots, caseNumber, seed: 1, limitMs, locate: locateIn(ROOT) });
}

const job = (configs: string[], more: Partial<BotsJob> = {}): BotsJob => ({
  root: ROOT,
  configs,
  url,
  limit: 20,
  seed: 1,
  ...more,
});

async function report(given: BotsJob): Promise<{ passed: boolean; text: string }> {
  let text = "";
  const passed = await playBots(given, (piece) => {
    text += `${piece}\n`;
  });
  return { passed, text };
}

describe("a bot", () => {
  test("plays its participant over all pages", async () => {
    const { errors, outcomes } = await play("plays well");
    expect(errors).toEqual([]);
    expect(outcomes).toMatchObject([
      { participant: 1, finished: true, visited: ["game/1/Play", "game/1/Form", "game/1/End"], sent: 2 },
      { participant: 2, finished: true, sent: 2 },
    ]);
  });

  test("answers by a button that has a name, as people do, and presses none unasked", () => {
    const form = `<form id="form"><input name="age" value="3"><button name="joins" value="True">Yes</button>
      <button name="joins" value="False">No</button><button type="button" name="help">?</button></form>`;
    expect(fillForm(form, { joins: false }, true)).toEqual([
      ["age", "3"],
      ["joins", "False"],
    ]);
    expect(fillForm(form, {}, true)).toEqual([["age", "3"]]);
    expect(() => fillForm(form, { help: 1 }, true)).toThrow(/has no field help.*It has age, joins\./);
  });

  const LINE = String.raw`\n {2}at apps/game/bots\.ts:\d+$`;
  test.each([
    ["throws", "game, page Play, round 1, P1: the script threw TypeError: oops", true],
    [
      "ends early",
      "game, page Play, round 1, P1: the script ended on page Play; 2 more of the session would come",
      false,
    ],
    [
      "waits in vain",
      'game, page Play, round 1, P1, step 2, live.receive((...) => ...): waited 0.1 s in vain\n  messages not taken: [{"n":1}',
      true,
    ],
    [
      "waits for a state in vain",
      "P1, step 1, live.until((...) => ...): waited 0.05 s in vain\n  the state is {",
      true,
    ],
    ["is refused", `game, page Play, round 1, P1, step 1, live.send("fail"): refused (failed): `, true],
    [
      "expects something else",
      'game, page Play, round 1, P1, step 3, expect: the echo\n  expected: {"n":2}\n  got: {"n":1}',
      true,
    ],
    [
      "waits for a page that is not there",
      'P1, step 1, waitFor("Fromm"): game has no page Fromm. Did you mean Form?',
      true,
    ],
    [
      "waits for a page that is behind",
      'game, page Form, round 1, P1, step 2, waitFor("Play"): the participant is past it already, at page Form of game',
      true,
    ],
    [
      "submits what is refused",
      "P1, step 2, submitMustFail(): expected: page Form refuses the form\n  got: it was taken, and the next page is page End of game",
      true,
    ],
    [
      "fills in a field that is not there",
      'game, page Form, round 1, P1, step 2, submit({"price":4}): the page\'s form has no field price. It has max_price.',
      true,
    ],
    [
      "sends to a page without a live method",
      'game, page End, round 1, P1, step 3, live.send("all"): page End of game has no live method',
      true,
    ],
  ])("that %s fails with place and reason, and the other plays on", async (name, message, hasLine) => {
    const { errors, outcomes } = await play(name);
    expect(errors.map((error) => error.message).join("\n\n")).toContain(message);
    expect(errors).toHaveLength(1);
    if (hasLine) expect(errors[0]?.message).toMatch(new RegExp(LINE));
    expect(outcomes[1]).toMatchObject({ participant: 2, finished: true, error: undefined });
  });

  test.each([
    ["never ends", "was still here after 3 s, the limit in code of its own"],
    ["catches everything", "was still here after 3 s, the limit"],
  ])("that %s is given up at the limit", async (name, message) => {
    const { errors, outcomes } = await play(name, 3_000);
    expect(errors.map((error) => error.message)).toEqual([expect.stringContaining(message)]);
    expect(outcomes[1]).toMatchObject({ finished: true });
  });

  test("has the same random numbers in every run with the same seed", async () => {
    const drawn: number[][] = [[], []];
    const bots = (await loadBots(ROOT, ["game"])).get("game") as Bots;
    const draws: Bots = {
      ...bots,
      mayEndEarly: true,
      script: (bot) => void drawn[bot.participant - 1]?.push(bot.random(), bot.randomInteger(1, 6)),
    };
    for (let run = 0; run < 2; run++) {
      const { links } = await new DeskClient(url, undefined).createSession({
        config: "game",
        participants: 2,
        isDemo: true,
      });
      await runBots({
        participants: links.map((link) => headlessTab(link)),
        bots: new Map([["game", draws]]),
        seed: 7,
      });
    }
    const [[a, b, c, d] = [], other = []] = drawn;
    expect([a, b]).toEqual([c, d]);
    expect(other[0]).not.toBe(a);
    expect([1, 2, 3, 4, 5, 6]).toContain(b);
  });
});

describe("a run", () => {
  test("calls each app's script once for each round, tells what went wrong in every case, and goes on", async () => {
    let text = "";
    const passed = await playBotsInThread(job(["several"]), (piece) => {
      text += `${piece}\n`;
    });
    expect(passed).toBe(false);
    expect(text).toMatch(/^several · 2 participants · plays well: ok\n {2}rounds\/Say +6 visits in 3 rounds\n/);
    // What a script does not await is its failure all the same.
    expect(text).toContain("several · 2 participants · does not await: FAILED (1 of 2 bots)");
    expect(text).toMatch(/P1, step \d+, live\.send\("fail"\): refused \(failed\): The live method failed/);
    expect(text).toMatch(/FAILED: several \(1 of 1 session config, .*\nThe same again: --seed 1\n$/);
  });

  test.each([
    ["no_bots", "The app no_bots has no bots: there is no apps/no_bots/bots.ts."],
    ["wrong_export", "apps/wrong_export/bots.ts does not export bots. End it with: export default defineBots("],
  ])("of a config whose app has no proper bots, %s, fails and names the cure", async (config, message) => {
    const { passed, text } = await report(job([config]));
    expect([passed, text]).toEqual([false, expect.stringContaining(message)]);
  });

  test("with a number of participants that makes no groups fails with the number that would", async () => {
    const { passed, text } = await report(job(["game"], { participants: 3 }));
    expect([passed, text]).toEqual([false, expect.stringContaining("its groups need a multiple of 2.")]);
  });

  test("on a server that is not there says so, once", async () => {
    await expect(playBots(job(["game", "loops"], { url: "http://127.0.0.1:9" }), () => {})).rejects.toThrow(
      "There is no server at http://127.0.0.1:9",
    );
  });

  test("ends when a script holds the CPU", async () => {
    let text = "";
    const passed = await playBotsInThread(
      job(["loops"]),
      (piece) => {
        text += piece;
      },
      4_000,
    );
    expect([passed, text]).toEqual([false, expect.stringContaining("probably that of P1, has held the CPU for 4 s")]);
  });
});

test("pages say who one is to bots only in demo sessions", async () => {
  const desk = new DeskClient(url, undefined);
  for (const isDemo of [true, false]) {
    const { links } = await desk.createSession({ config: "game", participants: 2, isDemo });
    const { location } = await ask(links[0] as string);
    const { text } = await ask(url + location);
    expect(text.includes('id="walras-bot"')).toBe(isDemo);
  }
});

describe("defineBots", () => {
  const app = defineApp({ name: "a" });
  test.each([
    [() => defineBots({} as never, () => {}), "its first argument is not an app"],
    [() => defineBots(app, "script" as never), "a: its second argument is not a function"],
    [() => defineBots(app, () => {}, { case: ["x"] } as never), 'there is no option "case"'],
    [() => defineBots(app, () => {}, { cases: "x" as never }), "cases is not an array of names"],
    [() => defineBots(app, () => {}, { cases: ["x", "x"] }), "two of its cases have the same name"],
  ])("refuses what is wrong", (define, message) => {
    expect(define).toThrow(message);
  });
});
