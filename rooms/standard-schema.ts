import { AuthorError, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";

/**
 * What zod, valibot, arktype and others have in common: version 1 of https://standardschema.dev,
 * as far as it is used here.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** For inference only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** `issues` present: refused. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard: unknown = Reflect.get(value, "~standard");
  return typeof standard === "object" && standard !== null && typeof Reflect.get(standard, "validate") === "function";
}

/**
 * The message as a page's schema gives it to the live method (with defaults filled in, say).
 *
 * @param where names the page in errors, e.g. "auction/Bidding"
 * @throws WalrasError `invalid` with what the schema says, for the sender
 * @throws AuthorError `async_schema`, because a group's turn cannot wait for it
 */
export function parseMessage(schema: StandardSchema, data: unknown, where: string): unknown {
  const result = schema["~standard"].validate(data);
  if (result instanceof Promise) {
    // Its outcome is of no use to anybody, and must not end the process as an unhandled rejection.
    result.catch(() => {});
    throw new AuthorError(
      "async_schema",
      `${where}: the message schema is asynchronous. Use one without async refinements.`,
    );
  }
  if (result.issues === undefined) return result.value;
  const issues = result.issues.slice(0, 5).map((issue) => {
    const path = (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".");
    return path === "" ? issue.message : `${path}: ${issue.message}`;
  });
  throw new WalrasError(Refusal.INVALID, `${where}: the message does not fit: ${issues.join("; ")}`);
}
