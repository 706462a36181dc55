import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { stall } from "./long/stall.ts";

test("a socket that stops reading is closed and comes back; the server's memory stays flat, the others play on", async () => {
  const directory = mkdtempSync(join(tmpdir(), "walras-slow-"));
  try {
    const result = await stall({ messages: 10_000, warmUp: 3_000, directory });
    expect(result.closedAfter).toBeGreaterThan(0);
    // Far behind by more than a page is caught up by.
    expect(result.cameBack).toBe("reload");
    // With the retry code, unless the socket took so long to read that the server had to cut it.
    expect([4010, 1006]).toContain(result.code);
    // What the server would hold for it is 10 MB; what it may hold is 1 MiB.
    expect(result.memory.peak - result.memory.before).toBeLessThan(100);
    expect(result.during.p99).toBeGreaterThan(0);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
