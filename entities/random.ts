/**
 * Random numbers from a 32-bit seed (mulberry32, Tommy Ettinger, public domain): small, fast, and the
 * same on every machine, which replay needs. Not for secrets.
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A 32-bit seed out of a text (FNV-1a): the same text, the same numbers. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A unit's dice: the seed is drawn when the first number is asked for, so that `seed` tells whether any was. */
export class Dice {
  seed: number | null = null;
  readonly #newSeed: () => number;
  #next: (() => number) | undefined;

  /** @param newSeed gives a 32-bit integer, or the recorded seed in a replay */
  constructor(newSeed: () => number) {
    this.#newSeed = newSeed;
  }

  readonly random = (): number => {
    if (this.#next === undefined) {
      this.seed = this.#newSeed() >>> 0;
      this.#next = seededRandom(this.seed);
    }
    return this.#next();
  };
}
