import type { DataSource } from "typeorm";
import { WalrasError } from "../client-sdk/errors.ts";
import { sqliteConnection, sqliteSource } from "./data-source.ts";

/** Held for the life of a server. */
export interface SqliteLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only server on a SQLite file, or refuses.
 *
 * Two servers on one file would each keep groups in memory and overwrite the other's rows. The lock is
 * an exclusive transaction on an empty database `<file>-lock` beside the file: the operating system
 * gives it up when its holder dies, however it dies, so that nobody has to clean up after a `kill -9`.
 * (Nothing in this process may open the lock file by other means: closing it would drop the lock.)
 *
 * @param file as {@link canonicalFile} gives it, so that two names of one file meet
 * @throws WalrasError `database_in_use`
 */
export async function lockSqlite(file: string): Promise<SqliteLock> {
  const source: DataSource = sqliteSource(`${file}-lock`, [], { role: "lock" });
  await source.initialize();
  try {
    sqliteConnection(source).exec("begin exclusive");
  } catch (error) {
    await source.destroy();
    throw new WalrasError(
      "database_in_use",
      `Another Walras server is using the database ${file} (it holds ${file}-lock). Stop that server, or give this ` +
        "one a file of its own. Several servers on one database need PostgreSQL: set DATABASE_URL.",
      { retry: true, cause: error },
    );
  }
  return { release: () => source.destroy() };
}
