import type { GroupMemory, Row } from "../entities/memory.ts";
import { changesOf, type RecordedChange } from "../entities/recorded-changes.ts";
import type { GroupRows } from "../entities/store.ts";
import type { Values } from "../entities/tables.ts";
import type { RecordedOutput } from "./deliveries.ts";

/** Where a replay first went another way. */
export interface Difference {
  readonly seq: number;
  /** Kind of the entry; `rows`: at the end, where nothing in the journal explains it. */
  readonly kind: string;
  readonly at: number;
  readonly page: string | null;
  /** idInGroup of whose entry it is. */
  readonly participant: number | null;
  readonly input: string | null;
  /** In words: what is another than before. */
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

type Found = Pick<Difference, "what" | "expected" | "got">;

/** What the entry changed, and what its code changes now; both as JSON of recorded changes. */
export function compareChanges(stored: string | null, now: string | null): Found | undefined {
  if (stored === now) return undefined;
  const [before, after] = [byRow(changesOf(stored)), byRow(changesOf(now))];
  for (const row of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(row), after.get(row)];
    if (was === undefined) return { what: `${row} was not changed before`, expected: "no change", got: show(is) };
    if (is === undefined) return { what: `${row} is not changed`, expected: show(was), got: "no change" };
    const [left, right] = [valuesOf(was), valuesOf(is)];
    for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
      if (left[name] !== right[name]) {
        return { what: `${row}: ${name}`, expected: show(left[name]), got: show(right[name]) };
      }
    }
  }
  return undefined;
}

/** What the entry sent and answered, and what its code sends and answers now. */
export function compareOutput(stored: string | null, now: string | null): Found | undefined {
  if (stored === now) return undefined;
  const [before, after] = [parse(stored), parse(now)];
  // The words of a refusal depend on the server's mode; its code does not.
  if (before.e !== undefined || after.e !== undefined) {
    if (before.e?.code === after.e?.code) return undefined;
    return { what: "the refusal", expected: show(before.e?.code), got: show(after.e?.code) };
  }
  const [sent, sends] = [before.d ?? [], after.d ?? []];
  for (let i = 0; i < Math.max(sent.length, sends.length); i++) {
    const [left, right] = [canonical(sent[i]), canonical(sends[i])];
    if (left !== right) return { what: `delivery ${i + 1}`, expected: left, got: right };
  }
  const [replied, replies] = [canonical(before.v), canonical(after.v)];
  return replied === replies ? undefined : { what: "the reply", expected: replied, got: replies };
}

/** The group's rows in the database, and those that the replay has come to. */
export function compareRows(stored: GroupRows, memory: GroupMemory): Found | undefined {
  const pairs: [string, Values | undefined, Values | undefined][] = [["the group", stored.group, memory.group.values]];
  stored.players.forEach((player, i) => {
    pairs.push([`player ${player.idInGroup}`, player, memory.players[i]?.values]);
  });
  for (const [table, rows] of stored.extras) {
    const now = memory.extras.get(table) ?? new Map<number, Row>();
    for (const row of rows) pairs.push([`${table} ${row.n}`, row, now.get(row.n as number)?.values]);
    for (const [n, row] of now) {
      if (!row.deleted && !rows.some((one) => one.n === n)) pairs.push([`${table} ${n}`, undefined, row.values]);
    }
  }
  for (const [what, before, after] of pairs) {
    if (before === undefined || after === undefined) return { what, expected: show(before), got: show(after) };
    for (const name of Object.keys(before)) {
      if ((before[name] ?? null) !== (after[name] ?? null)) {
        return { what: `${what}: ${name}`, expected: show(before[name]), got: show(after[name]) };
      }
    }
  }
  return undefined;
}

/** Changes by the row that they are of: their order says nothing. */
function byRow(changes: readonly RecordedChange[]): Map<string, RecordedChange> {
  return new Map(changes.map((change) => [rowOf(change), change]));
}

function rowOf(change: RecordedChange): string {
  if ("insert" in change) {
    const { actorId, n, page } = change.values;
    return `new row of ${change.insert} ${canonical(page === undefined ? { actorId, n } : { actorId, page })}`;
  }
  return "update" in change
    ? `${change.update} ${canonical(change.key)}`
    : `deleted row of ${change.delete} ${canonical(change.key)}`;
}

function valuesOf(change: RecordedChange): Values {
  return "values" in change ? change.values : {};
}

function parse(output: string | null): RecordedOutput {
  return output === null ? {} : (JSON.parse(output) as RecordedOutput);
}

/** JSON with the names of each object in order. */
function canonical(value: unknown): string {
  if (value === undefined) return "nothing";
  return JSON.stringify(value, (_name, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
