/**
 * Time and chance, as parameters: whoever drives the client (a browser, Node, a simulation in virtual
 * time) passes its own. Nothing else in client-sdk reads a clock, a timer or a random number.
 */
export interface Env {
  /** Milliseconds that never run backwards. */
  now(): number;
  /** 0 ≤ x < 1; only for jitter, never for secrets. */
  random(): number;
  /** Runs something once, `ms` milliseconds from now. @returns a function that cancels it */
  after(ms: number, run: () => void): () => void;
}

/** The real clock, for page.ts and headless.ts. */
export const systemEnv: Env = {
  now: () => performance.now(),
  random: () => Math.random(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * How long to wait before trying again: doubles from 250 ms to 5 s, less up to half at random, so
 * that a room full of participants does not come back in one instant.
 *
 * @param failures how many attempts have failed in a row before this one, from 0
 */
export function backoff(failures: number, random: () => number): number {
  return Math.min(5_000, 250 * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2);
}

/** A clientId: 128 random bits in base64url. @param bytes 16 bytes from getRandomValues */
export function makeClientId(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}
