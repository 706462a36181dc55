import type { DataSource } from "typeorm";
import type { AppSpec } from "./app-spec.ts";
import type { SqlTables } from "./sql.ts";
import { SubsessionTable } from "./system-tables.ts";

/**
 * Names of apps that sessions have played and that are no longer defined. Their tables stay as they are;
 * what every app has in them can still be read, so that nobody's payoff is forgotten.
 */
export async function removedApps(source: DataSource, sql: SqlTables, apps: readonly AppSpec[]): Promise<string[]> {
  const subsession = sql.get(SubsessionTable);
  const runner = source.createQueryRunner();
  try {
    const table = await runner.hasTable(SubsessionTable.name);
    if (!table) return [];
    const rows: { app: string }[] = await runner.query(
      `select distinct ${subsession.at("app")} as "app" from ${subsession.path}`,
    );
    const removed: string[] = [];
    for (const { app } of rows) {
      // What defineApp would not have taken as a name is no name of a table either.
      const isGone = !apps.some(({ name }) => name === app) && /^\w+$/.test(app);
      if (isGone && (await runner.hasTable(`${app}_player`))) removed.push(app);
    }
    return removed.sort();
  } finally {
    await runner.release();
  }
}
