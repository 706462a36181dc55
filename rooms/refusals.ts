import { AuthorError, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal, type RefusalBody } from "../client-sdk/protocol.ts";

/** What the sender is told of an error. Details of the author's code stay on the server. */
export function refusalOf(error: unknown): RefusalBody {
  if (error instanceof WalrasError && !(error instanceof AuthorError)) {
    return { code: error.code, message: error.message, retry: false };
  }
  if (error instanceof AuthorError) return { code: Refusal.FAILED, message: error.message, retry: false };
  return { code: Refusal.FAILED, message: `The live method failed: ${messageOf(error)}`, retry: false };
}

export function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
