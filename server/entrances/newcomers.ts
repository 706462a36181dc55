import { isIP } from "node:net";
import type { Request } from "express";
import { TokenBucket } from "../../rooms/token-bucket.ts";

/** The time in which an address gets its whole allowance anew, in seconds. */
const RENEWED_SECONDS = 600;
/** Addresses that are kept in mind. */
const KEPT = 10_000;

/**
 * How many new participants of a session one network address may start through a shared link: a script
 * cannot take a large session's places in a moment, nor keep the server busy with arrivals. A whole lab
 * comes from one address, so the allowance is larger than any lab; only labels and secure links keep a
 * small session's places for those whom they are meant for.
 */
export class Newcomers {
  readonly #most: number;
  readonly #monotonic: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  /** @param most at once, and again in each ten minutes; 0: no limit */
  constructor(most: number, monotonic: () => number = () => performance.now()) {
    this.#most = most;
    this.#monotonic = monotonic;
  }

  /** Counts one. @returns milliseconds until this address may start somebody; 0: now */
  take(sessionId: number, address: string): number {
    if (this.#most === 0) return 0;
    const key = `${sessionId}/${address}`;
    const now = this.#monotonic();
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#most / RENEWED_SECONDS, this.#most, now);
    // Who came last stands last.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > KEPT && oldest !== undefined) this.#buckets.delete(oldest);
    return bucket.take(now);
  }
}

/**
 * The network address that a request comes from. Behind a proxy of one's own, which has a private address,
 * it is what that proxy wrote last into X-Forwarded-For; what stands before that anybody can write.
 */
export function addressOf(
  request: Pick<Request, "get"> & { readonly socket: { remoteAddress?: string | undefined } },
): string {
  const peer = plain(request.socket.remoteAddress ?? "");
  const forwarded = plain((request.get("x-forwarded-for") ?? "").split(",").at(-1)?.trim() ?? "");
  const address = isPrivate(peer) && isIP(forwarded) !== 0 ? forwarded : peer;
  // A household has a /64 of its own.
  return isIP(address) === 6 ? prefixOf(address) : address;
}

/** Without a port, as some proxies write it, and without the prefix that IPv4 has on a socket for both. */
function plain(address: string): string {
  const [, host = address] = /^\[([^\]]*)\](?::\d+)?$/.exec(address) ?? /^([\d.]+):\d+$/.exec(address) ?? [];
  return host.replace(/^::ffff:(?=\d+\.)/, "");
}

function isPrivate(address: string): boolean {
  return (
    /^(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01]))\./.test(address) || /^(::1$|f[cd]|fe[89ab])/i.test(address)
  );
}

/** The first 64 bits. */
function prefixOf(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head.split(":").filter((group) => group !== "");
  const rest = tail === undefined ? [] : tail.split(":").filter((group) => group !== "");
  const whole = [...groups, ...Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill("0"), ...rest];
  return whole.slice(0, 4).join(":").toLowerCase();
}
