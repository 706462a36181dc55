import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { FieldSpec } from "../entities/app-spec.ts";
import { type Fields, fieldSpec } from "../entities/fields.ts";
import type { OwnFieldSpecs } from "../entities/own-fields.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import type { SessionConfig } from "./calls.ts";
import { checkCompletion } from "./completion-options.ts";
import { checkLabs, type Lab, type LabDefinition } from "./labs.ts";
import { Languages, moneyDigits, type OwnTexts } from "./languages.ts";
import { checkOwnTexts } from "./own-texts.ts";

/** What walras.config.ts hands to {@link defineConfig}. */
export interface ConfigDefinition<P extends Fields = Fields, S extends Fields = Fields> {
  /** What can be run: sequences of apps with parameters. */
  sessionConfigs: readonly SessionConfig[];
  /** Parameters that all session configs have unless they say otherwise. */
  sessionConfigDefaults?: Readonly<Record<string, unknown>>;
  /** Fields of a participant, over all apps: `player.participant.treatment`. See {@link Register} for their types. */
  participantFields?: P;
  /** Fields of a session: `player.session.price`. Set in creatingSession, and where all groups wait for each other. */
  sessionFields?: S;
  /** Entrances that stay the same over sessions. */
  labs?: readonly LabDefinition[];
  /** How amounts are rounded and written. Default: whole points. */
  currency?: {
    /** Points rather than money. Default: true, unless a `code` is given; with both, `code` is what points are paid in. */
    points?: boolean;
    /** ISO code of the money, e.g. "EUR". */
    code?: string;
    /** Decimal places that amounts are rounded to. Default: 0 for points; for money what it has: 2 for EUR, 0 for JPY. */
    decimals?: number;
    /** Language whose digits and marks are used, e.g. "de-CH". Default: `language`. */
    locale?: string;
  };
  /** Language of what Walras itself says to participants, e.g. "de"; a session config may have another. Default: "en". */
  language?: string;
  /** Other words for what Walras says, and further languages: `{ en: { next: "Continue" } }`. */
  texts?: OwnTexts;
}

/** The configuration with everything filled in. */
export interface Config {
  readonly sessionConfigs: readonly SessionConfig[];
  /** The checked participantFields and sessionFields. Default: none. */
  readonly ownFields?: OwnFieldSpecs;
  readonly labs: readonly Lab[];
  readonly currency: CurrencyFormat;
  readonly language: string;
  /** The language packs with the author's texts over them. Default: the packs. */
  readonly languages?: Languages;
}

const CONFIG_OPTIONS = [
  "sessionConfigs",
  "sessionConfigDefaults",
  "labs",
  "participantFields",
  "sessionFields",
  "currency",
  "language",
  "texts",
];
const CURRENCY_OPTIONS = ["points", "code", "decimals", "locale"];

/**
 * Checks and completes the configuration; walras.config.ts exports its result as default. Whether
 * the apps exist is checked when they are loaded.
 *
 * @throws AuthorError `wrong_config` or `unknown_option`, naming place, value and cure
 */
export function defineConfig<P extends Fields = Record<never, never>, S extends Fields = Record<never, never>>(
  definition: ConfigDefinition<P, S>,
): Config & { readonly participantFields: P; readonly sessionFields: S } {
  requireObject(definition, "defineConfig(...)");
  checkKeys(definition, CONFIG_OPTIONS, "walras.config");
  const { sessionConfigs, sessionConfigDefaults = {}, language = "en" } = definition;
  requireObject(sessionConfigDefaults, "sessionConfigDefaults");
  if (!Array.isArray(sessionConfigs) || sessionConfigs.length === 0) {
    throw wrong(
      "sessionConfigs",
      sessionConfigs,
      'give it an array such as [{ name: "auction", appSequence: ["auction"], numDemoParticipants: 4 }]',
    );
  }
  checkLocale(language, "language");
  const seen = new Set<string>();
  const complete = sessionConfigs.map((given: unknown, index) => {
    requireObject(given, `sessionConfigs[${index}]`);
    const config = checkSessionConfig({ ...sessionConfigDefaults, ...given }, `sessionConfigs[${index}]`);
    if (seen.has(config.name))
      throw wrong(
        `sessionConfigs[${index}].name`,
        config.name,
        "another session config has it already; choose another",
      );
    seen.add(config.name);
    return config;
  });
  const { participantFields, sessionFields } = definition;
  const languages = new Languages({
    language,
    currency: currencyFormat(definition.currency ?? {}, language),
    ...(definition.currency?.code === undefined ? {} : { paidIn: definition.currency.code }),
    fixedLocale: definition.currency?.locale !== undefined,
    texts: checkOwnTexts(definition.texts),
  });
  return {
    sessionConfigs: complete,
    labs: checkLabs(definition.labs ?? []),
    // Left out, they are the empty type.
    participantFields: (participantFields ?? {}) as P,
    sessionFields: (sessionFields ?? {}) as S,
    ownFields: {
      participant: ownFields(participantFields, "participantFields", PARTICIPANT_MEMBERS),
      session: ownFields(sessionFields, "sessionFields", SESSION_MEMBERS),
    },
    currency: languages.of().currency,
    language,
    languages,
  };
}

/** What participants and sessions have beside a project's own fields, now or in exports. */
const PARTICIPANT_MEMBERS = [
  "id",
  "code",
  "label",
  "idInSession",
  "payoff",
  "payoffInRealWorldCurrency",
  "payoffPlusParticipationFee",
  "startedAt",
  "visited",
  "pageIndex",
  "entry",
  "pageOrder",
];
const SESSION_MEMBERS = ["id", "code", "label", "config", "comment", "isDemo", "createdAt"];

function ownFields(fields: unknown, where: string, members: readonly string[]): Record<string, FieldSpec> {
  if (fields === undefined) return {};
  requireObject(fields, where);
  const specs: Record<string, FieldSpec> = {};
  for (const [name, field] of Object.entries(fields)) {
    const at = `walras.config: ${where}.${name}`;
    if (!/^[a-z][A-Za-z0-9]*$/.test(name)) {
      throw new AuthorError("wrong_name", `${at} must be named in camelCase: a small letter, then letters and digits.`);
    }
    if (members.includes(name)) throw new AuthorError("reserved_name", `${at} is built in. Choose another name.`);
    const spec = fieldSpec(field, at);
    if (spec.kind === "link") {
      throw new AuthorError(
        "wrong_option",
        `${at} is a link, which leads into one app's group. Use integer() or text().`,
      );
    }
    specs[name] = spec;
  }
  return specs;
}

/**
 * A session config, checked.
 *
 * @param where names it in errors as long as it has no name of its own
 * @throws AuthorError `wrong_config`
 */
export function checkSessionConfig(given: Record<string, unknown>, where: string): SessionConfig {
  const { name, displayName, doc, appSequence, numDemoParticipants, ...parameters } = given;
  if (typeof name !== "string" || !/^[A-Za-z0-9_]+$/.test(name)) {
    throw wrong(`${where}.name`, name, 'give it letters, digits and underscores, e.g. "auction_high_stakes"');
  }
  const named = `session config ${name}`;
  for (const [key, text] of [
    ["displayName", displayName],
    ["doc", doc],
  ] as const) {
    if (text !== undefined && typeof text !== "string") throw wrong(`${named}: ${key}`, text, "give it a string");
  }
  if (parameters.language !== undefined) checkLocale(parameters.language, `${named}: language`);
  if (!isNumber(numDemoParticipants, 1)) {
    throw wrong(`${named}: numDemoParticipants`, numDemoParticipants, "give it a whole number from 1");
  }
  for (const key of ["participationFee", "replacedFee", "realWorldCurrencyPerPoint"]) {
    const amount = parameters[key];
    if (amount !== undefined && !(typeof amount === "number" && Number.isFinite(amount) && amount >= 0)) {
      throw wrong(`${named}: ${key}`, amount, "give it a number from 0, in real money");
    }
  }
  checkCompletion(parameters, named);
  try {
    toJson(parameters, `walras.config: ${named}`);
  } catch (error) {
    throw new AuthorError("wrong_config", `${messageOf(error)} Parameters are stored with each session.`, {
      cause: error,
    });
  }
  return {
    ...parameters,
    name,
    ...(typeof displayName === "string" ? { displayName } : {}),
    ...(typeof doc === "string" ? { doc } : {}),
    appSequence: apps(appSequence, `${named}: appSequence`),
    numDemoParticipants,
  };
}

function apps(sequence: unknown, where: string): string[] {
  if (!Array.isArray(sequence) || sequence.length === 0) {
    throw wrong(where, sequence, 'give it the names of apps, e.g. ["intro", "auction"]');
  }
  const seen: string[] = [];
  for (const app of sequence) {
    if (typeof app !== "string") throw wrong(where, app, "name each app by a string, as in its folder");
    if (seen.includes(app)) throw wrong(where, app, "an app comes once in a session; to play it again, use its rounds");
    seen.push(app);
  }
  return seen;
}

function currencyFormat(given: NonNullable<ConfigDefinition["currency"]>, language: string): CurrencyFormat {
  requireObject(given, "currency");
  checkKeys(given, CURRENCY_OPTIONS, "walras.config: currency");
  const { code, points = code === undefined, decimals = points ? 0 : digitsOf(code), locale = language } = given;
  if (typeof points !== "boolean") throw wrong("currency.points", points, "give it true or false");
  if ((!points || code !== undefined) && (typeof code !== "string" || !/^[A-Z]{3}$/.test(code))) {
    throw wrong("currency.code", code, 'name the money by its three-letter ISO code, e.g. "EUR"');
  }
  if (!isNumber(decimals, 0) || decimals > 10)
    throw wrong("currency.decimals", decimals, "give it a whole number from 0 to 10");
  checkLocale(locale, "currency.locale");
  return { locale, code: points ? null : (code ?? null), decimals, points: ["point", "points"] };
}

/** Decimal places that are usual for a money. */
function digitsOf(code: unknown): number {
  // What is no code at all is said below.
  return typeof code === "string" && /^[A-Z]{3}$/.test(code) ? moneyDigits(code) : 2;
}

function isNumber(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function checkLocale(value: unknown, where: string): void {
  try {
    if (typeof value === "string" && Intl.NumberFormat.supportedLocalesOf(value).length === 1) return;
  } catch {
    // Not even a language tag: said below.
  }
  throw wrong(where, value, 'give it a language that Node knows, e.g. "en", "de" or "pt-BR"');
}

function requireObject(value: unknown, where: string): asserts value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(where, value, "give it an object");
}

function wrong(where: string, value: unknown, cure: string): AuthorError {
  const list = Array.isArray(value) && value.length === 0 ? "an empty array" : describe(value);
  return new AuthorError("wrong_config", `walras.config: ${where} is ${list}; ${cure}.`);
}
