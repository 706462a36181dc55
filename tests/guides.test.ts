import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import * as walras from "../index.ts";

const ROOT = join(import.meta.dirname, "..");
mkdirSync(join(ROOT, "tmp"), { recursive: true });
// Inside the repository, so that "walras" is found as it is from apps/.
const folder = mkdtempSync(join(ROOT, "tmp", "guides-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a piece of code takes for granted: the imports, and the app that it is about. */
function completed(code: string): string {
  const isAbout = /^app\./m.test(code) && !/^(import|const) app\b/m.test(code);
  const app = isAbout ? 'const app = defineApp({ name: "study" });\n' : "";
  const whole = app + code;
  if (/from "walras"/.test(whole)) return whole;
  const names = Object.keys(walras).filter((name) => new RegExp(`(?<![.\\w"])${name}\\(`).test(whole));
  return `import { ${names.join(", ")} } from "walras";\n${whole}`;
}

// live-pages.md has complete apps, which a test of its own plays.
test.each(["experiments", "load-tests"])("every piece of TypeScript in docs/%s.md compiles", (name) => {
  const guide = readFileSync(join(ROOT, `docs/${name}.md`), "utf8");
  const pieces = [...guide.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  expect(pieces).not.toHaveLength(0);
  const project = join(folder, name);
  mkdirSync(project);
  writeFileSync(
    join(project, "index.ts"),
    'import { defineApp } from "walras";\nexport default defineApp({ name: "study" });\n',
  );
  for (const [i, code] of pieces.entries()) writeFileSync(join(project, `piece-${i + 1}.ts`), completed(code));
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    // Pieces define things only to show how.
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: [join(project, "*.ts")],
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  let said = "";
  try {
    execFileSync(process.execPath, [tsc, "--noEmit", "-p", project], { encoding: "utf8" });
  } catch (error) {
    said = (error as { stdout: string }).stdout;
  }
  expect(said).toBe("");
});
