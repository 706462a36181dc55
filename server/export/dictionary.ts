import type { Value } from "../../entities/tables.ts";
import type { DataColumn, DataSet, DataTable, Listed } from "./data-set.ts";

const COLUMNS: readonly DataColumn[] = [
  { name: "file", kind: "text", meaning: "file that has the column" },
  { name: "column", kind: "text", meaning: "name in the header" },
  { name: "type", kind: "text", meaning: "kind of value" },
  { name: "unit", kind: "text", meaning: "what a number counts" },
  { name: "meaning", kind: "text", meaning: "what the column holds" },
  { name: "app", kind: "text", meaning: "app that it belongs to" },
  { name: "round", kind: "integer", meaning: "round that it belongs to, in wide files" },
  { name: "choices", kind: "text", meaning: "allowed values: value = label" },
  { name: "min", kind: "float", meaning: "least value that is allowed" },
  { name: "max", kind: "float", meaning: "largest value that is allowed" },
];

const TYPES: Readonly<Record<DataColumn["kind"], string>> = {
  id: "whole number",
  link: "whole number",
  integer: "whole number",
  float: "number",
  boolean: "1 or 0",
  text: "text",
  longText: "text",
  currency: "number",
  json: "JSON",
  timestamp: "whole number",
};

/** The data dictionary: every column of every file, with type, unit and meaning. */
export function dictionary(sets: readonly DataSet[], own: Listed): DataTable {
  const table: DataTable = {
    columns: COLUMNS,
    total: () => Promise.resolve(sets.reduce((sum, { columns }) => sum + columns.length, COLUMNS.length)),
    async *rows() {
      // Its own columns too: a stranger begins here.
      for (const set of [...sets, { ...own, ...table }]) yield set.columns.map((column) => rowOf(set, column));
    },
  };
  return table;
}

function rowOf(set: DataSet, { name, kind, unit, meaning, app, round, choices, min, max }: DataColumn): Value[] {
  const values = choices?.map(({ value, label }) => (String(value) === label ? label : `${value} = ${label}`));
  return [
    ...[`${set.file}.csv`, name, TYPES[kind], unit ?? null, meaning, app ?? null, round ?? null],
    ...[values?.join("; ") ?? null, min ?? null, max ?? null],
  ];
}
