/**
 * Where tests break a store on purpose. Production passes none.
 *
 * What a hook throws ends the transaction there and is classed like an error of the database, so that
 * an error with `code: "SQLITE_FULL"` or `"40001"` plays that part. Hooks apply to writing, not to reads.
 */
export interface Faults {
  /** Before each statement of any transaction, BEGIN first, COMMIT not among them. */
  beforeStatement?(sql: string): void;
  /** In commit(): all statements are done, COMMIT is not sent. A promise holds the transaction open. */
  beforeCommit?(): void | Promise<void>;
  /** In commit(): COMMIT has succeeded, its answer has not arrived: throwing makes the outcome `unknown`. */
  afterCommit?(): void | Promise<void>;
  /** On each new writing connection: run a statement on it, e.g. `pragma max_page_count = 30`. */
  connected?(run: (sql: string) => unknown): void | Promise<void>;
}
