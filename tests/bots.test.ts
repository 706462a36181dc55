import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { isBots } from "../bots/define-bots.ts";
import { headlessTab } from "../bots/headless-tab.ts";
import { describeErrors, runBots } from "../bots/run-bots.ts";
import type { Game } from "../rooms/calls.ts";
import { readSettings } from "../server/config.ts";
import { makeLog } from "../server/log.ts";
import { PROJECT_ROOT, serve } from "../server/serve.ts";
import { startDemoSession } from "./helpers/browser.ts";

const folder = mkdtempSync(join(tmpdir(), "walras-bots-"));
let game: Game;
beforeAll(async () => {
  const settings = readSettings({ PORT: "0", HOST: "127.0.0.1", WALRAS_DB: join(folder, "db.sqlite3") });
  game = await serve(
    PROJECT_ROOT,
    settings,
    makeLog(() => {}),
  );
});
afterAll(async () => {
  await game.stop();
  rmSync(folder, { recursive: true });
});

test.each(["auction", "tictactoe", "ten_messages"])("%s is played by its bots in all cases", async (name) => {
  const { default: bots }: { default: unknown } = await import(`../apps/${name}/bots.ts`);
  if (!isBots(bots)) throw new Error("bots.ts does not export bots");
  for (let caseNumber = 0; caseNumber < Math.max(1, bots.cases.length); caseNumber++) {
    const { links } = await startDemoSession(`http://127.0.0.1:${game.port}`, name);
    const { errors } = await runBots({
      participants: links.map((link) => headlessTab(link)),
      bots: new Map([[name, bots]]),
      caseNumber,
      seed: 1,
      limitMs: 20_000,
    });
    expect(describeErrors(errors)).toBe("");
  }
});
