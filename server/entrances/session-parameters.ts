import { WalrasError } from "../../client-sdk/errors.ts";
import type { SessionConfig } from "../../rooms/calls.ts";
import { readNumber } from "../../rooms/number-input.ts";
import { checkSessionConfig } from "../../rooms/walras-config.ts";

/** A parameter of a session config that can be changed for one session. */
export interface Parameter {
  readonly name: string;
  /** What a whole number is in the config stays one. */
  readonly kind: "boolean" | "integer" | "float" | "text" | "lines";
  readonly value: boolean | number | string;
}

/** What every config has, in real money, with what it is if the config does not say. */
const MONEY = { realWorldCurrencyPerPoint: 1, participationFee: 0 };

/** Amounts of money, which need not be whole though the config's is. */
const AMOUNTS: ReadonlySet<string> = new Set([...Object.keys(MONEY), "replacedFee"]);

const FIXED: ReadonlySet<string> = new Set(["name", "displayName", "doc", "appSequence", "numDemoParticipants"]);

/** The parameters of a config that are a text, a number, true or false, in the config's order; money first. */
export function parametersOf(config: SessionConfig): Parameter[] {
  return Object.entries({ ...MONEY, ...config }).flatMap(([name, value]): Parameter[] => {
    if (FIXED.has(name)) return [];
    if (typeof value === "boolean") return [{ name, kind: "boolean", value }];
    // A browser would take the ends of lines out of an input of one line.
    if (typeof value === "string") return [{ name, kind: /[\r\n]/.test(value) ? "lines" : "text", value }];
    if (typeof value !== "number") return [];
    return [{ name, kind: Number.isInteger(value) && !AMOUNTS.has(name) ? "integer" : "float", value }];
  });
}

/**
 * The config with other values for one session.
 *
 * @param typed what was typed for a parameter; undefined: it stays as it is
 * @throws WalrasError `wrong_parameter`, with what to write instead
 */
export function withParameters(config: SessionConfig, typed: (name: string) => string | undefined): SessionConfig {
  const changed: Record<string, unknown> = {};
  for (const parameter of parametersOf(config)) {
    const text = typed(parameter.name);
    if (text === undefined) continue;
    const value = read(parameter, text);
    // Browsers have their own ends of lines.
    const same = typeof parameter.value === "string" && value === withPlainLines(parameter.value);
    if (value !== parameter.value && !same) changed[parameter.name] = value;
  }
  return checked(config, changed);
}

/**
 * The config with other values for one session, for programs: any JSON.
 *
 * @throws WalrasError `wrong_parameter`
 */
export function withValues(config: SessionConfig, values: Readonly<Record<string, unknown>>): SessionConfig {
  const fixed = Object.keys(values).find((name) => FIXED.has(name));
  if (fixed !== undefined) throw wrong(`${fixed} belongs to the session config and cannot be changed for one session.`);
  return checked(config, values);
}

function checked(config: SessionConfig, changed: Readonly<Record<string, unknown>>): SessionConfig {
  if (Object.keys(changed).length === 0) return config;
  try {
    return checkSessionConfig({ ...config, ...changed }, `session config ${config.name}`);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message.replace(/^walras\.config: /, "") : String(error));
  }
}

function read({ name, kind }: Parameter, text: string): boolean | number | string {
  if (kind === "boolean") return text === "1";
  if (kind === "text" || kind === "lines") return withPlainLines(text);
  const number = readNumber(text, "en", kind);
  if ("value" in number && (kind === "float" || Number.isSafeInteger(number.value))) return number.value;
  throw wrong(`${name}: please give ${kind === "integer" ? "a whole number" : "a number"}.`);
}

function withPlainLines(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

function wrong(message: string): WalrasError {
  return new WalrasError("wrong_parameter", message);
}
