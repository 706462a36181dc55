import type { DataSource, EntityMetadata, QueryRunner, Table as StoredTable } from "typeorm";
import { WalrasError } from "../client-sdk/errors.ts";
import { addDerivedTables } from "./derived-tables.ts";
import type { Dialect, SqlTables } from "./sql.ts";
import type { Table } from "./tables.ts";

/** The comment by which {@link walrasTables} knows a PostgreSQL table as ours, also when its app is gone. */
const TABLE_MARK = "Walras";
/** Any number, as long as every version uses the same: servers that start together migrate one after the other. */
const MIGRATION_LOCK = 1_874_061_909;

/**
 * Brings the database to the definition: new tables, columns and indexes are made, and the rows that
 * are there get a new column's initial value. Tables that no definition names stay as they are.
 *
 * @throws WalrasError `schema_would_lose_data` before anything was changed, naming every table and
 *   column concerned: TypeORM's own synchronize would drop columns without a word
 */
export async function migrate(
  source: DataSource,
  dialect: Dialect,
  tables: readonly Table[],
  sql: SqlTables,
): Promise<void> {
  for (const metadata of source.entityMetadatas) metadata.comment = TABLE_MARK;
  const runner = source.createQueryRunner();
  try {
    if (dialect === "postgres") await runner.query(`select pg_advisory_lock(${MIGRATION_LOCK})`);
    if ((await source.driver.createSchemaBuilder().log()).upQueries.length === 0) return;
    await refuseLoss(source, runner, tables);
    await addColumns(source, runner, dialect, tables, sql);
    await addDerivedTables(source, runner, sql);
    await source.synchronize();
  } finally {
    if (dialect === "postgres") await runner.query(`select pg_advisory_unlock(${MIGRATION_LOCK})`);
    await runner.release();
  }
}

/** Escaped names of all tables that Walras has made in a PostgreSQL database. */
export async function walrasTables(source: DataSource): Promise<string[]> {
  const rows: { path: string }[] = await source.query(
    `select format('%I.%I', n.nspname, c.relname) as path from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname = current_schema() and obj_description(c.oid, 'pg_class') = $1`,
    [TABLE_MARK],
  );
  return rows.map((row) => row.path);
}

async function refuseLoss(source: DataSource, runner: QueryRunner, tables: readonly Table[]): Promise<void> {
  const losses: string[] = [];
  for (const table of tables) {
    const metadata = source.getMetadata(table.entity);
    const stored = await runner.getTable(metadata.tablePath);
    if (stored !== undefined) losses.push(...(await lossesOf(source, runner, table, metadata, stored)));
  }
  if (losses.length === 0) return;
  throw new WalrasError(
    "schema_would_lose_data",
    "The database does not fit the apps, and changing it would lose data:\n" +
      losses.map((loss) => `- ${loss}\n`).join("") +
      "Put the definitions back, or use another database, or export what you need and delete everything with: " +
      "npm run walras -- resetdb",
  );
}

/** What the definition of one table asks of the rows that are there, and they cannot give. */
async function lossesOf(
  source: DataSource,
  runner: QueryRunner,
  table: Table,
  metadata: EntityMetadata,
  stored: StoredTable,
): Promise<string[]> {
  const losses: string[] = [];
  const { driver } = source;
  const path = metadata.tablePath
    .split(".")
    .map((name) => driver.escape(name))
    .join(".");
  const some = async (condition: string) =>
    (await runner.query(`select 1 from ${path} where ${condition} limit 1`)).length > 0;
  const defined = new Map(metadata.columns.map((column) => [column.databaseName, column]));
  for (const column of stored.columns) {
    if (!defined.has(column.name)) losses.push(`${table.name}.${column.name} is no longer defined`);
  }
  for (const [name, column] of defined) {
    const before = stored.columns.find((other) => other.name === name);
    const type = driver.normalizeType(column);
    const initial = table.columns.find((other) => other.name === column.propertyName)?.initial ?? null;
    if (before === undefined) {
      if (column.isPrimary) losses.push(`${table.name}.${name} is new in the table's key`);
      else if (!column.isNullable && initial === null && (await some("1 = 1"))) {
        losses.push(`${table.name}.${name} is new, must not be null and has no initial value for the rows there`);
      }
    } else if (before.type !== type) {
      losses.push(`${table.name}.${name} holds ${before.type}, but is now defined as ${type}`);
    } else if (before.isPrimary !== column.isPrimary || before.isGenerated !== column.isGenerated) {
      losses.push(`${table.name}.${name} has another part in the table's key than before`);
    } else if (before.isNullable && !column.isNullable && (await some(`${driver.escape(name)} is null`))) {
      losses.push(`${table.name}.${name} must not be null any more, but is in some rows`);
    }
  }
  for (const unique of metadata.uniques) {
    const columns = unique.columns.map((column) => column.databaseName);
    if (!columns.every((name) => stored.columns.some((column) => column.name === name))) continue;
    const list = columns.map((name) => driver.escape(name));
    const filled = list.map((name) => `${name} is not null`).join(" and ");
    if (await some(`${filled} group by ${list.join(", ")} having count(*) > 1`)) {
      losses.push(`${table.name} has rows with the same ${columns.join(", ")}, which must be unique now`);
    }
  }
  return losses;
}

/** Adds new columns to tables that exist, filled, in one transaction. TypeORM would leave them null. */
async function addColumns(
  source: DataSource,
  runner: QueryRunner,
  dialect: Dialect,
  tables: readonly Table[],
  sql: SqlTables,
): Promise<void> {
  await runner.startTransaction();
  try {
    for (const table of tables) {
      const metadata = source.getMetadata(table.entity);
      const stored = await runner.getTable(metadata.tablePath);
      if (stored === undefined) continue;
      const { path, columns } = sql.get(table);
      for (const { name, sql: escaped, initial, encode } of columns) {
        const column = metadata.findColumnWithPropertyName(name);
        if (column === undefined || stored.columns.some((other) => other.name === column.databaseName)) continue;
        await runner.query(`alter table ${path} add column ${escaped} ${source.driver.normalizeType(column)}`);
        if (initial === null) continue;
        await runner.query(`update ${path} set ${escaped} = ${dialect === "postgres" ? "$1" : "?"}`, [encode(initial)]);
      }
    }
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  }
}
