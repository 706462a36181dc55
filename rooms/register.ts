import type { Fields } from "../entities/fields.ts";

/**
 * Tells TypeScript of a project's configuration, and with it the types of the fields that it declares for
 * participants and sessions. In walras.config.ts:
 *
 * ```ts
 * const config = defineConfig({ participantFields: { treatment: text() }, sessionConfigs: [...] });
 * declare module "walras" {
 *   interface Register {
 *     config: typeof config;
 *   }
 * }
 * export default config;
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: projects merge their own into it
export interface Register {}

type Declared<K extends "participantFields" | "sessionFields"> = Register extends {
  config: Readonly<Record<K, infer F extends Fields>>;
}
  ? { -readonly [N in keyof F]: F[N]["type"] }
  : // Not told: any name, checked when it runs.
    { [field: string]: unknown };

/** The fields of `player.participant` that the project declares. */
export type ParticipantFields = Declared<"participantFields">;
/** The fields of `player.session` that the project declares. */
export type SessionFields = Declared<"sessionFields">;
