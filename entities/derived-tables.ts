import { type DataSource, type QueryRunner, Table as StoredTable } from "typeorm";
import type { SqlTables } from "./sql.ts";
import { ClientTable, JournalTable, MARK_SPAN, MessageMarkTable } from "./system-tables.ts";
import type { Table } from "./tables.ts";

/** Tables whose rows follow from other tables, and the statement that makes them. */
const DERIVED: ReadonlyMap<Table, (sql: SqlTables) => string> = new Map([
  [ClientTable, clientsOfJournal],
  [MessageMarkTable, marksOfJournal],
]);

/**
 * Makes derived tables that a database of an earlier version does not have, with their rows, in one
 * transaction: there is never one without the other, whenever the process ends.
 */
export async function addDerivedTables(source: DataSource, runner: QueryRunner, sql: SqlTables): Promise<void> {
  if (!(await runner.hasTable(source.getMetadata(JournalTable.entity).tablePath))) return;
  await runner.startTransaction();
  try {
    for (const [table, fill] of DERIVED) {
      const metadata = source.getMetadata(table.entity);
      if (await runner.hasTable(metadata.tablePath)) continue;
      await runner.createTable(StoredTable.create(metadata, source.driver));
      await runner.query(fill(sql));
    }
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  }
}

function clientsOfJournal(sql: SqlTables): string {
  const { path, columns } = sql.get(ClientTable);
  const journal = sql.get(JournalTable);
  const [participant, client, n] = ["participantId", "clientId", "n"].map((name) => journal.at(name));
  return `insert into ${path} (${columns.map((column) => column.sql).join(", ")})
    select ${participant}, ${client}, max(${n}) from ${journal.path}
    where ${participant} is not null and ${client} is not null and ${n} > 0 group by ${participant}, ${client}`;
}

/** One mark for each client in each stretch of a group's journal, and one for each end of an async call. */
function marksOfJournal(sql: SqlTables): string {
  const { path, columns } = sql.get(MessageMarkTable);
  const journal = sql.get(JournalTable);
  const names = ["participantId", "clientId", "n", "actorId", "seq"];
  const [participant, client, n, actor, seq] = names.map((name) => journal.at(name));
  const numbered = `from ${journal.path} where ${participant} is not null and ${client} is not null`;
  return `insert into ${path} (${columns.map((column) => column.sql).join(", ")})
    select ${participant}, ${client}, min(${n}), ${actor}, min(${seq}) ${numbered} and ${n} > 0
    group by ${participant}, ${client}, ${actor}, ${seq} / ${MARK_SPAN}
    union all
    select ${participant}, ${client}, ${n}, ${actor}, ${seq} ${numbered} and ${n} < 0`;
}
