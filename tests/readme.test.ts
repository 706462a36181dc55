import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { HeadlessParticipant } from "../client-sdk/headless.ts";

const ROOT = join(import.meta.dirname, "..");
const readme = readFileSync(join(ROOT, "README.md"), "utf8");
let project: string;
let server: ChildProcess | undefined;
let base = "";

/** The code block that follows a file's name. */
function block(name: string): string {
  const code = new RegExp(`\`${name}\`[^\`]*\`\`\`\\w*\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  if (code === undefined) throw new Error(`README.md has no code for ${name}`);
  return code;
}

beforeAll(async () => {
  // Inside the repository, so that "walras" is found as it is from apps/.
  mkdirSync(join(ROOT, "tmp"), { recursive: true });
  project = mkdtempSync(join(ROOT, "tmp", "readme-"));
  mkdirSync(join(project, "apps", "cheapest"), { recursive: true });
  writeFileSync(join(project, "apps/cheapest/index.ts"), block("apps/cheapest/index.ts"));
  writeFileSync(join(project, "apps/cheapest/Market.html"), block("apps/cheapest/Market.html"));
  const entry = block("walras.config.ts");
  writeFileSync(
    join(project, "walras.config.ts"),
    `import { defineConfig } from "walras";\nexport default defineConfig({ sessionConfigs: [${entry}] });\n`,
  );
  const code = `
    import { readSettings } from "${ROOT}/server/config.ts";
    import { makeLog } from "${ROOT}/server/log.ts";
    import { serve } from "${ROOT}/server/serve.ts";
    const game = await serve(${JSON.stringify(project)}, readSettings(process.env), makeLog());
    console.log("port " + game.port);`;
  server = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "", PORT: "0", WALRAS_DB: join(project, "db.sqlite3") },
  });
  base = await new Promise<string>((resolve, reject) => {
    server?.stdout?.on("data", (chunk: Buffer) => {
      const port = /port (\d+)/.exec(chunk.toString())?.[1];
      if (port !== undefined) resolve(`http://localhost:${port}`);
    });
    server?.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
});

afterAll(async () => {
  if (server !== undefined && server.exitCode === null) {
    const ended = new Promise((resolve) => server?.once("exit", resolve));
    server.kill("SIGKILL");
    await ended;
  }
  rmSync(project, { recursive: true, force: true });
});

test("the README's first app runs as it is printed there", async () => {
  const created = await fetch(`${base}/demo/cheapest`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: base },
  });
  const html = await (await fetch(base + created.headers.get("location"))).text();
  const links = [...new Set([...html.matchAll(/\/InitializeParticipant\/[\w-]+/g)].map(([path]) => base + path))];
  expect(links).toHaveLength(2);
  const [one, two] = (await Promise.all(links.map((link) => HeadlessParticipant.open(link)))) as [
    HeadlessParticipant,
    HeadlessParticipant,
  ];
  expect(one.page.title).toBe("Market");
  expect(one.page.html).toContain("100 points");
  await two.until(() => two.status === "open");
  await one.send(60);
  expect(await two.receive()).toEqual({ id_in_group: 1, price: 60 });
  await two.send(70);
  await two.send(50);
  expect(await one.receive()).toEqual({ id_in_group: 1, price: 60 });
  expect(await one.receive()).toEqual({ id_in_group: 2, price: 50 });
  await one.reload();
  expect(one.page.html).toContain("50 points");
  one.close();
  two.close();
});
