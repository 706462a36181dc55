import { parseArgs } from "node:util";
import { WalrasError } from "../client-sdk/errors.ts";
import { nearestName } from "../entities/suggest.ts";

export const HELP = `Lets the bots of an app play in many groups at once, and reports what the server did.

  npm run loadtest -- --app auction [options]

What is played
  --app NAME         an app of apps/; needs no entry in walras.config.ts
  --config NAME      a session config of walras.config.ts, in place of --app
  --groups N         groups that play at the same time                        (10)
  --players N        players in a group              (what the app says; else 1)
  --seconds N        how long they play                                       (20)
  --grace N          after that: seconds without any script coming to its end before the
                     rest counts as stuck                                     (40)
  --rate N           open loop: so many messages a second AND PARTICIPANT, come what may.
                     Latencies then count from the moment at which a message was due.
                     Without it, closed loop: the next message when the own one came back.
  --arrivals KIND    of an open loop: random (Poisson) or even            (random)
  --seed N           chance of the bots and of the arrivals                    (1)

Against what
  --server URL       a server that runs already. Without it: one of its own, in a process of
                     its own, with an empty database that is deleted in the end, and without
                     the limit on a participant's messages a second
  --password TEXT    that server's admin password; better in WALRAS_ADMIN_PASSWORD
  --database URL     own server: a PostgreSQL, postgres://user:password@host/name, in which a
                     schema of its own is made and deleted in the end. Without it: an SQLite
                     file in the temporary directory (TMPDIR)

Load and result
  --processes N      processes that make the load    (1 for each 1,000 participants, at most
                     one for each core but one)
  --project DIR      the folder with apps/ and walras.config.ts        (that of Walras)
  --json FILE        all figures, for machines
  --html FILE        all figures, as a page with charts

Exit status: 0 all was well, 1 something went wrong in the run (bots that failed, messages
lost or doubled), 2 it was not called rightly. Control+C ends it early, with the report so far.
`;

export interface LoadOptions {
  app: string | undefined;
  config: string | undefined;
  groups: number;
  /** undefined: what the app says. */
  players: number | undefined;
  seconds: number;
  /** Seconds after that without any script coming to its end, until the rest counts as stuck. */
  grace: number;
  /** Messages a second and participant; undefined: closed loop. */
  rate: number | undefined;
  arrivals: "random" | "even";
  seed: number;
  server: URL | undefined;
  password: string | undefined;
  database: string | undefined;
  /** undefined: as many as the participants need. */
  processes: number | undefined;
  json: string | undefined;
  html: string | undefined;
  /** The folder with apps/ and walras.config.ts; undefined: this one. */
  project: string | undefined;
}

const TEXT = { type: "string" } as const;
const OPTIONS = {
  app: TEXT,
  config: TEXT,
  groups: TEXT,
  players: TEXT,
  seconds: TEXT,
  grace: TEXT,
  rate: TEXT,
  arrivals: TEXT,
  seed: TEXT,
  server: TEXT,
  password: TEXT,
  database: TEXT,
  processes: TEXT,
  json: TEXT,
  html: TEXT,
  project: TEXT,
  help: { type: "boolean" },
} as const;

/**
 * Reads the command line.
 *
 * @throws WalrasError `wrong_option` that names option, value and cure
 */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): LoadOptions | "help" {
  const values = parse(args);
  if (values.help === true) return "help";
  const text = (name: keyof typeof OPTIONS): string | undefined => {
    const value = values[name];
    if (value === undefined) return undefined;
    if (typeof value === "string" && value.trim() !== "") return value.trim();
    throw wrong(`--${name} is empty; leave it out or give it a value`);
  };
  const number = (name: keyof typeof OPTIONS, least: number, most: number, whole = true): number | undefined => {
    const given = text(name);
    if (given === undefined) return undefined;
    const value = Number(given);
    if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
    throw wrong(`--${name} is "${given}"; give it a ${whole ? "whole " : ""}number from ${least} to ${most}`);
  };

  const options: LoadOptions = {
    app: text("app"),
    config: text("config"),
    groups: number("groups", 1, 1_000_000) ?? 10,
    players: number("players", 1, 100_000),
    seconds: number("seconds", 0.5, 86_400, false) ?? 20,
    grace: number("grace", 6, 86_400, false) ?? 40,
    rate: number("rate", 0.001, 10_000, false),
    arrivals: choice("arrivals", text("arrivals"), ["random", "even"]) ?? "random",
    seed: number("seed", 0, 2 ** 32 - 1) ?? 1,
    server: address(text("server")),
    password: text("password") ?? (env.WALRAS_ADMIN_PASSWORD || undefined),
    database: text("database"),
    processes: number("processes", 1, 64),
    json: text("json"),
    html: text("html"),
    project: text("project"),
  };
  const { app, config, server, database, groups, processes } = options;
  if (app === undefined && config === undefined) {
    throw wrong("what is to be played? Name an app, e.g. --app auction, or a session config, --config NAME");
  }
  if (app !== undefined && config !== undefined) throw wrong("--app and --config cannot both be given; leave one out");
  if (server !== undefined && database !== undefined) {
    throw wrong("--database is for the server that the load test starts; leave it out, or leave out --server");
  }
  if (database !== undefined && !/^postgres(ql)?:\/\//.test(database)) {
    // Not the value itself: it may hold a password.
    throw wrong("--database does not begin with postgres://; leave it out for an SQLite file");
  }
  if (options.rate === undefined && values.arrivals !== undefined) {
    throw wrong("--arrivals is for an open loop; give it a --rate, or leave it out");
  }
  if (processes !== undefined && processes > groups) {
    throw wrong(`--processes is ${processes}, but each needs a group of its own and there are ${groups} groups`);
  }
  return options;
}

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    const [stray] = positionals;
    if (stray === undefined) return values;
    throw wrong(`"${stray}" stands alone; every value belongs behind its option, e.g. --app ${stray}`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
      const name = /'--?([^'=]+)/.exec(message)?.[1] ?? "";
      const meant = nearestName(name, Object.keys(OPTIONS));
      throw wrong(`there is no option --${name}.${meant === undefined ? " See --help" : ` Did you mean --${meant}?`}`);
    }
    if (code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") {
      const name = /'(?:-\w, )?--?([^' ]+)/.exec(message)?.[1] ?? "";
      throw wrong(`--${name} ${name === "help" ? "takes no value" : "needs a value behind it"}; see --help`);
    }
    throw error;
  }
}

function choice<T extends string>(name: string, given: string | undefined, choices: readonly T[]): T | undefined {
  const found = choices.find((one) => one === given);
  if (given === undefined || found !== undefined) return found;
  throw wrong(`--${name} is "${given}"; give it ${choices.join(" or ")}`);
}

function address(given: string | undefined): URL | undefined {
  if (given === undefined) return undefined;
  const url = URL.parse(/^[a-z]+:\/\//i.test(given) ? given : `http://${given}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw wrong(`--server is "${given}"; give it an address such as http://192.168.1.10:8000`);
  }
  return new URL(url.origin);
}

function wrong(what: string): WalrasError {
  const text = /[.?!]$/.test(what) ? what : `${what}.`;
  return new WalrasError("wrong_option", text.charAt(0).toUpperCase() + text.slice(1));
}
