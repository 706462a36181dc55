import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { SourceExcerpt } from "../client-sdk/inspection.ts";

/** Lines that are shown before and after the one that is meant. */
const AROUND = 2;
/** One line of a stack: `    at live (file:///home/me/apps/auction/index.ts:23:11)`. */
const FRAME = /^\s+at .*?((?:file:\/\/)?\/[^()\s]*?\/(apps\/[^()]*?\.[cm]?[jt]s))(?:\?[^:()]*)?:(\d+):\d+\)?$/;

/**
 * Where in an app an error comes from, and how its source reads there. Reads the file, so it is for development.
 *
 * @returns undefined if the error's stack does not lead to an app, or its file cannot be read
 */
export function sourceExcerpt(error: unknown): SourceExcerpt | undefined {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  for (const frame of stack.split("\n")) {
    const [, url = "", file = "", at = ""] = FRAME.exec(frame) ?? [];
    if (file === "" || url.includes("/node_modules/")) continue;
    try {
      const path = url.startsWith("file:") ? fileURLToPath(url) : url;
      const all = readFileSync(path, "utf8").split(/\r?\n/);
      const line = Number(at);
      const first = Math.max(1, line - AROUND);
      const lines = all
        .slice(first - 1, line + AROUND)
        .map((text, i) => ({ number: first + i, text: text.slice(0, 300) }));
      return { file, line, lines };
    } catch {
      // Moved or changed since it was loaded.
      return undefined;
    }
  }
  return undefined;
}
