import { Chance } from "./chance.ts";

/** Something done to the server's process. */
export interface Fault {
  readonly kind: "kill" | "pause" | "restart";
  /** Milliseconds from the beginning; later if the faults before it took longer. */
  readonly at: number;
  /** Milliseconds from when the server works for most again until it comes; null: hits the server while it starts. */
  readonly rest: number | null;
  /** Length of a pause. */
  readonly ms: number;
  /** For so many milliseconds before it the database takes no writes: what is seen then will not be stored. */
  readonly stall: number;
}

/**
 * The whole script of faults of a seed: besides the kills a pause for every five, and an orderly restart
 * for every ten. Each has its share of the time, and comes at a random point of it.
 */
export function makeFaults(seed: number, kills: number, seconds: number): Fault[] {
  const chance = new Chance(seed, "faults");
  const kinds: Fault["kind"][] = [
    ...Array<"kill">(kills).fill("kill"),
    ...Array<"pause">(Math.ceil(kills / 5)).fill("pause"),
    ...Array<"restart">(Math.ceil(kills / 10)).fill("restart"),
  ];
  const share = (seconds * 1000) / kinds.length;
  // At most as long as a tab takes to give a silent server up, where there is time for that.
  const longest = Math.min(10_000, (seconds * 1000) / 6);
  return Array.from({ length: kinds.length }, (_, i) => {
    const [kind] = kinds.splice(chance.whole(0, kinds.length - 1), 1);
    const at = Math.round((i + chance.next()) * share);
    const isEarly = kind === "kill" && chance.next() < 0.15;
    const rest = Math.round(chance.between(0, 1_500));
    const ms = Math.round(chance.between(0.3, 1) * longest);
    const stall = kind === "kill" && !isEarly && chance.next() < 0.6 ? chance.whole(20, 500) : 0;
    return { kind: kind ?? "kill", at, rest: isEarly ? null : rest, ms, stall };
  });
}
