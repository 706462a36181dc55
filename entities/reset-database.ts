import { rm } from "node:fs/promises";
import { postgresSource } from "./data-source.ts";
import { walrasTables } from "./migrate.ts";
import { connectPostgres, type DatabaseOptions, placeOf } from "./open-store.ts";
import { lockSqlite } from "./sqlite-lock.ts";

/**
 * Deletes all data: the SQLite file with its companions, or every table that Walras has made in the
 * PostgreSQL database, also those of apps that are gone. The next {@link openStore} starts empty.
 *
 * @throws WalrasError `database_in_use` while a server runs on the SQLite file
 */
export async function resetDatabase(options: DatabaseOptions): Promise<void> {
  const place = placeOf(options);
  if (place.dialect === "sqlite") {
    // The lock file stays: whoever deleted it could not know who waits for it.
    const lock = await lockSqlite(place.file);
    try {
      for (const suffix of ["", "-wal", "-shm"]) await rm(`${place.file}${suffix}`, { force: true });
    } finally {
      await lock.release();
    }
    return;
  }
  const source = postgresSource(place.url, [], { role: "migrator" });
  await connectPostgres(source, place.url);
  try {
    const tables = await walrasTables(source);
    if (tables.length > 0) await source.query(`drop table ${tables.join(", ")}`);
  } finally {
    await source.destroy();
  }
}
