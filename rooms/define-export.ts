import { AuthorError } from "../client-sdk/errors.ts";
import type { CustomExport } from "../entities/app-spec.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";

/** What {@link App.customExport} takes. */
export interface ExportOptions<Gr> {
  /** Header of the table. */
  columns: readonly string[];
  /** The rows of one group; nothing can be changed here. */
  rows: (group: Gr) => Iterable<readonly unknown[]>;
  /** What the table is about, for the data dictionary. */
  doc?: string;
}

/** Checks an app's own export. @throws AuthorError naming app, export, value and cure */
export function makeExport<Gr>(
  app: string,
  name: string,
  options: ExportOptions<Gr>,
  before: readonly CustomExport[],
): CustomExport {
  if (typeof name !== "string" || !/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
    throw new AuthorError(
      "wrong_name",
      `${app}: an export's name is ${describe(name)}; give it a letter, then letters, digits and underscores, e.g. "trades".`,
    );
  }
  const where = `${app}: export ${name}`;
  if (before.some((other) => other.name === name)) {
    throw new AuthorError("name_taken", `${where} exists already. Choose another name.`);
  }
  if (typeof options !== "object" || options === null) {
    throw new AuthorError(
      "wrong_option",
      `${where}: its second argument is ${describe(options)}; give it an object, e.g. { columns: ["price"], *rows(group) { ... } }.`,
    );
  }
  checkKeys(options, ["columns", "rows", "doc"], where);
  const { columns, rows, doc } = options;
  const named = Array.isArray(columns) && columns.length > 0 && columns.every((column) => typeof column === "string");
  if (!named || new Set(columns).size !== columns.length) {
    throw new AuthorError(
      "wrong_option",
      `${where}: columns is ${describe(columns)}; give it an array of different texts, e.g. ["session", "price"].`,
    );
  }
  if (typeof rows !== "function" || /^Async/.test(rows.constructor.name)) {
    throw new AuthorError(
      "wrong_option",
      `${where}: rows is ${describe(rows)}; give it a function of group that is not async, e.g. *rows(group) { yield [1]; }.`,
    );
  }
  if (doc !== undefined && typeof doc !== "string") {
    throw new AuthorError("wrong_option", `${where}: doc is ${describe(doc)}; give it a string.`);
  }
  return { name, columns: [...columns], doc, rows };
}
