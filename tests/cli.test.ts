import { spawn } from "node:child_process";
import { access, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { loadProject } from "../server/apps.ts";
import { DEFAULTS, readSettings } from "../server/config.ts";
import { nodeProblem } from "../server/node-version.js";
import { ask } from "./helpers/http.ts";

const ROOT = join(import.meta.dirname, "..");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "walras-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs what the npm scripts run to its end; `until` stops it by a signal once its output matches. */
function run(
  args: string[],
  env: Record<string, string> = {},
  until?: {
    matches: RegExp;
    act?(output: string): Promise<void>;
    signal: NodeJS.Signals;
    /** Once the output matches `begin`, `prepare` is called. */
    begin?: RegExp;
    prepare?(): Promise<void>;
  },
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, "server/main.js"), ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH, WALRAS_DB: join(folder, "db.sqlite3"), HOST: "127.0.0.1", PORT: "0", ...env },
    });
    let output = "";
    let isDone = false;
    let isBegun = false;
    const read = (chunk: Buffer) => {
      output += chunk;
      if (!isBegun && until?.begin?.test(output)) {
        isBegun = true;
        until.prepare?.().catch(reject);
      }
      if (until === undefined || isDone || !until.matches.test(output)) return;
      isDone = true;
      Promise.resolve(until.act?.(output)).then(() => child.kill(until.signal), reject);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

describe("the command line", () => {
  test("lists its commands", async () => {
    const { code, output } = await run(["cli", "help"]);
    expect(code).toBe(0);
    for (const name of ["resetdb", "sessions", "help"]) expect(output).toContain(name);
  });

  test("says what was probably meant", async () => {
    const { code, output } = await run(["cli", "restdb"]);
    expect([code, output]).toEqual([1, expect.stringContaining("There is no command restdb. Did you mean resetdb?")]);
  });

  test("deletes data only when it is sure", async () => {
    const file = join(folder, "db.sqlite3");
    await writeFile(file, "data");
    const unsure = await run(["cli", "resetdb"]);
    expect([unsure.code, unsure.output]).toEqual([1, expect.stringContaining("Add --yes")]);
    await access(file);
    expect((await run(["cli", "resetdb", "--yes"])).code).toBe(0);
    await expect(access(file)).rejects.toThrow("ENOENT");
  });
});

describe("bots", () => {
  test("play every session config of this project to its end, every app has some, and all groups are the same when run again", async () => {
    const database = join(folder, "bots.sqlite3");
    const played = join(folder, "played.sqlite3");
    const { code, output } = await run(["cli", "bots", "--keep", played], {
      WALRAS_DB: database,
      DATABASE_URL: "postgres://nowhere/",
    });
    expect([code, output]).toEqual([0, expect.stringContaining("All bots came to the end")]);
    const again = await run(["cli", "replay", "all"], { WALRAS_DB: played });
    expect(again).toEqual({ code: 0, output: expect.stringMatching(/ 0 differ\./) });
    for (const app of (await loadProject(ROOT)).apps.keys()) expect(output).toMatch(new RegExp(`^  ${app}/\\w+ `, "m"));
    await expect(access(database)).rejects.toThrow("ENOENT");
  });

  test("keep their database where they are told to", async () => {
    const { code, output } = await run(["cli", "bots", "tictactoe", "4", "--keep", "kept.sqlite3"]);
    expect([code, output]).toEqual([0, expect.stringContaining("tictactoe · 4 participants · a draw: ok")]);
    await access(join(folder, "kept.sqlite3"));
  });

  test.each([
    [["acution"], "There is no session config acution in walras.config.ts. Did you mean auction?"],
    [["auction", "0"], 'the number of participants is "0"; give it a whole number from 1'],
    [["auction", "4", "x"], 'there is a word too many, "x"'],
    [["auction", "--limit", "soon"], '--limit is "soon"'],
    [["auction", "--url", "here"], '"here" is no address of a server'],
  ])("refuse %j with the cure", async (args, message) => {
    const { code, output } = await run(["cli", "bots", ...args]);
    expect([code, output]).toEqual([1, expect.stringContaining(message)]);
    expect(output).not.toContain("    at ");
  });
});

describe("the server", () => {
  test("says where it is, serves, makes sessions that the command line lists, and stops on a signal", async () => {
    const { code, output } = await run(
      [],
      {},
      {
        matches: /Walras is ready on http:\/\/localhost:(\d+)\//,
        async act(text) {
          const port = /localhost:(\d+)/.exec(text)?.[1];
          expect((await ask(`http://127.0.0.1:${port}/demo/auction`, { method: "POST" })).status).toBe(303);
        },
        signal: "SIGTERM",
      },
    );
    expect([code, output]).toEqual([0, expect.stringContaining("SIGTERM: finishing")]);
    expect((await run(["cli", "sessions"])).output).toMatch(/^[a-z0-9]{8} {2}\d{4}-.* auction \(demo\)$/m);
  });

  test("in development starts again when a file changes, and stops its child with itself", async () => {
    const app = join(ROOT, "apps/auction/index.ts");
    const { output } = await run(
      ["dev"],
      {},
      {
        matches: /is ready on[\s\S]*is ready on/,
        begin: /is ready on/,
        async prepare() {
          await utimes(app, new Date(), new Date());
        },
        signal: "SIGTERM",
      },
    );
    expect(output).toContain("apps/auction/index.ts");
  });

  test("refuses production without a password, and names the variable", async () => {
    const { code, output } = await run([], { WALRAS_PRODUCTION: "1" });
    expect([code, output]).toEqual([1, expect.stringContaining("WALRAS_ADMIN_PASSWORD is not set")]);
    expect(output).not.toContain("    at ");
  });

  test("refuses a Node that cannot run it, and names the way to one that can", () => {
    for (const version of ["18.0.0", "20.20.2", "22.17.1"])
      expect(nodeProblem(version)).toMatch(/is Node .* npm start/);
    for (const version of ["22.18.0", "24.21.0", "25.0.0"]) expect(nodeProblem(version)).toBeUndefined();
  });
});

describe("a setting", () => {
  test("that is not given or empty has its default", () => {
    expect(readSettings({ PORT: "", WALRAS_PRODUCTION: "0" })).toMatchObject({
      ...DEFAULTS,
      production: false,
      adminPassword: undefined,
    });
  });

  test("is taken from its variable", () => {
    expect(
      readSettings({
        PORT: "1",
        WALRAS_SYNCHRONOUS: "normal",
        WALRAS_ORIGINS: "https://a.example, http://b.example:1",
        WALRAS_RATE: "7",
      }),
    ).toMatchObject({
      port: 1,
      synchronous: "NORMAL",
      allowedOrigins: ["https://a.example", "http://b.example:1"],
      rate: 7,
    });
  });

  test.each([
    [{ PORT: "http" }, /PORT is "http"; give it a whole number from 0 to 65535/],
    [{ PORT: "70000" }, /PORT is "70000"/],
    [{ WALRAS_SYNCHRONOUS: "OFF" }, /WALRAS_SYNCHRONOUS is "OFF"; give it FULL or NORMAL/],
    [{ WALRAS_PRODUCTION: "yes" }, /WALRAS_PRODUCTION is "yes"; give it 0 or 1/],
    [{ WALRAS_MESSAGE_LIMIT: "10" }, /WALRAS_MESSAGE_LIMIT is "10"; give it a whole number from 1024/],
    [{ WALRAS_RATE: "-5" }, /WALRAS_RATE is "-5"/],
    [{ WALRAS_ORIGINS: "lab.example" }, /WALRAS_ORIGINS is "lab.example"; give it origins such as/],
    [{ WALRAS_ADMIN_PASSWORD: "short" }, /WALRAS_ADMIN_PASSWORD is shorter than 8/],
    [{ WALRAS_PRODUCTION: "1" }, /WALRAS_PRODUCTION is 1 but WALRAS_ADMIN_PASSWORD is not set/],
  ])("that is wrong, %j, is refused with its name and the cure", (env, message) => {
    expect(() => readSettings(env as Record<string, string>)).toThrow(message);
  });

  test("that holds a password is not repeated in the error", () => {
    expect(() => readSettings({ DATABASE_URL: "mysql://u:secret@h/d" })).toThrow(/^(?!.*secret).*DATABASE_URL/);
  });
});

describe("a project", () => {
  /** A project of these files; what is exported stands for what defineApp and defineConfig give. */
  async function project(files: Record<string, string>): Promise<string> {
    const root = await mkdtemp(join(folder, "project-"));
    const { mkdir } = await import("node:fs/promises");
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(root, path, ".."), { recursive: true });
      await writeFile(join(root, path), text);
    }
    return root;
  }
  const app = (name: string, more = "playersPerGroup: 2") =>
    `export default { spec: { name: "${name}", pages: [{}], ${more} } };`;
  const config = (sequence: string, participants = 2) =>
    `export default { currency: {}, sessionConfigs: [{ name: "s", appSequence: ["${sequence}"], numDemoParticipants: ${participants} }] };`;

  test("that is right is loaded", async () => {
    const root = await project({
      "apps/a/index.ts": app("a"),
      "apps/b/index.ts": app("b"),
      "walras.config.ts": config("b"),
    });
    const { apps } = await loadProject(root);
    expect([...apps.keys()]).toEqual(["a", "b"]);
  });

  test.each([
    ["has no apps", {}, /There is no folder apps\//],
    ["has an app without its file", { "apps/a/x.txt": "" }, /There is no file apps\/a\/index\.ts/],
    [
      "has an app that exports nothing",
      { "apps/a/index.ts": "" },
      /apps\/a\/index\.ts does not export an app\. .*export default app/,
    ],
    [
      "has an app of another name",
      { "apps/a/index.ts": app("b") },
      /apps\/a\/index\.ts defines an app named b\. Folder and name must be the same/,
    ],
    ["has an app without pages", { "apps/a/index.ts": app("a", "pages: []") }, /apps\/a\/index\.ts has no page/],
    [
      "has an app that throws",
      { "apps/a/index.ts": "throw new Error('oops')" },
      /apps\/a\/index\.ts could not be loaded: oops/,
    ],
    ["has no configuration", { "apps/a/index.ts": app("a") }, /There is no file walras\.config\.ts/],
    [
      "exports no configuration",
      { "apps/a/index.ts": app("a"), "walras.config.ts": "" },
      /walras\.config\.ts does not export a configuration/,
    ],
    [
      "names an app that is not there",
      { "apps/auction/index.ts": app("auction"), "walras.config.ts": config("auktion") },
      /names the app auktion.* Did you mean auction\?/,
    ],
    [
      "has too few participants",
      { "apps/a/index.ts": app("a"), "walras.config.ts": config("a", 3) },
      /numDemoParticipants 3, but the groups of its apps need a multiple of 2/,
    ],
  ])("that %s is refused with file and cure", async (_what, files: Record<string, string>, message) => {
    await expect(loadProject(await project(files))).rejects.toThrow(message);
  });
});
