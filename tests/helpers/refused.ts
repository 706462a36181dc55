import { AuthorError } from "../../client-sdk/errors.ts";

/** Runs what must be refused, and gives back code and message. */
export function refused(call: () => unknown): { code: string; message: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof AuthorError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("was not refused");
}
