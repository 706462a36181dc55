import { readFileSync } from "node:fs";

/**
 * Where the time of a .cpuprofile went, by function: `node loadtest/top.ts FILE [LINES]`. Self time, and the
 * time of all it called, in percent of the time that was not idle.
 */
interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

const [file, lines = "40"] = process.argv.slice(2);
if (file === undefined) throw new Error("Give it the path of a .cpuprofile.");
const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8")) as Profile;
const byId = new Map(nodes.map((node) => [node.id, node]));
const selfTime = new Map<number, number>();
samples.forEach((id, i) => {
  selfTime.set(id, (selfTime.get(id) ?? 0) + (timeDeltas[i] ?? 0));
});

const nameOf = (node: Profile["nodes"][number]): string => {
  const { functionName, url, lineNumber } = node.callFrame;
  const place = url === "" ? "" : ` ${url.replace(/^.*?(node_modules\/|\/(?=[^/]+\/[^/]+$))/, "")}:${lineNumber + 1}`;
  return `${functionName || "(anonymous)"}${place}`;
};

const own = new Map<string, number>();
const total = new Map<string, number>();
let busy = 0;
function walk(id: number, above: ReadonlySet<string>): number {
  const node = byId.get(id);
  if (node === undefined) return 0;
  const name = nameOf(node);
  const self = name === "(idle)" ? 0 : (selfTime.get(id) ?? 0);
  const inside = new Set(above).add(name);
  const sum = (node.children ?? []).reduce((time, child) => time + walk(child, inside), self);
  own.set(name, (own.get(name) ?? 0) + self);
  // A function that calls itself is counted once.
  if (!above.has(name)) total.set(name, (total.get(name) ?? 0) + sum);
  return sum;
}
busy = walk(nodes[0]?.id ?? 0, new Set());

const percent = (time: number) => `${((time / busy) * 100).toFixed(1)} %`.padStart(7);
console.log("   self    total");
for (const [name, time] of [...own].sort((a, b) => b[1] - a[1]).slice(0, Number(lines))) {
  console.log(`${percent(time)}  ${percent(total.get(name) ?? 0)}  ${name}`);
}
