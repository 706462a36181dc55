import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { nearestName } from "../entities/suggest.ts";
import { loadProject } from "./apps.ts";
import { playBotsInThread } from "./bots-thread.ts";
import { DeskClient } from "./desk-client.ts";
import { startOwnServer } from "./own-server.ts";

const BOTS_USAGE = "bots [config] [participants] [--url URL] [--keep FILE] [--limit SECONDS] [--seed NUMBER]";

/** How long one session may take, in seconds, unless told otherwise. */
const LIMIT = 300;

/**
 * `npm run walras -- bots`: bots play a session config, or all of them, on a server of their own whose
 * database is thrown away, or on a running one.
 *
 * @returns whether all came to the end
 * @throws WalrasError for what is wrong with the arguments, the project or the server
 */
export async function botsCommand(root: string, args: readonly string[]): Promise<boolean> {
  const { positionals, values } = parse(args);
  const [name, number, ...more] = positionals;
  if (more.length > 0) throw usage(`there is a word too many, "${more[0]}"`);
  const { config } = await loadProject(root);
  const known = config.sessionConfigs.map((one) => one.name);
  if (name !== undefined && !known.includes(name)) {
    const meant = nearestName(name, known);
    const hint = meant === undefined ? `There are: ${known.join(", ")}.` : `Did you mean ${meant}?`;
    throw new WalrasError("unknown_config", `There is no session config ${name} in walras.config.ts. ${hint}`);
  }
  const job = {
    root,
    configs: name === undefined ? known : [name],
    participants: number === undefined ? undefined : whole(number, "the number of participants", 1, 10_000),
    limit: values.limit === undefined ? LIMIT : whole(values.limit, "--limit", 1, 86_400),
    seed: values.seed === undefined ? randomInt(2 ** 31) : whole(values.seed, "--seed", 0, 2 ** 31),
  };
  const print = (text: string): void => console.log(text);
  if (values.url !== undefined) {
    if (values.keep !== undefined) throw usage("--keep is for a server of the bots' own; it does not go with --url");
    const { base } = new DeskClient(values.url, undefined);
    return playBotsInThread({ ...job, url: base, password: process.env.WALRAS_ADMIN_PASSWORD || undefined }, print);
  }
  const databaseFile = values.keep === undefined ? undefined : resolve(values.keep);
  if (databaseFile !== undefined && existsSync(databaseFile)) {
    throw usage(`--keep ${values.keep}: there is such a file already; name one that is not there`);
  }
  const server = await startOwnServer({ databaseFile, print: (line) => console.log(`[server] ${line}`) });
  const onSignal = (): void => process.exit(130);
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await playBotsInThread({ ...job, url: server.base }, print);
  } finally {
    await server.stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    if (values.keep !== undefined)
      print(`What they did is in ${values.keep}; look at it with WALRAS_DB=${values.keep} npm start`);
  }
}

function parse(args: readonly string[]) {
  const option = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { url: option, keep: option, limit: option, seed: option },
    });
  } catch (error) {
    throw usage(messageOf(error).split(". ")[0] ?? "");
  }
}

function whole(text: string, what: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw usage(`${what} is "${text}"; give it a whole number from ${least} to ${most}`);
}

function usage(what: string): WalrasError {
  return new WalrasError("wrong_arguments", `walras bots: ${what}.\nUsage: npm run walras -- ${BOTS_USAGE}`);
}
