import { WalrasError } from "../client-sdk/errors.ts";
import { DEFAULT_CHAT_LIMIT } from "../client-sdk/protocol.ts";

/** Every setting, as the environment variable of the name in the comment sets it. */
export interface Settings {
  /** PORT: where the server listens; 0 takes any free port. */
  port: number;
  /** HOST: the address to listen on. The default serves the whole network, which is what a lab needs;
   * creating sessions stays with this machine until there is an admin password. */
  host: string;
  /** DATABASE_URL: a PostgreSQL to use in place of the SQLite file, `postgres://user:password@host/name`. */
  databaseUrl: string | undefined;
  /** WALRAS_DB: the SQLite file. */
  sqliteFile: string;
  /** WALRAS_SYNCHRONOUS: SQLite's `PRAGMA synchronous`. FULL survives a power cut; NORMAL may lose the last moments. */
  synchronous: "FULL" | "NORMAL";
  /** WALRAS_PRODUCTION: 1 hides errors from participants and insists on an admin password. */
  production: boolean;
  /** WALRAS_ADMIN_PASSWORD: opens the demo and session pages from everywhere, after a login. */
  adminPassword: string | undefined;
  /** WALRAS_MESSAGE_LIMIT: the largest live message, in bytes of its JSON. */
  messageLimit: number;
  /** WALRAS_RATE: live messages that one participant may send, per second in the long run. */
  rate: number;
  /** WALRAS_BURST: live messages that one participant may send at once. */
  burst: number;
  /** WALRAS_CHAT_LIMIT: characters of one chat message. */
  chatLimit: number;
  /** WALRAS_SOCKETS: connections of all pages that may be open at once. */
  sockets: number;
  /** WALRAS_ARRIVALS: new participants of one session that one network address may start through a shared link at
   * once, and again in each ten minutes; 0: as many as there are places. */
  arrivals: number;
  /** WALRAS_PUBLIC_ADDRESS: `host:port` at which browsers reach this very process, if it is not the page's own. */
  publicAddress: string | undefined;
  /** WALRAS_ORIGINS: origins beside the page's own that may open sockets, with commas between them. */
  allowedOrigins: string[];
}

export const DEFAULTS = {
  port: 8000,
  host: "0.0.0.0",
  sqliteFile: "db.sqlite3",
  synchronous: "FULL",
  messageLimit: 64 * 1024,
  rate: 50,
  burst: 100,
  chatLimit: DEFAULT_CHAT_LIMIT,
  sockets: 50_000,
  arrivals: 1000,
} as const satisfies Partial<Settings>;

/** A password that can be guessed is no password. */
const LEAST_PASSWORD = 8;

/**
 * The settings from environment variables; an empty variable counts as not set.
 *
 * @throws WalrasError `wrong_setting` that names variable, value and cure
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const text = (name: string): string | undefined => env[name]?.trim() || undefined;
  const number = (name: string, least: number, most: number, byDefault: number): number => {
    const given = text(name);
    if (given === undefined) return byDefault;
    const value = Number(given);
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    throw wrong(name, given, `give it a whole number from ${least} to ${most}, or leave it out for ${byDefault}`);
  };
  const choice = <T extends string>(name: string, choices: readonly T[], byDefault: T): T => {
    const given = text(name);
    const found = choices.find((one) => one === given?.toUpperCase());
    if (given === undefined || found !== undefined) return found ?? byDefault;
    throw wrong(name, given, `give it ${choices.join(" or ")}, or leave it out for ${byDefault}`);
  };
  const settings: Settings = {
    port: number("PORT", 0, 65_535, DEFAULTS.port),
    host: text("HOST") ?? DEFAULTS.host,
    databaseUrl: text("DATABASE_URL"),
    sqliteFile: text("WALRAS_DB") ?? DEFAULTS.sqliteFile,
    synchronous: choice("WALRAS_SYNCHRONOUS", ["FULL", "NORMAL"], DEFAULTS.synchronous),
    production: choice("WALRAS_PRODUCTION", ["0", "1"], "0") === "1",
    adminPassword: text("WALRAS_ADMIN_PASSWORD"),
    messageLimit: number("WALRAS_MESSAGE_LIMIT", 1024, 16 * 1024 * 1024, DEFAULTS.messageLimit),
    rate: number("WALRAS_RATE", 1, 100_000, DEFAULTS.rate),
    burst: number("WALRAS_BURST", 1, 100_000, DEFAULTS.burst),
    chatLimit: number("WALRAS_CHAT_LIMIT", 1, 50_000, DEFAULTS.chatLimit),
    sockets: number("WALRAS_SOCKETS", 1, 1_000_000, DEFAULTS.sockets),
    arrivals: number("WALRAS_ARRIVALS", 0, 1_000_000, DEFAULTS.arrivals),
    publicAddress: text("WALRAS_PUBLIC_ADDRESS"),
    allowedOrigins: (text("WALRAS_ORIGINS") ?? "").split(",").flatMap((origin) => origin.trim() || []),
  };
  if (settings.databaseUrl !== undefined && !/^postgres(ql)?:\/\//.test(settings.databaseUrl)) {
    // Not the value itself: it may hold a password.
    throw new WalrasError(
      "wrong_setting",
      "DATABASE_URL does not begin with postgres://. Give it postgres://user:password@host/name, or leave it out for an SQLite file (see WALRAS_DB).",
    );
  }
  for (const origin of settings.allowedOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw wrong("WALRAS_ORIGINS", origin, "give it origins such as https://lab.example.org, without a path");
    }
  }
  if (settings.adminPassword !== undefined && settings.adminPassword.length < LEAST_PASSWORD) {
    throw new WalrasError(
      "wrong_setting",
      `WALRAS_ADMIN_PASSWORD is shorter than ${LEAST_PASSWORD} characters. Choose a longer one.`,
    );
  }
  if (settings.production && settings.adminPassword === undefined) {
    throw new WalrasError(
      "wrong_setting",
      "WALRAS_PRODUCTION is 1 but WALRAS_ADMIN_PASSWORD is not set. Set it to a password of your own: with it, you log in to create sessions.",
    );
  }
  return settings;
}

function wrong(name: string, value: string, cure: string): WalrasError {
  return new WalrasError("wrong_setting", `${name} is "${value}"; ${cure}.`);
}
