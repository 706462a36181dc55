import { readFileSync } from "node:fs";
import { CsvError, parse } from "csv-parse/sync";
import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import type { FieldSpec } from "./app-spec.ts";
import { type Field, type Fields, fieldSpec } from "./fields.ts";
import { nearestName } from "./suggest.ts";
import { snakeCase } from "./tables.ts";
import { checkValue } from "./values.ts";

/** A row as the fields say. */
export type CsvRow<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** What spreadsheets write between cells. */
const DELIMITERS = [",", ";", "\t"];

/**
 * The rows of a CSV file, read by the fields of a model: in creatingSession, for lists of stimuli, prices, pairs. The first
 * line names the columns, as fields or as oTree does (`highestBid` or `highest_bid`). Commas, semicolons (then with
 * decimal commas) and tabs are understood; TRUE, true, yes and 1 are true. An empty cell is the field's initial value, or
 * null where it is blank. Amounts are rounded where they are stored.
 *
 * @param file a path from the project's folder, or, beside the app, `new URL("prices.csv", import.meta.url)`
 * @param fields as defineApp takes them, e.g. `{ price: currency(), name: text() }`
 * @throws AuthorError `wrong_csv` naming file, line, column and cure; what `fields` has wrong, as defineApp
 */
export function readCsv<F extends Fields>(file: string | URL, fields: F): CsvRow<F>[] {
  const name = String(file).split(/[/\\]/).at(-1) ?? "";
  const specs = Object.entries(fields).map(([field, declared]) => {
    const spec = fieldSpec(declared, `readCsv("${name}"): ${field}`);
    if (spec.kind !== "link") return { field, spec };
    throw wrong(name, `${field} is a link, which no file can hold. Read an id or a name, and find the row by it`);
  });
  const [header, ...lines] = recordsOf(file, name);
  if (header === undefined) throw wrong(name, "it is empty. Its first line names the columns");
  const columns = header.record.map((column) => column.trim());
  const places = specs.map(({ field }) =>
    columns.findIndex((column) => column === field || column === snakeCase(field)),
  );
  const names = specs.map(({ field }) => field);
  for (const [i, column] of columns.entries()) {
    if (places.includes(i)) continue;
    const near = nearestName(column, names);
    const meant = near === undefined ? `The fields are ${names.join(", ")}` : `Did you mean ${near}?`;
    throw wrong(
      name,
      `line ${header.line} has a column ${JSON.stringify(column)}, which is no field, or is there twice. ${meant}`,
    );
  }
  return lines.map(({ record, line }) => {
    const row: Record<string, unknown> = {};
    for (const [i, { field, spec }] of specs.entries()) {
      const where = `readCsv("${name}"): line ${line}, column ${columns[places[i] ?? -1] ?? field}`;
      const cell = places[i] === -1 ? "" : (record[places[i] as number] ?? "");
      row[field] = valueIn(spec, cell, where, header.delimiter);
    }
    return row as CsvRow<F>;
  });
}

function recordsOf(file: string | URL, name: string): { record: string[]; line: number; delimiter: string }[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    throw wrong(name, `it cannot be read (${messageOf(error)}). Paths begin in the project's folder`);
  }
  const [first = ""] = text.split("\n", 1);
  const count = (delimiter: string) => first.split(delimiter).length;
  const delimiter = DELIMITERS.reduce((most, next) => (count(next) > count(most) ? next : most));
  try {
    const records: { record: string[]; line: number; delimiter: string }[] = [];
    parse(text, {
      delimiter,
      skipEmptyLines: true,
      onRecord: (record: string[], { lines }) => {
        records.push({ record, line: lines, delimiter });
        return null;
      },
    });
    return records;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw wrong(name, error.message);
  }
}

function valueIn(spec: FieldSpec, cell: string, where: string, delimiter: string): unknown {
  const isText = spec.kind === "text" || spec.kind === "longText";
  if (cell.trim() === "" && (!isText || spec.blank || spec.initial !== undefined)) {
    if (spec.initial !== undefined) return spec.kind === "json" ? JSON.parse(spec.initial as string) : spec.initial;
    if (spec.blank) return null;
    throw new AuthorError(
      "wrong_csv",
      `${where} is empty. Fill it, or give the field blank: true or an initial value.`,
    );
  }
  const value = isText ? cell : read(spec, cell.trim(), where, delimiter);
  const held = checkValue(spec, value, where, Number.POSITIVE_INFINITY);
  return spec.kind === "json" ? JSON.parse(held as string) : held;
}

const TRUTH: Readonly<Record<string, boolean>> = { true: true, yes: true, 1: true, false: false, no: false, 0: false };

function read({ kind }: FieldSpec, cell: string, where: string, delimiter: string): unknown {
  const bad = (takes: string) =>
    new AuthorError("wrong_csv", `${where} is ${JSON.stringify(cell)}; it takes ${takes}.`);
  if (kind === "boolean") {
    const truth = TRUTH[cell.toLowerCase()];
    if (truth === undefined) throw bad("TRUE or FALSE, yes or no, 1 or 0");
    return truth;
  }
  if (kind === "json") {
    try {
      return JSON.parse(cell);
    } catch {
      throw bad("JSON");
    }
  }
  // Where semicolons part the cells, commas are decimal marks.
  const number = Number(delimiter === ";" ? cell.replace(",", ".") : cell);
  if (kind === "timestamp" && Number.isNaN(number)) {
    const time = Date.parse(cell);
    if (Number.isNaN(time)) throw bad("milliseconds since 1970, or a time such as 2026-11-22T14:00:00Z");
    return time;
  }
  if (!/^[+-]?[\d.,]+(e[+-]?\d+)?$/i.test(cell) || Number.isNaN(number)) throw bad("a number such as 12 or 1.5");
  return number;
}

function wrong(name: string, what: string): AuthorError {
  return new AuthorError("wrong_csv", `readCsv("${name}"): ${what}.`);
}
