import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import { ownEnvironment } from "../server/own-environment.ts";
import { Child } from "./control.ts";
import type { OwnServerCommands, OwnServerOptions } from "./servers/own.ts";

/** The load is the measure; bots send faster than people. */
const LIFTED = { WALRAS_RATE: "100000", WALRAS_BURST: "100000" };

/** A server in a process of its own, with an empty database, both gone after {@link stop}. */
export class OwnServer {
  readonly url: URL;
  readonly #child: Child<OwnServerCommands>;
  readonly #remove: () => Promise<void>;

  private constructor(url: URL, child: Child<OwnServerCommands>, remove: () => Promise<void>) {
    this.url = url;
    this.#child = child;
    this.#remove = remove;
  }

  /**
   * @param root the project's folder @param database `postgres://…`; undefined: an SQLite file
   * @throws WalrasError `server_failed` with what the server said, `database_unreachable`
   */
  static async start(root: string, database: string | undefined): Promise<OwnServer> {
    const place = database === undefined ? sqliteFile() : await postgresSchema(database);
    const env = ownEnvironment({ ...LIFTED, ...place.env, HOST: "127.0.0.1" });
    try {
      const options: OwnServerOptions = { root, env };
      const child = await Child.start<OwnServerCommands>(join(import.meta.dirname, "servers/own.ts"), options);
      const url = new URL(`http://127.0.0.1:${await child.ask("port")}`);
      return new OwnServer(url, child, place.remove);
    } catch (error) {
      await place.remove();
      throw new WalrasError("server_failed", `The server did not start: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Why the process has ended, if it has. */
  get failure(): string | undefined {
    if (this.#child.ended === undefined) return undefined;
    const words = this.#child.errors.trim();
    return `The server process ended (${this.#child.ended}).${words === "" ? "" : ` Its last words:\n${words}`}`;
  }

  async stop(): Promise<void> {
    await this.#child.stop();
    await this.#remove();
  }
}

function sqliteFile() {
  const directory = mkdtempSync(join(tmpdir(), "walras-loadtest-"));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  // Also where a second Control+C ends us at once.
  process.once("exit", remove);
  return {
    env: { WALRAS_DB: join(directory, "loadtest.sqlite3") },
    async remove() {
      process.off("exit", remove);
      remove();
    },
  };
}

/** A schema of its own in a database that may hold other things. */
async function postgresSchema(address: string) {
  const schema = `walras_loadtest_${process.pid}_${Date.now().toString(36)}`;
  const run = async (sql: string): Promise<void> => {
    const client = new Client({ connectionString: address, connectionTimeoutMillis: 10_000 });
    try {
      await client.connect();
      await client.query(sql);
    } catch (error) {
      const { host = "", pathname = "" } = URL.parse(address) ?? {};
      throw new WalrasError(
        "database_unreachable",
        `The PostgreSQL database ${pathname.slice(1)} at ${host} cannot be used: ${messageOf(error)}. Check --database.`,
        { cause: error },
      );
    } finally {
      await client.end().catch(() => {});
    }
  };
  await run(`create schema ${schema}`);
  const url = new URL(address);
  url.searchParams.set("options", `${url.searchParams.get("options") ?? ""} -c search_path=${schema}`.trim());
  return {
    env: { DATABASE_URL: url.href.replaceAll("+", "%20") },
    remove: () => run(`drop schema ${schema} cascade`).catch(() => {}),
  };
}
