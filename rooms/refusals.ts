import { AuthorError, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal, type RefusalBody } from "../client-sdk/protocol.ts";

/**
 * What the sender is told of an error.
 *
 * @param development true: also what went wrong in the author's code; otherwise that is for the log alone
 */
export function refusalOf(error: unknown, development: boolean): RefusalBody {
  if (error instanceof WalrasError && !(error instanceof AuthorError)) {
    return { code: error.code, message: error.message, retry: false };
  }
  const details = error instanceof AuthorError ? error.message : `The live method failed: ${messageOf(error)}`;
  return { code: Refusal.FAILED, message: development ? details : "The live method failed.", retry: false };
}

export function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

/** A text as every database keeps it. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u2400");
}
