import { stringify } from "csv-stringify/sync";
import type { Value } from "../../entities/tables.ts";
import type { DataColumn, DataSet } from "./data-set.ts";

export type Format = "csv" | "json";

export interface FormatOptions {
  /** CSV for spreadsheets: a byte order mark, and a quote before texts that a spreadsheet would run as a formula. */
  readonly spreadsheet?: boolean;
}

/**
 * A data set as text, chunk by chunk. Values are exact: numbers with all their digits, texts with their
 * line breaks, in quotes where CSV (RFC 4180) needs them; true and false are 1 and 0 in CSV as in oTree's
 * files, and nothing is an empty cell.
 *
 * @param onRows told how many rows were written
 */
export async function* write(
  data: DataSet,
  format: Format,
  options: FormatOptions = {},
  onRows: (rows: number) => void = () => {},
): AsyncGenerator<string> {
  const { columns } = data;
  yield format === "csv" ? csv([columns.map(({ name }) => name)], options, true) : "[";
  let first = true;
  for await (const rows of data.rows()) {
    if (rows.length === 0) continue;
    if (format === "csv") {
      yield csv(rows, options);
    } else {
      yield `${first ? "\n" : ",\n"}${rows.map((row) => toJsonRow(row, columns)).join(",\n")}`;
    }
    first = false;
    onRows(rows.length);
  }
  if (format === "json") yield "\n]\n";
}

function csv(rows: readonly (readonly Value[])[], { spreadsheet = false }: FormatOptions, isHeader = false): string {
  return stringify(rows as Value[][], {
    record_delimiter: "windows",
    bom: spreadsheet && isHeader,
    escape_formulas: spreadsheet,
    cast: { boolean: (value) => (value ? "1" : "0") },
  });
}

function toJsonRow(row: readonly Value[], columns: readonly DataColumn[]): string {
  const cells = columns.map(({ name, kind }, i) => {
    const value = row[i] ?? null;
    // JSON columns hold their text already.
    return `${JSON.stringify(name)}:${kind === "json" && typeof value === "string" ? value : JSON.stringify(value)}`;
  });
  return `{${cells.join(",")}}`;
}
