import { WalrasError } from "../client-sdk/errors.ts";

/** How far a transaction had come when an error ended it. `commit`: COMMIT was handed to the database. */
export type Stage = "begin" | "statement" | "commit";

/** What an error means for the units of its transaction; the words are those of CommitOutcome, and
 * `retry` is for the store itself: the same transaction may succeed if it is simply tried again. */
export type Failure = "data" | "io" | "unknown" | "retry";

// PostgreSQL's SQLSTATE: two characters of class, three of detail. EPIPE and its kind are not meant.
const SQLSTATE = /^(?!E)[0-9A-Z]{5}$/;
const SERIALIZATION_FAILURE = "40001";
const DEADLOCK = "40P01";

// 08 connection, 25 transaction state (read-only, ended for being idle), 53 resources (disk full, out of memory, too many connections), 55 locks, 57 operator
// (shutdown, timeouts), 58 system, F0 configuration file, XX internal error or corruption.
const IO_CLASSES = new Set(["08", "25", "53", "55", "57", "58", "F0", "XX"]);

// SQLite's primary result codes that say something about the machine, not about a value. Extended
// codes begin with them (SQLITE_IOERR_WRITE, SQLITE_BUSY_SNAPSHOT).
const SQLITE_IO =
  /^SQLITE_(FULL|BUSY|LOCKED|READONLY|IOERR|CANTOPEN|CORRUPT|NOTADB|NOMEM|PERM|AUTH|PROTOCOL|INTERRUPT|NOLFS)(_|$)/;

/**
 * The class of a failed transaction (design decision 3), from the error alone and how far it had come.
 *
 * In doubt the answer errs to the safe side: before COMMIT nothing remains, and an error that is
 * neither about a statement nor about a value is `io`, which halts and probes; after COMMIT was sent
 * everything that is not a clear "no" of the database is `unknown`, which looks the entries up.
 */
export function classify(error: unknown, stage: Stage): Failure {
  const code = codeOf(error);
  if (code.startsWith("SQLITE_")) {
    if (!SQLITE_IO.test(code)) return stage === "begin" ? "io" : "data";
    // A commit that fails while it writes or syncs the WAL may have left a valid commit record in the
    // file. BUSY is said before anything is written.
    return stage === "commit" && !code.startsWith("SQLITE_BUSY") ? "unknown" : "io";
  }
  if (SQLSTATE.test(code)) {
    if (code === SERIALIZATION_FAILURE || code === DEADLOCK) return "retry";
    const io = IO_CLASSES.has(code.slice(0, 2));
    if (stage === "commit") return io ? "unknown" : "data";
    return io || stage === "begin" ? "io" : "data";
  }
  if (stage === "commit") return "unknown";
  // Ours or the driver's words about a value that cannot be bound. Everything else without a code of
  // the database comes from the way to it: ECONNRESET, EPIPE, "Connection terminated", a timeout.
  const aboutValue = error instanceof WalrasError || /^(Type|Range)Error$/.test(asError(error).name);
  return stage === "statement" && aboutValue ? "data" : "io";
}

function codeOf(error: unknown): string {
  const { code } = asError(error) as Error & { code?: unknown };
  return typeof code === "string" ? code : "";
}

/** Anything thrown, as an Error. What better-sqlite3 throws need not be an instance of *our* Error: its
 * native half keeps the class of the context that loaded it first. */
export function asError(thrown: unknown): Error {
  const isError = typeof thrown === "object" && thrown !== null && "message" in thrown && "name" in thrown;
  return isError ? (thrown as Error) : new Error(String(thrown));
}
