import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { type Guest, TestGame } from "./helpers/game.ts";
import { makeStuck } from "./helpers/stuck.ts";

test("a live method that holds the CPU for a while is named in the log, with its app and page and how long", async () => {
  const walras = await TestGame.start([makeStuck()]);
  try {
    const [guest] = (await walras.guests(["stuck"], 1)) as [Guest];
    const socket = await walras.connect(guest);
    await socket.ask(400);
    const line = walras.log.lines.find(({ fields }) => fields?.where === "stuck/1/Loop live");
    expect(line).toMatchObject({ level: "warn", message: "a function held the whole server" });
    expect(line?.fields?.ms).toBeGreaterThanOrEqual(400);
  } finally {
    await walras.stop();
  }
});

test("a live method that never returns is named by a thread of its own, since the server cannot", async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "helpers/stuck.ts")], {
    // Without IPC: a Colyseus process that was forked spins when its parent dies.
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  let directory = "";
  let said = "";
  const ended = new Promise<NodeJS.Signals | number | null>((resolve) =>
    child.once("exit", (code, signal) => resolve(signal ?? code)),
  );
  try {
    child.stdout.on("data", (data) => {
      directory += data;
    });
    const named = new Promise<void>((resolve) => {
      child.stderr.on("data", (data) => {
        said += data;
        if (said.includes("has not returned") && said.endsWith("\n")) resolve();
      });
    });
    await Promise.race([named, ended]);
    const line = said.split("\n").find((text) => text.includes("has not returned"));
    expect([said, JSON.parse(line ?? "null")]).toEqual([
      said,
      expect.objectContaining({ level: "error", where: "stuck/1/Loop live", ms: expect.any(Number) }),
    ]);
  } finally {
    child.kill("SIGKILL");
    expect(await ended).toBe("SIGKILL");
    if (directory !== "") rmSync(directory.trim(), { recursive: true, force: true });
  }
});
