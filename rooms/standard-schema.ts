import { AuthorError, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import { describe } from "../entities/values.ts";

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
 * Refuses what is no schema, and schemas that are always asynchronous: a group's turn cannot wait for them. Those that
 * are so for some values only show with the first such value.
 *
 * @throws AuthorError `wrong_option`, `async_schema`
 */
export function requireSchema(value: unknown, where: string): void {
  if (value === undefined) return;
  if (!isStandardSchema(value)) {
    throw new AuthorError(
      "wrong_option",
      `${where} is ${describe(value)}; give it a schema, e.g. z.object({ amount: z.number() }) of zod.`,
    );
  }
  try {
    validate(value, undefined, where);
  } catch (error) {
    // That it refuses undefined, in whichever way, says nothing.
    if (error instanceof AuthorError) throw error;
  }
}

/**
 * The message as a page's schema gives it to the live method (with defaults filled in, say).
 *
 * @param where names the page in errors, e.g. "auction/Bidding"
 * @throws WalrasError `invalid` with what the schema says, for the sender
 * @throws AuthorError `async_schema`, because a group's turn cannot wait for it
 */
export function parseMessage(schema: StandardSchema, data: unknown, where: string): unknown {
  const result = validate(schema, data, where);
  if (result.issues === undefined) return result.value;
  throw new WalrasError(Refusal.INVALID, `${where}: the message does not fit: ${issuesText(result.issues)}`);
}

/**
 * What the author's code gives, as a schema of the page gives it out again.
 *
 * @param what names it in errors, e.g. "auction/Bidding live: the message to player 2"
 * @throws AuthorError `does_not_fit`, with the path and the rule; `async_schema`
 */
export function parseOwn(schema: StandardSchema, data: unknown, what: string): unknown {
  const result = validate(schema, data, what);
  if (result.issues === undefined) return result.value;
  throw new AuthorError("does_not_fit", `${what} does not fit the page's schema: ${issuesText(result.issues)}`);
}

function validate(schema: StandardSchema, data: unknown, where: string): SchemaResult<unknown> {
  const result = schema["~standard"].validate(data);
  if (!(result instanceof Promise)) return result;
  // Its outcome is of no use to anybody, and must not end the process as an unhandled rejection.
  result.catch(() => {});
  throw new AuthorError(
    "async_schema",
    `${where}: the schema is asynchronous, and a group cannot wait for it. Use one without async refinements.`,
  );
}

function issuesText(issues: readonly SchemaIssue[]): string {
  return issues
    .slice(0, 5)
    .map((issue) => {
      const path = (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".");
      return path === "" ? issue.message : `${path}: ${issue.message}`;
    })
    .join("; ");
}
