import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { openStore } from "../entities/open-store.ts";

const directory = mkdtempSync(join(tmpdir(), "walras-lock-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("a second server on the same SQLite file is refused, under any name, until the first has closed", async () => {
  const file = join(directory, "one.sqlite3");
  const first = await openStore({ file, apps: [] });
  const refused = { code: "database_in_use", message: expect.stringContaining(file) };
  await expect(openStore({ file, apps: [] })).rejects.toMatchObject(refused);
  const other = join(directory, "link.sqlite3");
  symlinkSync(file, other);
  await expect(openStore({ file: other, apps: [] })).rejects.toMatchObject(refused);
  await first.close();
  await (await openStore({ file: other, apps: [] })).close();
});

test("two files beside each other do not get in each other's way", async () => {
  const stores = ["a", "b"].map((name) => openStore({ file: join(directory, `${name}.sqlite3`), apps: [] }));
  for (const store of await Promise.all(stores)) await store.close();
});

test("a server that was killed leaves no lock", async () => {
  const file = join(directory, "killed.sqlite3");
  const script = join(directory, "holder.ts");
  const openStoreUrl = new URL("../entities/open-store.ts", import.meta.url).href;
  writeFileSync(
    script,
    `import { openStore } from ${JSON.stringify(openStoreUrl)};
     await openStore({ file: ${JSON.stringify(file)}, apps: [] });
     console.log("holding");
     setInterval(() => {}, 1_000);`,
  );
  const holder = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(holder.stdout, "data");
    await expect(openStore({ file, apps: [] })).rejects.toMatchObject({ code: "database_in_use" });
  } finally {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
  await (await openStore({ file, apps: [] })).close();
});
