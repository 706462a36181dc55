import { createHash, createHmac, scryptSync, timingSafeEqual } from "node:crypto";
import type { Request } from "express";

const COOKIE = "walras_desk";
const LOGIN_HOURS = 12;

/** Who may use the desk: the demo, the sessions and their links. */
export class Access {
  readonly #password: string | undefined;
  readonly #key: Buffer;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(password: string | undefined, now: () => number = Date.now) {
    this.#password = password;
    this.#now = now;
    // Derived from the password, so that logins hold over restarts and processes and end when it changes.
    this.#key = password === undefined ? Buffer.alloc(0) : scryptSync(password, "walras desk", 32);
  }

  get needsLogin(): boolean {
    return this.#password !== undefined;
  }

  /** `login`: ask for the password. `refused`: there is none, and the request is not from this machine. */
  of(request: Request): "open" | "login" | "refused" {
    if (this.needsLogin) return this.#isLoggedIn(request) ? "open" : "login";
    return isFromThisMachine(request) ? "open" : "refused";
  }

  isPassword(given: string): boolean {
    const hash = (text: string) => createHash("sha256").update(text).digest();
    return this.#password !== undefined && timingSafeEqual(hash(given), hash(this.#password));
  }

  /** The header that logs a browser in. */
  loginCookie(request: Request): string {
    const until = String(this.#now() + LOGIN_HOURS * 3_600_000);
    return cookie(request, `${until}.${this.#sign(until)}`, LOGIN_HOURS * 3600);
  }

  logoutCookie(request: Request): string {
    return cookie(request, "", 0);
  }

  #isLoggedIn(request: Request): boolean {
    const value = new RegExp(`(?:^|;\\s*)${COOKIE}=([^;]*)`).exec(request.get("cookie") ?? "")?.[1] ?? "";
    const [until = "", signature = ""] = value.split(".");
    const expected = Buffer.from(this.#sign(until));
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected) && Number(until) > this.#now();
  }

  #sign(until: string): string {
    return createHmac("sha256", this.#key).update(until).digest("base64url");
  }
}

function cookie(request: Request, value: string, seconds: number): string {
  const isTls = request.secure || request.get("x-forwarded-proto") === "https";
  return `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${isTls ? "; Secure" : ""}`;
}

const FORWARDED = ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"];

/**
 * Whether the person at the keyboard sits at this machine. Behind a proxy on this machine everyone
 * seems to; a web page elsewhere can make its own name point here (DNS rebinding), which the Host shows.
 */
function isFromThisMachine(request: Request): boolean {
  const address = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  if (!isLoopback(address)) return false;
  if (FORWARDED.some((name) => request.get(name) !== undefined)) return false;
  const host = (request.get("host") ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return host === "localhost" || host.endsWith(".localhost") || isLoopback(host);
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^127\.\d+\.\d+\.\d+$/.test(address);
}
