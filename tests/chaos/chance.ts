import { seededRandom } from "../../entities/random.ts";

/** Chance from a seed: the same words, the same numbers. */
export class Chance {
  readonly next: () => number;

  constructor(seed: number, purpose: string) {
    let hash = seed >>> 0;
    for (const char of purpose) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
    this.next = seededRandom(hash);
  }

  /** A number from `least` up to `most`. */
  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1));
  }

  /** One of some words, as often as its weight says. */
  pick<T extends string>(weights: Readonly<Record<T, number>>): T {
    const words = Object.keys(weights) as T[];
    let left = this.next() * words.reduce((sum, word) => sum + weights[word], 0);
    for (const word of words) {
      left -= weights[word];
      if (left < 0) return word;
    }
    return words.at(-1) as T;
  }
}
