/**
 * The one error class of Walras. `code` is stable and may be matched on; `message` says what is
 * wrong, where, and how to mend it; `retry` says whether the very same call may succeed later.
 */
export class WalrasError extends Error {
  readonly code: string;
  readonly retry: boolean;

  constructor(code: string, message: string, options: { retry?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WalrasError";
    this.code = code;
    this.retry = options.retry ?? false;
  }
}

/** A mistake in an app's definition or in an author's function; shown to authors, not participants. */
export class AuthorError extends WalrasError {
  override readonly name: string = "AuthorError";
}

/** The code of any thrown value: its own if it is a WalrasError, else "error". */
export function codeOf(error: unknown): string {
  return error instanceof WalrasError ? error.code : "error";
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  try {
    return String(error);
  } catch {
    // An object without a prototype, say, cannot be made a text; whoever reports an error must not fail over it.
    return "something that is not an Error was thrown";
  }
}
