import type { AppSpec } from "./app-spec.ts";
import { type GroupMemory, Row } from "./memory.ts";
import { ParticipantTable, SessionTable, SubsessionTable, TimerTable, WaitPageTable } from "./system-tables.ts";
import type { Table, Values } from "./tables.ts";
import { initialValues } from "./values.ts";

/** One change as a journal entry keeps it; see changesToJson. */
export type RecordedChange =
  | { readonly insert: string; readonly values: Values }
  | { readonly update: string; readonly key: Values; readonly values: Values }
  | { readonly delete: string; readonly key: Values };

export function changesOf(text: string | null): RecordedChange[] {
  return text === null ? [] : (JSON.parse(text) as RecordedChange[]);
}

/**
 * Brings a group's memory to where it was after an entry, by what the journal says that the entry changed,
 * without running anything. Rows of other groups, which a page of all groups changes too, are left out.
 */
export function applyRecorded(memory: GroupMemory, text: string | null): void {
  const tables = tablesOf(memory.app);
  for (const change of changesOf(text)) {
    if ("insert" in change) insert(memory, tables, change.insert, change.values);
    else if ("update" in change) Object.assign(rowOf(memory, change.update, change.key)?.values ?? {}, change.values);
    else remove(memory, tables, change.delete, change.key);
  }
  const { actorId } = memory;
  // Out of a lobby, players go to groups of their own.
  if (memory.players.some(({ values }) => values.groupId !== actorId)) {
    memory.seat(memory.players.filter(({ values }) => values.groupId === actorId));
  }
}

function insert(memory: GroupMemory, tables: ReadonlyMap<string, Table>, name: string, values: Values): void {
  if (name === WaitPageTable.name) {
    memory.waits.set(values.page as string, new Row(WaitPageTable, null, { ...values }));
    return;
  }
  const table = tables.get(name);
  if (table === undefined || values.actorId !== memory.actorId) return;
  const model = Object.values(memory.app.extras).find((extra) => extra.table === table) ?? null;
  // A column that came later has the value that its rows got then.
  const whole = { ...initialValues(table, memory.decimals), ...values };
  memory.extrasOf(table).set(values.n as number, new Row(table, model, whole));
}

function remove(memory: GroupMemory, tables: ReadonlyMap<string, Table>, name: string, key: Values): void {
  const table = tables.get(name);
  if (table !== undefined) memory.extrasOf(table).delete(key.n as number);
}

function rowOf(memory: GroupMemory, name: string, key: Values): Row | undefined {
  const { app, group } = memory;
  switch (name) {
    case app.group.table.name:
      return key.id === memory.actorId ? group : undefined;
    case app.player.table.name:
      return memory.playerById(key.id as number);
    case ParticipantTable.name:
      return memory.participants.get(key.id as number);
    case SessionTable.name:
      return memory.session.row;
    case SubsessionTable.name:
      return key.id === memory.subsession.values.id ? memory.subsession : undefined;
    case WaitPageTable.name:
      return memory.waits.get(key.page as string);
    default: {
      const table = tablesOf(app).get(name);
      return table === undefined ? undefined : memory.extrasOf(table).get(key.n as number);
    }
  }
}

/** Tables whose rows a group numbers. */
function tablesOf(app: AppSpec): ReadonlyMap<string, Table> {
  return new Map(
    [TimerTable, ...Object.values(app.extras).map(({ table }) => table)].map((table) => [table.name, table]),
  );
}
