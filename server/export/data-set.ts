import type { ColumnKind, Value } from "../../entities/tables.ts";

/** What is known of a column, for the header and for the data dictionary. */
export interface DataColumn {
  /** As in the header, e.g. `player.payoff`. */
  readonly name: string;
  readonly kind: ColumnKind;
  /** What the number counts; empty where there is nothing to count. */
  readonly unit?: string | undefined;
  readonly meaning: string;
  readonly app?: string | undefined;
  readonly round?: number | undefined;
  /** Least and largest value that is allowed, where that is the same for everybody. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Allowed values with their labels, as forms show them. */
  readonly choices?: readonly { readonly value: Value; readonly label: string }[] | undefined;
}

/** What can be downloaded, as it is chosen. */
export interface Listed {
  /** Names it in addresses and on the command line, e.g. `wide`, `app/auction`, `auction/Bid`. */
  readonly id: string;
  /** Name of the file, without date and ending. */
  readonly file: string;
  /** For people. */
  readonly title: string;
  readonly about: string;
}

/** The data themselves, read from one moment of the database, a chunk at a time. */
export interface DataTable {
  readonly columns: readonly DataColumn[];
  /** About how many rows, for the progress; undefined: not known before. */
  total(): Promise<number | undefined>;
  /** Chunks of rows; a row has a value for each column. JSON columns hold JSON text. */
  rows(): AsyncIterable<readonly (readonly Value[])[]>;
}

export type DataSet = Listed & DataTable;
